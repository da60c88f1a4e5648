/* SPDX-License-Identifier: MIT */
/* What is wrong or noteworthy. */
#ifndef SHUNT_DAEMON_PROBLEMS_H
#define SHUNT_DAEMON_PROBLEMS_H

#include "daemon/daemon.h"
#include "daemon/lines.h"

/* [{"what", "fix"}]: health, the last sync's problems, preshared keys that can't be read, the
 * prober's sockets. A new reference. */
json_t *problems_now(struct daemon *d);
/* The same without what has a line in the log where it happens. */
json_t *problems_to_log(struct daemon *d);

/* Of lines and inventories (lines.h). */
void problems_of_lines(struct daemon *d, lines_fn *fn, void *data);

#endif

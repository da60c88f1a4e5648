/* SPDX-License-Identifier: MIT */
/* What is wrong or noteworthy. */
#ifndef SHUNT_DAEMON_PROBLEMS_H
#define SHUNT_DAEMON_PROBLEMS_H

#include "daemon/daemon.h"
#include "daemon/lines.h"

/* d->problems as of now, [{"what", "fix"}]: health, the last sync's problems, preshared keys that
 * can't be read, the prober's sockets. What is new or over goes to the log and to the events,
 * whoever looks; what has a line in the log where it happens says so: "is_logged". */
void problems_look(struct daemon *d, struct when now);

/* Of lines and inventories (lines.h). */
void problems_of_lines(struct daemon *d, lines_fn *fn, void *data);

#endif

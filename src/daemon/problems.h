/* SPDX-License-Identifier: MIT */
/* What is wrong or noteworthy. */
#ifndef SHUNT_DAEMON_PROBLEMS_H
#define SHUNT_DAEMON_PROBLEMS_H

#include "daemon/daemon.h"

/* [{"what", "fix"}]: health, the last sync's problems, preshared keys that can't be read, the
 * prober's sockets. A new reference. */
json_t *problems_now(struct daemon *d);
/* The same without what has a line in the log where it happens. */
json_t *problems_to_log(struct daemon *d);

#endif

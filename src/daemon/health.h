/* SPDX-License-Identifier: MIT */
/* What would stop traffic with everything else right, each with the command that mends it. */
#ifndef SHUNT_DAEMON_HEALTH_H
#define SHUNT_DAEMON_HEALTH_H

#include "base/buf.h"
#include "daemon/generation.h"

typedef void health_fn(const char *what, const char *fix, void *data);

/*
 * Looks at forwarding (of a hub, and of a node with networks behind it) and at strict reverse path
 * filters, per family in use, and calls fn for each that is wrong.
 */
void health_check(const struct generation *g, health_fn *fn, void *data);
/* Sets the sysctls that health_check would complain about; 0 or the first error, with the sysctl's
 * name in why. */
int health_mend(const struct generation *g, struct buf *why);

#endif

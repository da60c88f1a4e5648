/* SPDX-License-Identifier: MIT */
/* Signals to a routing engine as a start finds them (fib/want.h). */
#ifndef SHUNT_DAEMON_SIGNALS_H
#define SHUNT_DAEMON_SIGNALS_H

#include "daemon/generation.h"

typedef VEC(ip_addr) signal_addrs;

/* Appends whose signals stand, once for each table; none where the generation's node has no engine.
 * 0 or negative errno. */
int signals_read(struct rtnl *rtnl, const struct generation *g, signal_addrs *ret);

#endif

/* SPDX-License-Identifier: MIT */
/* The FIB's part in the kernel: link, addresses, and routes under our protocol. */
#ifndef SHUNT_DAEMON_KERNEL_ROUTES_H
#define SHUNT_DAEMON_KERNEL_ROUTES_H

#include "daemon/fib.h"

/* Brings the link up with its MTU, adds our addresses, removes those the journal names and the
 * generation doesn't. */
int kernel_link_sync(struct fib *f, struct fib_counts *counts);
/* One route into the device, now; there: or none. 0; 1 if it was not done, which is noted as a
 * problem where it is one: a foreign one in the way is, unless it does the same; -ENODEV. */
int kernel_route_set(struct fib *f, const ip_prefix *prefix, bool there);
int kernel_route_add(struct fib *f, const struct rtnl_route *route);

#endif

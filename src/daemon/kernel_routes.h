/* SPDX-License-Identifier: MIT */
/* The FIB's part in the kernel: link, addresses, and routes under our protocol. */
#ifndef SHUNT_DAEMON_KERNEL_ROUTES_H
#define SHUNT_DAEMON_KERNEL_ROUTES_H

#include "daemon/fib.h"

/* Brings the link up with its MTU, adds our addresses, removes those the journal names and the
 * generation doesn't. */
int kernel_link_sync(struct fib *f, struct fib_counts *counts);
/* routes: sorted. Adds what is missing, removes our routes that aren't wanted. Foreign ones in the
 * way become problems, unless they do the same as ours would. */
int kernel_routes_sync(struct fib *f, const ip_prefix *routes, size_t n, struct fib_counts *counts);
/* One route, now. 0; 1 if it was not done, which is noted as a problem where it is one; -ENODEV. */
int kernel_route_set(struct fib *f, const ip_prefix *prefix, bool there);

#endif

/* SPDX-License-Identifier: MIT */
/* The FIB's part in the kernel: link, addresses, routes under our protocol, and the rules for a
 * default route. */
#ifndef SHUNT_DAEMON_KERNEL_ROUTES_H
#define SHUNT_DAEMON_KERNEL_ROUTES_H

#include "daemon/fib.h"

/* Mark of the device's own packets and number of the default routes' table, as wg-quick chooses
 * them. */
#define KERNEL_ROUTES_MARK 51820

/* Brings the link up with its MTU, adds our addresses, removes those the journal names and the
 * generation doesn't. */
int kernel_link_sync(struct fib *f, struct fib_counts *counts);
/* routes: sorted. Adds what is missing, removes our routes that aren't wanted; foreign ones in the
 * way become problems. */
int kernel_routes_sync(struct fib *f, const ip_prefix *routes, size_t n, struct fib_counts *counts);
/* One route, now. 0; 1 if it could not be done, which is noted as a problem; -ENODEV. */
int kernel_route_set(struct fib *f, const ip_prefix *prefix, bool there);
/* The mark (and table) for the default routes among these, 0 where there is none. Stays what it was
 * while there is one. */
uint32_t kernel_routes_fwmark(const struct fib *f, const ip_prefix *routes, size_t n);
/* Takes away our rules; routes and addresses go with the device. */
void kernel_rules_remove(struct fib *f);

#endif

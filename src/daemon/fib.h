/* SPDX-License-Identifier: MIT */
/*
 * The FIB at work: what the RIB wants, put on the device and into the kernel's routes.
 *
 * fib_apply does the difference of one RIB step, at once and with nothing read back. fib_sync looks
 * at the device, addresses, routes and rules, mends whatever differs, and so serves the start
 * (adopting what is there), a reload, a device that was made anew, and drift. A failed apply is
 * followed by a sync. Both make a plan (fib/plan.h), which has the order, and do it.
 */
#ifndef SHUNT_DAEMON_FIB_H
#define SHUNT_DAEMON_FIB_H

#include "daemon/fib_context.h"

/* 0, or negative errno of the device or the kernel; -ENODEV: the device is gone. */
int fib_apply(struct fib *f, const struct rib_diff *diff);
/* The same of a peer's endpoint; the peer is on the device. */
int fib_set_endpoint(struct fib *f, const wg_key *peer, const sock_addr *to);
/* mirror, if not NULL, gets what the device reports after the sync; the caller releases it. */
int fib_sync(struct fib *f, struct device_state *mirror, struct fib_counts *ret);
bool fib_counts_are_zero(const struct fib_counts *c);
/* Takes away our rules, the routes that refuse, and our table in nftables, before the device goes;
 * its routes and addresses go with it. */
void fib_remove(struct fib *f);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * A default route through the tunnel would carry the tunnel's own packets. As wg-quick does, it
 * goes into a table of its own, under a rule for packets without the device's mark; the main table
 * keeps its say for everything more specific than a default (suppress_prefixlength 0). Mark and
 * table have the same number: the one that the device has already, or the first free one from
 * KERNEL_MARK_FIRST on.
 *
 * The mark stays for as long as the inventory has a default route elsewhere, whether somebody can
 * carry it at the moment or not: a route that comes back needs its table at once.
 */
#ifndef SHUNT_DAEMON_KERNEL_DEFAULTS_H
#define SHUNT_DAEMON_KERNEL_DEFAULTS_H

#include "daemon/fib.h"

#define KERNEL_MARK_FIRST 51820
#define KERNEL_MARK_LAST (KERNEL_MARK_FIRST + 255)

/*
 * Decides f->fwmark, given all prefixes of the RIB and the mark that the device has now. Where no
 * default route is wanted any more the rules are taken away at once, before the device loses its
 * mark. *ret_clear: the mark on the device is ours and has no more use.
 */
int kernel_defaults_mark(
	struct fib *f, const ip_prefix *prefixes, size_t n, uint32_t now, bool *ret_clear);
/* Adds the rules of the families that have a default route among the prefixes. After the routes. */
int kernel_defaults_sync(struct fib *f, const ip_prefix *prefixes, size_t n);
/* Takes away our rules, before the device goes; routes and addresses go with it. */
void kernel_defaults_remove(struct fib *f);

#endif

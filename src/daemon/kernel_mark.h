/* SPDX-License-Identifier: MIT */
/*
 * The device's mark on what comes in for its port. What the device sends goes by the routes of its
 * mark; what comes back has none, so a strict reverse path filter (or `fib` in somebody's nftables)
 * looks its sender up where the tunnel is the way to everywhere, and drops it. A table of our own
 * in nftables, before all other chains, gives it the mark too:
 *
 *	table inet shunt-wg0 { chain prerouting { type filter hook prerouting priority -350;
 *		fib daddr type local udp dport 51820 meta mark set 51820; } }
 *
 * Rejected: wg-quick's way, a mark saved with the connection and restored: it turns connection
 * tracking on for the whole namespace and overwrites the marks that other tools keep there.
 *
 * The table is there for as long as the device has a mark of ours. It outlives the daemon, as the
 * device does, and the next one adopts it. One per interface, so that daemons don't meet. What
 * somebody flushed is set again by the next sync. Of a datagram that comes in fragments only the
 * first carries a port: the others pass where connection tracking puts them together, else not.
 */
#ifndef SHUNT_DAEMON_KERNEL_MARK_H
#define SHUNT_DAEMON_KERNEL_MARK_H

#include "daemon/fib.h"
#include "sys/nft.h"

enum mark_step { MARK_KEEP, MARK_SET, MARK_REMOVE };

/* What is to be done, given what there is (zeroes: nothing), the device's port (0: it has none yet)
 * and our mark (0: none). */
enum mark_step kernel_mark_decide(const struct nft_mark *have, uint16_t port, uint32_t mark);

/* Brings the table into line with f->fwmark and the device's port; what can't be done is a problem
 * with the command that does it. */
void kernel_mark_sync(struct fib *f, uint16_t port);
/* Takes the table away, before the device goes. */
void kernel_mark_remove(struct fib *f);

#endif

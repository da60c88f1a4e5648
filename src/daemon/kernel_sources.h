/* SPDX-License-Identifier: MIT */
/*
 * What is behind this node doesn't come to it out of the tunnel.
 *
 * WireGuard's source check keeps relayed packets from circling: of one source a node takes packets
 * from one peer only. It says nothing of the node's own sources, which belong to no peer. Where a
 * prefix of others covers an own network (a hub of ours has 10.30.0.0/24, another 0.0.0.0/0), its
 * owner may hand us packets whose source is our own: those that we handed to him. When a site dies,
 * each of two hubs takes the other for the detour to it, and such a packet would go to and fro
 *until its TTL ends. So for each own source that is covered a policy rule says
 *
 *	from 10.30.0.0/24 iif wg0 blackhole
 *
 * Own sources are our networks, and our IPv6 addresses (of IPv4 the kernel refuses martian sources
 * by itself). The longest match decides, as it does in WireGuard: what others carry within an own
 * network is passed on by a rule of its own that jumps over the blackholes, and comes before them.
 * Whoever owns a cover now, or whether anybody does, plays no part: it may change with no time for
 * a rule.
 *
 * Rejected: a strict reverse path filter does the same and more, as it also drops what comes back
 * by another way than it went; and there is none for IPv6.
 */
#ifndef SHUNT_DAEMON_KERNEL_SOURCES_H
#define SHUNT_DAEMON_KERNEL_SOURCES_H

#include "daemon/fib.h"

struct source_rule {
	ip_prefix from;
	bool refused; /* otherwise passed on */
};

struct source_plan {
	const ip_prefix *own;	 /* networks and addresses of ours */
	const ip_prefix *others; /* all prefixes of the RIB */
	const ip_prefix *spared; /* passed on like those of others, but no covers: the overlays */
	size_t n_own, n_others, n_spared;
};

/* The fewest rules that do it, by prefix; *ret is malloc'd. The longest match decides between them,
 * and what matches none passes. */
size_t source_plan_rules(const struct source_plan *p, struct source_rule **ret);

/* Adds and removes our rules, given all prefixes of the RIB. Before the device takes new prefixes.
 * A rule that can't be had becomes a problem. */
void kernel_sources_sync(struct fib *f, const ip_prefix *prefixes, size_t n);
/* Takes away our rules for our interface, before the device goes. */
void kernel_sources_remove(struct fib *f);

#endif

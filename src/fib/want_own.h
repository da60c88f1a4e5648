/* SPDX-License-Identifier: MIT */
/*
 * What is behind this node doesn't come to it out of the tunnel.
 *
 * WireGuard's source check keeps relayed packets from circling: of one source a node takes packets
 * from one peer only. It says nothing of the node's own sources, which belong to no peer. Where a
 * prefix of others covers an own network (a hub of ours has 10.30.0.0/24, another 0.0.0.0/0), its
 * owner may hand us packets whose source is our own: those that we handed to him. When a site dies,
 * each of two hubs takes the other for the detour to it, and such a packet would go to and fro
 * until its TTL ends.
 *
 * So each own source that is covered belongs to a peer that nobody is: no private key is known for
 * its public key, and it has no endpoint. The device's own longest match then drops what real peers
 * bring with such a source, while what others carry within an own network is longer and passes.
 * Nothing is sent to that peer, as our networks aren't routed into the device; should a route of
 * ours be missing, such packets are refused, where they would have circled.
 *
 * Own sources are our networks, and our IPv6 addresses (of IPv4 the kernel refuses martian sources
 * by itself). Whoever owns a cover now, or whether anybody does, plays no part: it may change with
 * no time for more. Where nothing is covered there is no such peer.
 *
 * Rejected: policy rules (`from 10.30.0.0/24 iif wg0 blackhole`), which need another rule for each
 * prefix that others carry within, and are gone through for each packet of the host; a strict
 * reverse path filter, which also drops what comes back by another way than it went, and which IPv6
 * hasn't.
 */
#ifndef SHUNT_FIB_WANT_OWN_H
#define SHUNT_FIB_WANT_OWN_H

#include "base/key.h"
#include "fib/want.h"

/* The public key that has no private one, the same on every node and of its own kind to the eye:
 * "shunt/own/networks/nobody/has/this/key00000=". Chosen as a text, so that nobody can know a
 * number that leads to it. */
wg_key want_nobody_key(void);

/* Those of own (in any order) that a wider one of carried or guarded holds, sorted, each once; *ret
 * is for vec_done. No own one is among those. */
void want_own(const struct want_facts *f, const ip_prefix *own, size_t n_own, prefix_vec *ret);

#endif

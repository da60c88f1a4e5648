/* SPDX-License-Identifier: MIT */
/*
 * Routing engines as the inventory has them: which node runs one, what it may announce, between
 * whom sessions stand, and the names and numbers that follow from the rest. Pure. The same for the
 * daemon, `check` and `render`.
 *
 * A node *with an engine* has `routing: {engine: ...}` other than none, and is no client. Networks
 * of a node with an engine are no candidates of the inventory on other nodes with one: there the
 * engine says where they are.
 */
#ifndef SHUNT_MESH_ROUTING_H
#define SHUNT_MESH_ROUTING_H

#include "base/vec.h"
#include "mesh/topology.h"

/* bool: runs one, and so decides by the kernel's routes. */
bool mesh_has_engine(const struct mesh_node *node);

/* Private AS numbers of RFC 6996, four bytes. */
#define MESH_ASN_FIRST UINT32_C(4200000000)
#define MESH_ASN_LAST UINT32_C(4294967294)

/* The stated one, or MESH_ASN_FIRST plus the low 24 bits of the node's first IPv4 overlay address
 * (without one: of a hash of its first IPv6 address). */
uint32_t mesh_asn(const struct mesh_node *node);
/* The first IPv4 overlay address, else one of 0.0.0.0/8's hosts made of the same hash (RFC 6286:
 * any number but 0 will do). */
ip_addr mesh_router_id(const struct mesh_node *node);
/* fe80:: with an interface identifier made of the node's name: fixed, so that an engine that picks
 * it as source or next hop picks what is in the peers' allowed IPs. */
ip_addr mesh_link_local(const struct mesh_node *node);

/* Whether two different nodes with engines, which are direct, have a BGP session: one of them is a
 * reflector of the other, or an entry under links names the pair. */
bool mesh_has_session(const struct mesh_topology_index *t, unsigned a, unsigned b);
/* Whether node has sessions with that one for being its reflector: a stated one, else a hub, else
 * (no hub has an engine) anybody. */
bool mesh_is_reflector_of(const struct mesh_topology_index *t, unsigned reflector, unsigned node);
/* The addresses that such a session of that family stands between; false: they have none in common.
 */
bool mesh_session_addresses(const struct mesh_topology_index *t, unsigned a, unsigned b, int family,
	ip_addr *ret_a, ip_addr *ret_b);

/*
 * What a node may announce: its networks and what `may_announce` lists. A prefix within one of them
 * may be announced, but of a default route only that route itself.
 */
bool mesh_may_announce(const struct mesh_node *node, const ip_prefix *p);

/* Who may announce what, of all nodes with engines: built once, asked for each route. */
struct mesh_announcers;

struct mesh_announcers *mesh_announcers_new(const struct mesh_inventory *inv);
/* Accepts NULL. */
void mesh_announcers_free(struct mesh_announcers *a);
/* Up to max nodes, by index, that may announce the prefix: those of the narrowest permit first, of
 * one permit in the order of the file, each once. Returns how many there are, max + 1 for any
 * number above max: ten thousand that may announce one prefix cost no more than a few. */
size_t mesh_announcers_of(
	const struct mesh_announcers *a, const ip_prefix *p, unsigned *ret, size_t max);
/* The same of those alone whose permit is the narrowest that holds the prefix: behind it the others
 * stand as a cover does. */
size_t mesh_announcers_nearest(
	const struct mesh_announcers *a, const ip_prefix *p, unsigned *ret, size_t max);
/* Whether the node is one of these, however many there are. */
bool mesh_is_nearest_announcer(const struct mesh_announcers *a, const ip_prefix *p, unsigned node);
/* The outermost prefixes that nodes other than self may announce, default routes and self's own
 * networks left out: what must not leave in clear while nobody announces it. By ip_prefix_cmp; *ret
 * is malloc'd, NULL where there are none. */
size_t mesh_guarded(const struct mesh_inventory *inv, unsigned self, ip_prefix **ret);

#endif

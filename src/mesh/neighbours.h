/* SPDX-License-Identifier: MIT */
/*
 * The BGP sessions of a node: with whom, between which addresses, and what is alike among them.
 * Sessions that an engine configures alike are one group (a template in BIRD, a peer-group in FRR).
 *
 * One session per family where both ends have an address of it; IPv4 routes go by the one over
 * IPv4. Where only IPv6 is in common, its session carries IPv4 routes too (RFC 8950).
 *
 * A hub lists the nodes that it knows, and both ends call: an FRR that waits for the restart of a
 * neighbour doesn't call any more, so that a hub that only listened (passive, or a range alone)
 * would wait for it as long. Nodes that are newer than the configuration come in by a range over
 * the overlay.
 */
#ifndef SHUNT_MESH_NEIGHBOURS_H
#define SHUNT_MESH_NEIGHBOURS_H

#include "base/vec.h"
#include "mesh/routing.h"

enum neighbour_kind {
	NEIGHBOUR_HUB,	/* gives what anybody may announce */
	NEIGHBOUR_SITE, /* no hub: gives what it may announce itself */
	NEIGHBOUR_NEW,	/* of a hub: whoever else calls from the overlay */
};

struct neighbour {
	unsigned node;
	ip_addr remote;
};

struct neighbour_group {
	enum neighbour_kind kind;
	int family;    /* of the session */
	bool internal; /* both ends have the same AS number */
	bool both;     /* IPv4 routes too, over IPv6 */
	ip_addr local;
	VEC(struct neighbour) members; /* by node; NEIGHBOUR_NEW: none */
};

typedef VEC(struct neighbour_group) neighbour_groups;

/* In an order of kind, family, internal, both; *ret is for neighbours_done. */
void neighbours_of(const struct mesh_topology_index *t, unsigned node, neighbour_groups *ret);
void neighbours_done(neighbour_groups *groups);

/* True if that group's sessions carry routes of the family. */
bool neighbours_carry(const struct neighbour_group *g, int family);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Who is linked with whom. The pairs that a topology implies are never listed in memory (10,000
 * nodes have fifty million of them): a pair is asked for, or one node's peers are.
 *
 * Hub-and-spoke links every spoke and client with every hub and the hubs with each other; full-mesh
 * links all; `links` adds pairs, or attributes to a pair that is there anyway.
 */
#ifndef SHUNT_MESH_TOPOLOGY_H
#define SHUNT_MESH_TOPOLOGY_H

#include "mesh/inventory.h"

struct mesh_topology_index; /* hubs in order, explicit links by pair and by node */

/* Borrows inv, which must outlive it. */
struct mesh_topology_index *mesh_topology_new(const struct mesh_inventory *inv);
void mesh_topology_free(struct mesh_topology_index *t);

/* True if the two (different) nodes have a tunnel. */
bool mesh_linked(const struct mesh_topology_index *t, unsigned a, unsigned b);
/* The pair's entry under links, or NULL; order of a and b is indifferent. */
const struct mesh_link *mesh_link_between(
	const struct mesh_topology_index *t, unsigned a, unsigned b);

/* The nodes that are linked with node, ascending; *ret is malloc'd, the caller frees it. Returns
 * their number. */
size_t mesh_peers_of(const struct mesh_topology_index *t, unsigned node, unsigned **ret);

/*
 * All hubs in the order of preference that holds on every node: stated metric ascending, then none
 * stated; ties by place in the file. Borrowed.
 */
size_t mesh_hubs(const struct mesh_topology_index *t, const unsigned **ret);

/*
 * The hub through which a client is reached by those that aren't linked with it directly: the first
 * of mesh_hubs that is linked with it. -1: none. For nodes of other roles as well: -1.
 */
int mesh_client_hub(const struct mesh_topology_index *t, unsigned client);

/* Keepalive seconds that node sets towards peer, the rule of `auto` applied; 0: off. */
int mesh_keepalive(const struct mesh_inventory *inv, unsigned node, unsigned peer);

#endif

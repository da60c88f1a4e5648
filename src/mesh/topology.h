/* SPDX-License-Identifier: MIT */
/*
 * Who is linked with whom. The pairs that a topology implies are never listed in memory (10,000
 * nodes have fifty million of them): a pair is asked for, or one node's peers are.
 *
 * Hub-and-spoke links every spoke and client with every hub and the hubs with each other; full-mesh
 * links all; `links` adds pairs, or attributes to a pair that is there anyway.
 *
 * Clients. A client runs no shuntd, so its file is as it was rendered until someone renders it
 * again. In hub-and-spoke that file lists one hub, its server, and the nodes other than hubs that
 * are linked with it explicitly. A client that is linked with several hubs has as many servers, and
 * a file for each with the same key: it roams, and whoever switches files has it at another server
 * at once. Other hubs list the client all the same (it may be given another file at any time) but
 * send it nothing: its prefixes are reached through its servers. So of a client and a hub that is
 * none of them mesh_linked is true and mesh_direct is false; of every other pair the two agree. In
 * a full mesh a client lists everybody, and nothing is special about it.
 */
#ifndef SHUNT_MESH_TOPOLOGY_H
#define SHUNT_MESH_TOPOLOGY_H

#include "mesh/inventory.h"

struct mesh_topology_index; /* hubs in order, explicit links by pair and by node */

/* Borrows inv, which must outlive it. */
struct mesh_topology_index *mesh_topology_new(const struct mesh_inventory *inv);
/* Accepts NULL. */
void mesh_topology_free(struct mesh_topology_index *t);
const struct mesh_inventory *mesh_topology_inventory(const struct mesh_topology_index *t);

/* True if the topology or an entry under links pairs the two (different) nodes. Symmetric. */
bool mesh_linked(const struct mesh_topology_index *t, unsigned a, unsigned b);
/* True if the two nodes are linked and list each other, so that packets pass between them without a
 * third node; a client and a server of its do while it uses that server. Symmetric. */
bool mesh_direct(const struct mesh_topology_index *t, unsigned a, unsigned b);
/* True if they are direct and peer is in node's configuration: of a client's, in the file for its
 * first server. */
bool mesh_lists(const struct mesh_topology_index *t, unsigned node, unsigned peer);
/* The pair's entry under links, or NULL; order of a and b is indifferent. */
const struct mesh_link *mesh_link_between(
	const struct mesh_topology_index *t, unsigned a, unsigned b);

/* The nodes that node's configuration lists, ascending: those linked with it, on a client those in
 * the file for its first server. *ret is malloc'd, the caller frees it. Returns their number. */
size_t mesh_peers_of(const struct mesh_topology_index *t, unsigned node, unsigned **ret);
/* The same, of a client in the file for that one of its servers; -1: it has none. */
size_t mesh_peers_by(
	const struct mesh_topology_index *t, unsigned node, int server, unsigned **ret);

/*
 * All hubs in the order of preference that holds on every node: stated metric ascending, then none
 * stated; ties by place in the file. Borrowed.
 */
size_t mesh_hubs(const struct mesh_topology_index *t, const unsigned **ret);
/* Of two hubs. */
bool mesh_hub_is_before(const struct mesh_topology_index *t, unsigned a, unsigned b);

/* The entries under links that name node, ascending by the other end. Borrowed. */
struct mesh_explicit {
	unsigned peer;
	const struct mesh_link *link;
};
size_t mesh_explicit_of(
	const struct mesh_topology_index *t, unsigned node, const struct mesh_explicit **ret);

/*
 * The first of the servers of a client: of the hubs that stand in an entry under links with it, or
 * of all hubs if none does, the first of mesh_hubs. So `links: [[laptop, hub-b]]` is how an
 * operator gives a client another hub. -1: there is no hub, or the node is no client.
 */
int mesh_client_hub(const struct mesh_topology_index *t, unsigned client);

/* The hubs that a client may have as its server, in the order of mesh_hubs: all that stand in an
 * entry under links with it, else mesh_client_hub alone. *ret is malloc'd, the caller frees it.
 * Returns their number; 0 in a full mesh, without hubs, and of who is no client. */
size_t mesh_servers_of(const struct mesh_topology_index *t, unsigned client, unsigned **ret);
bool mesh_is_server(const struct mesh_topology_index *t, unsigned hub, unsigned client);
/* True of a client with several servers. */
bool mesh_roams(const struct mesh_topology_index *t, unsigned client);

/* Where node calls peer: what their entry under links states, else the peer's own endpoint. Its
 * host is NULL if there is none. */
const struct mesh_endpoint *mesh_endpoint_of(
	const struct mesh_topology_index *t, unsigned node, unsigned peer);

/* Keepalive seconds that node sets towards peer, the rule of `auto` applied; 0: off. */
int mesh_keepalive(const struct mesh_topology_index *t, unsigned node, unsigned peer);

#endif

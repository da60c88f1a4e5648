/* SPDX-License-Identifier: MIT */
/*
 * The mesh as one node sees it: its peers, and every candidate of every prefix in the order of
 * preference. This is what the daemon feeds to its RIB and what a rendered file takes its winners
 * from; both get the order from mesh_candidate_cmp, which is total and the same on every node.
 *
 * For a prefix of another node (its networks, and its overlay addresses as host prefixes) the
 * candidates are the origin as a direct peer and each hub linked both with the node and with the
 * origin. Three kinds of prefixes have one candidate per origin only:
 *   - the overlay address of a direct peer: the peer itself, since liveness is measured there;
 *   - any prefix of a client: the client where it is direct with this node, otherwise the client's
 *     server, since nobody tells the client when to answer by another way. Of a client that roams
 *     there is a candidate by each of its servers, and on one of these the client itself comes
 *     before the others: which of them has it they tell (daemon/reports.h);
 *   - seen from a client, any prefix: the origin where it is direct, otherwise the client's server.
 * Between two nodes with routing engines (routing.h) networks are no candidates here: the engines
 * say where they are, and the overlay addresses are what they need for that. A direct peer with an
 * engine has one address more, its fixed link-local one.
 *
 * A default route of a node that states who takes it is no candidate on others.
 *
 * A node's own prefixes are no candidates of anything, also where others carry them too: they
 * always win and are never programmed.
 *
 * Why both ends agree: two nodes that aren't direct both order the same hubs by the same rule, and
 * a hub is direct with both of them. Where a client is an end, the one hub is the same seen from
 * either side; another hub hands the client's packets to that hub and takes them from it. What can
 * still disagree is a prefix with several origins after the loss of one: see asymmetric-path in
 * check_shared.c.
 */
#ifndef SHUNT_MESH_VIEW_H
#define SHUNT_MESH_VIEW_H

#include "mesh/topology.h"
#include "route/rib.h"

struct mesh_view_peer {
	unsigned node;			/* index in the inventory */
	const char *preshared_key_file; /* NULL: none */
	const struct mesh_endpoint
		*endpoint; /* where the node calls it; its host is NULL: nowhere */
	int keepalive;	   /* seconds, 0: off */
	bool runs_shuntd;  /* both ends do: BFD, and it signals drain and hold */
	/* The pair of overlay addresses to probe between, of one family (IPv4 if both have it);
	 * family 0: nothing to probe, they have none in common or the peer is another hub's client
	 * (linked but not direct). */
	ip_addr local, remote;
};

struct mesh_candidate {
	ip_prefix prefix;
	unsigned origin;     /* node that carries the prefix */
	unsigned via;	     /* the peer to hand packets to: the origin itself, or a hub */
	uint32_t metric;     /* the origin's for the prefix; not stated: 0 */
	bool transit;	     /* via is a hub and not the origin */
	uint32_t hub_metric; /* of via if transit, otherwise 0 */
	uint16_t weight; /* among equals: the hub's if transit, otherwise the network's; at least 1
			  */
	enum mesh_on_dead on_dead;
	bool address; /* the prefix is an overlay address of the origin, or its link-local one; as
			 a direct peer's own it never moves */
};

struct mesh_view {
	const struct mesh_inventory *inv;
	unsigned self;
	struct mesh_view_peer *peers; /* by node index, ascending */
	size_t n_peers;
	struct mesh_candidate *candidates; /* by prefix, then by mesh_candidate_cmp */
	size_t n_candidates;
};

/* Fills ret, which the caller releases with mesh_view_done and which borrows the inventory. Needs
 * an inventory without errors. */
void mesh_view_build(const struct mesh_topology_index *t, unsigned node, struct mesh_view *ret);
void mesh_view_done(struct mesh_view *v);

/* The candidates of another node's network by which self reaches that one origin, in no order. ret
 * has room for one more than there are hubs; returns their number. Whether self carries the prefix
 * too is not looked at. */
size_t mesh_candidates_to(const struct mesh_topology_index *t, unsigned self, unsigned origin,
	const struct mesh_network *network, struct mesh_candidate *ret);

/* The candidate as the decision sees it. ids maps a node's index to the number that it is known by;
 * NULL: they are the same. */
struct rib_candidate mesh_rib_candidate(const struct mesh_candidate *c, const uint32_t *ids);
/* Preference of two candidates of one prefix with everything up: the order of route/decision.h. */
int mesh_candidate_cmp(const struct mesh_candidate *a, const struct mesh_candidate *b);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Findings about paths between nodes: with everything up, and after each single loss.
 *
 * A path is a direct link, or a hub that is direct with both ends (of two clients of different
 * hubs, both hubs): hubs relay to the origin only. That makes every loss countable without trying
 * pairs. Losing a node that is no hub cuts nobody off. A full mesh is direct throughout. In
 * hub-and-spoke all nodes but clients are direct with every hub, so they are cut off from each
 * other only where there is no hub left, and then reach just their entries under links; a client
 * whose only server is lost reaches just its entries, however many hubs there are.
 */
#include "mesh/check_parts.h"

/* With how many nodes other than `lost` (or -1) node is direct by an entry under links. */
static size_t links_without(const struct check *c, unsigned node, int lost)
{
	const struct mesh_explicit *ends;
	size_t n = mesh_explicit_of(c->t, node, &ends), others = 0;

	for (size_t i = 0; i < n; i++)
		others += (int)ends[i].peer != lost && mesh_direct(c->t, node, ends[i].peer);
	return others;
}

/* The first node that isn't linked with node; there is one. */
static unsigned first_stranger(const struct check *c, unsigned node)
{
	unsigned i = 0;

	while (i == node || mesh_link_between(c->t, node, i))
		i++;
	return i;
}

static void add_networks(const struct check *c, unsigned node, prefix_list *ret)
{
	const struct mesh_node *n = &c->inv->nodes[node];

	for (size_t i = 0; i < n->n_networks; i++)
		vec_push(ret, n->networks[i].prefix);
}

static void report_unreachable(struct check *c, const node_list *apart)
{
	unsigned a = apart->items[0], b = first_stranger(c, a);
	prefix_list prefixes = {0};

	add_networks(c, a, &prefixes);
	add_networks(c, b, &prefixes);
	check_add(c, &(struct mesh_finding){
			     .code = "unreachable",
			     .severity = MESH_ERROR,
			     .nodes = apart->items,
			     .n_nodes = apart->n,
			     .prefixes = prefixes.items,
			     .n_prefixes = prefixes.n,
			     .pos = c->inv->nodes[a].pos,
			     .effect = check_text(c,
				     "There is no hub to relay, so only nodes with an entry under "
				     "links reach each other. %s lack one with some other node; "
				     "%s and %s, for example, have no path.",
				     check_names(c, apart->items, apart->n), check_name(c, a),
				     check_name(c, b)),
			     .fix = check_text(c,
				     "Give a node that all can reach `role: hub`, link the pairs "
				     "that need each other, or set `topology: full-mesh`."),
		     });
	vec_done(&prefixes);
}

void check_reachability(struct check *c)
{
	const unsigned *hubs;
	node_list apart = {0};

	if (c->inv->topology == MESH_FULL_MESH || mesh_hubs(c->t, &hubs) > 0)
		return;
	for (unsigned i = 0; i < c->inv->n_nodes; i++)
		if (links_without(c, i, -1) + 1 < c->inv->n_nodes)
			vec_push(&apart, i);
	if (apart.n)
		report_unreachable(c, &apart);
	vec_done(&apart);
}

static void report_only_hub(struct check *c, unsigned hub, const node_list *nodes)
{
	check_add(c,
		&(struct mesh_finding){
			.code = "single-point-of-failure",
			.severity = MESH_WARNING,
			.nodes = nodes->items,
			.n_nodes = nodes->n,
			.pos = c->inv->nodes[hub].pos,
			.effect = check_text(c,
				"%s is the only hub: when it is down, %s are cut off from "
				"every node that they have no link with.",
				check_name(c, hub), check_names(c, nodes->items + 1, nodes->n - 1)),
			.fix = check_text(c,
				"Give a second node `role: hub`, or link the nodes that "
				"can't be without each other."),
		});
}

static void report_clients_hub(struct check *c, unsigned hub, const node_list *nodes)
{
	const char *clients = check_names(c, nodes->items + 1, nodes->n - 1);
	bool one = nodes->n == 2;

	check_add(c, &(struct mesh_finding){
			     .code = "single-point-of-failure",
			     .severity = MESH_WARNING,
			     .nodes = nodes->items,
			     .n_nodes = nodes->n,
			     .pos = c->inv->nodes[hub].pos,
			     .effect = check_text(c,
				     "When %s is down, %s %s cut off: a client's file names one "
				     "hub, and nobody moves it.",
				     check_name(c, hub), clients, one ? "is" : "are"),
			     .fix = check_text(c,
				     "Link %s with another hub too, for a second profile to switch "
				     "to, or run shuntd on %s (role spoke).",
				     one ? clients : "them", one ? "it" : "them"),
		     });
}

static void try_loss(struct check *c, unsigned hub, size_t n_hubs)
{
	node_list nodes = {0};

	vec_push(&nodes, hub);
	for (unsigned i = 0; i < c->inv->n_nodes; i++) {
		bool relayed = n_hubs == 1 ||
			       (mesh_client_hub(c->t, i) == (int)hub && !mesh_roams(c->t, i));

		if (i != hub && relayed && links_without(c, i, (int)hub) + 2 < c->inv->n_nodes)
			vec_push(&nodes, i);
	}
	if (nodes.n > 1 && n_hubs == 1)
		report_only_hub(c, hub, &nodes);
	else if (nodes.n > 1)
		report_clients_hub(c, hub, &nodes);
	vec_done(&nodes);
}

void check_single_losses(struct check *c)
{
	const unsigned *hubs;
	size_t n = mesh_hubs(c->t, &hubs);

	for (size_t i = 0; i < n && c->inv->topology == MESH_HUB_AND_SPOKE; i++)
		try_loss(c, hubs[i], n);
}

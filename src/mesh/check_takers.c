/* SPDX-License-Identifier: MIT */
/* Findings about who takes a default route. */
#include "mesh/check_parts.h"
#include "mesh/routing.h"

static const struct mesh_network *default_route_of(const struct mesh_node *n, int family)
{
	for (size_t i = 0; i < n->n_networks; i++)
		if (n->networks[i].prefix.family == family &&
			ip_prefix_is_default(&n->networks[i].prefix))
			return &n->networks[i];
	return NULL;
}

/* The hub by which the taker's packets go to the origin, if it wouldn't hand them on but send them
 * by a default route of its own machine; -1: there is no such. */
static bool cuts(const struct check *c, unsigned hub, unsigned origin, const ip_prefix *p)
{
	return hub != origin && !default_route_of(&c->inv->nodes[hub], p->family) &&
	       !mesh_takes(&c->inv->nodes[hub], &c->inv->nodes[origin], p);
}

static int cutting_relay(const struct check *c, unsigned taker, unsigned origin, const ip_prefix *p)
{
	AUTO_FREE unsigned *servers = NULL;
	size_t n_servers = mesh_servers_of(c->t, taker, &servers);
	const unsigned *hubs;

	if (c->inv->nodes[origin].role != MESH_HUB || !n_servers) {
		if (mesh_direct(c->t, taker, origin))
			return -1;
	}
	for (size_t i = 0; i < n_servers; i++)
		if (cuts(c, servers[i], origin, p))
			return (int)servers[i];
	if (!n_servers && mesh_hubs(c->t, &hubs) && cuts(c, hubs[0], origin, p))
		return (int)hubs[0];
	return -1;
}

static void report_cut(struct check *c, const struct mesh_node *origin,
	const struct mesh_network *route, unsigned hub, const node_list *takers)
{
	const char *names = check_names(c, takers->items, takers->n);
	const char *relay = check_name(c, hub);
	node_list nodes = {0};

	vec_push(&nodes, origin->index);
	vec_push(&nodes, hub);
	for (size_t i = 0; i < takers->n; i++)
		vec_push(&nodes, takers->items[i]);
	check_add(c,
		&(struct mesh_finding){
			.code = "default-route-cut",
			.severity = MESH_ERROR,
			.nodes = nodes.items,
			.n_nodes = nodes.n,
			.prefixes = &route->prefix,
			.n_prefixes = 1,
			.pos = origin->takers.pos,
			.effect = check_text(c,
				"The default route of %s is for %s, who reach it through %s, and "
				"%s "
				"doesn't take it: their packets leave by the default route of %s "
				"itself.",
				origin->name, names, relay, relay, relay),
			.fix = check_text(c,
				"Link them with %s, offer the default route on %s too, or name %s "
				"under `default_route` of %s.",
				origin->name, relay, relay, origin->name),
		});
	vec_done(&nodes);
}

static void check_ways(
	struct check *c, const struct mesh_node *origin, const struct mesh_network *route)
{
	const unsigned *hubs;
	size_t n_hubs = mesh_hubs(c->t, &hubs);

	for (size_t h = 0; h < n_hubs; h++) {
		node_list takers = {0};

		for (unsigned i = 0; i < c->inv->n_nodes; i++)
			if (i != origin->index &&
				mesh_takes(&c->inv->nodes[i], origin, &route->prefix) &&
				!default_route_of(&c->inv->nodes[i], route->prefix.family) &&
				cutting_relay(c, i, origin->index, &route->prefix) == (int)hubs[h])
				vec_push(&takers, i);
		if (takers.n)
			report_cut(c, origin, route, hubs[h], &takers);
		vec_done(&takers);
	}
}

static void report_idle(struct check *c, const struct mesh_node *n)
{
	check_add(c, &(struct mesh_finding){
			     .code = "idle-default-route",
			     .severity = MESH_WARNING,
			     .nodes = &n->index,
			     .n_nodes = 1,
			     .pos = n->takers.pos,
			     .effect = check_text(c,
				     "%s says who takes its default route, and has none.", n->name),
			     .fix = check_text(c,
				     "Add 0.0.0.0/0 or ::/0 to the networks of %s, or remove "
				     "`default_route`.",
				     n->name),
		     });
}

void check_takers(struct check *c)
{
	static const int families[] = {AF_INET, AF_INET6};

	for (size_t i = 0; i < c->inv->n_nodes; i++) {
		const struct mesh_node *n = &c->inv->nodes[i];
		bool any = false;

		if (!n->takers.stated)
			continue;
		for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
			const struct mesh_network *route = default_route_of(n, families[f]);

			any |= route != NULL;
			if (route)
				check_ways(c, n, route);
		}
		if (!any && n->takers.own)
			report_idle(c, n);
	}
}

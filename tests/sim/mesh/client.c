/* SPDX-License-Identifier: MIT */
/*
 * Stock WireGuard, set up once from a rendered file: all that others have goes to its hub, and
 * nothing ever changes. What holds its hub's endpoint stands apart, as wg-quick does it for a
 * default route.
 */
#include "world.h"

#include "mesh_paths.h"
#include <linux/rtnetlink.h>

#define MARK 51820
#define KEEPALIVE 25

static void lead(struct model *m, const ip_prefix *p, bool apart)
{
	struct rtnl_route r = {.dst = *p,
		.ifindex = m->ifindex,
		.table = apart ? MARK : 0,
		.protocol = RTPROT_BOOT};

	model_route_add(m, &r, true);
}

static void give(struct world *w, unsigned node, const struct mesh_network *net)
{
	struct model *m = w->nodes[node].model;
	ip_addr outside = world_uplink(node, AF_INET);

	if (world_carries(w, node, &net->prefix))
		return;
	model_seize(m, &net->prefix, m->peers.items[0]);
	lead(m, &net->prefix,
		ip_prefix_is_default(&net->prefix) || ip_prefix_has_addr(&net->prefix, &outside));
}

static void set_rules(struct model *m)
{
	static const int families[] = {AF_INET, AF_INET6};

	for (size_t i = 0; i < 2; i++) {
		struct rtnl_rule most = {.family = families[i],
			.table = RT_TABLE_MAIN,
			.suppress_prefixlen = 0,
			.priority = 32764};
		struct rtnl_rule marked = {.family = families[i],
			.table = MARK,
			.suppress_prefixlen = -1,
			.priority = 32765,
			.fwmark = MARK,
			.invert = true};

		model_rule_add(m, &most, true);
		model_rule_add(m, &marked, true);
	}
}

static void set_addresses(struct world *w, unsigned node)
{
	struct model *m = w->nodes[node].model;

	for (size_t i = 0; i < w->inv->nodes[node].n_addresses; i++) {
		const ip_addr *a = &w->inv->nodes[node].addresses[i].addr;
		ip_prefix p = ip_prefix_of(a, a->family == AF_INET ? 24 : 64);

		memcpy(p.bytes, a->bytes, sizeof(p.bytes));
		model_addr_add(m, m->ifindex, &p, true);
	}
}

static void give_addresses(struct world *w, const struct mesh_node *other, struct model *m)
{
	for (size_t i = 0; i < other->n_addresses; i++) {
		ip_prefix host = ip_prefix_host(&other->addresses[i].addr);

		model_seize(m, &host, m->peers.items[0]);
	}
}

void client_configure(struct world *w, unsigned node)
{
	struct model *m = w->nodes[node].model;
	unsigned hub = naive_home(w->inv, node);
	ip_addr hub_outside = world_uplink(hub, AF_INET);
	struct model_peer *peer;

	model_device_make(m);
	model_link_set(m, m->ifindex, true, 0);
	m->fwmark = MARK;
	peer = model_peer_add(m, &w->inv->nodes[hub].public_key);
	peer->endpoint = sock_addr_make(&hub_outside, 51820);
	peer->keepalive = KEEPALIVE;
	set_addresses(w, node);
	set_rules(m);
	for (unsigned i = 0; i < w->n_nodes * WORLD_EDITIONS; i++) {
		const struct mesh_inventory *inv = &w->builds[i % WORLD_EDITIONS].inv;
		const struct mesh_node *other = &inv->nodes[i / WORLD_EDITIONS];

		if (other->index == node)
			continue;
		give_addresses(w, other, m);
		for (size_t k = 0; k < other->n_networks; k++)
			give(w, node, &other->networks[k]);
	}
}

static void keep_alive(struct world *w, unsigned node)
{
	unsigned hub = naive_home(w->inv, node);
	ip_addr outside = world_uplink(node, AF_INET);

	if (path_carries(w, node, hub))
		model_peer(w->nodes[hub].model, &w->inv->nodes[node].public_key)->endpoint =
			sock_addr_make(&outside, 51820);
}

instant clients_keep_alive(struct world *w)
{
	for (unsigned i = 0; i < w->n_nodes; i++)
		if (w->nodes[i].is_on && node_is_client(w, i))
			keep_alive(w, i);
	return instant_add(w->now, KEEPALIVE * NS_PER_S);
}

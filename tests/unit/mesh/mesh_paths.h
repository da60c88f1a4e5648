/* SPDX-License-Identifier: MIT */
/*
 * Who can reach whom, in the most naive way: every question searches the whole inventory. Written
 * from the description of the topologies, not from the code that it judges. `lost` is a node that
 * is down, or NAIVE_NONE.
 */
#ifndef SHUNT_TESTS_MESH_PATHS_H
#define SHUNT_TESTS_MESH_PATHS_H

#include "mesh/inventory.h"

#define NAIVE_NONE UINT32_MAX

static inline bool naive_listed(const struct mesh_inventory *inv, unsigned a, unsigned b)
{
	for (size_t i = 0; i < inv->n_links; i++) {
		const struct mesh_link *l = &inv->links[i];

		if ((l->a == a && l->b == b) || (l->a == b && l->b == a))
			return true;
	}
	return false;
}

static inline bool naive_is_better_hub(const struct mesh_node *a, const struct mesh_node *b)
{
	return a->metric < b->metric || (a->metric == b->metric && a->index < b->index);
}

/* The hub named in a client's file. */
static inline unsigned naive_home(const struct mesh_inventory *inv, unsigned client)
{
	unsigned best = NAIVE_NONE;

	for (int only_listed = 1; only_listed >= 0 && best == NAIVE_NONE; only_listed--)
		for (unsigned h = 0; h < inv->n_nodes; h++)
			if (inv->nodes[h].role == MESH_HUB &&
				(!only_listed || naive_listed(inv, client, h)) &&
				(best == NAIVE_NONE ||
					naive_is_better_hub(&inv->nodes[h], &inv->nodes[best])))
				best = h;
	return best;
}

/* Who is at a client taps on the profile that is needed; else it stays with the first. */
static bool naive_taps = true;

static inline bool naive_is_server(const struct mesh_inventory *inv, unsigned hub, unsigned client)
{
	return hub == naive_home(inv, client) || (naive_taps && naive_listed(inv, client, hub));
}

static inline bool naive_tunnel(
	const struct mesh_inventory *inv, unsigned lost, unsigned a, unsigned b)
{
	bool a_hub = inv->nodes[a].role == MESH_HUB, b_hub = inv->nodes[b].role == MESH_HUB;

	if (a == lost || b == lost)
		return false;
	if (inv->topology == MESH_FULL_MESH)
		return true;
	if (inv->nodes[a].role == MESH_CLIENT && b_hub)
		return naive_is_server(inv, b, a);
	if (inv->nodes[b].role == MESH_CLIENT && a_hub)
		return naive_is_server(inv, a, b);
	return a_hub || b_hub || naive_listed(inv, a, b);
}

/* True if the hub hands on what is from or for the end. */
static inline bool naive_relays(
	const struct mesh_inventory *inv, unsigned lost, unsigned hub, unsigned end)
{
	return inv->nodes[hub].role == MESH_HUB && hub != end && naive_tunnel(inv, lost, hub, end);
}

static inline bool naive_path(
	const struct mesh_inventory *inv, unsigned lost, unsigned a, unsigned b)
{
	bool a_client = inv->nodes[a].role == MESH_CLIENT;
	bool b_client = inv->nodes[b].role == MESH_CLIENT;

	if (naive_tunnel(inv, lost, a, b))
		return true;
	for (unsigned h = 0; h < inv->n_nodes; h++)
		if (naive_relays(inv, lost, h, a) && naive_relays(inv, lost, h, b))
			return true;
	/* Two clients of two hubs. */
	for (unsigned h = 0; h < inv->n_nodes; h++)
		for (unsigned k = 0; k < inv->n_nodes; k++)
			if (naive_relays(inv, lost, h, a) && naive_relays(inv, lost, k, b) &&
				naive_tunnel(inv, lost, h, k) && a_client && b_client)
				return true;
	return false;
}

#endif

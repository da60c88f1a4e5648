/* SPDX-License-Identifier: MIT */
/*
 * Small random inventories without errors of the kind that check refuses: both topologies, none to
 * three hubs with and without metrics, spokes, clients, links, networks of one origin and of
 * several, covers, default routes.
 */
#ifndef SHUNT_TESTS_MESH_RANDOM_H
#define SHUNT_TESTS_MESH_RANDOM_H

#include "mesh_build.h"
#include "unit.h"

static inline const char *mesh_random_text(struct mesh_build *b, const char *fmt, unsigned i)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	return arena_printf(&b->arena, fmt, i);
#pragma GCC diagnostic pop
}

static inline void mesh_random_nodes(
	struct mesh_build *b, struct chance *c, enum mesh_role role, const char *name, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned at = mesh_build_node(b, mesh_random_text(b, name, i + 1), role,
			mesh_random_text(b, "10.10.0.%u", (unsigned)b->nodes.n + 1));

		if (chance_below(c, 3))
			b->nodes.items[at].metric = 10 * chance_below(c, 3);
	}
}

static inline unsigned mesh_random_node(struct mesh_build *b, struct chance *c)
{
	return chance_below(c, (unsigned)b->nodes.n);
}

static inline bool mesh_random_carries(struct mesh_build *b, unsigned node, const ip_prefix *p)
{
	for (size_t i = 0; i < b->networks.n; i++)
		if (b->networks.items[i].node == node &&
			ip_prefix_eq(&b->networks.items[i].network.prefix, p))
			return true;
	return false;
}

/* The prefix at one to three nodes, each with a metric. */
static inline void mesh_random_anycast(struct mesh_build *b, struct chance *c, const char *prefix)
{
	ip_prefix p = mesh_build_prefix(prefix);

	for (unsigned k = 1 + chance_below(c, 3); k; k--) {
		unsigned node = mesh_random_node(b, c);

		if (!mesh_random_carries(b, node, &p))
			mesh_build_network(b, node, prefix, 10 * chance_below(c, 3));
	}
}

static inline void mesh_random_networks(struct mesh_build *b, struct chance *c)
{
	for (unsigned i = 0; i < b->nodes.n; i++)
		if (chance_below(c, 4))
			mesh_build_network(
				b, i, mesh_random_text(b, "10.20.%u.0/24", i), MESH_METRIC_NONE);
	for (unsigned i = chance_below(c, 3); i; i--)
		mesh_random_anycast(b, c, mesh_random_text(b, "192.0.2.%u/32", i));
	if (chance_below(c, 3) == 0)
		mesh_random_anycast(b, c, "10.20.0.0/16");
	if (chance_below(c, 3) == 0)
		mesh_random_anycast(b, c, "0.0.0.0/0");
}

/* Some who offer a default route say who takes it: clients, or two others, or nobody; the inventory
 * is ended already. */
static inline void mesh_random_takers(struct mesh_build *b, struct chance *c)
{
	for (size_t i = 0; i < b->nodes.n; i++) {
		unsigned *nodes = arena_array(&b->arena, unsigned, 2);

		nodes[0] = mesh_random_node(b, c);
		nodes[1] = mesh_random_node(b, c);
		b->nodes.items[i].takers = (struct mesh_takers){.stated = chance_below(c, 2),
			.clients = chance_below(c, 2),
			.nodes = nodes,
			.n_nodes = 2 * chance_below(c, 2)};
	}
}

static inline bool mesh_random_has_link(struct mesh_build *b, unsigned x, unsigned y)
{
	for (size_t i = 0; i < b->links.n; i++)
		if (b->links.items[i].a == (x < y ? x : y) &&
			b->links.items[i].b == (x < y ? y : x))
			return true;
	return false;
}

/* Shuffles the nodes, so that roles don't follow the place in the file. */
static inline void mesh_random_shuffle(struct mesh_build *b, struct chance *c)
{
	for (size_t i = b->nodes.n; i > 1; i--) {
		size_t k = chance_below(c, (unsigned)i);
		struct mesh_node tmp = b->nodes.items[i - 1];

		b->nodes.items[i - 1] = b->nodes.items[k];
		b->nodes.items[k] = tmp;
	}
	for (size_t i = 0; i < b->nodes.n; i++) {
		struct mesh_node *n = &b->nodes.items[i];

		n->index = (unsigned)i;
		memcpy(n->public_key.bytes, &n->index, sizeof(n->index));
	}
}

static inline const struct mesh_inventory *mesh_random(struct mesh_build *b, struct chance *c)
{
	mesh_build_begin(
		b, chance_below(c, 4) ? MESH_HUB_AND_SPOKE : MESH_FULL_MESH, "10.10.0.0/24");
	mesh_random_nodes(b, c, MESH_HUB, "hub-%u", chance_below(c, 4));
	mesh_random_nodes(b, c, MESH_SPOKE, "site-%u", 1 + chance_below(c, 5));
	mesh_random_nodes(b, c, MESH_CLIENT, "client-%u", chance_below(c, 3));
	mesh_random_shuffle(b, c);
	mesh_random_networks(b, c);
	for (unsigned i = chance_below(c, 5); i; i--) {
		unsigned x = mesh_random_node(b, c), y = mesh_random_node(b, c);

		if (x != y && !mesh_random_has_link(b, x, y))
			mesh_build_link(b, x, y);
	}
	return mesh_build_end(b);
}

/* Routing engines at about half the nodes; the inventory is ended already. */
static inline void mesh_random_engines(struct mesh_build *b, struct chance *c)
{
	for (size_t i = 0; i < b->nodes.n; i++)
		if (b->nodes.items[i].role != MESH_CLIENT && chance_below(c, 2))
			b->nodes.items[i].routing.engine =
				(enum mesh_engine)(MESH_ENGINE_BIRD + chance_below(c, 3));
}

#endif

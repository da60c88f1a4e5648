/* SPDX-License-Identifier: MIT */
/*
 * Inventories made in C, for tests that are not about the file's syntax. Add nodes, then what
 * belongs to them, then mesh_build_end; nodes may be changed through b.nodes.items before that.
 * Every thing stands on a line of its own, counted from 1 in the order of the calls.
 */
#ifndef SHUNT_TESTS_MESH_BUILD_H
#define SHUNT_TESTS_MESH_BUILD_H

#include "base/arena.h"
#include "base/vec.h"
#include "mesh/inventory.h"
#include <assert.h>
#include <string.h>

struct mesh_build_network {
	unsigned node;
	struct mesh_network network;
};

struct mesh_build {
	struct arena arena;
	VEC(struct mesh_node) nodes;
	VEC(struct mesh_build_network) networks;
	VEC(struct mesh_overlay) overlays;
	VEC(struct mesh_link) links;
	struct mesh_inventory inv;
	uint32_t line;
};

static inline struct mesh_pos mesh_build_pos(struct mesh_build *b)
{
	return (struct mesh_pos){++b->line, 3};
}

static inline ip_prefix mesh_build_prefix(const char *text)
{
	ip_prefix p;
	bool ok = ip_prefix_parse(&p, text);

	assert(ok);
	(void)ok;
	return p;
}

static inline void mesh_build_begin(
	struct mesh_build *b, enum mesh_topology topology, const char *overlay)
{
	memset(b, 0, sizeof(*b));
	b->inv.file = "mesh.yaml";
	b->inv.name = "test";
	b->inv.topology = topology;
	vec_push(&b->overlays,
		(struct mesh_overlay){mesh_build_prefix(overlay), false, mesh_build_pos(b)});
}

/* Hubs get an endpoint; address NULL: none. */
static inline unsigned mesh_build_node(
	struct mesh_build *b, const char *name, enum mesh_role role, const char *address)
{
	struct mesh_node n = {
		.name = arena_strdup(&b->arena, name),
		.index = (unsigned)b->nodes.n,
		.role = role,
		.key_valid = true,
		.public_key_text = "",
		.metric = MESH_METRIC_NONE,
		.interface = "wg0",
		.listen_port = 51820,
		.keepalive = MESH_KEEPALIVE_AUTO,
		.mtu = 1420,
		.liveness = {MESH_PROBE_BFD, false, 100000000, 3, 5000000000},
		.private_key_file = "/etc/wireguard/wg0.key",
		.pos = mesh_build_pos(b),
	};

	memset(n.public_key.bytes, 0x42, sizeof(n.public_key.bytes));
	memcpy(n.public_key.bytes, &n.index, sizeof(n.index));
	if (role == MESH_HUB) {
		n.endpoint.host = arena_printf(&b->arena, "%s.example.net", name);
		n.endpoint.port = 51820;
	}
	n.key_pos = n.endpoint.pos = n.mtu_pos = n.interface_pos = n.pos;
	if (address) {
		struct mesh_address *a = arena_new(&b->arena, struct mesh_address);
		bool ok = ip_addr_parse(&a->addr, address);

		assert(ok);
		(void)ok;
		a->pos = mesh_build_pos(b);
		n.addresses = a;
		n.n_addresses = 1;
	}
	vec_push(&b->nodes, n);
	return n.index;
}

static inline void mesh_build_network(
	struct mesh_build *b, unsigned node, const char *prefix, uint32_t metric)
{
	ip_prefix p = mesh_build_prefix(prefix);
	struct mesh_network w = {
		.prefix = ip_prefix_masked(&p),
		.had_host_bits = ip_prefix_has_host_bits(&p),
		.metric = metric,
		.pos = mesh_build_pos(b),
	};

	vec_push(&b->networks, (struct mesh_build_network){node, w});
}

static inline void mesh_build_link(struct mesh_build *b, unsigned x, unsigned y)
{
	struct mesh_link l = {.a = x < y ? x : y, .b = x < y ? y : x, .pos = mesh_build_pos(b)};

	vec_push(&b->links, l);
}

/* Where the other end of the link that was added last calls the node. */
static inline void mesh_build_link_endpoint(
	struct mesh_build *b, unsigned node, const char *host, uint16_t port)
{
	struct mesh_link *l = &b->links.items[b->links.n - 1];

	assert(l->a == node || l->b == node);
	l->endpoints[l->b == node] = (struct mesh_endpoint){host, port, mesh_build_pos(b)};
}

static inline const struct mesh_inventory *mesh_build_end(struct mesh_build *b)
{
	for (size_t i = 0; i < b->nodes.n; i++) {
		struct mesh_node *n = &b->nodes.items[i];
		struct mesh_network *w =
			arena_array(&b->arena, struct mesh_network, b->networks.n + 1);

		n->networks = w;
		n->n_networks = 0;
		for (size_t k = 0; k < b->networks.n; k++)
			if (b->networks.items[k].node == i)
				w[n->n_networks++] = b->networks.items[k].network;
	}
	b->inv.nodes = b->nodes.items;
	b->inv.n_nodes = b->nodes.n;
	b->inv.overlays = b->overlays.items;
	b->inv.n_overlays = b->overlays.n;
	b->inv.links = b->links.items;
	b->inv.n_links = b->links.n;
	return &b->inv;
}

static inline void mesh_build_done(struct mesh_build *b)
{
	vec_done(&b->nodes);
	vec_done(&b->networks);
	vec_done(&b->overlays);
	vec_done(&b->links);
	arena_done(&b->arena);
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The inventory's top level. The order of its keys is free, yet defaults must be known before a
 * node is finished and all nodes before a link is read: so the top map is read first, keeping those
 * two as they are, and they are read after it.
 */
#include "mesh/parse.h"

#include "base/map.h"
#include "base/vec.h"
#include <string.h>

struct top {
	const char *name;
	int topology;
	struct mesh_pos topology_pos;
	const struct mesh_overlay *overlays;
	size_t n_overlays;
	struct stated_settings defaults;
	const struct yaml_node *nodes;
	const struct yaml_node *links;
	const struct mesh_revoked *revoked;
	size_t n_revoked;
};

static void keep(struct parse *p, const struct yaml_node *v, void *into)
{
	*(const struct yaml_node **)into = v;
}

static void read_topology(struct parse *p, const struct yaml_node *v, void *into)
{
	struct top *t = into;

	parse_topology(p, v, &t->topology);
	t->topology_pos = v->pos;
}

void parse_prefixes(struct parse *p, const struct yaml_node *v, bool may_be_empty,
	const struct mesh_overlay **ret, size_t *ret_n)
{
	VEC(struct mesh_overlay) list = {0};
	VEC(struct parse_placed) placed = {0};
	const struct yaml_node *item =
		parse_items(p, v, "a prefix or a list of prefixes", may_be_empty);
	struct mesh_overlay *copy;
	ip_prefix prefix;

	for (; item; item = parse_next(v, item)) {
		struct mesh_overlay o = {.pos = item->pos};

		if (!parse_prefix(p, item, &prefix))
			continue;
		o.prefix = ip_prefix_masked(&prefix);
		o.had_host_bits = ip_prefix_has_host_bits(&prefix);
		vec_push(&list, o);
		vec_push(&placed, (struct parse_placed){o.prefix, o.pos});
	}
	parse_refuse_twins(p, placed.items, placed.n, "prefix");
	copy = arena_array(p->arena, struct mesh_overlay, list.n);
	if (list.n)
		memcpy(copy, list.items, list.n * sizeof(*copy));
	*ret = copy;
	*ret_n = list.n;
	vec_done(&list);
	vec_done(&placed);
}

static void read_overlay(struct parse *p, const struct yaml_node *v, void *into)
{
	struct top *t = into;

	parse_prefixes(p, v, false, &t->overlays, &t->n_overlays);
}

static void read_revoked(struct parse *p, const struct yaml_node *v, void *into)
{
	struct top *t = into;
	VEC(struct mesh_revoked) list = {0};
	const struct yaml_node *item = parse_items(p, v, "a public key or a list of them", true);
	struct mesh_revoked *copy;

	for (; item; item = parse_next(v, item)) {
		struct mesh_revoked r = {.pos = item->pos};

		if (item->kind == YAML_SCALAR && item->text &&
			wg_key_from_base64(&r.key, item->text))
			vec_push(&list, r);
		else
			parse_refuse(p, item, "a public key: 32 bytes in base64");
	}
	copy = arena_array(p->arena, struct mesh_revoked, list.n);
	if (list.n)
		memcpy(copy, list.items, list.n * sizeof(*copy));
	t->revoked = copy;
	t->n_revoked = list.n;
	vec_done(&list);
}

static const struct parse_field top_fields[] = {
	{"mesh", parse_name, offsetof(struct top, name), true},
	{"overlay", read_overlay, 0, true},
	{"topology", read_topology, 0},
	{"defaults", parse_defaults, offsetof(struct top, defaults)},
	{"nodes", keep, offsetof(struct top, nodes), true},
	{"links", keep, offsetof(struct top, links)},
	{"revoked", read_revoked, 0},
};

/* What stands under defaults for routing engines where no node has one. */
static void note_idle_defaults(const struct stated_routing *s, struct mesh_inventory *ret)
{
	int key = stated_routing_idle(s, false);

	for (size_t i = 0; i < ret->n_nodes; i++)
		if (ret->nodes[i].routing.engine != MESH_ENGINE_NONE)
			return;
	if (key < 0)
		return;
	ret->idle_key = stated_routing_name(key);
	ret->idle_pos = s->pos[key];
}

static void give_nodes(struct parse *p, struct stated_nodes *from, struct stated_settings *defaults,
	struct mesh_inventory *ret)
{
	struct mesh_node *nodes = arena_array(p->arena, struct mesh_node, from->n);
	struct parse_finder finder = {.nodes = from, .in = "reflectors"};
	struct parse_finder takers = {.nodes = from, .in = "default_route"};

	stated_routing_resolve(p, &defaults->routing, &finder);
	stated_takers_resolve(p, &defaults->takers, &takers);
	for (size_t i = 0; i < from->n; i++) {
		stated_routing_resolve(p, &from->items[i].own.routing, &finder);
		stated_takers_resolve(p, &from->items[i].own.takers, &takers);
		stated_node_finish(p, &from->items[i], defaults);
		nodes[i] = from->items[i].node;
	}
	ret->nodes = nodes;
	ret->n_nodes = from->n;
	note_idle_defaults(&defaults->routing, ret);
}

/* Needs ret's nodes, whose listen ports stand in for what a link's endpoints leave out. */
static void give_links(struct parse *p, const struct stated_links *from, struct mesh_inventory *ret)
{
	struct mesh_link *links = arena_array(p->arena, struct mesh_link, from->n);

	for (size_t i = 0; i < from->n; i++) {
		struct mesh_link *l = &links[i];

		*l = from->items[i];
		if (!l->endpoints[0].port)
			l->endpoints[0].port = ret->nodes[l->a].listen_port;
		if (!l->endpoints[1].port)
			l->endpoints[1].port = ret->nodes[l->b].listen_port;
	}
	ret->links = links;
	ret->n_links = from->n;
}

void parse_inventory(struct parse *p, const struct yaml_node *root, struct mesh_inventory *ret)
{
	struct top top = {.topology = MESH_HUB_AND_SPOKE, .topology_pos = root->pos};
	struct stated_nodes nodes = {.by_name = map_new()};
	struct stated_links links = {0};

	stated_settings_init(&top.defaults);
	if (parse_is_map(p, root))
		parse_map(p, root, top_fields, ARRAY_SIZE(top_fields), &top);
	if (top.nodes)
		parse_nodes(p, top.nodes, &nodes);
	if (top.links)
		parse_links(p, top.links, &nodes, &links);
	ret->name = top.name;
	ret->topology = (enum mesh_topology)top.topology;
	ret->topology_pos = top.topology_pos;
	ret->overlays = top.overlays;
	ret->n_overlays = top.n_overlays;
	ret->revoked = top.revoked;
	ret->n_revoked = top.n_revoked;
	give_nodes(p, &nodes, &top.defaults, ret);
	give_links(p, &links, ret);
	map_free(nodes.by_name);
	vec_done(&nodes);
	vec_done(&links);
}

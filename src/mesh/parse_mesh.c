/* SPDX-License-Identifier: MIT */
/*
 * The inventory's top level. The order of its keys is free, yet defaults must be known before a
 * node is finished and all nodes before a link is read: so the top map is read first, keeping those
 * two as they are, and they are read after it.
 */
#include "mesh/parse.h"

#include "base/map.h"
#include "base/vec.h"
#include "mesh/errors.h"
#include "mesh/text.h"
#include <string.h>

#define GUESSES_MOST 20 /* a guess at a name looks at every node's */

struct top {
	const char *name;
	int topology;
	struct mesh_pos topology_pos;
	const struct mesh_overlay *overlays;
	size_t n_overlays;
	struct stated_settings defaults;
	const struct yaml_node *nodes;
	const struct yaml_node *links;
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

static void read_overlay(struct parse *p, const struct yaml_node *v, void *into)
{
	struct top *t = into;
	VEC(struct mesh_overlay) list = {0};
	VEC(struct parse_placed) placed = {0};
	const struct yaml_node *item = parse_items(p, v, "a prefix or a list of prefixes", false);
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
	t->overlays = copy;
	t->n_overlays = list.n;
	vec_done(&list);
	vec_done(&placed);
}

static const struct parse_field top_fields[] = {
	{"mesh", parse_name, offsetof(struct top, name), true},
	{"overlay", read_overlay, 0, true},
	{"topology", read_topology, 0},
	{"defaults", parse_defaults, offsetof(struct top, defaults)},
	{"nodes", keep, offsetof(struct top, nodes), true},
	{"links", keep, offsetof(struct top, links)},
};

/* A link as it stands in the file: two names and what else is said. */
struct link_value {
	const struct yaml_node *names[2];
	const char *preshared_key_file;
};

static void read_pair(struct parse *p, const struct yaml_node *v, void *into)
{
	struct link_value *l = into;

	if (v->kind != YAML_LIST || v->n != 2) {
		parse_complain(p, v, "a link is a pair of two nodes, as in [site-1, site-2]");
		return;
	}
	l->names[0] = v->first;
	l->names[1] = v->first->next;
}

static void read_link(struct parse *p, const struct yaml_node *v, struct link_value *ret)
{
	static const struct parse_field fields[] = {
		{"between", read_pair, 0, true},
		{"preshared_key_file", parse_path, offsetof(struct link_value, preshared_key_file)},
	};
	const char *where = p->where;

	if (v->kind != YAML_MAP) {
		read_pair(p, v, ret);
		return;
	}
	p->where = " in a link";
	parse_map(p, v, fields, ARRAY_SIZE(fields), ret);
	p->where = where;
}

struct links_reader {
	const struct stated_nodes *nodes;
	unsigned guesses;
	struct map *seen; /* pair -> its first mesh_link; keys in scratch */
};

static void refuse_unknown(struct parse *p, const struct yaml_node *name, struct links_reader *r)
{
	const char *quoted = text_quote(p->scratch, name->text, name->n);
	const char *meant = NULL;
	unsigned best = TEXT_NO_GUESS;

	for (size_t i = 0; i < r->nodes->n && r->guesses < GUESSES_MOST; i++)
		if (text_is_closer(name->text, r->nodes->items[i].node.name, &best))
			meant = r->nodes->items[i].node.name;
	r->guesses++;
	if (meant)
		mesh_errors_add(p->errors, name->pos,
			"unknown node %s in `links`; did you mean %s?", quoted,
			text_quote(p->scratch, meant, strlen(meant)));
	else
		mesh_errors_add(p->errors, name->pos,
			"unknown node %s in `links`; it must be one under `nodes`", quoted);
}

/* The index of the node that is named, or -1 and an error. */
static int find_node(struct parse *p, const struct yaml_node *name, struct links_reader *r)
{
	void *found;

	if (!parse_is_text(p, name, "the name of a node"))
		return -1;
	found = map_get_str(r->nodes->by_name, name->text);
	if (found)
		return (int)((uintptr_t)found - 1);
	refuse_unknown(p, name, r);
	return -1;
}

static void add_link(struct parse *p, struct links_reader *r, const struct mesh_link *link,
	struct stated_links *ret)
{
	struct mesh_link *copy = arena_new(p->scratch, struct mesh_link);
	const struct mesh_link *first;

	*copy = *link;
	first = map_get(r->seen, &copy->a, 2 * sizeof(copy->a));
	if (first) {
		mesh_errors_add(p->errors, link->pos,
			"the link between `%s` and `%s` stands twice; it is on line %u already",
			r->nodes->items[link->a].node.name, r->nodes->items[link->b].node.name,
			first->pos.line);
		return;
	}
	map_put(r->seen, &copy->a, 2 * sizeof(copy->a), copy);
	vec_push(ret, *link);
}

static void take_link(struct parse *p, const struct yaml_node *v, struct links_reader *r,
	struct stated_links *ret)
{
	struct link_value value = {0};
	int a, b;

	read_link(p, v, &value);
	if (!value.names[0])
		return;
	a = find_node(p, value.names[0], r);
	b = find_node(p, value.names[1], r);
	if (a < 0 || b < 0)
		return;
	if (a == b) {
		mesh_errors_add(p->errors, v->pos, "a link of node %s with itself",
			text_quote(p->scratch, value.names[0]->text, value.names[0]->n));
		return;
	}
	add_link(p, r,
		&(struct mesh_link){
			.a = (unsigned)(a < b ? a : b),
			.b = (unsigned)(a < b ? b : a),
			.preshared_key_file = value.preshared_key_file,
			.pos = v->pos,
		},
		ret);
}

static void read_links(struct parse *p, const struct yaml_node *v, const struct stated_nodes *nodes,
	struct stated_links *ret)
{
	struct links_reader r = {.nodes = nodes};

	if (v->kind != YAML_LIST) {
		parse_refuse(p, v, "a list of pairs, as in [[site-1, site-2], [site-1, site-3]]");
		return;
	}
	r.seen = map_new();
	for (const struct yaml_node *item = v->first; item && !parse_is_full(p); item = item->next)
		take_link(p, item, &r, ret);
	map_free(r.seen);
}

static void give_nodes(struct parse *p, struct stated_nodes *from,
	const struct stated_settings *defaults, struct mesh_inventory *ret)
{
	struct mesh_node *nodes = arena_array(p->arena, struct mesh_node, from->n);

	for (size_t i = 0; i < from->n; i++) {
		stated_node_finish(p, &from->items[i], defaults);
		nodes[i] = from->items[i].node;
	}
	ret->nodes = nodes;
	ret->n_nodes = from->n;
}

static void give_links(struct parse *p, const struct stated_links *from, struct mesh_inventory *ret)
{
	struct mesh_link *links = arena_array(p->arena, struct mesh_link, from->n);

	if (from->n)
		memcpy(links, from->items, from->n * sizeof(*links));
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
		read_links(p, top.links, &nodes, &links);
	ret->name = top.name;
	ret->topology = (enum mesh_topology)top.topology;
	ret->topology_pos = top.topology_pos;
	ret->overlays = top.overlays;
	ret->n_overlays = top.n_overlays;
	give_nodes(p, &nodes, &top.defaults, ret);
	give_links(p, &links, ret);
	map_free(nodes.by_name);
	vec_done(&nodes);
	vec_done(&links);
}

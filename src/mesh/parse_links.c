/* SPDX-License-Identifier: MIT */
/* The list under `links`: pairs of nodes that are known by now, and what is said about a pair. */
#include "base/map.h"
#include "base/vec.h"
#include "mesh/errors.h"
#include "mesh/parse.h"
#include "mesh/text.h"
#include <string.h>

#define GUESSES_MOST 20 /* a guess at a name looks at every node's */

/* A link as it stands in the file: two names and what else is said. */
struct link_value {
	const struct yaml_node *names[2];
	const char *preshared_key_file;
	const struct yaml_node *endpoints; /* a map; NULL: none stated */
};

static void read_endpoints(struct parse *p, const struct yaml_node *v, void *into)
{
	if (parse_is_map(p, v)) {
		*(const struct yaml_node **)into = v;
		if (!v->n)
			parse_complain(p, v, "the map is empty; it names an end of the link");
	}
}

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
		{"endpoints", read_endpoints, offsetof(struct link_value, endpoints)},
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
	struct parse_finder finder;
	struct map *seen; /* pair -> its first mesh_link; keys in scratch */
};

static void refuse_unknown(struct parse *p, const struct yaml_node *name, struct parse_finder *f)
{
	const char *quoted = text_quote(p->scratch, name->text, name->n);
	const char *meant = NULL;
	unsigned best = TEXT_NO_GUESS;

	for (size_t i = 0; i < f->nodes->n && f->guesses < GUESSES_MOST; i++)
		if (text_is_closer(name->text, f->nodes->items[i].node.name, &best))
			meant = f->nodes->items[i].node.name;
	f->guesses++;
	if (meant)
		mesh_errors_add(p->errors, name->pos, "unknown node %s in `%s`; did you mean %s?",
			quoted, f->in, text_quote(p->scratch, meant, strlen(meant)));
	else
		mesh_errors_add(p->errors, name->pos,
			"unknown node %s in `%s`; it must be one under `nodes`", quoted, f->in);
}

int parse_find_node(struct parse *p, const struct yaml_node *name, struct parse_finder *f)
{
	void *found;

	if (!parse_is_text(p, name, "the name of a node") || !f->nodes->n)
		return -1;
	found = map_get_str(f->nodes->by_name, name->text);
	if (found)
		return (int)((uintptr_t)found - 1);
	refuse_unknown(p, name, f);
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

static void refuse_stranger(struct parse *p, const struct yaml_node *key, const char *const *ends)
{
	const char *meant = NULL;
	unsigned best = TEXT_NO_GUESS;

	for (int i = 0; i < 2; i++)
		if (text_is_closer(key->text, ends[i], &best))
			meant = ends[i];
	mesh_errors_add(p->errors, key->pos, "%s in `endpoints` is no end of this link%s%s%s",
		text_quote(p->scratch, key->text, key->n), meant ? "; did you mean `" : "",
		meant ? meant : "", meant ? "`?" : "");
}

/* What an end of the link is called by the other. ends: the names of a and b, or NULL where they
 * aren't known: then only the values are looked at. */
static void take_endpoints(struct parse *p, const struct yaml_node *map, const char *const *ends,
	struct mesh_endpoint *ret)
{
	const char *where = p->where;

	p->where = " in `endpoints` of a link";
	for (const struct yaml_node *v = map->first; v; v = v->next) {
		struct mesh_endpoint e = {0};
		int end = !ends				   ? -1
			  : !strcmp(v->key->text, ends[0]) ? 0
			  : !strcmp(v->key->text, ends[1]) ? 1
							   : -1;

		parse_endpoint(p, v, &e);
		if (ends && end < 0)
			refuse_stranger(p, v->key, ends);
		else if (ends && ret[end].pos.line)
			mesh_errors_add(p->errors, v->key->pos,
				"duplicate key `%s`%s; the first is on line %u", ends[end],
				p->where, ret[end].pos.line);
		else if (ends)
			ret[end] = e;
	}
	p->where = where;
}

/* The pair by index, the lower first. False and an error: there is none. */
static bool find_pair(struct parse *p, const struct yaml_node *v, const struct link_value *value,
	struct links_reader *r, struct mesh_link *ret)
{
	int a, b;

	if (!value->names[0])
		return false;
	a = parse_find_node(p, value->names[0], &r->finder);
	b = parse_find_node(p, value->names[1], &r->finder);
	if (a < 0 || b < 0)
		return false;
	if (a == b) {
		mesh_errors_add(p->errors, v->pos, "a link of node %s with itself",
			text_quote(p->scratch, value->names[0]->text, value->names[0]->n));
		return false;
	}
	ret->a = (unsigned)(a < b ? a : b);
	ret->b = (unsigned)(a < b ? b : a);
	return true;
}

static void take_link(struct parse *p, const struct yaml_node *v, struct links_reader *r,
	struct stated_links *ret)
{
	struct link_value value = {0};
	struct mesh_link link = {.pos = v->pos};
	const char *ends[2];
	bool found;

	read_link(p, v, &value);
	link.preshared_key_file = value.preshared_key_file;
	found = find_pair(p, v, &value, r, &link);
	if (found) {
		ends[0] = r->nodes->items[link.a].node.name;
		ends[1] = r->nodes->items[link.b].node.name;
	}
	if (value.endpoints)
		take_endpoints(p, value.endpoints, found ? ends : NULL, link.endpoints);
	if (found)
		add_link(p, r, &link, ret);
}

void parse_links(struct parse *p, const struct yaml_node *v, const struct stated_nodes *nodes,
	struct stated_links *ret)
{
	struct links_reader r = {.nodes = nodes, .finder = {.nodes = nodes, .in = "links"}};

	if (v->kind != YAML_LIST) {
		parse_refuse(p, v, "a list of pairs, as in [[site-1, site-2], [site-1, site-3]]");
		return;
	}
	r.seen = map_new();
	for (const struct yaml_node *item = v->first; item && !parse_is_full(p); item = item->next)
		take_link(p, item, &r, ret);
	map_free(r.seen);
}

/* SPDX-License-Identifier: MIT */
#include "mesh/check_parts.h"

#include "base/buf.h"
#include "base/map.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* How many of a list an effect names before it counts. */
#define NAMED_MAX 4

void check_add(struct check *c, const struct mesh_finding *f)
{
	struct mesh_findings *out = c->out;
	unsigned *nodes = arena_array(&out->arena, unsigned, f->n_nodes + 1);
	ip_prefix *prefixes = arena_array(&out->arena, ip_prefix, f->n_prefixes + 1);

	vec_push(out, *f);
	if (f->n_nodes)
		memcpy(nodes, f->nodes, f->n_nodes * sizeof(*nodes));
	if (f->n_prefixes)
		memcpy(prefixes, f->prefixes, f->n_prefixes * sizeof(*prefixes));
	out->items[out->n - 1].nodes = nodes;
	out->items[out->n - 1].prefixes = prefixes;
}

size_t check_same_prefix(const struct check *c, size_t i)
{
	size_t end = i + 1;

	while (end < c->n_carried && ip_prefix_eq(&c->carried[end].prefix, &c->carried[i].prefix))
		end++;
	return end;
}

const char *check_text(struct check *c, const char *fmt, ...)
{
	AUTO_BUF b = {0};
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	return arena_strdup(&c->out->arena, buf_str(&b));
}

const char *check_name(const struct check *c, unsigned node)
{
	return c->inv->nodes[node].name;
}

/* What stands before item i of n in a list that names `shown` of them. */
static const char *separator(size_t i, size_t n, size_t shown)
{
	if (i == 0)
		return "";
	return i + 1 == n && shown == n ? " and " : ", ";
}

/* All of a list that is just one too long is named: "and 1 other" tells less than the name. */
static size_t shown_of(size_t n)
{
	return n <= NAMED_MAX + 1 ? n : NAMED_MAX;
}

static const char *finish_list(struct check *c, struct buf *b, size_t n)
{
	if (n > shown_of(n))
		buf_printf(b, " and %zu others", n - shown_of(n));
	return arena_strdup(&c->out->arena, buf_str(b));
}

const char *check_names(struct check *c, const unsigned *nodes, size_t n)
{
	AUTO_BUF b = {0};

	for (size_t i = 0; i < shown_of(n); i++) {
		buf_puts(&b, separator(i, n, shown_of(n)));
		buf_puts(&b, check_name(c, nodes[i]));
	}
	return finish_list(c, &b, n);
}

const char *check_prefix(struct check *c, const ip_prefix *p)
{
	char text[IP_PREFIX_STRLEN];

	return arena_strdup(&c->out->arena, ip_prefix_format(p, text));
}

const char *check_prefixes(struct check *c, const ip_prefix *p, size_t n)
{
	AUTO_BUF b = {0};
	char text[IP_PREFIX_STRLEN];

	for (size_t i = 0; i < shown_of(n); i++) {
		buf_puts(&b, separator(i, n, shown_of(n)));
		buf_puts(&b, ip_prefix_format(&p[i], text));
	}
	return finish_list(c, &b, n);
}

void check_groups_add(struct check_groups *g, const void *key, size_t len, unsigned node)
{
	struct check_group *found = map_get(g->by_key, key, len);

	if (!found) {
		found = mem_zalloc(1, sizeof(*found));
		map_put(g->by_key, key, len, found);
		vec_push(&g->groups, found);
	}
	vec_push(&found->nodes, node);
}

void check_groups_done(struct check_groups *g)
{
	for (size_t i = 0; i < g->groups.n; i++) {
		vec_done(&g->groups.items[i]->nodes);
		free(g->groups.items[i]);
	}
	vec_done(&g->groups);
	map_free(g->by_key);
}

static int carried_cmp(const void *a, const void *b)
{
	const struct carried *x = a, *y = b;
	int d = ip_prefix_cmp(&x->prefix, &y->prefix);

	if (d)
		return d;
	if (x->node != y->node)
		return x->node < y->node ? -1 : 1;
	return x->network < y->network ? -1 : x->network > y->network;
}

static void index_prefixes(struct check *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->inv->n_nodes; i++)
		n += c->inv->nodes[i].n_networks;
	c->carried = mem_zalloc(n + 1, sizeof(*c->carried));
	for (unsigned i = 0; i < c->inv->n_nodes; i++) {
		const struct mesh_node *node = &c->inv->nodes[i];

		for (size_t k = 0; k < node->n_networks; k++)
			c->carried[c->n_carried++] =
				(struct carried){node->networks[k].prefix, i, &node->networks[k]};
	}
	qsort(c->carried, n, sizeof(*c->carried), carried_cmp);
	c->networks = trie_new();
	for (size_t i = 0; i < n; i = check_same_prefix(c, i))
		*trie_slot(c->networks, &c->carried[i].prefix) = &c->carried[i];
	c->overlays = trie_new();
	for (size_t i = 0; i < c->inv->n_overlays; i++)
		*trie_slot(c->overlays, &c->inv->overlays[i].prefix) =
			(void *)(uintptr_t)&c->inv->overlays[i];
}

static int finding_cmp(const void *a, const void *b)
{
	const struct mesh_finding *x = a, *y = b;
	int d;

	if (x->pos.line != y->pos.line)
		return x->pos.line < y->pos.line ? -1 : 1;
	if (x->pos.column != y->pos.column)
		return x->pos.column < y->pos.column ? -1 : 1;
	d = strcmp(x->code, y->code);
	return d ? d : strcmp(x->effect, y->effect);
}

static void check_whole(struct check *c)
{
	check_duplicate_prefixes(c);
	check_nested_prefixes(c);
	check_networks(c);
	check_keys(c);
	check_revoked(c);
	check_takers(c);
	check_addresses(c);
	check_interfaces(c);
	check_keepalives(c);
	check_endpoints(c);
	check_missing_endpoints(c);
	check_mtus(c);
	check_reachability(c);
	check_single_losses(c);
	check_hub_metrics(c);
	check_shared_prefixes(c);
	check_engines(c);
	check_reflectors(c);
	check_sessions(c);
	check_announced(c);
}

static void run(const struct mesh_topology_index *t, bool partial, struct mesh_findings *ret)
{
	struct check c = {
		.t = t, .inv = mesh_topology_inventory(t), .out = ret, .partial = partial};

	index_prefixes(&c);
	if (!partial) {
		check_whole(&c);
	} else {
		check_networks(&c);
		check_keys(&c);
		check_revoked(&c);
		check_addresses(&c);
		check_interfaces(&c);
		check_endpoints(&c);
	}
	if (ret->n)
		qsort(ret->items, ret->n, sizeof(*ret->items), finding_cmp);
	trie_free(c.networks);
	trie_free(c.overlays);
	free(c.carried);
}

void mesh_check(const struct mesh_topology_index *t, struct mesh_findings *ret)
{
	run(t, false, ret);
}

void mesh_check_partial(const struct mesh_topology_index *t, struct mesh_findings *ret)
{
	size_t kept = 0;

	run(t, true, ret);
	for (size_t i = 0; i < ret->n; i++)
		if (ret->items[i].severity == MESH_ERROR)
			ret->items[kept++] = ret->items[i];
	ret->n = kept;
}

bool mesh_findings_have_errors(const struct mesh_findings *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->items[i].severity == MESH_ERROR)
			return true;
	return false;
}

void mesh_findings_done(struct mesh_findings *f)
{
	vec_done(f);
	arena_done(&f->arena);
}

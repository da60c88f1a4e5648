/* SPDX-License-Identifier: MIT */
/* Findings about networks among each other and against the overlay. */
#include "mesh/check_parts.h"
#include "mesh/routing.h"
#include "mesh/special.h"

/* The nodes of places [from, to) of carried, each once. */
static void nodes_of(const struct check *c, size_t from, size_t to, node_list *ret)
{
	for (size_t i = from; i < to; i++)
		if (i == from || c->carried[i].node != c->carried[i - 1].node)
			vec_push(ret, c->carried[i].node);
}

/* Engines decide between all that carry the prefix, on all nodes that could ask. */
static bool is_left_to_engines(const struct check *c)
{
	bool is_any = false;

	for (size_t i = 0; i < c->inv->n_nodes; i++) {
		bool has_one = mesh_has_engine(&c->inv->nodes[i]);

		if (!has_one && c->inv->nodes[i].role != MESH_CLIENT)
			return false;
		is_any |= has_one;
	}
	return is_any;
}

/* Between two nodes. Those without a metric are what is wrong, the last of them is pointed at. */
static void report_duplicate(struct check *c, size_t from, size_t to, const node_list *nodes)
{
	const struct carried *first = &c->carried[from], *last = NULL;
	const char *prefix = check_prefix(c, &first->prefix);
	node_list unstated = {0};

	for (size_t i = from; i < to; i++)
		if (c->carried[i].network->metric == MESH_METRIC_NONE) {
			last = &c->carried[i];
			vec_push(&unstated, last->node);
		}
	if (last)
		check_add(c, &(struct mesh_finding){
				     .code = "duplicate-prefix",
				     .severity = MESH_ERROR,
				     .nodes = nodes->items,
				     .n_nodes = nodes->n,
				     .prefixes = &first->prefix,
				     .n_prefixes = 1,
				     .pos = last->network->pos,
				     .effect = check_text(c,
					     "%s is carried by %s: a WireGuard device gives it to "
					     "whichever is set last and silently takes it from the "
					     "others.",
					     prefix, check_names(c, nodes->items, nodes->n)),
				     .fix = check_text(c,
					     "Keep it on one node, or state a metric for it on "
					     "%s: the lowest wins, the others stand by.",
					     check_names(c, unstated.items, unstated.n)),
			     });
	vec_done(&unstated);
}

/* Twice on one node: harmless alone, but which entry counts? */
static void report_repeated(struct check *c, const struct carried *again)
{
	const char *name = check_name(c, again->node);
	const char *prefix = check_prefix(c, &again->prefix);

	check_add(c, &(struct mesh_finding){
			     .code = "duplicate-prefix",
			     .severity = MESH_ERROR,
			     .nodes = &again->node,
			     .n_nodes = 1,
			     .prefixes = &again->prefix,
			     .n_prefixes = 1,
			     .pos = again->network->pos,
			     .effect = check_text(c,
				     "%s lists %s more than once: only one entry's metric and "
				     "on_dead can count.",
				     name, prefix),
			     .fix = check_text(
				     c, "Remove all entries of %s under %s but one.", prefix, name),
		     });
}

void check_duplicate_prefixes(struct check *c)
{
	bool is_shared = is_left_to_engines(c);

	for (size_t i = 0, end; i < c->n_carried; i = end) {
		node_list nodes = {0};

		end = check_same_prefix(c, i);
		nodes_of(c, i, end, &nodes);
		for (size_t k = i + 1; k < end; k++)
			if (c->carried[k].node == c->carried[k - 1].node)
				report_repeated(c, &c->carried[k]);
		if (nodes.n > 1 && !is_shared)
			report_duplicate(c, i, end, &nodes);
		vec_done(&nodes);
	}
}

/* True if the two prefixes are carried by exactly the same nodes. */
static bool same_origins(const struct check *c, size_t a, size_t b)
{
	size_t end_a = check_same_prefix(c, a), end_b = check_same_prefix(c, b);

	if (end_a - a != end_b - b)
		return false;
	for (; a < end_a; a++, b++)
		if (c->carried[a].node != c->carried[b].node)
			return false;
	return true;
}

struct nested {
	size_t cover, inner; /* places in carried */
};

static int nested_cmp(const void *a, const void *b)
{
	const struct nested *x = a, *y = b;

	if (x->cover != y->cover)
		return x->cover < y->cover ? -1 : 1;
	return x->inner < y->inner ? -1 : x->inner > y->inner;
}

static int node_cmp(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

	return x < y ? -1 : x > y;
}

static void sort_unique(node_list *l, size_t from)
{
	size_t kept = from;

	if (l->n == from)
		return;
	qsort(l->items + from, l->n - from, sizeof(*l->items), node_cmp);
	for (size_t i = from; i < l->n; i++)
		if (kept == from || l->items[i] != l->items[kept - 1])
			l->items[kept++] = l->items[i];
	l->n = kept;
}

/* All that lies directly within one cover, in one finding at the cover. */
static void report_nested(struct check *c, const struct nested *nested, size_t n)
{
	const struct carried *cover = &c->carried[nested[0].cover];
	node_list nodes = {0};
	prefix_list prefixes = {0};

	nodes_of(c, nested[0].cover, check_same_prefix(c, nested[0].cover), &nodes);
	size_t n_covers = nodes.n;
	vec_push(&prefixes, cover->prefix);
	for (size_t i = 0; i < n; i++) {
		nodes_of(c, nested[i].inner, check_same_prefix(c, nested[i].inner), &nodes);
		vec_push(&prefixes, c->carried[nested[i].inner].prefix);
	}
	sort_unique(&nodes, n_covers);
	const char *covers = check_names(c, nodes.items, n_covers);
	const char *inner = check_names(c, nodes.items + n_covers, nodes.n - n_covers);
	const char *inner_text = check_prefixes(c, prefixes.items + 1, n);
	check_add(c,
		&(struct mesh_finding){
			.code = "nested-prefix",
			.severity = MESH_WARNING,
			.nodes = nodes.items,
			.n_nodes = nodes.n,
			.prefixes = prefixes.items,
			.n_prefixes = prefixes.n,
			.pos = cover->network->pos,
			.effect = check_text(c,
				"%s of %s covers %s of %s: packets for a longer prefix go "
				"to its own node, and to %s only while that is down.",
				check_prefix(c, &cover->prefix), covers, inner_text, inner, covers),
			.fix = check_text(c,
				"Nothing, if that is meant (a summary); otherwise carry only "
				"the parts of %s that are really behind %s.",
				check_prefix(c, &cover->prefix), covers),
		});
	vec_done(&nodes);
	vec_done(&prefixes);
}

/* A default route covers everything, by intent: no finding. */
void check_nested_prefixes(struct check *c)
{
	VEC(struct nested) all = {0};

	for (size_t i = 0; i < c->n_carried; i = check_same_prefix(c, i)) {
		ip_prefix cover;
		const struct carried *outer =
			trie_cover(c->networks, &c->carried[i].prefix, &cover);

		if (outer && !ip_prefix_is_default(&cover) &&
			!same_origins(c, (size_t)(outer - c->carried), i))
			vec_push(&all, (struct nested){(size_t)(outer - c->carried), i});
	}
	if (all.n)
		qsort(all.items, all.n, sizeof(*all.items), nested_cmp);
	for (size_t i = 0, end; i < all.n; i = end) {
		for (end = i + 1; end < all.n && all.items[end].cover == all.items[i].cover; end++)
			;
		report_nested(c, all.items + i, end - i);
	}
	vec_done(&all);
}

static void report_in_overlay(
	struct check *c, const struct carried *n, const struct mesh_overlay *overlay)
{
	const char *name = check_name(c, n->node);
	const char *prefix = check_prefix(c, &n->prefix);

	check_add(c, &(struct mesh_finding){
			     .code = "network-in-overlay",
			     .severity = MESH_ERROR,
			     .nodes = &n->node,
			     .n_nodes = 1,
			     .prefixes = &n->prefix,
			     .n_prefixes = 1,
			     .pos = n->network->pos,
			     .effect = check_text(c,
				     "%s of %s lies in the overlay %s: it and the nodes' own "
				     "addresses take packets from each other.",
				     prefix, name, check_prefix(c, &overlay->prefix)),
			     .fix = check_text(c,
				     "Move %s out of the overlay; the address of %s is reachable "
				     "without being listed under networks.",
				     prefix, name),
		     });
}

/* nodes has at most one item. */
static void report_host_bits(
	struct check *c, const unsigned *node, const ip_prefix *prefix, struct mesh_pos pos)
{
	const char *text = check_prefix(c, prefix);

	check_add(c, &(struct mesh_finding){
			     .code = "host-bits",
			     .severity = MESH_WARNING,
			     .nodes = node,
			     .n_nodes = node ? 1 : 0,
			     .prefixes = prefix,
			     .n_prefixes = 1,
			     .pos = pos,
			     .effect = check_text(c,
				     "%s %s has bits set behind its length: it is taken as %s, the "
				     "whole network.",
				     node ? "A network of" : "The",
				     node ? check_name(c, *node) : "overlay", text),
			     .fix = check_text(c,
				     "Write %s, or the length that is meant (/%u for one address).",
				     text, ip_family_bits(prefix->family)),
		     });
}

/* what: of special.h, or "a default route"; node NULL: an overlay, else list is where it stands. */
static void report_impossible(struct check *c, const unsigned *node, const char *list,
	const struct mesh_overlay *o, const char *what)
{
	const ip_prefix *prefix = &o->prefix;
	const char *text = check_prefix(c, prefix);
	const char *of = node ? check_text(c, "The network %s of %s", text, check_name(c, *node))
			      : check_text(c, "The overlay %s", text);

	check_add(c, &(struct mesh_finding){
			     .code = "impossible-prefix",
			     .severity = MESH_ERROR,
			     .nodes = node,
			     .n_nodes = node ? 1 : 0,
			     .prefixes = prefix,
			     .n_prefixes = 1,
			     .pos = o->pos,
			     .effect = check_text(c,
				     "%s %s %s: the kernel doesn't route packets there into a "
				     "tunnel, or no answer finds the way back.",
				     of, node ? "is" : "is or holds what is", what),
			     .fix = node ? check_text(c, "Remove it from the %s of %s.", list,
						   check_name(c, *node))
					 : "State a prefix of private addresses (RFC 1918, RFC "
					   "4193), or one that is yours.",
		     });
}

static void check_overlays(struct check *c)
{
	for (size_t i = 0; i < c->inv->n_overlays; i++) {
		const struct mesh_overlay *o = &c->inv->overlays[i];
		const char *what = special_overlap(&o->prefix);

		if (what)
			report_impossible(c, NULL, NULL, o, what);
		if (o->had_host_bits)
			report_host_bits(c, NULL, &o->prefix, o->pos);
	}
}

static void check_may_announce(struct check *c, const struct mesh_node *n)
{
	for (size_t i = 0; i < n->n_may_announce; i++) {
		const struct mesh_overlay *o = &n->may_announce[i];
		const char *what = special_network(&o->prefix);

		if (what)
			report_impossible(c, &n->index, "`may_announce`", o, what);
		if (o->had_host_bits)
			report_host_bits(c, &n->index, &o->prefix, o->pos);
	}
}

/* What each network is by itself, and against the overlay. */
void check_networks(struct check *c)
{
	check_overlays(c);
	for (size_t i = 0; i < c->inv->n_nodes; i++)
		check_may_announce(c, &c->inv->nodes[i]);
	for (size_t i = 0; i < c->n_carried; i++) {
		const struct carried *n = &c->carried[i];
		const struct mesh_overlay *overlay = trie_get(c->overlays, &n->prefix);
		const char *what = special_network(&n->prefix);

		if (!overlay)
			overlay = trie_cover(c->overlays, &n->prefix, NULL);
		if (what)
			report_impossible(c, &n->node, "networks",
				&(struct mesh_overlay){.prefix = n->prefix, .pos = n->network->pos},
				what);
		else if (overlay)
			report_in_overlay(c, n, overlay);
		if (n->network->had_host_bits)
			report_host_bits(c, &n->node, &n->prefix, n->network->pos);
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * Findings about what routing engines may announce, and about what is said of networks that they
 * announce. A prefix that many nodes may announce is one cause. A default route permits itself
 * alone, so it is none of what lies within.
 */
#include "mesh/check_parts.h"
#include "mesh/routing.h"
#include <stdlib.h>
#include <string.h>

/* What a node may announce besides its networks. */
struct announced {
	ip_prefix prefix;
	unsigned node;
	struct mesh_pos pos;
};

/* Of all nodes with engines, by prefix, then by node; default routes left out. */
struct announcements {
	VEC(struct announced) all;
	struct trie *first; /* of each prefix: its first place in all */
};

static int announced_cmp(const void *a, const void *b)
{
	const struct announced *x = a, *y = b;
	int d = ip_prefix_cmp(&x->prefix, &y->prefix);

	return d ? d : (x->node > y->node) - (x->node < y->node);
}

static void index_announced(const struct check *c, struct announcements *ret)
{
	ret->first = trie_new();
	for (unsigned i = 0; i < c->inv->n_nodes; i++) {
		const struct mesh_node *n = &c->inv->nodes[i];

		for (size_t k = 0; k < n->n_may_announce && mesh_has_engine(n); k++)
			if (!ip_prefix_is_default(&n->may_announce[k].prefix))
				vec_push(&ret->all, (struct announced){n->may_announce[k].prefix, i,
							    n->may_announce[k].pos});
	}
	if (ret->all.n)
		qsort(ret->all.items, ret->all.n, sizeof(*ret->all.items), announced_cmp);
	for (size_t i = ret->all.n; i; i--)
		*trie_slot(ret->first, &ret->all.items[i - 1].prefix) = &ret->all.items[i - 1];
}

/* The nodes from that place on that may announce the same prefix. */
static void announcers_of(
	const struct announcements *a, const struct announced *first, node_list *ret)
{
	for (const struct announced *at = first; at < a->all.items + a->all.n; at++) {
		if (!ip_prefix_eq(&at->prefix, &first->prefix))
			return;
		if (!ret->n || ret->items[ret->n - 1] != at->node)
			vec_push(ret, at->node);
	}
}

/* --- against the overlay -------------------------------------------------------------------------
 */

static int take_first(const ip_prefix *p, void *value, void *data)
{
	*(ip_prefix *)data = *p;
	return 1;
}

/* An overlay that shares addresses with the prefix. */
static bool overlay_at(const struct check *c, const ip_prefix *p, ip_prefix *ret)
{
	return trie_walk_within(c->overlays, p, take_first, ret) ||
	       trie_cover(c->overlays, p, ret) != NULL;
}

static void check_overlap(
	struct check *c, const struct announcements *a, const struct announced *at)
{
	node_list nodes = {0};
	ip_prefix overlay;

	if (!overlay_at(c, &at->prefix, &overlay))
		return;
	announcers_of(a, at, &nodes);
	check_add(
		c, &(struct mesh_finding){
			   .code = "announced-overlay",
			   .severity = MESH_ERROR,
			   .nodes = nodes.items,
			   .n_nodes = nodes.n,
			   .prefixes = &at->prefix,
			   .n_prefixes = 1,
			   .pos = at->pos,
			   .effect = check_text(c,
				   "%s, which %s may announce, holds addresses of the overlay "
				   "%s: who announces a node's own address takes its packets, "
				   "and its sessions with them.",
				   check_prefix(c, &at->prefix),
				   check_names(c, nodes.items, nodes.n), check_prefix(c, &overlay)),
			   .fix = check_text(c,
				   "List smaller prefixes that leave %s out; overlay addresses "
				   "are reachable without being announced.",
				   check_prefix(c, &overlay)),
		   });
	vec_done(&nodes);
}

/* --- against endpoints ---------------------------------------------------------------------------
 */

/* The nodes whose endpoints lie in one prefix, in the order of the file. */
struct inside {
	const struct announced *at;
	node_list nodes;
};

struct insides {
	struct trie *by_prefix;
	VEC(struct inside *) all;
};

static void add_inside(struct insides *s, const struct announced *at, unsigned node)
{
	struct inside **slot = (struct inside **)trie_slot(s->by_prefix, &at->prefix);

	if (!*slot) {
		*slot = mem_zalloc(1, sizeof(**slot));
		(*slot)->at = at;
		vec_push(&s->all, *slot);
	}
	if (!(*slot)->nodes.n || (*slot)->nodes.items[(*slot)->nodes.n - 1] != node)
		vec_push(&(*slot)->nodes, node);
}

/* Names aren't judged: what they resolve to is known at run time only. */
static void look_up(const struct announcements *a, const struct mesh_endpoint *e, unsigned node,
	struct insides *ret)
{
	ip_addr addr;
	ip_prefix p;
	const struct announced *at;

	if (!e->host || !ip_addr_parse(&addr, e->host))
		return;
	at = trie_lookup(a->first, &addr, &p);
	for (; at; at = trie_cover(a->first, &p, &p))
		add_inside(ret, at, node);
}

static void report_inside(struct check *c, const struct announcements *a, const struct inside *s)
{
	const char *prefix = check_prefix(c, &s->at->prefix);
	node_list nodes = {0};
	size_t n;

	announcers_of(a, s->at, &nodes);
	n = nodes.n;
	for (size_t i = 0; i < s->nodes.n; i++)
		vec_push(&nodes, s->nodes.items[i]);
	check_add(c,
		&(struct mesh_finding){
			.code = "announced-endpoint",
			.severity = MESH_ERROR,
			.nodes = nodes.items,
			.n_nodes = nodes.n,
			.prefixes = &s->at->prefix,
			.n_prefixes = 1,
			.pos = s->at->pos,
			.effect = check_text(c,
				"%s, which %s may announce, holds the endpoint%s of %s: nodes keep "
				"it in the tunnels, or nowhere while nobody announces it, and the "
				"tunnels' own packets find no way.",
				prefix, check_names(c, nodes.items, n), s->nodes.n == 1 ? "" : "s",
				check_names(c, s->nodes.items, s->nodes.n)),
			.fix = check_text(c,
				"List smaller prefixes that leave the endpoint%s out, or give %s "
				"one outside of %s.",
				s->nodes.n == 1 ? "" : "s",
				check_names(c, s->nodes.items, s->nodes.n), prefix),
		});
	vec_done(&nodes);
}

static void check_endpoints_inside(struct check *c, const struct announcements *a)
{
	struct insides s = {.by_prefix = trie_new()};

	for (unsigned i = 0; i < c->inv->n_nodes && a->all.n; i++)
		look_up(a, &c->inv->nodes[i].endpoint, i, &s);
	for (size_t i = 0; i < c->inv->n_links && a->all.n; i++) {
		look_up(a, &c->inv->links[i].endpoints[0], c->inv->links[i].a, &s);
		look_up(a, &c->inv->links[i].endpoints[1], c->inv->links[i].b, &s);
	}
	for (size_t i = 0; i < s.all.n; i++) {
		report_inside(c, a, s.all.items[i]);
		vec_done(&s.all.items[i]->nodes);
		free(s.all.items[i]);
	}
	vec_done(&s.all);
	trie_free(s.by_prefix);
}

/* --- nobody there to announce --------------------------------------------------------------------
 */

static void check_silent(struct check *c)
{
	node_list nodes = {0};
	prefix_list prefixes = {0};

	for (unsigned i = 0; i < c->inv->n_nodes; i++) {
		const struct mesh_node *n = &c->inv->nodes[i];

		if (mesh_has_engine(n) || !n->n_may_announce)
			continue;
		vec_push(&nodes, i);
		for (size_t k = 0; k < n->n_may_announce; k++)
			vec_push(&prefixes, n->may_announce[k].prefix);
	}
	if (nodes.n)
		check_add(
			c, &(struct mesh_finding){
				   .code = "announces-without-engine",
				   .severity = MESH_WARNING,
				   .nodes = nodes.items,
				   .n_nodes = nodes.n,
				   .prefixes = prefixes.items,
				   .n_prefixes = prefixes.n,
				   .pos = c->inv->nodes[nodes.items[0]].may_announce[0].pos,
				   .effect = check_text(c,
					   "%s may announce %s, but without a routing engine "
					   "nothing is announced.",
					   check_names(c, nodes.items, nodes.n),
					   check_prefixes(c, prefixes.items, prefixes.n)),
				   .fix = "List under `networks` what is there for good, or run a "
					  "routing engine and state it under `routing`.",
			   });
	vec_done(&nodes);
	vec_done(&prefixes);
}

/* --- said of networks, and without effect --------------------------------------------------------
 */

/* How many nodes are of a kind: what is said of a network counts where engines don't decide. */
struct counts {
	size_t with, without, clients;
};

static struct counts count_nodes(const struct check *c)
{
	struct counts n = {0};

	for (size_t i = 0; i < c->inv->n_nodes; i++)
		if (mesh_has_engine(&c->inv->nodes[i]))
			n.with++;
		else if (c->inv->nodes[i].role == MESH_CLIENT)
			n.clients++;
		else
			n.without++;
	return n;
}

static bool has_dead_rule(const struct mesh_network *w)
{
	return w->on_dead != MESH_FALL_BACK;
}

static bool has_order(const struct mesh_network *w)
{
	return w->metric != MESH_METRIC_NONE || w->weight > MESH_WEIGHT_DEFAULT;
}

struct idle_words {
	const char *code;
	bool (*is_said)(const struct mesh_network *w);
	const char *effect; /* behind "of 10.20.1.0/24 of site-1" */
	const char *what, *fix;
};

static void check_idle_words(struct check *c, const struct idle_words *k)
{
	node_list nodes = {0};
	prefix_list prefixes = {0};
	struct mesh_pos pos = {0};

	for (unsigned i = 0; i < c->inv->n_nodes; i++) {
		const struct mesh_node *n = &c->inv->nodes[i];
		size_t before = prefixes.n;

		for (size_t j = 0; j < n->n_networks && mesh_has_engine(n); j++)
			if (k->is_said(&n->networks[j])) {
				vec_push(&prefixes, n->networks[j].prefix);
				pos = pos.line ? pos : n->networks[j].pos;
			}
		if (prefixes.n > before)
			vec_push(&nodes, i);
	}
	if (nodes.n)
		check_add(c, &(struct mesh_finding){
				     .code = k->code,
				     .severity = MESH_WARNING,
				     .nodes = nodes.items,
				     .n_nodes = nodes.n,
				     .prefixes = prefixes.items,
				     .n_prefixes = prefixes.n,
				     .pos = pos,
				     .effect = check_text(c, "%s of %s of %s %s.", k->what,
					     check_prefixes(c, prefixes.items, prefixes.n),
					     check_names(c, nodes.items, nodes.n), k->effect),
				     .fix = k->fix,
			     });
	vec_done(&nodes);
	vec_done(&prefixes);
}

static void check_idle_networks(struct check *c)
{
	static const struct idle_words dead = {"left-to-engines", has_dead_rule,
		"has no effect between nodes with routing engines: a network that an engine "
		"withdraws is withdrawn, and the kernel's route stays, so that nothing leaves in "
		"clear",
		"`on_dead`",
		"Remove it, or set `engine: none` for the nodes that shall keep to it."};
	static const struct idle_words order = {"left-to-engines", has_order,
		"has no effect: all nodes have routing engines, which decide between the nodes "
		"that announce a network",
		"The metric or weight",
		"Remove it; a preference among several nodes is for the engine's own "
		"configuration."};
	struct counts n = count_nodes(c);

	if (n.with > 1)
		check_idle_words(c, &dead);
	if (n.with > 1 && !n.without && !n.clients)
		check_idle_words(c, &order);
}

/* --- all -----------------------------------------------------------------------------------------
 */

void check_announced(struct check *c)
{
	struct announcements a = {0};

	index_announced(c, &a);
	for (size_t i = 0; i < a.all.n; i++)
		if (i == 0 || !ip_prefix_eq(&a.all.items[i].prefix, &a.all.items[i - 1].prefix))
			check_overlap(c, &a, &a.all.items[i]);
	check_endpoints_inside(c, &a);
	check_silent(c);
	check_idle_networks(c);
	trie_free(a.first);
	vec_done(&a.all);
}

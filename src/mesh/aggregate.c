/* SPDX-License-Identifier: MIT */
/*
 * A path-compressed binary tree of the owner's prefixes and of the points where they branch. Every
 * node knows two things, both computed from its children in constant time:
 *
 *   complete  the owner has all of the node's addresses by merging alone: the prefix itself is his,
 *             or both halves are complete (and nobody else has the prefix)
 *   more      there is something to write below, once the node itself was written
 *
 * Taking a prefix out or putting it back recomputes the nodes above it and nothing else. Texts are
 * made once, when a tree is built, since one tree is printed in thousands of variants.
 */
#include "mesh/aggregate.h"

#include "base/vec.h"
#include <assert.h>
#include <string.h>

#define NONE (-1)

struct node {
	ip_prefix prefix;
	int child[2];
	int parent;
	bool given; /* one of the owner's prefixes, and not taken out */
	bool taken; /* somebody else's */
	bool complete;
	bool more;
	uint8_t text_len;
	uint32_t text;
};

struct mesh_aggregate {
	VEC(struct node) nodes;
	VEC(int) removed;
	struct buf texts; /* ", 10.0.0.0/8, 10.0.0.0/9..." */
	int root[2];	  /* IPv4, IPv6 */
};

static unsigned bit_at(const ip_prefix *p, unsigned place)
{
	return p->bytes[place / 8] >> (7 - place % 8) & 1;
}

/* How many leading bits the two have in common, at most the shorter one's length. */
static unsigned common_len(const ip_prefix *a, const ip_prefix *b)
{
	unsigned max = a->len < b->len ? a->len : b->len;
	unsigned n = 0;

	while (n + 8 <= max && a->bytes[n / 8] == b->bytes[n / 8])
		n += 8;
	while (n < max && bit_at(a, n) == bit_at(b, n))
		n++;
	return n;
}

/* The children are halves of the node and both complete: the node stands for them. */
static bool is_pair(const struct mesh_aggregate *a, const struct node *n)
{
	for (int i = 0; i < 2; i++) {
		if (n->child[i] == NONE)
			return false;
		const struct node *c = &a->nodes.items[n->child[i]];
		if (c->prefix.len != n->prefix.len + 1 || !c->complete)
			return false;
	}
	return !n->taken;
}

static void refresh(struct mesh_aggregate *a, int at)
{
	struct node *n = &a->nodes.items[at];
	bool pair = is_pair(a, n);

	n->complete = n->given || pair;
	n->more = false;
	for (int i = 0; i < 2; i++) {
		if (n->child[i] == NONE)
			continue;
		const struct node *c = &a->nodes.items[n->child[i]];
		n->more |= c->more || (c->complete && !pair);
	}
}

static void add_text(struct mesh_aggregate *a, struct node *n)
{
	char text[IP_PREFIX_STRLEN];

	n->text = (uint32_t)a->texts.n;
	buf_puts(&a->texts, ", ");
	buf_puts(&a->texts, ip_prefix_format(&n->prefix, text));
	n->text_len = (uint8_t)(a->texts.n - n->text);
}

struct source {
	const ip_prefix *prefixes;
	mesh_taken_fn *is_taken;
	const void *data;
};

/* The node for prefixes[lo] to prefixes[hi - 1] with all below it; NONE if there is none. */
static int build(struct mesh_aggregate *a, const struct source *s, size_t lo, size_t hi, int parent)
{
	struct node n = {.parent = parent, .child = {NONE, NONE}};
	int at = (int)a->nodes.n;
	size_t mid;

	if (lo == hi)
		return NONE;
	ip_addr first = ip_prefix_addr(&s->prefixes[lo]);
	/* They are sorted: what the first and the last have in common, all have. */
	n.prefix = ip_prefix_of(&first, common_len(&s->prefixes[lo], &s->prefixes[hi - 1]));
	n.given = ip_prefix_eq(&n.prefix, &s->prefixes[lo]);
	lo += n.given;
	for (mid = lo; mid < hi && !bit_at(&s->prefixes[mid], n.prefix.len); mid++)
		;
	add_text(a, &n);
	vec_push(&a->nodes, n);
	int left = build(a, s, lo, mid, at);
	int right = build(a, s, mid, hi, at);
	a->nodes.items[at].child[0] = left;
	a->nodes.items[at].child[1] = right;
	if (!n.given && is_pair(a, &a->nodes.items[at]))
		a->nodes.items[at].taken = s->is_taken(&n.prefix, s->data);
	refresh(a, at);
	return at;
}

struct mesh_aggregate *mesh_aggregate_new(
	const ip_prefix *prefixes, size_t n, mesh_taken_fn *is_taken, const void *data)
{
	struct mesh_aggregate *a = mem_zalloc(1, sizeof(*a));
	struct source s = {prefixes, is_taken, data};
	size_t n4 = 0;

	while (n4 < n && prefixes[n4].family == AF_INET)
		n4++;
	a->root[0] = build(a, &s, 0, n4, NONE);
	a->root[1] = build(a, &s, n4, n, NONE);
	return a;
}

void mesh_aggregate_free(struct mesh_aggregate *a)
{
	if (!a)
		return;
	vec_done(&a->nodes);
	vec_done(&a->removed);
	buf_done(&a->texts);
	free(a);
}

static int find(const struct mesh_aggregate *a, const ip_prefix *p)
{
	int at = a->root[p->family == AF_INET6];

	while (at != NONE && a->nodes.items[at].prefix.len < p->len)
		at = a->nodes.items[at].child[bit_at(p, a->nodes.items[at].prefix.len)];
	return at != NONE && ip_prefix_eq(&a->nodes.items[at].prefix, p) ? at : NONE;
}

static void set_given(struct mesh_aggregate *a, int at, bool given)
{
	a->nodes.items[at].given = given;
	a->nodes.items[at].taken = !given;
	for (; at != NONE; at = a->nodes.items[at].parent)
		refresh(a, at);
}

void mesh_aggregate_remove(struct mesh_aggregate *a, const ip_prefix *p)
{
	int at = find(a, p);

	assert(at != NONE && a->nodes.items[at].given);
	set_given(a, at, false);
	vec_push(&a->removed, at);
}

void mesh_aggregate_restore(struct mesh_aggregate *a)
{
	while (a->removed.n)
		set_given(a, a->removed.items[--a->removed.n], true);
}

struct printing {
	struct buf *out;
	size_t n;
};

/* absorbed: the parent was written for this node as well. */
static void print(const struct mesh_aggregate *a, int at, bool absorbed, struct printing *p)
{
	const struct node *n = &a->nodes.items[at];

	if (n->complete && !absorbed) {
		/* The first entry goes without its comma. */
		unsigned skip = p->n++ ? 0 : 2;
		buf_add(p->out, a->texts.data + n->text + skip, n->text_len - skip);
	}
	if (!n->more)
		return;
	bool pair = is_pair(a, n);
	for (int i = 0; i < 2; i++)
		if (n->child[i] != NONE)
			print(a, n->child[i], pair, p);
}

size_t mesh_aggregate_print(const struct mesh_aggregate *a, struct buf *out)
{
	struct printing p = {out, 0};

	for (int i = 0; i < 2; i++)
		if (a->root[i] != NONE)
			print(a, a->root[i], false, &p);
	return p.n;
}

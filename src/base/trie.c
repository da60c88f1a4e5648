/* SPDX-License-Identifier: MIT */
/*
 * A binary trie without chains: a node stands for a prefix and has a child for each value of the
 * bit behind it. Every node holds a value or joins two children; a node without a value ("glue")
 * that is left with one child is replaced by it, so n prefixes take fewer than 2n nodes. Each
 * child's prefix lies within its parent's, so a path has at most 129 nodes of one family.
 *
 * Nodes never move and never change their prefix, which is what keeps a slot valid.
 */
#include "base/trie.h"

#include "base/mem.h"
#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define PATH_MAX_NODES 129

struct node {
	struct node *child[2];
	void *value; /* NULL: glue */
	ip_prefix prefix;
};

struct trie {
	struct node *root[2]; /* IPv4, IPv6 */
	size_t n;
};

struct trie *trie_new(void)
{
	return mem_zalloc(1, sizeof(struct trie));
}

/* Nodes still to be visited. A visit takes one and adds two at most, and the last node of a full
 * path has no children: one per node of the path is enough. */
struct pending {
	const struct node *nodes[PATH_MAX_NODES];
	unsigned n;
};

static void pending_push(struct pending *p, const struct node *n)
{
	if (!n)
		return;
	assert(p->n < ARRAY_SIZE(p->nodes));
	p->nodes[p->n++] = n;
}

/* The next node of a subtree, parents first, left before right; NULL at the end. */
static const struct node *pending_next(struct pending *p)
{
	const struct node *n;

	if (!p->n)
		return NULL;
	n = p->nodes[--p->n];
	pending_push(p, n->child[1]);
	pending_push(p, n->child[0]);
	return n;
}

static void free_subtree(struct node *n)
{
	if (!n)
		return;
	free_subtree(n->child[0]);
	free_subtree(n->child[1]);
	free(n);
}

void trie_free(struct trie *t)
{
	if (!t)
		return;
	free_subtree(t->root[0]);
	free_subtree(t->root[1]);
	free(t);
}

/* The place of a family's root; an unset family has none. */
static struct node **root_of(struct trie *t, int family)
{
	return family == AF_INET ? &t->root[0] : family == AF_INET6 ? &t->root[1] : NULL;
}

static const struct node *first_node(const struct trie *t, int family)
{
	return family == AF_INET ? t->root[0] : family == AF_INET6 ? t->root[1] : NULL;
}

static unsigned bit_at(const uint8_t bytes[16], unsigned i)
{
	return bytes[i / 8] >> (7 - i % 8) & 1;
}

/* The number of leading bits that two addresses share, 0..128. */
static unsigned common_bits(const uint8_t a[16], const uint8_t b[16])
{
	uint64_t x, y;

	for (unsigned i = 0; i < 16; i += 8) {
		memcpy(&x, a + i, 8);
		memcpy(&y, b + i, 8);
		if (x != y)
			return i * 8 + (unsigned)__builtin_clzll(be64toh(x ^ y));
	}
	return 128;
}

/* True if n's prefix holds the address that begins with these bytes. */
static bool covers(const struct node *n, const uint8_t bytes[16])
{
	return common_bits(n->prefix.bytes, bytes) >= n->prefix.len;
}

static struct node *node_new(const ip_prefix *p, unsigned len)
{
	struct node *n = mem_zalloc(1, sizeof(*n));

	n->prefix = *p;
	n->prefix.len = (uint8_t)len;
	n->prefix = ip_prefix_masked(&n->prefix);
	return n;
}

static void adopt(struct node *parent, struct node *child)
{
	parent->child[bit_at(child->prefix.bytes, parent->prefix.len)] = child;
}

/* Makes the node of p and puts it at a place that is free or held by a node that neither is nor
 * covers p: above that node if p covers it, else beside it below a new joint. */
static struct node *insert_at(struct node **at, const ip_prefix *p)
{
	struct node *fresh = node_new(p, p->len), *old = *at, *top = fresh;
	unsigned common;

	if (old) {
		common = common_bits(p->bytes, old->prefix.bytes);
		if (common < p->len) {
			top = node_new(p, common);
			adopt(top, fresh);
		}
		adopt(top, old);
	}
	*at = top;
	return fresh;
}

void **trie_slot(struct trie *t, const ip_prefix *p)
{
	struct node **at = root_of(t, p->family), *n;

	assert(at && !ip_prefix_has_host_bits(p));
	while ((n = *at) && n->prefix.len < p->len && covers(n, p->bytes))
		at = &n->child[bit_at(p->bytes, n->prefix.len)];
	if (!n || n->prefix.len != p->len || !covers(n, p->bytes))
		n = insert_at(at, p);
	if (!n->value)
		t->n++;
	return &n->value;
}

void *trie_get(const struct trie *t, const ip_prefix *p)
{
	const struct node *n = first_node(t, p->family);

	while (n && n->prefix.len < p->len)
		n = n->child[bit_at(p->bytes, n->prefix.len)];
	return n && ip_prefix_eq(&n->prefix, p) ? n->value : NULL;
}

/* Takes out a node that holds no value and joins nothing. */
static void drop_glue(struct node **at)
{
	struct node *n = *at;

	if (n->value || (n->child[0] && n->child[1]))
		return;
	*at = n->child[0] ? n->child[0] : n->child[1];
	free(n);
}

void *trie_remove(struct trie *t, const ip_prefix *p)
{
	struct node **at = root_of(t, p->family), **above = NULL, *n;
	void *value;

	if (!at)
		return NULL;
	while ((n = *at) && n->prefix.len < p->len) {
		above = at;
		at = &n->child[bit_at(p->bytes, n->prefix.len)];
	}
	if (!n || !n->value || !ip_prefix_eq(&n->prefix, p))
		return NULL;
	value = n->value;
	n->value = NULL;
	t->n--;
	drop_glue(at);
	if (above)
		drop_glue(above);
	return value;
}

/* The deepest value on the path to an address whose prefix is at most max_len long. */
static void *longest(
	const struct trie *t, int family, const uint8_t bytes[16], int max_len, ip_prefix *ret)
{
	const struct node *best = NULL;

	for (const struct node *n = first_node(t, family);
		n && n->prefix.len <= max_len && covers(n, bytes);
		n = n->child[bit_at(bytes, n->prefix.len)]) {
		if (n->value)
			best = n;
		if (n->prefix.len == max_len)
			break;
	}
	if (best && ret)
		*ret = best->prefix;
	return best ? best->value : NULL;
}

void *trie_lookup(const struct trie *t, const ip_addr *a, ip_prefix *ret)
{
	return longest(t, a->family, a->bytes, (int)ip_family_bits(a->family), ret);
}

void *trie_cover(const struct trie *t, const ip_prefix *p, ip_prefix *ret)
{
	return longest(t, p->family, p->bytes, (int)p->len - 1, ret);
}

size_t trie_count(const struct trie *t)
{
	return t->n;
}

static int walk_pending(struct pending *pending, trie_fn *fn, void *data)
{
	const struct node *n;
	int r = 0;

	while (!r && (n = pending_next(pending)))
		if (n->value)
			r = fn(&n->prefix, n->value, data);
	return r;
}

static int walk_subtree(const struct node *n, trie_fn *fn, void *data)
{
	struct pending pending = {.n = 0};

	pending_push(&pending, n);
	return walk_pending(&pending, fn, data);
}

int trie_walk(const struct trie *t, trie_fn *fn, void *data)
{
	int r = walk_subtree(t->root[0], fn, data);

	return r ? r : walk_subtree(t->root[1], fn, data);
}

/* What of a subtree stands behind a prefix: on the way down to it, all that branches off to the
 * right. */
static void push_behind(struct pending *pending, const struct node *n, const ip_prefix *after)
{
	while (n && n->prefix.len < after->len && ip_prefix_contains(&n->prefix, after)) {
		int bit = bit_at(after->bytes, n->prefix.len);

		if (!bit)
			pending_push(pending, n->child[1]);
		n = n->child[bit];
	}
	if (n && ip_prefix_eq(&n->prefix, after)) {
		pending_push(pending, n->child[1]);
		pending_push(pending, n->child[0]);
	} else if (n && ip_prefix_cmp(&n->prefix, after) > 0) {
		pending_push(pending, n);
	}
}

int trie_walk_after(const struct trie *t, const ip_prefix *after, trie_fn *fn, void *data)
{
	struct pending pending = {.n = 0};
	int r;

	push_behind(&pending, first_node(t, after->family), after);
	r = walk_pending(&pending, fn, data);
	return r || after->family != AF_INET ? r : walk_subtree(t->root[1], fn, data);
}

int trie_walk_within(const struct trie *t, const ip_prefix *outer, trie_fn *fn, void *data)
{
	const struct node *n = first_node(t, outer->family);

	while (n && n->prefix.len < outer->len)
		n = n->child[bit_at(outer->bytes, n->prefix.len)];
	if (!n || !ip_prefix_contains(outer, &n->prefix))
		return 0;
	return walk_subtree(n, fn, data);
}

/* SPDX-License-Identifier: MIT */
#include "mesh/permits.h"

#include <assert.h>
#include <stdlib.h>

void permits_init(struct permits *p, int family)
{
	*p = (struct permits){.family = family};
}

void permits_done(struct permits *p)
{
	vec_done(&p->items);
}

void permits_add(struct permits *p, const ip_prefix *prefix)
{
	if (prefix->family != p->family)
		return;
	if (ip_prefix_is_default(prefix))
		p->has_default = true;
	else
		vec_push(&p->items, (struct permit){*prefix, prefix->len});
}

void permits_add_node(struct permits *p, const struct mesh_node *node)
{
	for (size_t i = 0; i < node->n_networks; i++)
		permits_add(p, &node->networks[i].prefix);
	for (size_t i = 0; i < node->n_may_announce; i++)
		permits_add(p, &node->may_announce[i].prefix);
}

static int permit_cmp(const void *a, const void *b)
{
	return ip_prefix_cmp(
		&((const struct permit *)a)->prefix, &((const struct permit *)b)->prefix);
}

static ip_prefix cut(const ip_prefix *p, unsigned len)
{
	ip_addr a = ip_prefix_addr(p);

	return ip_prefix_of(&a, len);
}

/* If the last two entries are the halves of one prefix, and alike, they become one. */
static bool join_last(struct permits *p, size_t n)
{
	struct permit *low = n < 2 ? NULL : &p->items.items[n - 2];

	if (!low || low[0].prefix.len != low[1].prefix.len || low[0].from != low[1].from ||
		low->prefix.len < 2)
		return false;
	ip_prefix parent = cut(&low[0].prefix, low->prefix.len - 1u);
	if (!ip_prefix_contains(&parent, &low[1].prefix))
		return false;
	low->prefix = parent;
	return true;
}

void permits_sort(struct permits *p)
{
	struct permit *items = p->items.items;
	size_t n = 0;

	if (p->items.n)
		qsort(items, p->items.n, sizeof(*items), permit_cmp);
	/* Covers stand before what they cover. One that arose by joining holds nothing that comes
	 * later: what it adds to its halves is nothing. */
	for (size_t i = 0; i < p->items.n; i++) {
		if (n && ip_prefix_contains(&items[n - 1].prefix, &items[i].prefix))
			continue;
		items[n++] = items[i];
		while (join_last(p, n))
			n--;
	}
	p->items.n = n;
}

static unsigned common_bits(const ip_prefix *a, const ip_prefix *b)
{
	unsigned n = 0, max = a->len < b->len ? a->len : b->len;

	while (n < max && !((a->bytes[n / 8] ^ b->bytes[n / 8]) & (0x80u >> n % 8)))
		n++;
	return n;
}

static int prefix_cmp(const void *a, const void *b)
{
	return ip_prefix_cmp(a, b);
}

unsigned permits_shortest(const struct permits *p)
{
	unsigned ret = p->items.n ? p->items.items[0].prefix.len : 0;

	for (size_t i = 1; i < p->items.n; i++)
		if (p->items.items[i].prefix.len < ret)
			ret = p->items.items[i].prefix.len;
	return ret;
}

size_t permits_covers(const struct permits *p, unsigned from, ip_prefix **ret)
{
	VEC(ip_prefix) all = {0};

	for (size_t i = 0; i < p->items.n; i++) {
		const ip_prefix *at = &p->items.items[i].prefix;
		unsigned first = i ? common_bits(at, &p->items.items[i - 1].prefix) + 1 : 0;

		assert(!i || first <= at->len);
		for (unsigned len = first > from ? first : from; len < at->len; len++)
			vec_push(&all, cut(at, len));
	}
	if (all.n)
		qsort(all.items, all.n, sizeof(*all.items), prefix_cmp);
	*ret = all.items;
	return all.n;
}

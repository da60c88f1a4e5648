/* SPDX-License-Identifier: MIT */
#include "fib/want.h"

static int by_prefix(const void *a, const void *b)
{
	return ip_prefix_cmp(a, b);
}

/* fe80::/10 */
static bool is_link_local(const ip_prefix *p)
{
	return p->family == AF_INET6 && p->len >= 10 && p->bytes[0] == 0xfe &&
	       (p->bytes[1] & 0xc0) == 0x80;
}

bool want_is_connected(const struct want_facts *f, const ip_prefix *p)
{
	if (is_link_local(p))
		return true;
	for (size_t i = 0; i < f->n_overlays; i++)
		if (ip_prefix_contains(&f->overlays[i], p))
			return true;
	return false;
}

bool want_is_apart(const ip_prefix *apart, size_t n, const ip_prefix *p)
{
	return n && bsearch(p, apart, n, sizeof(*apart), by_prefix);
}

const struct want_prefix *want_carried(const struct want_facts *f, const ip_prefix *p)
{
	size_t from = 0, to = f->n_carried;

	while (from < to) {
		size_t at = from + (to - from) / 2;
		int c = ip_prefix_cmp(p, &f->carried[at].prefix);

		if (!c)
			return &f->carried[at];
		if (c < 0)
			to = at;
		else
			from = at + 1;
	}
	return NULL;
}

/* The lengths that occur: few, so that an endpoint needs few searches. */
struct lengths {
	bool of4[33], of6[129];
};

static void add_length(struct lengths *l, const ip_prefix *p)
{
	if (p->family == AF_INET)
		l->of4[p->len] = true;
	else
		l->of6[p->len] = true;
}

static struct lengths lengths_of(const struct want_facts *f)
{
	struct lengths l = {0};

	for (size_t i = 0; i < f->n_carried; i++)
		add_length(&l, &f->carried[i].prefix);
	for (size_t i = 0; i < f->n_guarded; i++)
		add_length(&l, &f->guarded[i]);
	return l;
}

/* Has a route of ours in some table, at times. An engine's own stands where the engine has put it.
 */
static bool has_place(const struct want_facts *f, const ip_prefix *p)
{
	const struct want_prefix *c = want_carried(f, p);

	return (c && !c->engines) || want_is_apart(f->guarded, f->n_guarded, p);
}

static void add_covers(
	const struct want_facts *f, const struct lengths *l, const ip_addr *a, prefix_vec *out)
{
	const bool *has = a->family == AF_INET ? l->of4 : l->of6;

	for (unsigned len = 0; len <= ip_family_bits(a->family); len++) {
		ip_prefix p;

		if (!has[len])
			continue;
		p = ip_prefix_of(a, len);
		if (has_place(f, &p) && !want_is_connected(f, &p))
			vec_push(out, p);
	}
}

void want_sort(prefix_vec *v)
{
	size_t n = 0;

	if (v->n)
		qsort(v->items, v->n, sizeof(*v->items), by_prefix);
	for (size_t i = 0; i < v->n; i++)
		if (!n || !ip_prefix_eq(&v->items[n - 1], &v->items[i]))
			v->items[n++] = v->items[i];
	v->n = n;
}

void want_apart(const struct want_facts *f, const ip_addr *endpoints, size_t n_endpoints,
	const prefix_vec *before, prefix_vec *ret)
{
	struct lengths l = lengths_of(f);

	ret->n = 0;
	for (size_t i = 0; i < f->n_carried; i++)
		if (ip_prefix_is_default(&f->carried[i].prefix) && !f->carried[i].engines)
			vec_push(ret, f->carried[i].prefix);
	for (size_t i = 0; i < n_endpoints; i++)
		if (endpoints[i].family)
			add_covers(f, &l, &endpoints[i], ret);
	for (size_t i = 0; i < before->n; i++)
		if (has_place(f, &before->items[i]))
			vec_push(ret, before->items[i]);
	want_sort(ret);
}

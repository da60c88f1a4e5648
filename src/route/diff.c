/* SPDX-License-Identifier: MIT */
/* A difference read prefix by prefix. */
#include "route/store.h"

#include <stdlib.h>

bool rib_home_eq(const struct rib_home *a, const struct rib_home *b)
{
	return a->kind == b->kind && (a->kind != RIB_AT_PEER || a->peer == b->peer) &&
	       (a->kind != RIB_AT_OWNER_SET || a->owner_set == b->owner_set);
}

static void each_untouched(const struct list *entries, const struct rib_turn *turn, uint32_t step,
	rib_diff_fn *fn, void *data)
{
	list_for_each (at, entries) {
		const struct rib_entry *e = container_of(at, struct rib_entry, of_set);

		if (e->step != step)
			fn(&e->prefix, turn, data);
	}
}

static void each_of_set(
	const struct rib_diff *diff, const struct rib_set_change *c, rib_diff_fn *fn, void *data)
{
	each_untouched(&c->set->plain, &c->turn, diff->step, fn, data);
	each_untouched(&c->set->nested, &c->turn, diff->step, fn, data);
}

static bool is_move(const struct rib_turn *t)
{
	return t->old_route != t->route || !rib_home_eq(&t->old_home, &t->home);
}

void rib_diff_each_move(const struct rib_diff *diff, rib_diff_fn *fn, void *data)
{
	for (size_t i = 0; i < diff->sets.n; i++)
		if (is_move(&diff->sets.items[i].turn))
			each_of_set(diff, &diff->sets.items[i], fn, data);
	for (size_t i = 0; i < diff->prefixes.n; i++)
		if (is_move(&diff->prefixes.items[i].turn))
			fn(&diff->prefixes.items[i].prefix, &diff->prefixes.items[i].turn, data);
}

void rib_diff_each(const struct rib_diff *diff, rib_diff_fn *fn, void *data)
{
	for (size_t i = 0; i < diff->sets.n; i++)
		each_of_set(diff, &diff->sets.items[i], fn, data);
	for (size_t i = 0; i < diff->prefixes.n; i++)
		fn(&diff->prefixes.items[i].prefix, &diff->prefixes.items[i].turn, data);
}

static void count(const ip_prefix *prefix, const struct rib_turn *turn, void *n)
{
	++*(size_t *)n;
}

size_t rib_diff_count(const struct rib_diff *diff)
{
	size_t n = 0;

	rib_diff_each(diff, count, &n);
	return n;
}

struct listing {
	struct rib_change *items;
	size_t n;
};

static void add(const ip_prefix *prefix, const struct rib_turn *turn, void *data)
{
	struct listing *l = data;

	l->items[l->n++] = (struct rib_change){*prefix, *turn};
}

static int by_prefix(const void *a, const void *b)
{
	const struct rib_change *x = a, *y = b;

	return ip_prefix_cmp(&x->prefix, &y->prefix);
}

size_t rib_diff_list(const struct rib_diff *diff, struct rib_change **ret)
{
	size_t n = rib_diff_count(diff);
	struct listing l = {n ? mem_zalloc(n, sizeof(struct rib_change)) : NULL, 0};

	rib_diff_each(diff, add, &l);
	if (n)
		qsort(l.items, n, sizeof(*l.items), by_prefix);
	*ret = l.items;
	return n;
}

void rib_diff_done(struct rib_diff *diff)
{
	vec_done(&diff->sets);
	vec_done(&diff->prefixes);
	vec_done(&diff->owner_sets);
	vec_done(&diff->owners);
	vec_done(&diff->levels);
}

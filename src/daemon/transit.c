/* SPDX-License-Identifier: MIT */
#include "daemon/transit.h"

#include "base/vec.h"
#include <stdlib.h>

struct transit {
	instant since; /* the watch; INSTANT_NEVER: there is none */
	instant last;  /* anything was seen; INSTANT_NEVER: not yet */
	VEC(struct transit_use) uses;
};

struct transit *transit_new(void)
{
	struct transit *t = mem_zalloc(1, sizeof(*t));

	t->since = t->last = INSTANT_NEVER;
	return t;
}

void transit_free(struct transit *t)
{
	if (!t)
		return;
	vec_done(&t->uses);
	free(t);
}

void transit_begin(struct transit *t, instant now)
{
	t->since = now;
	t->last = INSTANT_NEVER;
	t->uses.n = 0;
}

static bool is_same(const struct transit_use *a, const struct transit_use *b)
{
	return a->from == b->from && ip_prefix_cmp(&a->prefix, &b->prefix) == 0 &&
	       (a->from != TRANSIT_NOBODY || ip_addr_eq(&a->source, &b->source));
}

static bool is_recent(const struct transit_use *use, instant now)
{
	return instant_diff(now, use->last) < TRANSIT_RECENT_NS;
}

static void forget(struct transit *t, instant now)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->uses.n; i++)
		if (is_recent(&t->uses.items[i], now))
			t->uses.items[kept++] = t->uses.items[i];
	t->uses.n = kept;
}

void transit_see(struct transit *t, const struct transit_use *use, instant now)
{
	struct transit_use fresh = *use;

	fresh.last = t->last = now;
	for (size_t i = 0; i < t->uses.n; i++)
		if (is_same(&t->uses.items[i], use)) {
			t->uses.items[i] = fresh;
			return;
		}
	if (t->uses.n == TRANSIT_MAX)
		forget(t, now);
	if (t->uses.n < TRANSIT_MAX)
		vec_push(&t->uses, fresh);
}

static int by_prefix(const void *a, const void *b)
{
	const struct transit_use *x = a, *y = b;
	int order = ip_prefix_cmp(&x->prefix, &y->prefix);

	if (order)
		return order;
	return x->from < y->from ? -1 : x->from > y->from;
}

const struct transit_use *transit_list(struct transit *t, instant now, size_t *ret_n)
{
	forget(t, now);
	if (t->uses.n)
		qsort(t->uses.items, t->uses.n, sizeof(*t->uses.items), by_prefix);
	*ret_n = t->uses.n;
	return t->uses.items;
}

static bool is_watched_for(const struct transit *t, instant now, int64_t ns)
{
	return !instant_is_never(t->since) && instant_diff(now, t->since) >= ns;
}

bool transit_is_known(const struct transit *t, instant now)
{
	return is_watched_for(t, now, TRANSIT_RECENT_NS);
}

bool transit_is_idle(const struct transit *t, instant now, int64_t for_ns)
{
	return is_watched_for(t, now, for_ns) &&
	       (instant_is_never(t->last) || instant_diff(now, t->last) >= for_ns);
}

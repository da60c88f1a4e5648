/* SPDX-License-Identifier: MIT */
/*
 * Dumps. What one has is marked, and only its end changes what is held: what news told of since its
 * begin counts more, what it had and news didn't is added, what it hadn't went.
 *
 * A dump that is taken while routes go may miss some that stand (IPv6's walk counts the routes that
 * it has passed, and begins again when the tree changes): what isn't in it goes with the second
 * dump in a row that hasn't got it.
 */
#include "sys/route_mirror_internal.h"

#include "base/vec.h"
#include <assert.h>

void route_mirror_dump_begins(struct route_mirror *m)
{
	assert(!m->is_dumping);
	m->dump++;
	m->place = m->part = 0;
	m->is_dumping = true;
	m->asked = m->wanted;
	m->wanted = 0;
	m->may_miss[0] = m->may_miss[1] = false;
}

static void nexthop_dumped(struct route_mirror *m, const struct kernel_nexthop *n)
{
	struct held_object *o = object_get(m, n->id);
	uint32_t told = o->told;

	o->seen = m->dump;
	if (o->is_gone || (o->is_known && told == m->dump))
		return;
	object_set(m, o, n);
	o->told = told;
}

void route_mirror_dumped(struct route_mirror *m, const struct route_news *news)
{
	assert(m->is_dumping);
	if (news->type == ROUTE_NEWS_PART)
		m->part = m->place;
	else if (news->type == ROUTE_NEWS_NEXTHOP && !news->gone)
		nexthop_dumped(m, &news->u.nexthop);
	else if (news->type == ROUTE_NEWS_ROUTE && !news->gone && mirror_holds(m, &news->u.route))
		rules_dumped(m, &news->u.route);
}

/* --- the end -------------------------------------------------------------------------------- */

/* Prefixes and objects may be freed on the way: they are listed first. */
typedef VEC(void *) entries;

static void list_entries(const struct map *map, entries *ret)
{
	size_t cursor = 0;
	void *value;

	while (map_next(map, &cursor, NULL, NULL, &value))
		vec_push(ret, value);
}

/* The kernel's dump goes from the first hop of an IPv6 set to the last and passes by what stands
 * between them. NULL: the dump has no such set. */
static const struct held_route *hider_of(const struct route_mirror *m, const struct held_route *h)
{
	const struct held_route *o = h->prefix->first;

	while (o && !(o->is_set && o->n_hops > 1 && o->seen == m->dump && o->table == h->table &&
			    o->priority == h->priority))
		o = o->next;
	return o;
}

/* Where news were lost it may have been replaced by the set as well, which engines do. */
static bool may_be_hidden(const struct route_mirror *m, const struct held_route *h)
{
	if (h->prefix->prefix.family != AF_INET6 || h->is_set ||
		(m->asked | m->wanted) & DOUBT_OVERRUN)
		return false;
	if (h->object && h->object->seen != m->dump && h->object->told != m->dump)
		return false; /* it went with its object */
	return hider_of(m, h);
}

/* What news were lost of, and the dump passed by, shows when the set goes. */
static void note_hidden(const struct route_mirror *m, struct held_prefix *p)
{
	for (struct held_route *h = p->first; h; h = h->next)
		if (h->is_set && h->n_hops > 1 && m->asked & DOUBT_OVERRUN)
			h->may_hide = true;
		else if (h->n_hops < 2 && h->seen == m->dump)
			h->may_hide = false;
}

/* False: it is as it was. */
static bool settle_route(
	struct route_mirror *m, struct held_route *h, bool is_whole, enum held_end end)
{
	bool may_miss = m->may_miss[h->prefix->prefix.family == AF_INET6];

	if (h->kind == HELD_GONE || (h->kind == HELD_DUMPED && !is_whole)) {
		held_route_remove(m, h);
		return false;
	}
	if (h->kind == HELD_DUMPED) {
		h->kind = HELD_STANDS;
		return true;
	}
	if (!is_whole || h->told == m->dump || (h->seen != m->dump && may_be_hidden(m, h)))
		return false;
	if (h->seen == m->dump) {
		h->was_absent = false;
		return false;
	}
	if (may_miss && !h->was_absent) {
		h->was_absent = true;
		m->wanted |= m->asked ? m->asked : DOUBT_STEP;
		return false;
	}
	rules_end(m, h, end);
	return true;
}

/* In the dump's order; what that passed by stands right behind the set, or else behind all. */
static void place_unseen(const struct route_mirror *m, struct held_prefix *p)
{
	for (struct held_route *h = p->first; h; h = h->next) {
		const struct held_route *hider = hider_of(m, h);

		if (h->seen != m->dump)
			h->place = hider ? hider->place : UINT32_MAX;
	}
}

static bool is_before(
	const struct route_mirror *m, const struct held_route *a, const struct held_route *b)
{
	return a->place < b->place ||
	       (a->place == b->place && a->seen == m->dump && b->seen != m->dump);
}

/* A few at most; those that the dump hasn't got as they stood. */
static void sort(const struct route_mirror *m, struct held_prefix *p)
{
	struct held_route *rest, *h;
	struct held_route **at;

	place_unseen(m, p);
	rest = p->first;
	p->first = NULL;
	while ((h = rest)) {
		rest = h->next;
		for (at = &p->first; *at && !is_before(m, h, *at); at = &(*at)->next)
			;
		h->next = *at;
		*at = h;
	}
}

static void settle_prefix(
	struct route_mirror *m, struct held_prefix *p, bool is_whole, enum held_end end)
{
	bool is_other = false;
	struct held_route *next;

	for (struct held_route *h = p->first; h; h = next) {
		next = h->next;
		is_other |= settle_route(m, h, is_whole, end);
	}
	if (is_whole)
		note_hidden(m, p);
	if (is_whole && p->touched != m->dump && p->first && p->first->next) {
		sort(m, p);
		is_other = true;
	}
	if (is_other)
		held_prefix_touch(m, p);
	held_prefix_drop_if_empty(m, p);
}

static void settle_object(struct route_mirror *m, struct held_object *o, bool is_whole)
{
	o->is_gone = false;
	if (is_whole && o->is_known && o->seen != m->dump && o->told != m->dump)
		object_unset(m, o);
	else
		object_drop_if_unused(m, o);
}

void route_mirror_dump_ends(struct route_mirror *m, bool is_whole, instant now)
{
	unsigned why = m->asked | m->wanted;
	enum held_end end = why == DOUBT_OVERRUN ? END_WITHDRAWN : END_SWEPT;
	entries prefixes = {0}, objects = {0};

	(void)now;
	assert(m->is_dumping);
	m->is_dumping = false;
	list_entries(m->prefixes, &prefixes);
	for (size_t i = 0; i < prefixes.n; i++)
		settle_prefix(m, prefixes.items[i], is_whole, end);
	list_entries(m->objects, &objects);
	for (size_t i = 0; i < objects.n; i++)
		settle_object(m, objects.items[i], is_whole);
	vec_done(&prefixes);
	vec_done(&objects);
	if (is_whole)
		m->is_filled = true;
	else
		m->wanted |= m->asked ? m->asked : DOUBT_STEP;
}

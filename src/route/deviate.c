/* SPDX-License-Identifier: MIT */
/*
 * Where a prefix deviates from its set. Whether a cover lives is a matter of the cover's set, never
 * of its own deviation, so nothing here depends on the order in which entries are looked at.
 */
#include "route/store.h"

static void set_doubtful(struct rib *rib, struct rib_entry *e, bool doubtful)
{
	if (e->in_doubtful == doubtful)
		return;
	e->in_doubtful = doubtful;
	if (doubtful)
		*trie_slot(rib->doubtful, &e->prefix) = e;
	else
		trie_remove(rib->doubtful, &e->prefix);
}

static void touch_list(struct rib *rib, struct list *entries)
{
	list_for_each (at, entries)
		rib_touch_entry(rib, container_of(at, struct rib_entry, of_set));
}

static int touch_within(const ip_prefix *p, void *value, void *rib)
{
	rib_touch_entry(rib, value);
	return 0;
}

/* A default route says nothing of what it covers. */
static void touch_covered(struct rib *rib, const ip_prefix *cover)
{
	if (trie_count(rib->doubtful) && !ip_prefix_is_default(cover))
		trie_walk_within(rib->doubtful, cover, touch_within, rib);
}

static void touch_covered_by_list(struct rib *rib, const struct list *entries)
{
	list_for_each (at, entries)
		touch_covered(rib, &container_of(at, struct rib_entry, of_set)->prefix);
}

struct within_set {
	struct rib *rib;
	const struct rib_set *set;
};

static int touch_if_within_set(const ip_prefix *p, void *value, void *data)
{
	const struct within_set *w = data;
	const struct rib_entry *c = trie_cover(w->rib->entries, p, NULL);

	while (c && c->set != w->set)
		c = trie_cover(w->rib->entries, &c->prefix, NULL);
	if (c && !ip_prefix_is_default(&c->prefix))
		rib_touch_entry(w->rib, value);
	return 0;
}

static bool is_longer(const struct list *l, size_t than)
{
	size_t n = 0;

	list_for_each (at, l)
		if (++n > than)
			return true;
	return false;
}

/* From whichever side there is less to look at. */
static void touch_covered_by_set(struct rib *rib, const struct rib_set *s)
{
	size_t n = trie_count(rib->doubtful);

	if (!n)
		return;
	if (is_longer(&s->plain, n) || is_longer(&s->nested, n)) {
		trie_walk(rib->doubtful, touch_if_within_set, &(struct within_set){rib, s});
	} else {
		touch_covered_by_list(rib, &s->plain);
		touch_covered_by_list(rib, &s->nested);
	}
}

/* Deviations fall or arise with the outcome of their set: covered are nested ones in doubt. */
static void touch_of_sets(struct rib *rib)
{
	for (size_t i = 0; i < rib->touched_sets.n; i++) {
		struct rib_set *s = rib->touched_sets.items[i];
		bool doubt_turned = s->now.doubtful != s->before.doubtful;

		if (doubt_turned || s->policy->on_dead == RIB_HOLD)
			touch_list(rib, &s->deviants);
		if (doubt_turned)
			touch_list(rib, &s->nested);
	}
	for (size_t i = 0; i < rib->touched.n; i++) {
		struct rib_entry *e = rib->touched.items[i].entry;

		set_doubtful(rib, e, e->set && e->nested && e->set->now.doubtful);
	}
}

/* What a cover begins or ceases to carry. */
static void touch_under_covers(struct rib *rib)
{
	size_t n = rib->touched.n;

	for (size_t i = 0; i < n; i++) {
		const struct rib_touched *t = &rib->touched.items[i];
		const struct rib_set *s = t->entry->set;

		if (t->cover != (s ? s->now.cover : RIB_COVER_NONE))
			touch_covered(rib, &t->entry->prefix);
	}
	for (size_t i = 0; i < rib->touched_sets.n; i++) {
		const struct rib_set *s = rib->touched_sets.items[i];

		if (s->before.cover != s->now.cover)
			touch_covered_by_set(rib, s);
	}
}

/*
 * True if the packets of a prefix that is withdrawn would reach somebody who lives: of the prefixes
 * around it the longest with an owner takes them, and no other. Those that are doubtful, too, are
 * passed over: what stands around them decides for all of them alike.
 */
static bool has_living_cover(const struct rib *rib, const struct rib_entry *e)
{
	const struct rib_entry *c = trie_cover(rib->entries, &e->prefix, NULL);

	while (c && (!c->set || c->set->now.cover == RIB_COVER_NONE))
		c = trie_cover(rib->entries, &c->prefix, NULL);
	return c && !ip_prefix_is_default(&c->prefix) && c->set->now.cover == RIB_COVER_LIVING;
}

static bool is_next_hop(const struct rib_set *s, uint32_t peer)
{
	for (size_t i = 0; i < s->n_order; i++)
		if (s->order[i].peer == peer)
			return true;
	return false;
}

/* Who is held for an entry, given the owner that it had before this step. */
static uint32_t held_of(const struct rib_set *s, const struct rib_owners *had)
{
	uint32_t held;

	if (s->policy->on_dead != RIB_HOLD || s->policy->pinned || s->now.usable)
		return RIB_NOBODY;
	held = had->n && is_next_hop(s, had->peer[0]) ? had->peer[0] : s->order[0].peer;
	return held == s->now.owners.peer[0] ? RIB_NOBODY : held;
}

static struct list *list_of(const struct rib_entry *e)
{
	if (e->covered || e->held != RIB_NOBODY)
		return &e->set->deviants;
	return e->nested ? &e->set->nested : &e->set->plain;
}

static void deviate(struct rib *rib, const struct rib_touched *t)
{
	struct rib_entry *e = t->entry;
	struct rib_set *s = e->set;

	if (!s)
		return;
	e->covered = s->now.doubtful && e->nested && has_living_cover(rib, e);
	e->held = held_of(s, &t->want.owners);
	list_remove(&e->of_set);
	list_append(list_of(e), &e->of_set);
	if (s->group)
		rib_touch_group(rib, s->group);
}

void rib_deviate(struct rib *rib)
{
	touch_of_sets(rib);
	touch_under_covers(rib);
	for (size_t i = 0; i < rib->touched.n; i++)
		deviate(rib, &rib->touched.items[i]);
}

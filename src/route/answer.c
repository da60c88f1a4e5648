/* SPDX-License-Identifier: MIT */
/* The RIB asked: explain, lookup, walk, and the names of the reasons. */
#include "route/store.h"

#include <assert.h>
#include <stdlib.h>

const char *rib_reason_name(enum rib_reason r)
{
	static const char *const names[] = {
		[RIB_WINS] = "wins",
		[RIB_PEER_DOWN] = "peer-down",
		[RIB_PEER_LAST_RESORT] = "peer-last-resort",
		[RIB_ORIGIN_DOWN] = "origin-down",
		[RIB_HIGHER_DISTANCE] = "higher-distance",
		[RIB_HIGHER_METRIC] = "higher-metric",
		[RIB_IS_TRANSIT] = "is-transit",
		[RIB_HIGHER_HUB_METRIC] = "higher-hub-metric",
		[RIB_LATER_IN_FILE] = "later-in-file",
		[RIB_CUT_FROM_SET] = "cut-from-set",
		[RIB_HELD] = "held",
		[RIB_ORIGIN_LAST_RESORT] = "origin-last-resort",
		[RIB_WITHDRAWN] = "withdrawn",
		[RIB_CUT_FOR_ORIGIN] = "cut-for-origin",
		[RIB_PINNED] = "pinned",
	};

	assert((size_t)r < ARRAY_SIZE(names));
	return names[r];
}

static int compare_places(const void *a, const void *b, void *contenders)
{
	const struct decision_contender *list = contenders;
	size_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	int order = decision_compare(&list[x], &list[y], NULL);

	return order ? order : (x > y) - (x < y);
}

/* Puts the places of the contest's candidates in order of preference into rib->ids. */
static void rank(struct rib *rib, const struct rib_contest *contest, size_t n)
{
	vec_reserve(&rib->ids, n);
	for (size_t i = 0; i < n; i++)
		rib->ids.items[i] = (uint32_t)i;
	qsort_r(rib->ids.items, n, sizeof(uint32_t), compare_places, contest->contenders);
}

/* A candidate in its place of the answer; held: its next hop is down and owns the prefix, and no
 * better candidate has said so already. */
static void answer_candidate(struct rib *rib, const struct rib_contest *contest, size_t place,
	const struct rib_owners *owners)
{
	const struct rib_candidate *c = contest->contenders[place].candidate;
	enum rib_reason why = contest->reasons[place];
	bool held = decision_owns(owners, c->peer) && rib_peer_state(rib, c->peer) == RIB_DOWN;

	for (size_t i = 0; held && i < rib->candidates.n; i++)
		held = rib->candidates.items[i].peer != c->peer;
	/* What would win, were there no living cover. */
	if (!owners->n && decision_is_equal(why))
		why = RIB_ORIGIN_DOWN;
	vec_push(&rib->candidates, *c);
	vec_push(&rib->reasons, held ? RIB_HELD : why);
}

static void answer(struct rib *rib, const struct rib_entry *e, struct rib_answer *ret)
{
	const struct rib_contest *contest = rib_contest_run(rib, e->set);
	struct rib_owner_set set = rib_entry_owner_set(e);
	struct rib_want want;
	struct rib_answer a = {.prefix = e->prefix,
		.order = e->set->order,
		.n_order = e->set->n_order,
		.pinned = e->set->policy->pinned,
		.moved_at = rib_entry_moved_at(e),
		.on_dead = (enum rib_on_dead)e->set->policy->on_dead};

	rib_entry_want(e, &want);
	a.owners = want.owners;
	a.home = want.home;
	a.route = want.route;
	if (e->set->group) {
		a.order = set.owners;
		a.n_order = set.n;
	}
	rank(rib, contest, e->set->n);
	rib->candidates.n = 0;
	rib->reasons.n = 0;
	for (size_t i = 0; i < e->set->n; i++)
		answer_candidate(rib, contest, rib->ids.items[i], &a.owners);
	a.candidates = rib->candidates.items;
	a.reasons = rib->reasons.items;
	a.n = e->set->n;
	*ret = a;
}

bool rib_explain(struct rib *rib, const ip_prefix *prefix, struct rib_answer *ret)
{
	const struct rib_entry *e = trie_get(rib->entries, prefix);

	if (!e)
		return false;
	answer(rib, e, ret);
	return true;
}

bool rib_lookup(struct rib *rib, const ip_addr *addr, struct rib_answer *ret)
{
	const struct rib_entry *e = trie_lookup(rib->entries, addr, NULL);

	while (e && (e->covered || !e->set->now.owners.n))
		e = trie_cover(rib->entries, &e->prefix, NULL);
	if (!e)
		return false;
	answer(rib, e, ret);
	return true;
}

bool rib_cover(struct rib *rib, const ip_prefix *prefix, struct rib_answer *ret)
{
	const struct rib_entry *e = trie_cover(rib->entries, prefix, NULL);

	if (!e)
		return false;
	answer(rib, e, ret);
	return true;
}

struct walk {
	struct rib *rib;
	int (*fn)(const struct rib_answer *a, void *data);
	void *data;
	size_t left; /* how many more */
	int result;
};

/* What ends the walk beside an answer of fn. */
#define WALK_FULL 1

static int walk_entry(const ip_prefix *p, void *value, void *data)
{
	struct walk *w = data;
	struct rib_answer a;

	if (!w->left)
		return WALK_FULL;
	w->left--;
	answer(w->rib, value, &a);
	w->result = w->fn(&a, w->data);
	return w->result;
}

int rib_walk_after(struct rib *rib, const ip_prefix *after, size_t max,
	int (*fn)(const struct rib_answer *a, void *data), void *data)
{
	struct walk w = {.rib = rib, .fn = fn, .data = data, .left = max};

	if (after)
		trie_walk_after(rib->entries, after, walk_entry, &w);
	else
		trie_walk(rib->entries, walk_entry, &w);
	return w.result;
}

int rib_walk(struct rib *rib, int (*fn)(const struct rib_answer *a, void *data), void *data)
{
	return rib_walk_after(rib, NULL, SIZE_MAX, fn, data);
}

struct desire_walk {
	rib_desire_fn *fn;
	void *data;
	size_t left; /* how many more */
	int result;
};

static int desire_entry(const ip_prefix *p, void *value, void *data)
{
	struct desire_walk *w = data;
	const struct rib_entry *e = value;
	struct rib_desire d = {.prefix = *p, .on_dead = (enum rib_on_dead)e->set->policy->on_dead};
	struct rib_want want;

	if (!w->left)
		return WALK_FULL;
	w->left--;
	rib_entry_want(e, &want);
	d.owners = want.owners;
	d.home = want.home;
	d.owner_set = rib_entry_owner_set(e);
	d.route = want.route;
	w->result = w->fn(&d, w->data);
	return w->result;
}

int rib_desires_after(
	const struct rib *rib, const ip_prefix *after, size_t max, rib_desire_fn *fn, void *data)
{
	struct desire_walk w = {.fn = fn, .data = data, .left = max};

	if (after)
		trie_walk_after(rib->entries, after, desire_entry, &w);
	else
		trie_walk(rib->entries, desire_entry, &w);
	return w.result;
}

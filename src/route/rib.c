/* SPDX-License-Identifier: MIT */
/*
 * One step. The events change states and candidates and touch the sets and entries that they
 * concern; then every touched set is decided anew, once, deviations follow (deviate.c), and what
 * was touched is compared with what it had before. So a batch in which a peer goes and comes back,
 * or a prefix is removed and put back, yields nothing.
 */
#include "route/store.h"

#include <assert.h>
#include <string.h>

void rib_entry_desire(const struct rib_entry *e, struct rib_owners *ret, bool *ret_route)
{
	*ret = (struct rib_owners){0};
	*ret_route = e->set && e->set->now.route;
	if (!e->set || e->covered)
		return;
	*ret = e->set->now.owners;
	if (e->held != RIB_NOBODY) {
		ret->n = 1;
		ret->peer[0] = e->held;
	}
}

void rib_touch_set(struct rib *rib, struct rib_set *s)
{
	if (s->step == rib->step)
		return;
	s->step = rib->step;
	s->before = s->now;
	vec_push(&rib->touched_sets, s);
}

/* As rib_entry_desire said before this step. */
static void remember(struct rib *rib, const struct rib_entry *e, struct rib_touched *ret)
{
	bool set_touched = e->set && e->set->step == rib->step;
	struct rib_outcome now;

	if (!set_touched) {
		rib_entry_desire(e, &ret->owners, &ret->route);
		ret->cover = e->set ? e->set->now.cover : RIB_COVER_NONE;
		return;
	}
	now = e->set->now;
	e->set->now = e->set->before;
	rib_entry_desire(e, &ret->owners, &ret->route);
	ret->cover = e->set->now.cover;
	e->set->now = now;
}

void rib_touch_entry(struct rib *rib, struct rib_entry *e)
{
	struct rib_touched t = {.entry = e};

	if (e->step == rib->step)
		return;
	remember(rib, e, &t);
	e->step = rib->step;
	vec_push(&rib->touched, t);
}

static void apply_peer(struct rib *rib, uint32_t id, enum rib_state state)
{
	struct rib_peer *p = rib_store_peer(rib, id);

	if (p->known && p->state == state)
		return;
	p->known = true;
	p->state = state;
	list_for_each (at, &p->mentions)
		rib_touch_set(rib, container_of(at, struct rib_mention, of_peer)->set);
}

static void apply_prefix(struct rib *rib, const struct rib_event *ev)
{
	struct rib_word word = {
		.source = ev->u.prefix.source,
		.candidates = ev->u.prefix.candidates,
		.n = ev->u.prefix.n,
		.on_dead = ev->u.prefix.on_dead,
		.pinned = ev->u.prefix.pinned,
	};
	struct rib_entry *e;

	assert(word.source < RIB_N_SOURCES);
	if (!word.n && !trie_get(rib->entries, &ev->u.prefix.prefix))
		return;
	e = rib_store_entry(rib, &ev->u.prefix.prefix);
	rib_touch_entry(rib, e);
	if (e->set)
		rib_touch_set(rib, e->set);
	rib_store_assign(rib, e, &word);
	if (e->set)
		rib_touch_set(rib, e->set);
}

static void apply_events(struct rib *rib, const struct rib_event *events, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (events[i].type == RIB_EVENT_PEER)
			apply_peer(rib, events[i].u.peer.id, events[i].u.peer.state);
		else
			apply_prefix(rib, &events[i]);
	}
}

static bool same_owners(const struct rib_owners *a, const struct rib_owners *b)
{
	return a->n == b->n && !memcmp(a->peer, b->peer, a->n * sizeof(a->peer[0]));
}

/* Why an old owner isn't the first any more: the reason of its best candidate. owned: somebody is.
 */
static enum rib_reason why_lost(struct rib *rib, const struct rib_set *s, uint32_t old, bool owned)
{
	const struct rib_contest *c = s ? rib_contest_run(rib, s) : NULL;
	const struct decision_contender *best = NULL;
	enum rib_reason why = RIB_WITHDRAWN;

	for (size_t i = 0; c && i < s->n; i++) {
		const struct decision_contender *x = &c->contenders[i];

		if (x->candidate->peer == old && (!best || decision_compare(x, best, NULL) < 0)) {
			best = x;
			why = c->reasons[i];
		}
	}
	/* It would win, were there no living cover. */
	if (!owned && (why == RIB_WINS || why == RIB_CUT_FROM_SET))
		why = RIB_ORIGIN_DOWN;
	return why;
}

/* False if nothing turned. */
static bool turn_of(struct rib *rib, const struct rib_set *s, struct rib_turn *t)
{
	if (t->route == t->old_route && same_owners(&t->owners, &t->old_owners))
		return false;
	t->why = RIB_WINS;
	if (t->old_owners.n && !decision_owns(&t->owners, t->old_owners.peer[0]))
		t->why = why_lost(rib, s, t->old_owners.peer[0], t->owners.n > 0);
	return true;
}

/* A set that is left with touched entries only has no turn of its own. */
static bool has_untouched(const struct rib *rib, const struct rib_set *s)
{
	list_for_each (at, &s->plain)
		if (container_of(at, struct rib_entry, of_set)->step != rib->step)
			return true;
	return false;
}

static void compare_sets(struct rib *rib, struct rib_diff *diff)
{
	for (size_t i = 0; i < rib->touched_sets.n; i++) {
		struct rib_set *s = rib->touched_sets.items[i];
		struct rib_turn t = {.old_owners = s->before.owners,
			.owners = s->now.owners,
			.old_route = s->before.route,
			.route = s->now.route};

		if (turn_of(rib, s, &t) && has_untouched(rib, s))
			vec_push(&diff->sets, ((struct rib_set_change){s, t}));
	}
}

static void compare_entries(struct rib *rib, struct rib_diff *diff)
{
	for (size_t i = 0; i < rib->touched.n; i++) {
		const struct rib_touched *was = &rib->touched.items[i];
		struct rib_change c = {.prefix = was->entry->prefix};

		c.turn.old_owners = was->owners;
		c.turn.old_route = was->route;
		rib_entry_desire(was->entry, &c.turn.owners, &c.turn.route);
		if (turn_of(rib, was->entry->set, &c.turn))
			vec_push(&diff->prefixes, c);
		if (!was->entry->set)
			rib_store_remove(rib, was->entry);
	}
	rib->touched.n = 0;
}

void rib_step(struct rib *rib, const struct rib_event *events, size_t n, struct rib_diff *diff)
{
	diff->sets.n = 0;
	diff->prefixes.n = 0;
	diff->step = ++rib->step;
	apply_events(rib, events, n);
	for (size_t i = 0; i < rib->touched_sets.n; i++)
		rib_set_decide(rib, rib->touched_sets.items[i]);
	rib_deviate(rib);
	compare_sets(rib, diff);
	compare_entries(rib, diff);
	for (size_t i = 0; i < rib->touched_sets.n; i++)
		rib_store_collect(rib, rib->touched_sets.items[i]);
	rib->touched_sets.n = 0;
}

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

struct rib_home rib_home_of(const struct rib_set *s, const struct rib_owners *owners)
{
	if (s->group)
		return (struct rib_home){.kind = RIB_AT_OWNER_SET, .owner_set = s->group->number};
	if (!owners->n)
		return (struct rib_home){.kind = RIB_AT_NOBODY};
	return (struct rib_home){.kind = RIB_AT_PEER, .peer = owners->peer[0]};
}

void rib_entry_want(const struct rib_entry *e, struct rib_want *ret)
{
	*ret = (struct rib_want){0};
	if (!e->set)
		return;
	ret->route = e->set->now.route;
	if (!e->covered)
		ret->owners = e->set->now.owners;
	if (e->held != RIB_NOBODY)
		ret->owners = (struct rib_owners){.n = 1, .peer = {e->held}};
	ret->home = rib_home_of(e->set, &ret->owners);
	if (e->covered && e->set->group)
		ret->home.owner_set++; /* the shadow */
}

void rib_clock(struct rib *rib, uint32_t now)
{
	rib->clock = now;
}

/* Whoever deviates has a time of his own, and so has whoever was touched since his set moved. */
uint32_t rib_entry_moved_at(const struct rib_entry *e)
{
	bool deviates = e->covered || e->held != RIB_NOBODY;

	return e->set && !deviates && e->set->moved_step > e->step ? e->set->moved_at : e->moved_at;
}

void rib_touch_set(struct rib *rib, struct rib_set *s)
{
	if (s->step == rib->step)
		return;
	s->step = rib->step;
	s->before = s->now;
	vec_push(&rib->touched_sets, s);
	if (s->group)
		rib_touch_group(rib, s->group);
}

/* As rib_entry_want said before this step. */
static void remember(struct rib *rib, const struct rib_entry *e, struct rib_touched *ret)
{
	struct rib_set *s = e->set;
	bool set_touched = s && s->step == rib->step;
	struct rib_outcome now;

	if (set_touched) {
		now = s->now;
		s->now = s->before;
	}
	rib_entry_want(e, &ret->want);
	ret->cover = s ? s->now.cover : RIB_COVER_NONE;
	if (set_touched)
		s->now = now;
}

void rib_touch_entry(struct rib *rib, struct rib_entry *e)
{
	struct rib_touched t = {.entry = e};

	if (e->step == rib->step)
		return;
	remember(rib, e, &t);
	t.moved_at = e->set ? rib_entry_moved_at(e) : rib->clock;
	e->step = rib->step;
	vec_push(&rib->touched, t);
}

static void touch_peer(struct rib *rib, struct rib_peer *p, uint32_t id)
{
	if (p->step == rib->step)
		return;
	p->step = rib->step;
	p->before = p->state;
	vec_push(&rib->touched_peers, id);
}

static struct rib_set *mentioning(struct list *at)
{
	return container_of(at, struct rib_mention, of_peer)->set;
}

static void apply_peer(struct rib *rib, uint32_t id, enum rib_state state)
{
	struct rib_peer *p = rib_store_peer(rib, id);

	if (p->known && p->state == state)
		return;
	touch_peer(rib, p, id);
	p->known = true;
	p->state = state;
	list_for_each (at, &p->mentions)
		rib_touch_set(rib, mentioning(at));
}

/* Whether it has a way to the origin by that next hop; RIB_NOBODY: by any. */
static bool has_detour(const struct rib_set *s, uint32_t peer, uint32_t origin)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct rib_candidate *c = &s->candidates[i];

		if ((c->transit || peer == origin) && c->origin == origin &&
			(peer == RIB_NOBODY || c->peer == peer))
			return true;
	}
	return false;
}

static void touch_detours(struct rib *rib, uint32_t peer, uint32_t origin)
{
	list_for_each (at, &rib_store_peer(rib, origin)->mentions)
		if (has_detour(mentioning(at), peer, origin))
			rib_touch_set(rib, mentioning(at));
}

static void apply_reach(struct rib *rib, uint32_t peer, uint32_t origin, enum rib_reach reach)
{
	struct rib_peer *p = rib_store_peer(rib, peer);

	assert(origin < RIB_MAX_ID);
	if (origin >= p->reaches.n && reach == RIB_REACH_UNKNOWN)
		return;
	while (origin >= p->reaches.n)
		vec_push(&p->reaches, RIB_REACH_UNKNOWN);
	if (p->reaches.items[origin] == reach)
		return;
	p->reaches.items[origin] = (uint8_t)reach;
	touch_detours(rib, peer, origin);
}

static void apply_takes_many(struct rib *rib, uint32_t id, bool takes_many)
{
	struct rib_peer *p = rib_store_peer(rib, id);

	if (p->takes_many == takes_many)
		return;
	p->takes_many = takes_many;
	if (rib->max_owners > 1)
		touch_detours(rib, RIB_NOBODY, id);
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
	const struct rib_set *old;
	struct rib_entry *e;

	assert(word.source < RIB_N_SOURCES);
	if (!word.n && !trie_get(rib->entries, &ev->u.prefix.prefix))
		return;
	e = rib_store_entry(rib, &ev->u.prefix.prefix);
	rib_touch_entry(rib, e);
	old = e->set;
	if (old)
		rib_touch_set(rib, e->set);
	rib_store_assign(rib, e, &word);
	if (e->set)
		rib_touch_set(rib, e->set);
	rib_nest(rib, e, old);
}

static void apply(struct rib *rib, const struct rib_event *ev)
{
	switch (ev->type) {
	case RIB_EVENT_PEER:
		apply_peer(rib, ev->u.peer.id, ev->u.peer.state);
		break;
	case RIB_EVENT_PREFIX:
		apply_prefix(rib, ev);
		break;
	case RIB_EVENT_REACH:
		apply_reach(rib, ev->u.reach.peer, ev->u.reach.origin, ev->u.reach.reach);
		break;
	case RIB_EVENT_TAKES_MANY:
		apply_takes_many(rib, ev->u.takes_many.id, ev->u.takes_many.takes_many);
		break;
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
	/* It may be sent to, and its origin is down as all are; were there no living cover it would
	 * win, or lose to one that does. */
	if (!owned && why != RIB_PEER_DOWN && why != RIB_WITHDRAWN)
		why = RIB_ORIGIN_DOWN;
	return why;
}

static struct rib_turn turn_from_to(const struct rib_want *from, const struct rib_want *to)
{
	return (struct rib_turn){.old_owners = from->owners,
		.owners = to->owners,
		.old_home = from->home,
		.home = to->home,
		.old_route = from->route,
		.route = to->route};
}

/* False if nothing turned. */
static bool turn_of(struct rib *rib, const struct rib_set *s, struct rib_turn *t)
{
	if (t->route == t->old_route && same_owners(&t->owners, &t->old_owners) &&
		rib_home_eq(&t->home, &t->old_home))
		return false;
	t->why = RIB_WINS;
	if (t->old_owners.n && !decision_owns(&t->owners, t->old_owners.peer[0]))
		t->why = why_lost(rib, s, t->old_owners.peer[0], t->owners.n > 0);
	return true;
}

static bool has_untouched(const struct rib *rib, const struct list *entries)
{
	list_for_each (at, entries)
		if (container_of(at, struct rib_entry, of_set)->step != rib->step)
			return true;
	return false;
}

static struct rib_want want_of(const struct rib_set *s, const struct rib_outcome *o)
{
	return (struct rib_want){o->owners, rib_home_of(s, &o->owners), o->route};
}

static void compare_sets(struct rib *rib, struct rib_diff *diff)
{
	for (size_t i = 0; i < rib->touched_sets.n; i++) {
		struct rib_set *s = rib->touched_sets.items[i];
		struct rib_want before, now;
		struct rib_turn t;

		/* One that is left with touched entries only has no turn of its own. */
		if (!has_untouched(rib, &s->plain) && !has_untouched(rib, &s->nested))
			continue;
		before = want_of(s, &s->before);
		now = want_of(s, &s->now);
		t = turn_from_to(&before, &now);
		if (!same_owners(&t.owners, &t.old_owners)) {
			s->moved_step = rib->step;
			s->moved_at = rib->clock;
		}
		if (turn_of(rib, s, &t))
			vec_push(&diff->sets, ((struct rib_set_change){s, t}));
	}
}

static void compare_entries(struct rib *rib, struct rib_diff *diff)
{
	for (size_t i = 0; i < rib->touched.n; i++) {
		const struct rib_touched *was = &rib->touched.items[i];
		struct rib_change c = {.prefix = was->entry->prefix};
		struct rib_want now;

		rib_entry_want(was->entry, &now);
		was->entry->moved_at =
			same_owners(&was->want.owners, &now.owners) ? was->moved_at : rib->clock;
		c.turn = turn_from_to(&was->want, &now);
		if (turn_of(rib, was->entry->set, &c.turn))
			vec_push(&diff->prefixes, c);
		if (!was->entry->set)
			rib_store_remove(rib, was->entry);
	}
	rib->touched.n = 0;
}

static void compare_peers(struct rib *rib, struct rib_diff *diff)
{
	for (size_t i = 0; i < rib->touched_peers.n; i++) {
		uint32_t id = rib->touched_peers.items[i];
		const struct rib_peer *p = rib->peers.items[id];

		if (p->state != p->before)
			vec_push(&diff->levels, ((struct rib_level){id, p->state}));
	}
	rib->touched_peers.n = 0;
}

static void clear(struct rib_diff *diff)
{
	diff->sets.n = 0;
	diff->prefixes.n = 0;
	diff->owner_sets.n = 0;
	diff->owners.n = 0;
	diff->levels.n = 0;
}

void rib_step(struct rib *rib, const struct rib_event *events, size_t n, struct rib_diff *diff)
{
	clear(diff);
	diff->step = ++rib->step;
	for (size_t i = 0; i < n; i++)
		apply(rib, &events[i]);
	for (size_t i = 0; i < rib->touched_sets.n; i++)
		rib_set_decide(rib, rib->touched_sets.items[i]);
	rib_deviate(rib);
	compare_peers(rib, diff);
	rib_groups_compare(rib, diff);
	compare_sets(rib, diff);
	compare_entries(rib, diff);
	for (size_t i = 0; i < rib->touched_sets.n; i++)
		rib_store_collect(rib, rib->touched_sets.items[i]);
	rib->touched_sets.n = 0;
}

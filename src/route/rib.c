/* SPDX-License-Identifier: MIT */
/*
 * One step: the events change states and candidates and mark what they touch; then every touched
 * prefix is decided anew, once, and compared with the owners it had before the step. So a batch in
 * which a peer goes and comes back, or a prefix is removed and put back, yields nothing.
 */
#include "route/store.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

/* What the FIB should hold for one prefix. */
struct desired {
	struct rib_owners owners;
	bool route;
};

static void touch_entry(struct rib *rib, struct rib_entry *e)
{
	if (e->touched)
		return;
	e->touched = true;
	vec_push(&rib->touched_entries, e);
}

static void touch_set(struct rib *rib, struct rib_set *s)
{
	if (s->touched)
		return;
	s->touched = true;
	vec_push(&rib->touched_sets, s);
}

static void apply_peer(struct rib *rib, uint32_t id, enum rib_state state)
{
	struct rib_peer *p = rib_store_peer(rib, id);

	if (p->known && p->state == state)
		return;
	p->known = true;
	p->state = state;
	list_for_each (at, &p->mentions)
		touch_set(rib, container_of(at, struct rib_mention, of_peer)->set);
}

static void apply_prefix(struct rib *rib, const struct rib_event *ev)
{
	const ip_prefix *p = &ev->u.prefix.prefix;
	struct rib_entry *e;

	if (!ev->u.prefix.n && !trie_get(rib->entries, p))
		return;
	e = rib_store_entry(rib, p);
	rib_store_assign(rib, e, ev->u.prefix.candidates, ev->u.prefix.n);
	e->on_dead = (uint8_t)ev->u.prefix.on_dead;
	e->pinned = ev->u.prefix.pinned;
	touch_entry(rib, e);
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

/* Touches the entries of all touched sets; sets that lost their last entry end here. */
static void spread(struct rib *rib)
{
	for (size_t i = 0; i < rib->touched_sets.n; i++) {
		struct rib_set *s = rib->touched_sets.items[i];

		list_for_each (at, &s->entries)
			touch_entry(rib, container_of(at, struct rib_entry, of_set));
		s->touched = false;
		rib_store_collect(rib, s);
	}
	rib->touched_sets.n = 0;
}

static void entry_owners(const struct rib_entry *e, struct rib_owners *ret)
{
	ret->n = e->n_owners;
	memcpy(ret->peer, e->owners, e->n_owners * sizeof(e->owners[0]));
}

/*
 * Whether the best that the prefix has is a detour around an origin that is down as seen from here.
 * If the origin itself is dead, and it mostly is, then a covering prefix that lives is the better
 * answer (DESIGN.md rule 4); so the detour serves only where there is none.
 */
static bool is_doubtful(struct rib *rib, const struct rib_entry *e)
{
	const struct rib_contest *contest;

	if (!e->set || e->pinned || e->on_dead != RIB_FALL_BACK)
		return false;
	contest = rib_contest_run(rib, e);
	for (size_t i = 0; i < e->set->n; i++)
		if (contest->reasons[i] == RIB_WINS)
			return contest->contenders[i].origin == RIB_DOWN;
	return false;
}

static void classify(struct rib *rib, struct rib_entry *e)
{
	bool doubtful = is_doubtful(rib, e);

	if (doubtful && !e->doubtful)
		list_append(&rib->doubtful, &e->of_doubtful);
	else if (!doubtful && e->doubtful)
		list_remove(&e->of_doubtful);
	e->doubtful = doubtful;
}

/* Whether one of its owners carries packets, as far as is known: the next hop lives, and so does
 * the origin behind it. One that is kept although it is down (hold, pinned) does not. */
static bool has_living_owner(const struct rib *rib, const struct rib_entry *e)
{
	struct rib_owners owners;

	entry_owners(e, &owners);
	for (size_t i = 0; i < e->set->n; i++) {
		struct decision_contender x = rib_store_contender(rib, &e->set->candidates[i]);

		if (x.state != RIB_DOWN && x.origin != RIB_DOWN &&
			decision_owns(&owners, x.candidate->peer))
			return true;
	}
	return false;
}

/*
 * True if the packets of a prefix that is withdrawn would reach somebody who lives: of the prefixes
 * around it the longest with an owner takes them, and no other. Those that are doubtful, too, are
 * passed over: what stands around them decides for all of them alike. A default route says nothing
 * of what it covers and doesn't count.
 */
static bool has_living_cover(const struct rib *rib, const struct rib_entry *e)
{
	const struct rib_entry *c = trie_cover(rib->entries, &e->prefix, NULL);

	while (c && (c->doubtful || !c->n_owners))
		c = trie_cover(rib->entries, &c->prefix, NULL);
	return c && !ip_prefix_is_default(&c->prefix) && has_living_owner(rib, c);
}

static void desire(struct rib *rib, const struct rib_entry *e, struct desired *ret)
{
	const struct rib_contest *contest;
	struct rib_owners last;

	ret->owners.n = 0;
	ret->route = e->set;
	if (!e->set || (e->doubtful && has_living_cover(rib, e)))
		return;
	contest = rib_contest_run(rib, e);
	if (contest->owners.n) {
		ret->owners = contest->owners;
	} else if (e->on_dead == RIB_HOLD) {
		entry_owners(e, &last);
		decision_hold(contest->contenders, e->set->n, &last, &ret->owners);
	} else if (e->on_dead == RIB_RELEASE) {
		ret->route = false;
	}
}

/* Why an old owner isn't the first any more: the reason of its best candidate. owned: somebody is.
 */
static enum rib_reason why_lost(
	struct rib *rib, const struct rib_entry *e, uint32_t old, bool owned)
{
	const struct rib_contest *c = e->set ? rib_contest_run(rib, e) : NULL;
	const struct decision_contender *best = NULL;
	enum rib_reason why = RIB_WITHDRAWN;

	for (size_t i = 0; c && i < e->set->n; i++) {
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

static bool entry_matches(const struct rib_entry *e, const struct desired *d)
{
	return e->route == d->route && e->n_owners == d->owners.n &&
	       !memcmp(e->owners, d->owners.peer, d->owners.n * sizeof(e->owners[0]));
}

static void record_change(
	struct rib *rib, struct rib_entry *e, const struct desired *d, struct rib_diff *diff)
{
	struct rib_change *c;

	vec_reserve(diff, diff->n + 1);
	c = &diff->items[diff->n++];
	memset(c, 0, sizeof(*c));
	c->prefix = e->prefix;
	entry_owners(e, &c->old_owners);
	c->old_route = e->route;
	c->owners.n = d->owners.n;
	memcpy(c->owners.peer, d->owners.peer, d->owners.n * sizeof(e->owners[0]));
	c->route = d->route;
	c->why = RIB_WINS;
	if (e->n_owners && !decision_owns(&d->owners, e->owners[0]))
		c->why = why_lost(rib, e, e->owners[0], d->owners.n > 0);
	e->n_owners = d->owners.n;
	memcpy(e->owners, d->owners.peer, d->owners.n * sizeof(e->owners[0]));
	e->route = d->route;
}

static void decide_entry(struct rib *rib, struct rib_entry *e, struct rib_diff *diff)
{
	struct desired d;

	e->touched = false;
	desire(rib, e, &d);
	if (!entry_matches(e, &d))
		record_change(rib, e, &d, diff);
	if (!e->set)
		rib_store_remove(rib, e);
}

/* Those that doubt what covers them come last, all of them: any cover may have changed. */
static void decide_touched(struct rib *rib, struct rib_diff *diff)
{
	size_t n = rib->touched_entries.n;

	for (size_t i = 0; i < n; i++)
		classify(rib, rib->touched_entries.items[i]);
	for (size_t i = 0; i < n; i++)
		if (!rib->touched_entries.items[i]->doubtful)
			decide_entry(rib, rib->touched_entries.items[i], diff);
	rib->touched_entries.n = 0;
	if (n)
		list_for_each (at, &rib->doubtful)
			decide_entry(rib, container_of(at, struct rib_entry, of_doubtful), diff);
}

/* The first 64 bits of ip_prefix_cmp's order: all of it for IPv4. */
static uint64_t sort_head(const ip_prefix *p)
{
	uint32_t v4;
	uint64_t v6;

	if (p->family == AF_INET) {
		memcpy(&v4, p->bytes, sizeof(v4));
		return (uint64_t)be32toh(v4) << 8 | p->len;
	}
	memcpy(&v6, p->bytes, sizeof(v6));
	return UINT64_C(1) << 63 | be64toh(v6) >> 1;
}

static int compare_keys(const void *a, const void *b, void *items)
{
	const struct rib_sort_key *x = a, *y = b;
	const struct rib_change *changes = items;

	if (x->head != y->head)
		return x->head < y->head ? -1 : 1;
	return ip_prefix_cmp(&changes[x->at].prefix, &changes[y->at].prefix);
}

/* Moves items so that keys[i].at comes to place i; each item moves once, cycle by cycle. */
static void permute(struct rib_change *items, struct rib_sort_key *keys, size_t n)
{
	for (size_t start = 0; start < n; start++) {
		struct rib_change first;
		size_t to = start, from = keys[start].at;

		if (from == start)
			continue;
		first = items[start];
		while (from != start) {
			items[to] = items[from];
			keys[to].at = to;
			to = from;
			from = keys[to].at;
		}
		items[to] = first;
		keys[to].at = to;
	}
}

/* Sorts small keys and not the changes, which are large; what comes in order costs one look. */
static void sort_changes(struct rib *rib, struct rib_diff *diff)
{
	bool sorted = true;

	vec_reserve(&rib->keys, diff->n);
	for (size_t i = 0; i < diff->n; i++) {
		rib->keys.items[i].head = sort_head(&diff->items[i].prefix);
		rib->keys.items[i].at = i;
		sorted = sorted && (!i || compare_keys(&rib->keys.items[i - 1], &rib->keys.items[i],
						  diff->items) < 0);
	}
	if (sorted)
		return;
	qsort_r(rib->keys.items, diff->n, sizeof(*rib->keys.items), compare_keys, diff->items);
	permute(diff->items, rib->keys.items, diff->n);
}

void rib_step(struct rib *rib, const struct rib_event *events, size_t n, struct rib_diff *diff)
{
	diff->n = 0;
	apply_events(rib, events, n);
	spread(rib);
	rib->contest.set = NULL;
	decide_touched(rib, diff);
	rib->contest.set = NULL;
	sort_changes(rib, diff);
}

void rib_diff_done(struct rib_diff *diff)
{
	vec_done(diff);
}

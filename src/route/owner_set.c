/* SPDX-License-Identifier: MIT */
/*
 * What sets become on a device that holds many owners. A group is an owner set: every next hop of
 * its candidates with a rank. Ranks are the decision as if all next hops were up; who isn't, the
 * device knows by its levels. Where that gives another outcome than the decision as things are
 * (levels come before ranks there, while here an origin that is down comes before a next hop that
 * is last resort), who would wrongly be sent to is not sent to.
 *
 * A group's number is a hash of its key without the ids of nodes, which another start may give
 * otherwise; so are places, of which only the order counts. The ids are in the key, so that sets of
 * one group have the same owners by all means.
 */
#include "route/store.h"

#include <assert.h>
#include <string.h>

/* What of a candidate makes an owner set another one. */
struct key_candidate {
	uint64_t peer_tag, origin_tag;
	uint32_t metric, hub_metric;
	uint32_t place, origin_place; /* how many of its set's are lower */
	uint32_t distance, transit, source, weight;
	uint32_t peer, origin;
};

/* How many candidates before i in the order of their places have another: their number is the
 * place's rank. */
static uint32_t place_rank(const struct rib_set *s, size_t i)
{
	uint32_t rank = 0;

	for (size_t k = 0; k < s->n; k++)
		rank += s->candidates[k].place < s->candidates[i].place;
	return rank;
}

static uint32_t origin_place_rank(const struct rib_set *s, size_t i)
{
	uint32_t rank = 0;

	for (size_t k = 0; k < s->n; k++)
		rank += s->candidates[k].origin_place < s->candidates[i].origin_place;
	return rank;
}

static void key_candidate(
	const struct rib *rib, const struct rib_set *s, size_t i, struct key_candidate *ret)
{
	const struct rib_candidate *c = &s->candidates[i];

	ret->peer_tag = rib->tag(c->peer, rib->tag_data);
	ret->origin_tag = rib->tag(c->origin, rib->tag_data);
	ret->metric = c->metric;
	ret->hub_metric = c->hub_metric;
	ret->place = place_rank(s, i);
	ret->origin_place = origin_place_rank(s, i);
	ret->distance = c->distance;
	ret->transit = c->transit;
	ret->source = c->source;
	ret->weight = c->weight;
	ret->peer = c->peer;
	ret->origin = c->origin;
}

static size_t key_size(const struct rib_set *s)
{
	return sizeof(*s->policy) + s->n * sizeof(struct key_candidate);
}

/* In place of rib->key, whose set is made already. */
static void make_key(struct rib *rib, const struct rib_set *s)
{
	size_t bytes = key_size(s);
	struct key_candidate c;

	vec_reserve(&rib->key, bytes);
	memset(rib->key.items, 0, bytes);
	memcpy(rib->key.items, s->policy, sizeof(*s->policy));
	for (size_t i = 0; i < s->n; i++) {
		memset(&c, 0, sizeof(c));
		key_candidate(rib, s, i, &c);
		memcpy(rib->key.items + sizeof(*s->policy) + i * sizeof(c), &c, sizeof(c));
	}
	rib->key.n = bytes;
}

/* One word more; the mixing is Splitmix64's. The numbers on devices are made of it: it stays. */
static uint64_t mix(uint64_t hash, uint64_t word)
{
	uint64_t z = (hash ^ word) + UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static uint64_t hash_candidate(uint64_t h, const struct key_candidate *c)
{
	h = mix(h, c->peer_tag);
	h = mix(h, c->origin_tag);
	h = mix(h, (uint64_t)c->metric << 32 | c->hub_metric);
	h = mix(h, (uint64_t)c->place << 32 | c->origin_place);
	return mix(h, (uint64_t)c->distance << 32 | c->transit << 24 | c->source << 16 | c->weight);
}

static uint64_t hash_key(const uint8_t *key, size_t n, const struct rib_policy *policy)
{
	uint64_t h = mix(0, (uint64_t)policy->on_dead << 32 | policy->pinned);
	struct key_candidate c;

	for (size_t i = 0; i < n; i++) {
		memcpy(&c, key + sizeof(*policy) + i * sizeof(c), sizeof(c));
		h = hash_candidate(h, &c);
	}
	return h;
}

#define NUMBER_MASK ((UINT64_C(1) << 48) - 2) /* even ones */

static uint64_t free_number(const struct rib *rib, uint64_t hash)
{
	uint64_t number = RIB_OWNER_SET_MARK | (hash & NUMBER_MASK);

	while (map_get(rib->numbers, &number, sizeof(number)))
		number = RIB_OWNER_SET_MARK | ((number + 2) & NUMBER_MASK);
	return number;
}

static struct rib_group *group_new(struct rib *rib, const struct rib_set *s)
{
	size_t most = s->n < rib->max_owners ? s->n : rib->max_owners;
	struct rib_group *g = mem_zalloc(1, sizeof(*g));

	list_init(&g->sets);
	g->key_len = rib->key.n;
	g->key = mem_zalloc(1, g->key_len);
	memcpy(g->key, rib->key.items, g->key_len);
	g->owners = mem_zalloc(3 * most, sizeof(*g->owners));
	g->shadow = g->owners + most;
	g->was = g->shadow + most;
	g->number = free_number(rib, hash_key(g->key, s->n, s->policy));
	map_put(rib->groups, g->key, g->key_len, g);
	map_put(rib->numbers, &g->number, sizeof(g->number), g);
	return g;
}

static void group_free(struct rib_group *g)
{
	free(g->key);
	free(g->owners);
	free(g);
}

void rib_group_join(struct rib *rib, struct rib_set *s)
{
	struct rib_group *g;

	if (rib->max_owners == 1 || s->policy->pinned || s->policy->on_dead == RIB_HOLD)
		return;
	make_key(rib, s);
	g = map_get(rib->groups, rib->key.items, rib->key.n);
	s->group = g ? g : group_new(rib, s);
	list_append(&s->group->sets, &s->of_group);
}

void rib_group_leave(struct rib *rib, struct rib_set *s)
{
	struct rib_group *g = s->group;

	if (!g)
		return;
	list_remove(&s->of_group);
	s->group = NULL;
	if (!list_is_empty(&g->sets))
		return;
	assert(!g->was_stood_in && !g->was_shadow_stood_in);
	map_remove(rib->groups, g->key, g->key_len);
	map_remove(rib->numbers, &g->number, sizeof(g->number));
	group_free(g);
}

void rib_groups_free(struct rib *rib)
{
	size_t cursor = 0, len;
	const void *key;
	void *g;

	while (map_next(rib->groups, &cursor, &key, &len, &g))
		group_free(g);
	map_free(rib->groups);
	map_free(rib->numbers);
}

void rib_touch_group(struct rib *rib, struct rib_group *g)
{
	if (g->step == rib->step)
		return;
	g->step = rib->step;
	vec_push(&rib->touched_groups, g);
}

/* The next hops in the order of the contest, no more than the device holds. */
static void choose_held(const struct rib *rib, struct rib_set *s, const struct rib_contest *contest,
	struct rib_owners *ret)
{
	size_t n = decision_order(contest->contenders, s->n, s->order);

	ret->n = 0;
	for (size_t i = 0; i < n && i < rib->max_owners; i++)
		ret->peer[ret->n++] = s->order[i].peer;
}

/* All next hops into s->order, as if they were up. */
static void order_as_if_up(struct rib_set *s, const struct rib_contest *contest)
{
	for (size_t i = 0; i < s->n; i++)
		contest->contenders[i].state = RIB_UP;
	s->n_order = (uint32_t)decision_order(contest->contenders, s->n, s->order);
}

static enum rib_state level_of(const struct rib *rib, const struct rib_owner *o)
{
	return rib->peers.items[o->peer]->state;
}

/* Whom the device sends to: of those whom it may, the best level, and of these the lowest rank. */
static void choose(const struct rib *rib, const struct rib_group *g, struct rib_owners *ret)
{
	const struct rib_owner *first = NULL;

	ret->n = 0;
	for (uint32_t i = 0; i < g->n; i++)
		if (g->owners[i].sends &&
			(!first || level_of(rib, &g->owners[i]) > level_of(rib, first)))
			first = &g->owners[i];
	for (uint32_t i = 0; first && i < g->n; i++) {
		const struct rib_owner *o = &g->owners[i];

		if (o->sends && o->rank == first->rank && level_of(rib, o) == level_of(rib, first))
			ret->peer[ret->n++] = o->peer;
	}
}

static bool is_winner(const struct rib_contest *contest, size_t n, uint32_t peer)
{
	for (size_t i = 0; i < n; i++)
		if (contest->contenders[i].candidate->peer == peer &&
			contest->reasons[i] == RIB_WINS)
			return true;
	return false;
}

/* Those of the choice who don't win are sent to no more; true if there were any. */
static bool dismiss_losers(struct rib_group *g, const struct rib_contest *contest, size_t n,
	const struct rib_owners *choice)
{
	bool any = false;

	for (uint32_t i = 0; i < g->n; i++) {
		struct rib_owner *o = &g->owners[i];

		if (!decision_owns(choice, o->peer) || is_winner(contest, n, o->peer))
			continue;
		o->sends = false;
		any = true;
	}
	return any;
}

static bool has_winner(const struct rib_contest *contest, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (contest->reasons[i] == RIB_WINS)
			return true;
	return false;
}

void rib_group_decide(struct rib *rib, struct rib_set *s, const struct rib_contest *contest,
	struct rib_owners *ret)
{
	bool usable = has_winner(contest, s->n);
	struct rib_group *g = s->group;
	struct rib_owners held;

	choose_held(rib, s, contest, &held);
	order_as_if_up(s, contest);
	g->n = 0;
	for (uint32_t i = 0; i < s->n_order; i++) {
		if (!decision_owns(&held, s->order[i].peer))
			continue;
		g->owners[g->n] = s->order[i];
		g->owners[g->n].sends = usable;
		g->n++;
	}
	do
		choose(rib, g, ret);
	while (dismiss_losers(g, contest, s->n, ret));
	assert(usable == (ret->n > 0));
	for (uint32_t i = 0; i < g->n; i++) {
		g->shadow[i] = g->owners[i];
		g->shadow[i].sends = false;
	}
}

struct rib_owner_set rib_entry_owner_set(const struct rib_entry *e)
{
	const struct rib_group *g = e->set ? e->set->group : NULL;

	if (!g)
		return (struct rib_owner_set){0};
	return (struct rib_owner_set){
		g->number + e->covered, e->covered ? g->shadow : g->owners, g->n};
}

static bool same_owner(const struct rib_owner *a, const struct rib_owner *b, bool sends_too)
{
	return a->peer == b->peer && a->rank == b->rank && a->weight == b->weight &&
	       a->is_relay == b->is_relay && (!sends_too || a->sends == b->sends);
}

/* Whether the owners are others than at the end of the last step. */
static bool has_changed(const struct rib_group *g, bool sends_too)
{
	if (g->n != g->was_n)
		return true;
	for (uint32_t i = 0; i < g->n; i++)
		if (!same_owner(&g->owners[i], &g->was[i], sends_too))
			return true;
	return false;
}

/* The owners are found by their offset until all are told. */
static void tell(struct rib_diff *diff, uint64_t number, const struct rib_owner *owners, size_t n)
{
	vec_push(&diff->owner_sets, ((struct rib_owner_set){number, NULL, n}));
	for (size_t i = 0; i < n; i++)
		vec_push(&diff->owners, owners[i]);
}

static void compare(struct rib_group *g, struct rib_diff *diff)
{
	bool stood_in = false, shadow_stood_in = false;

	list_for_each (at, &g->sets) {
		const struct rib_set *s = container_of(at, struct rib_set, of_group);

		stood_in |= !list_is_empty(&s->plain) || !list_is_empty(&s->nested);
		shadow_stood_in |= !list_is_empty(&s->deviants);
	}
	if (stood_in != g->was_stood_in || (stood_in && has_changed(g, true)))
		tell(diff, g->number, g->owners, stood_in ? g->n : 0);
	if (shadow_stood_in != g->was_shadow_stood_in || (shadow_stood_in && has_changed(g, false)))
		tell(diff, g->number + 1, g->shadow, shadow_stood_in ? g->n : 0);
	g->was_stood_in = stood_in;
	g->was_shadow_stood_in = shadow_stood_in;
	g->was_n = g->n;
	memcpy(g->was, g->owners, g->n * sizeof(*g->was));
}

void rib_groups_compare(struct rib *rib, struct rib_diff *diff)
{
	size_t at = 0;

	for (size_t i = 0; i < rib->touched_groups.n; i++)
		compare(rib->touched_groups.items[i], diff);
	rib->touched_groups.n = 0;
	for (size_t i = 0; i < diff->owner_sets.n; i++) {
		struct rib_owner_set *set = &diff->owner_sets.items[i];

		set->owners = set->n ? diff->owners.items + at : NULL;
		at += set->n;
	}
}

/* SPDX-License-Identifier: MIT */
#include "route/store.h"

#include <assert.h>
#include <string.h>

struct rib *rib_new(unsigned max_owners, rib_tag_fn *tag, void *data)
{
	struct rib *rib = mem_zalloc(1, sizeof(*rib));

	assert(max_owners >= 1 && max_owners <= RIB_MAX_OWNERS);
	rib->max_owners = max_owners;
	rib->tag = tag;
	rib->tag_data = data;
	rib->entries = trie_new();
	rib->doubtful = trie_new();
	rib->sets = map_new();
	return rib;
}

static int free_entry(const ip_prefix *p, void *value, void *data)
{
	free(value);
	return 0;
}

static void free_sets(struct map *sets)
{
	size_t cursor = 0, len;
	const void *key;
	void *set;

	while (map_next(sets, &cursor, &key, &len, &set))
		free(set);
	map_free(sets);
}

void rib_free(struct rib *rib)
{
	if (!rib)
		return;
	trie_walk(rib->entries, free_entry, NULL);
	trie_free(rib->entries);
	trie_free(rib->doubtful);
	free_sets(rib->sets);
	for (size_t i = 0; i < rib->peers.n; i++)
		free(rib->peers.items[i]);
	vec_done(&rib->peers);
	free(rib->contest.contenders);
	free(rib->contest.reasons);
	vec_done(&rib->touched_sets);
	vec_done(&rib->touched);
	vec_done(&rib->key);
	vec_done(&rib->candidates);
	vec_done(&rib->reasons);
	vec_done(&rib->ids);
	free(rib);
}

struct rib_peer *rib_store_peer(struct rib *rib, uint32_t id)
{
	struct rib_peer *p;

	assert(id < RIB_MAX_ID);
	while (rib->peers.n <= id)
		vec_push(&rib->peers, NULL);
	p = rib->peers.items[id];
	if (!p) {
		p = rib->peers.items[id] = mem_zalloc(1, sizeof(*p));
		list_init(&p->mentions);
		p->state = RIB_DOWN;
	}
	return p;
}

enum rib_state rib_peer_state(const struct rib *rib, uint32_t peer)
{
	const struct rib_peer *p = peer < rib->peers.n ? rib->peers.items[peer] : NULL;

	return p ? p->state : RIB_DOWN;
}

/* Appends a candidate in canonical form, so that equal sets are equal bytes. */
static void add_candidate(struct rib *rib, const struct rib_candidate *c, enum rib_source source)
{
	struct rib_candidate *copy;

	vec_reserve(&rib->candidates, rib->candidates.n + 1);
	copy = &rib->candidates.items[rib->candidates.n++];
	memset(copy, 0, sizeof(*copy));
	copy->peer = c->peer;
	copy->origin = c->origin;
	copy->distance = c->distance;
	copy->transit = c->transit;
	copy->source = (uint8_t)source;
	copy->metric = c->metric;
	copy->hub_metric = c->hub_metric;
	copy->place = c->place;
	copy->origin_place = c->origin_place;
}

static bool has_of(const struct rib_set *s, enum rib_source source)
{
	for (size_t i = 0; s && i < s->n; i++)
		if (s->candidates[i].source == source)
			return true;
	return false;
}

/* Only the inventory has a say in it. */
static struct rib_policy policy_of(const struct rib_set *old, const struct rib_word *word)
{
	static const struct rib_policy others = {RIB_FALL_BACK, false};

	if (word->source == RIB_INVENTORY)
		return word->n ? (struct rib_policy){word->on_dead, word->pinned} : others;
	return has_of(old, RIB_INVENTORY) ? *old->policy : others;
}

/* What the source says now and what the others said before, into rib->candidates and rib->key. */
static void make_key(struct rib *rib, const struct rib_set *old, const struct rib_word *word)
{
	struct rib_policy policy = policy_of(old, word);
	size_t bytes;

	rib->candidates.n = 0;
	for (size_t i = 0; i < word->n; i++)
		add_candidate(rib, &word->candidates[i], word->source);
	for (size_t i = 0; old && i < old->n; i++)
		if (old->candidates[i].source != word->source)
			add_candidate(rib, &old->candidates[i],
				(enum rib_source)old->candidates[i].source);
	if (rib->candidates.n)
		qsort(rib->candidates.items, rib->candidates.n, sizeof(struct rib_candidate),
			decision_candidate_cmp);
	bytes = rib->candidates.n * sizeof(struct rib_candidate);
	vec_reserve(&rib->key, sizeof(policy) + bytes);
	memcpy(rib->key.items, &policy, sizeof(policy));
	if (bytes)
		memcpy(rib->key.items + sizeof(policy), rib->candidates.items, bytes);
	rib->key.n = sizeof(policy) + bytes;
}

static int compare_ids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Puts the peers whose state the candidates depend on into rib->ids, each once. */
static void collect_ids(struct rib *rib, size_t n)
{
	size_t kept = 0;

	rib->ids.n = 0;
	for (size_t i = 0; i < n; i++) {
		const struct rib_candidate *c = &rib->candidates.items[i];

		vec_push(&rib->ids, c->peer);
		if (c->transit)
			vec_push(&rib->ids, c->origin);
	}
	qsort(rib->ids.items, rib->ids.n, sizeof(uint32_t), compare_ids);
	for (size_t i = 0; i < rib->ids.n; i++)
		if (!kept || rib->ids.items[i] != rib->ids.items[kept - 1])
			rib->ids.items[kept++] = rib->ids.items[i];
	rib->ids.n = kept;
}

static size_t key_len(size_t n)
{
	return sizeof(struct rib_policy) + n * sizeof(struct rib_candidate);
}

/* A new set of the candidates and the policy in rib->key. */
static struct rib_set *set_new(struct rib *rib)
{
	size_t n = rib->candidates.n;
	struct rib_set *s;

	collect_ids(rib, n);
	s = mem_zalloc(1, sizeof(*s) + rib->ids.n * sizeof(s->mentions[0]) + key_len(n) +
				  n * sizeof(*s->order));
	list_init(&s->plain);
	list_init(&s->deviants);
	s->n = (uint32_t)n;
	s->n_mentions = (uint32_t)rib->ids.n;
	s->held = RIB_NOBODY;
	s->policy = (struct rib_policy *)&s->mentions[s->n_mentions];
	s->candidates = (struct rib_candidate *)(s->policy + 1);
	s->order = (struct rib_owner *)(s->candidates + n);
	memcpy(s->policy, rib->key.items, rib->key.n);
	for (size_t i = 0; i < s->n_mentions; i++) {
		struct rib_peer *p = rib_store_peer(rib, rib->ids.items[i]);

		s->mentions[i].set = s;
		list_append(&p->mentions, &s->mentions[i].of_peer);
	}
	map_put(rib->sets, s->policy, rib->key.n, s);
	return s;
}

void rib_store_collect(struct rib *rib, struct rib_set *s)
{
	if (!list_is_empty(&s->plain) || !list_is_empty(&s->deviants))
		return;
	map_remove(rib->sets, s->policy, key_len(s->n));
	for (size_t i = 0; i < s->n_mentions; i++)
		list_remove(&s->mentions[i].of_peer);
	free(s);
}

struct rib_entry *rib_store_entry(struct rib *rib, const ip_prefix *p)
{
	void **slot = trie_slot(rib->entries, p);
	struct rib_entry *e = *slot;

	if (!e) {
		e = *slot = mem_zalloc(1, sizeof(*e));
		list_init(&e->of_set);
		e->prefix = *p;
		e->held = RIB_NOBODY;
	}
	return e;
}

void rib_store_assign(struct rib *rib, struct rib_entry *e, const struct rib_word *word)
{
	struct rib_set *set = NULL;

	make_key(rib, e->set, word);
	if (rib->candidates.n) {
		set = map_get(rib->sets, rib->key.items, rib->key.n);
		set = set ? set : set_new(rib);
	}
	if (set == e->set)
		return;
	list_remove(&e->of_set);
	e->set = set;
	e->covered = false;
	e->held = RIB_NOBODY;
	if (set)
		list_append(&set->plain, &e->of_set);
}

void rib_store_remove(struct rib *rib, struct rib_entry *e)
{
	assert(!e->set && !e->in_doubtful);
	trie_remove(rib->entries, &e->prefix);
	free(e);
}

/* What is known of a candidate's next hop and of its origin. */
static struct decision_contender contender(const struct rib *rib, const struct rib_candidate *c)
{
	struct decision_contender x = {.candidate = c, .origin = RIB_UP};
	const struct rib_peer *origin;

	x.state = rib->peers.items[c->peer]->state;
	if (c->transit) {
		origin = rib->peers.items[c->origin];
		x.origin = origin->known ? origin->state : RIB_UP;
	}
	return x;
}

static void contest_reserve(struct rib_contest *c, size_t n)
{
	if (n <= c->cap)
		return;
	c->contenders = mem_realloc(c->contenders, n, sizeof(*c->contenders));
	c->reasons = mem_realloc(c->reasons, n, sizeof(*c->reasons));
	c->cap = n;
}

static void enter(struct rib *rib, const struct rib_set *s)
{
	contest_reserve(&rib->contest, s->n);
	for (size_t i = 0; i < s->n; i++) {
		struct decision_contender *x = &rib->contest.contenders[i];

		*x = contender(rib, &s->candidates[i]);
		if (s->policy->pinned) /* asks nothing */
			x->state = x->origin = RIB_UP;
	}
}

const struct rib_contest *rib_contest_run(struct rib *rib, const struct rib_set *s)
{
	enter(rib, s);
	decision_reasons(rib->contest.contenders, s->n, s->policy->pinned ? 1 : rib->max_owners,
		rib->contest.reasons);
	return &rib->contest;
}

/* Whether the best of the contest is a detour around an origin that is down. */
static bool is_doubtful(const struct rib *rib, const struct rib_set *s)
{
	const struct decision_contender *best = rib->contest.contenders;

	if (s->policy->pinned || s->policy->on_dead != RIB_FALL_BACK)
		return false;
	for (size_t i = 1; i < s->n; i++)
		if (decision_compare(&rib->contest.contenders[i], best, NULL) < 0)
			best = &rib->contest.contenders[i];
	return best->origin == RIB_DOWN;
}

static void take_owners(struct rib_set *s, unsigned max_owners, struct rib_owners *ret)
{
	for (size_t i = 0; i < s->n_order && ret->n < max_owners; i++)
		if (s->order[i].rank == 0 && s->order[i].sends)
			ret->peer[ret->n++] = s->order[i].peer;
}

/* An owner may be kept though it is down (hold, pinned), or though the origin behind it is. */
static bool has_living_owner(
	const struct rib *rib, const struct rib_set *s, const struct rib_owners *owners)
{
	for (size_t i = 0; i < s->n; i++) {
		struct decision_contender x = contender(rib, &s->candidates[i]);

		if (x.state != RIB_DOWN && x.origin != RIB_DOWN &&
			decision_owns(owners, x.candidate->peer))
			return true;
	}
	return false;
}

static enum rib_cover cover_of(
	const struct rib *rib, const struct rib_set *s, const struct rib_outcome *o)
{
	if (!o->owners.n || o->doubtful)
		return RIB_COVER_NONE;
	return has_living_owner(rib, s, &o->owners) ? RIB_COVER_LIVING : RIB_COVER_DEAD;
}

void rib_set_decide(struct rib *rib, struct rib_set *s)
{
	struct rib_outcome o = {.route = true};

	enter(rib, s);
	s->n_order = (uint32_t)decision_order(rib->contest.contenders, s->n, s->order);
	take_owners(s, s->policy->pinned ? 1 : rib->max_owners, &o.owners);
	if (o.owners.n) {
		o.usable = rib->peers.items[o.owners.peer[0]]->state != RIB_DOWN;
		o.doubtful = is_doubtful(rib, s);
		s->held = o.usable ? o.owners.peer[0] : s->held;
	} else if (s->policy->on_dead == RIB_HOLD) {
		o.owners.n = 1;
		o.owners.peer[0] = s->held != RIB_NOBODY ? s->held : s->order[0].peer;
	} else if (s->policy->on_dead == RIB_RELEASE) {
		o.route = false;
	}
	o.cover = cover_of(rib, s, &o);
	s->now = o;
}

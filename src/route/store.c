/* SPDX-License-Identifier: MIT */
#include "route/store.h"

#include <assert.h>
#include <string.h>

struct rib *rib_new(unsigned max_owners, rib_tag_fn *tag, void *data)
{
	struct rib *rib = mem_zalloc(1, sizeof(*rib));

	assert(max_owners >= 1 && max_owners <= RIB_MAX_OWNERS);
	assert(tag || max_owners == 1);
	rib->max_owners = max_owners;
	rib->tag = tag;
	rib->tag_data = data;
	rib->entries = trie_new();
	rib->doubtful = trie_new();
	rib->sets = map_new();
	rib->groups = map_new();
	rib->numbers = map_new();
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

static void free_peers(struct rib *rib)
{
	for (size_t i = 0; i < rib->peers.n; i++) {
		if (rib->peers.items[i])
			vec_done(&rib->peers.items[i]->reaches);
		free(rib->peers.items[i]);
	}
	vec_done(&rib->peers);
}

void rib_free(struct rib *rib)
{
	if (!rib)
		return;
	trie_walk(rib->entries, free_entry, NULL);
	trie_free(rib->entries);
	trie_free(rib->doubtful);
	rib_groups_free(rib);
	free_sets(rib->sets);
	free_peers(rib);
	free(rib->contest.contenders);
	free(rib->contest.reasons);
	vec_done(&rib->touched_sets);
	vec_done(&rib->touched);
	vec_done(&rib->touched_groups);
	vec_done(&rib->touched_peers);
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
	copy->weight = c->weight ? c->weight : 1;
}

/* An order that is the same whoever spoke last, also of what the decision holds for equal. */
static int canonical_cmp(const void *a, const void *b)
{
	int order = decision_candidate_cmp(a, b);

	return order ? order : memcmp(a, b, sizeof(struct rib_candidate));
}

bool rib_set_has(const struct rib_set *s, enum rib_source source)
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
	return rib_set_has(old, RIB_INVENTORY) ? *old->policy : others;
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
			canonical_cmp);
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
	list_init(&s->nested);
	list_init(&s->deviants);
	list_init(&s->of_group);
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
	rib_group_join(rib, s);
	return s;
}

void rib_store_collect(struct rib *rib, struct rib_set *s)
{
	if (!list_is_empty(&s->plain) || !list_is_empty(&s->nested) || !list_is_empty(&s->deviants))
		return;
	map_remove(rib->sets, s->policy, key_len(s->n));
	rib_group_leave(rib, s);
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

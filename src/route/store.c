/* SPDX-License-Identifier: MIT */
#include "route/store.h"

#include <assert.h>
#include <string.h>

struct rib *rib_new(unsigned max_owners)
{
	struct rib *rib = mem_zalloc(1, sizeof(*rib));

	assert(max_owners >= 1 && max_owners <= RIB_MAX_OWNERS);
	rib->max_owners = max_owners;
	rib->entries = trie_new();
	rib->sets = map_new();
	list_init(&rib->doubtful);
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
	free_sets(rib->sets);
	for (size_t i = 0; i < rib->peers.n; i++)
		free(rib->peers.items[i]);
	vec_done(&rib->peers);
	free(rib->contest.contenders);
	free(rib->contest.reasons);
	vec_done(&rib->touched_sets);
	vec_done(&rib->touched_entries);
	vec_done(&rib->candidates);
	vec_done(&rib->reasons);
	vec_done(&rib->ids);
	vec_done(&rib->keys);
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

/* The candidates in canonical form, so that equal sets are equal bytes. */
static void normalise(struct rib *rib, const struct rib_candidate *candidates, size_t n)
{
	vec_reserve(&rib->candidates, n);
	memset(rib->candidates.items, 0, n * sizeof(*candidates));
	for (size_t i = 0; i < n; i++) {
		struct rib_candidate *c = &rib->candidates.items[i];

		c->peer = candidates[i].peer;
		c->origin = candidates[i].origin;
		c->distance = candidates[i].distance;
		c->transit = candidates[i].transit;
		c->metric = candidates[i].metric;
		c->hub_metric = candidates[i].hub_metric;
		c->place = candidates[i].place;
		c->origin_place = candidates[i].origin_place;
	}
	qsort(rib->candidates.items, n, sizeof(*candidates), decision_candidate_cmp);
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

/* A new set of the n normalised candidates. */
static struct rib_set *set_new(struct rib *rib, size_t n)
{
	struct rib_set *s;
	size_t bytes = n * sizeof(*s->candidates);

	collect_ids(rib, n);
	s = mem_zalloc(1, sizeof(*s) + rib->ids.n * sizeof(s->mentions[0]) + bytes);
	list_init(&s->entries);
	s->n = (uint32_t)n;
	s->n_mentions = (uint32_t)rib->ids.n;
	s->candidates = (struct rib_candidate *)&s->mentions[s->n_mentions];
	memcpy(s->candidates, rib->candidates.items, bytes);
	for (size_t i = 0; i < s->n_mentions; i++) {
		struct rib_peer *p = rib_store_peer(rib, rib->ids.items[i]);

		s->mentions[i].set = s;
		list_append(&p->mentions, &s->mentions[i].of_peer);
	}
	map_put(rib->sets, s->candidates, bytes, s);
	return s;
}

static struct rib_set *set_of(struct rib *rib, const struct rib_candidate *candidates, size_t n)
{
	struct rib_set *s;

	normalise(rib, candidates, n);
	s = map_get(rib->sets, rib->candidates.items, n * sizeof(*candidates));
	return s ? s : set_new(rib, n);
}

void rib_store_collect(struct rib *rib, struct rib_set *s)
{
	if (s->touched || !list_is_empty(&s->entries))
		return;
	map_remove(rib->sets, s->candidates, s->n * sizeof(*s->candidates));
	for (size_t i = 0; i < s->n_mentions; i++)
		list_remove(&s->mentions[i].of_peer);
	free(s);
}

struct rib_entry *rib_store_entry(struct rib *rib, const ip_prefix *p)
{
	void **slot = trie_slot(rib->entries, p);
	struct rib_entry *e = *slot;

	if (!e) {
		e = *slot = mem_zalloc(1, sizeof(*e) + rib->max_owners * sizeof(e->owners[0]));
		list_init(&e->of_set);
		e->prefix = *p;
	}
	return e;
}

void rib_store_assign(
	struct rib *rib, struct rib_entry *e, const struct rib_candidate *candidates, size_t n)
{
	struct rib_set *old = e->set, *set = n ? set_of(rib, candidates, n) : NULL;

	if (set == old)
		return;
	list_remove(&e->of_set);
	e->set = set;
	if (set)
		list_append(&set->entries, &e->of_set);
	if (old)
		rib_store_collect(rib, old);
}

void rib_store_remove(struct rib *rib, struct rib_entry *e)
{
	trie_remove(rib->entries, &e->prefix);
	free(e);
}

struct decision_contender rib_store_contender(const struct rib *rib, const struct rib_candidate *c)
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

const struct rib_contest *rib_contest_run(struct rib *rib, const struct rib_entry *e)
{
	struct rib_contest *c = &rib->contest;
	const struct rib_set *s = e->set;

	if (c->set == s && c->pinned == e->pinned)
		return c;
	contest_reserve(c, s->n);
	for (size_t i = 0; i < s->n; i++) {
		c->contenders[i] = rib_store_contender(rib, &s->candidates[i]);
		if (e->pinned) /* asks nothing */
			c->contenders[i].state = c->contenders[i].origin = RIB_UP;
	}
	decision_run(c->contenders, s->n, e->pinned ? 1 : rib->max_owners, &c->owners, c->reasons);
	c->set = s;
	c->pinned = e->pinned;
	return c;
}

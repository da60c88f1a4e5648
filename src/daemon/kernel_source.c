/* SPDX-License-Identifier: MIT */
/*
 * An entry for each prefix of which something was said, is held or is refused. What is said is
 * interned, since an engine brings a hundred thousand prefixes and a few sets of next hops: its key
 * are peers, origins and the kernel's weights, in the epoch of the facts that made candidates of
 * them. What waits to go, and what is held, stands in lists of which each lasts equally long, so
 * that the first of a list is the first that is due.
 */
#include "daemon/kernel_source.h"

#include "base/list.h"
#include "base/map.h"
#include "base/trie.h"
#include "daemon/candidates.h"
#include "daemon/kernel_candidates.h"
#include "daemon/kernel_refused.h"
#include <assert.h>
#include <string.h>

#define CANDIDATES_MAX (ROUTE_HOPS_MAX * KERNEL_ORIGINS_MAX)
#define KEY_MAX (1 + 3 * CANDIDATES_MAX)

struct said {
	size_t refs;
	struct kernel_hops *hops;
	size_t n;
	struct rib_candidate *candidates;
	size_t key_n;
	uint32_t key[]; /* what it is found by: the epoch, then peer, origin and weight of each */
};

enum entry_way { ENTRY_STAYS, ENTRY_LEAVES, ENTRY_SWEPT, ENTRY_REFUSED };

struct entry {
	struct kernel_refused_entry refused; /* and its prefix */
	uint8_t way;			     /* enum entry_way */
	bool is_unsure;			     /* whether the RIB heard of what was said last */
	uint32_t epoch;			     /* of the facts by which it was judged last */
	struct said *said;		     /* NULL: nothing */
	struct list of_way;		     /* unless it stays */
	instant until;			     /* likewise */
};

struct kernel_source {
	struct kernel_judge *judge; /* NULL before the first set */
	const struct generation *gen;
	uint32_t epoch;
	bool is_reset; /* not settled since something is to be judged or said anew */
	struct trie *entries;
	size_t n_said;
	struct map *saids; /* by key */
	struct list leaving, swept, refused;
	struct kernel_refused *troubles; /* entries that are refused, or swept */
	VEC(bool) dead;			 /* by peer */
};

struct kernel_source *kernel_source_new(void)
{
	struct kernel_source *s = mem_zalloc(1, sizeof(*s));

	s->entries = trie_new();
	s->saids = map_new();
	s->troubles = kernel_refused_new();
	list_init(&s->leaving);
	list_init(&s->swept);
	list_init(&s->refused);
	return s;
}

/* --- what is said --------------------------------------------------------------------------------
 */

static size_t make_key(uint32_t epoch, const struct kernel_hops *hops, uint32_t key[static KEY_MAX])
{
	size_t n = 0;

	key[n++] = epoch;
	for (size_t i = 0; i < hops->n; i++)
		for (size_t k = 0; k < hops->items[i].n_origins; k++) {
			key[n++] = hops->items[i].peer;
			key[n++] = hops->items[i].origins[k];
			key[n++] = hops->items[i].weight;
		}
	return n;
}

static struct said *said_new(const struct kernel_source *s, const struct kernel_hops *hops,
	const uint32_t *key, size_t key_n)
{
	struct said *d = mem_zalloc(1, sizeof(*d) + key_n * sizeof(*key));
	struct rib_candidate room[CANDIDATES_MAX];

	d->hops = mem_zalloc(1, sizeof(*d->hops));
	*d->hops = *hops;
	d->n = kernel_judge_candidates(s->judge, hops, room);
	d->candidates = mem_zalloc(d->n, sizeof(*room));
	memcpy(d->candidates, room, d->n * sizeof(*room));
	d->key_n = key_n;
	memcpy(d->key, key, key_n * sizeof(*key));
	return d;
}

/* One reference more; NULL: nothing is to be said. */
static struct said *said_get(struct kernel_source *s, const struct kernel_hops *hops)
{
	uint32_t key[KEY_MAX];
	struct said *d;
	size_t n;

	if (!hops->n)
		return NULL;
	n = make_key(s->epoch, hops, key);
	d = map_get(s->saids, key, n * sizeof(*key));
	if (!d) {
		d = said_new(s, hops, key, n);
		map_put(s->saids, d->key, n * sizeof(*key), d);
	}
	d->refs++;
	return d;
}

static void said_free(struct said *d)
{
	free(d->hops);
	free(d->candidates);
	free(d);
}

static void said_put(struct kernel_source *s, struct said *d)
{
	if (!d || --d->refs)
		return;
	map_remove(s->saids, d->key, d->key_n * sizeof(*d->key));
	said_free(d);
}

static bool is_same(const struct said *a, const struct said *b)
{
	if (a == b || !a || !b || a->n != b->n)
		return a == b;
	for (size_t i = 0; i < a->n; i++)
		if (!candidate_is_same(&a->candidates[i], &b->candidates[i]))
			return false;
	return true;
}

static void word(struct kernel_words *w, const ip_prefix *prefix, const struct said *d)
{
	struct rib_event e = {.type = RIB_EVENT_PREFIX};
	struct rib_candidate *copy = NULL;

	if (d) {
		copy = arena_array(&w->candidates, struct rib_candidate, d->n);
		memcpy(copy, d->candidates, d->n * sizeof(*copy));
	}
	e.u.prefix.source = RIB_KERNEL;
	e.u.prefix.prefix = *prefix;
	e.u.prefix.candidates = copy;
	e.u.prefix.n = d ? d->n : 0;
	vec_push(&w->events, e);
}

/* Takes over a reference of d. */
static void say(struct kernel_source *s, struct entry *e, struct said *d, struct kernel_words *ret)
{
	struct said *before = e->said;

	if (e->is_unsure || !is_same(before, d))
		word(ret, &e->refused.prefix, d);
	e->is_unsure = false;
	e->said = d;
	s->n_said += (d != NULL);
	s->n_said -= (before != NULL);
	said_put(s, before);
}

void kernel_words_done(struct kernel_words *w)
{
	vec_done(&w->events);
	arena_done(&w->candidates);
}

/* --- entries -------------------------------------------------------------------------------------
 */

static struct entry *entry_of(struct kernel_source *s, const ip_prefix *prefix)
{
	void **slot = trie_slot(s->entries, prefix);
	struct entry *e = *slot;

	if (e)
		return e;
	e = mem_zalloc(1, sizeof(*e));
	e->refused.prefix = *prefix;
	e->epoch = s->epoch;
	*slot = e;
	return e;
}

static void drop_if_idle(struct kernel_source *s, struct entry *e)
{
	if (e->said || e->refused.group || e->way != ENTRY_STAYS || e->is_unsure)
		return;
	trie_remove(s->entries, &e->refused.prefix);
	free(e);
}

static void clear_trouble(struct kernel_source *s, struct entry *e)
{
	kernel_refused_put(s->troubles, &e->refused, KERNEL_N_TROUBLES, KERNEL_SOURCE_NOBODY);
}

static void stay(struct kernel_source *s, struct entry *e)
{
	if (e->way == ENTRY_STAYS)
		return;
	if (e->way == ENTRY_SWEPT)
		clear_trouble(s, e);
	list_remove(&e->of_way);
	e->way = ENTRY_STAYS;
}

static void leave(struct kernel_source *s, struct entry *e, instant now)
{
	if (e->way == ENTRY_LEAVES)
		return;
	stay(s, e);
	e->way = ENTRY_LEAVES;
	e->until = instant_add(now, KERNEL_SOURCE_LEAVES);
	list_append(&s->leaving, &e->of_way);
}

static void hold_swept(struct kernel_source *s, struct entry *e, instant now)
{
	e->way = ENTRY_SWEPT;
	e->until = instant_add(now, KERNEL_SOURCE_SWEPT);
	list_append(&s->swept, &e->of_way);
	kernel_refused_put(s->troubles, &e->refused, KERNEL_HELD_SWEPT, KERNEL_SOURCE_NOBODY);
}

static void hold_refused(struct kernel_source *s, struct entry *e, instant now)
{
	stay(s, e);
	e->way = ENTRY_REFUSED;
	e->until = instant_add(now, KERNEL_SOURCE_REFUSED);
	list_append(&s->refused, &e->of_way);
}

/* Says that nobody has it any more. */
static void end(struct kernel_source *s, struct entry *e, struct kernel_words *ret)
{
	stay(s, e);
	clear_trouble(s, e);
	say(s, e, NULL, ret);
	drop_if_idle(s, e);
}

static void entry_free(struct kernel_source *s, struct entry *e)
{
	said_put(s, e->said);
	free(e);
}

static int free_entry(const ip_prefix *p, void *entry, void *source)
{
	entry_free(source, entry);
	return 0;
}

void kernel_source_free(struct kernel_source *s)
{
	if (!s)
		return;
	trie_walk(s->entries, free_entry, s);
	trie_free(s->entries);
	kernel_refused_free(s->troubles);
	map_free(s->saids);
	vec_done(&s->dead);
	kernel_judge_free(s->judge);
	free(s);
}

/* --- views ---------------------------------------------------------------------------------------
 */

static bool is_alive(const struct kernel_source *s, uint32_t peer)
{
	return peer >= s->dead.n || !s->dead.items[peer];
}

static bool has_living(const struct kernel_source *s, const struct said *d)
{
	for (size_t i = 0; i < d->n; i++)
		if (is_alive(s, d->candidates[i].peer))
			return true;
	return false;
}

static void take_standing(struct kernel_source *s, struct entry *e, const struct route_view *v,
	instant now, struct kernel_words *ret)
{
	struct kernel_hops hops;
	struct kernel_refusal refusal;

	assert(s->judge);
	kernel_judge_route(s->judge, v, &hops, &refusal);
	stay(s, e);
	e->refused.protocol = v->protocol;
	e->refused.hop = refusal.hop;
	kernel_refused_put(s->troubles, &e->refused, refusal.kind, refusal.peer);
	if (!hops.n && (e->said || e->is_unsure)) {
		leave(s, e, now);
		return;
	}
	say(s, e, said_get(s, &hops), ret);
	drop_if_idle(s, e);
}

/* What an engine said last before it was swept counts: a short hold isn't made a long one. */
static void take_gone(struct kernel_source *s, struct entry *e, enum route_state state, instant now)
{
	if (!e->said || state == ROUTE_WITHDRAWN || e->way == ENTRY_LEAVES) {
		leave(s, e, now);
	} else if (state == ROUTE_REFUSED) {
		if (e->way != ENTRY_REFUSED)
			hold_refused(s, e, now);
	} else if (e->way == ENTRY_STAYS) {
		if (has_living(s, e->said))
			hold_swept(s, e, now);
		else
			leave(s, e, now);
	}
}

void kernel_source_take(
	struct kernel_source *s, const struct route_view *v, instant now, struct kernel_words *ret)
{
	struct entry *e = v->state == ROUTE_STANDS ? entry_of(s, &v->prefix)
						   : trie_get(s->entries, &v->prefix);

	if (!e)
		return;
	if (v->state == ROUTE_STANDS) {
		e->epoch = s->epoch;
		take_standing(s, e, v, now, ret);
		return;
	}
	if (e->way != ENTRY_SWEPT)
		clear_trouble(s, e);
	take_gone(s, e, v->state, now);
}

/* --- other facts ---------------------------------------------------------------------------------
 */

void kernel_source_set(struct kernel_source *s, const struct kernel_source_facts *f)
{
	kernel_judge_free(s->judge);
	s->judge = kernel_judge_new(f);
	s->gen = f->gen;
	s->epoch++;
	s->is_reset = true;
}

void kernel_source_set_endpoints(struct kernel_source *s, const struct kernel_source_facts *f)
{
	assert(s->judge && s->gen == f->gen);
	kernel_judge_update(s->judge, f);
}

void kernel_source_unsay(struct kernel_source *s, const ip_prefix *prefix)
{
	struct entry *e = entry_of(s, prefix);

	e->is_unsure = true;
	e->epoch = s->epoch - 1;
	s->is_reset = true;
}

struct settling {
	struct kernel_source *source;
	VEC(struct entry *) stale;
};

static int note_stale(const ip_prefix *p, void *entry, void *data)
{
	struct settling *t = data;
	struct entry *e = entry;

	if (e->epoch != t->source->epoch)
		vec_push(&t->stale, e);
	return 0;
}

/* What is held leads where it led, by the facts of now; all else would have been given again. */
static void judge_stale(
	struct kernel_source *s, struct entry *e, instant now, struct kernel_words *ret)
{
	struct kernel_hops hops;

	e->epoch = s->epoch;
	if (e->way != ENTRY_SWEPT && e->way != ENTRY_REFUSED) {
		clear_trouble(s, e);
		leave(s, e, now);
		return;
	}
	assert(e->said);
	hops = *e->said->hops;
	kernel_judge_again(s->judge, &e->refused.prefix, &hops);
	if (hops.n)
		say(s, e, said_get(s, &hops), ret);
	else
		leave(s, e, now);
}

static void settle_reset(struct kernel_source *s, instant now, struct kernel_words *ret)
{
	struct settling t = {.source = s};

	trie_walk(s->entries, note_stale, &t);
	for (size_t i = 0; i < t.stale.n; i++)
		judge_stale(s, t.stale.items[i], now, ret);
	vec_done(&t.stale);
	s->is_reset = false;
}

void kernel_source_settle(struct kernel_source *s, instant now, struct kernel_words *ret)
{
	if (s->is_reset)
		settle_reset(s, now, ret);
	while (!list_is_empty(&s->leaving)) {
		struct entry *e = container_of(s->leaving.next, struct entry, of_way);

		if (instant_before(now, e->until))
			return;
		/* It may stand, and be refused. */
		stay(s, e);
		say(s, e, NULL, ret);
		drop_if_idle(s, e);
	}
}

/* --- what is held --------------------------------------------------------------------------------
 */

static void drop_without_living(struct kernel_source *s, struct kernel_words *ret)
{
	struct list *next;

	for (struct list *l = s->swept.next; l != &s->swept; l = next) {
		struct entry *e = container_of(l, struct entry, of_way);

		next = l->next;
		if (!has_living(s, e->said))
			end(s, e, ret);
	}
}

void kernel_source_peer(
	struct kernel_source *s, uint32_t peer, bool lives, instant now, struct kernel_words *ret)
{
	bool lived = is_alive(s, peer);

	while (s->dead.n <= peer)
		vec_push(&s->dead, false);
	s->dead.items[peer] = !lives;
	if (lived && !lives)
		drop_without_living(s, ret);
}

static void drop_overdue(
	struct kernel_source *s, struct list *held, instant now, struct kernel_words *ret)
{
	while (!list_is_empty(held)) {
		struct entry *e = container_of(held->next, struct entry, of_way);

		if (instant_before(now, e->until))
			return;
		end(s, e, ret);
	}
}

void kernel_source_time(struct kernel_source *s, instant now, struct kernel_words *ret)
{
	drop_overdue(s, &s->swept, now, ret);
	drop_overdue(s, &s->refused, now, ret);
}

static instant due(const struct list *held)
{
	return list_is_empty(held) ? INSTANT_NEVER
				   : container_of(held->next, struct entry, of_way)->until;
}

instant kernel_source_deadline(const struct kernel_source *s)
{
	return instant_min(due(&s->leaving), instant_min(due(&s->swept), due(&s->refused)));
}

void kernel_source_troubles(const struct kernel_source *s, kernel_troubles *ret)
{
	kernel_refused_tell(s->troubles, ret);
}

size_t kernel_source_count(const struct kernel_source *s)
{
	return s->n_said;
}

/* SPDX-License-Identifier: MIT */
/*
 * Sets of WAYS pairs, chosen by a keyed hash. A set has a count that is odd while the one writer is
 * at it: a reader that sees the same even count before and after has seen what stood there. All
 * words are stored by release and loaded by acquire, so whoever has seen one of the new ones sees
 * the odd count too; no fences, so that ThreadSanitizer can follow. A pair that is there already is
 * touched in one word, and needs no count.
 */
#include "wg/relay_memory.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define WAYS 8
#define KEY_WORDS 4
#define NEVER INT64_MIN /* noted: nothing is */

struct pair {
	uint64_t words[KEY_WORDS]; /* source, destination; IPv4 in the first */
	bool is_v6;
};

struct way {
	_Atomic uint64_t words[KEY_WORDS];
	_Atomic bool is_v6;
	_Atomic(const void *) from;
	_Atomic int64_t noted_ns;
};

struct set {
	_Atomic unsigned count;
	struct way ways[WAYS];
};

struct relay_memory {
	uint64_t seed;
	size_t n_sets; /* a power of two */
	_Atomic int64_t last_noted_ns;
	_Atomic uint64_t n_evicted;
	struct set sets[];
};

struct relay_memory *relay_memory_new(size_t n_pairs, uint64_t seed)
{
	struct relay_memory *m;
	size_t n = 1;

	while (n * WAYS < n_pairs)
		n *= 2;
	m = calloc(1, sizeof(*m) + n * sizeof(m->sets[0]));
	if (!m)
		return NULL;
	m->seed = seed;
	m->n_sets = n;
	atomic_init(&m->last_noted_ns, NEVER);
	for (size_t i = 0; i < n * WAYS; i++)
		atomic_init(&m->sets[i / WAYS].ways[i % WAYS].noted_ns, NEVER);
	return m;
}

void relay_memory_free(struct relay_memory *m)
{
	free(m);
}

/* --- pairs ---------------------------------------------------------------------------------------
 */

static struct pair pair_of(const uint8_t *packet)
{
	struct pair p = {.is_v6 = packet[0] >> 4 == 6};

	if (p.is_v6)
		memcpy(p.words, packet + 8, 32);
	else
		memcpy(p.words, packet + 12, 8);
	return p;
}

static uint64_t fold(uint64_t a, uint64_t b)
{
	__extension__ unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static struct set *set_of(struct relay_memory *m, const struct pair *p)
{
	uint64_t hash = m->seed ^ p->is_v6;

	for (unsigned i = 0; i < KEY_WORDS; i++)
		hash = fold(hash ^ p->words[i], m->seed ^ UINT64_C(0x9e3779b97f4a7c15)) + i;
	return &m->sets[fold(hash, UINT64_C(0xd6e8feb86659fd93)) & (m->n_sets - 1)];
}

static bool is_in(const struct way *w, const struct pair *p)
{
	bool is_same = atomic_load_explicit(&w->is_v6, memory_order_acquire) == p->is_v6;

	for (unsigned i = 0; i < KEY_WORDS; i++)
		is_same &= atomic_load_explicit(&w->words[i], memory_order_acquire) == p->words[i];
	return is_same;
}

static int64_t noted(const struct way *w)
{
	return atomic_load_explicit(&w->noted_ns, memory_order_acquire);
}

static bool is_fresh(int64_t noted_ns, instant now)
{
	return noted_ns != NEVER && now.ns - noted_ns < RELAY_MEMORY_NS;
}

/* --- the writer ----------------------------------------------------------------------------------
 */

static void set_noted(struct way *w, const void *from, int64_t noted_ns)
{
	atomic_store_explicit(&w->from, from, memory_order_release);
	atomic_store_explicit(&w->noted_ns, noted_ns, memory_order_release);
}

static void replace(
	struct set *s, struct way *w, const struct pair *p, const void *from, int64_t noted_ns)
{
	unsigned count = atomic_load_explicit(&s->count, memory_order_relaxed);

	atomic_store_explicit(&s->count, count + 1, memory_order_relaxed);
	for (unsigned i = 0; i < KEY_WORDS; i++)
		atomic_store_explicit(&w->words[i], p->words[i], memory_order_release);
	atomic_store_explicit(&w->is_v6, p->is_v6, memory_order_release);
	set_noted(w, from, noted_ns);
	atomic_store_explicit(&s->count, count + 2, memory_order_release);
}

static struct way *way_of(struct set *s, const struct pair *p)
{
	for (struct way *w = s->ways; w < s->ways + WAYS; w++)
		if (noted(w) != NEVER && is_in(w, p))
			return w;
	return NULL;
}

static struct way *oldest(struct set *s)
{
	struct way *best = s->ways;

	for (struct way *w = s->ways + 1; w < s->ways + WAYS; w++)
		if (noted(w) < noted(best))
			best = w;
	return best;
}

/* In the place of what is the longest ago, if it ever was. */
static void remember(
	struct relay_memory *m, struct set *s, const struct pair *p, const void *from, instant now)
{
	struct way *w = oldest(s);

	if (is_fresh(noted(w), now))
		atomic_fetch_add_explicit(&m->n_evicted, 1, memory_order_relaxed);
	replace(s, w, p, from, now.ns);
}

void relay_memory_note(struct relay_memory *m, const uint8_t *packet, const void *from, instant now)
{
	int64_t last = atomic_load_explicit(&m->last_noted_ns, memory_order_relaxed);
	struct pair p;
	struct set *s;
	struct way *w;

	/* Most packets come from elsewhere, and mostly there is nothing to clear. */
	if (!from && !is_fresh(last, now))
		return;
	p = pair_of(packet);
	s = set_of(m, &p);
	w = way_of(s, &p);
	if (w)
		set_noted(w, from, from ? now.ns : NEVER);
	else if (from)
		remember(m, s, &p, from, now);
	if (from)
		atomic_store_explicit(&m->last_noted_ns, now.ns, memory_order_release);
}

/* --- readers -------------------------------------------------------------------------------------
 */

static const void *look(const struct set *s, const struct pair *p, instant now)
{
	const void *found = NULL;

	for (const struct way *w = s->ways; w < s->ways + WAYS; w++)
		if (is_fresh(noted(w), now) && is_in(w, p))
			found = atomic_load_explicit(&w->from, memory_order_acquire);
	return found;
}

const void *relay_memory_from(struct relay_memory *m, const uint8_t *packet, instant now)
{
	const struct set *s;
	struct pair p;

	if (!is_fresh(atomic_load_explicit(&m->last_noted_ns, memory_order_acquire), now))
		return NULL;
	p = pair_of(packet);
	s = set_of(m, &p);
	for (;;) {
		unsigned before = atomic_load_explicit(&s->count, memory_order_acquire);
		const void *found = look(s, &p, now);

		if (!(before & 1) &&
			atomic_load_explicit(&s->count, memory_order_relaxed) == before)
			return found;
	}
}

uint64_t relay_memory_evicted(const struct relay_memory *m)
{
	return atomic_load_explicit(&m->n_evicted, memory_order_relaxed);
}

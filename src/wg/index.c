/* SPDX-License-Identifier: MIT */
/*
 * An array of slots with linear probing. An index is random, so it is its own hash. A slot takes
 * one index in its life: a writer fills in what it stands for, then the index (release); a reader
 * that finds the index (acquire) finds the rest. Removal empties the slot but leaves the index
 * there, so no reader can mistake one index's answer for another's. When three quarters of the
 * slots are used up, what lives moves to a new array, sized by what lives, and the old one is
 * retired.
 */
#include "wg/index.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#define MIN_SLOTS 64
#define ROOM 4 /* slots per living index in a new array */

struct slot {
	_Atomic uint32_t index; /* 0: never used */
	_Atomic(void *) what;	/* NULL: removed */
};

struct slots {
	size_t n; /* a power of two */
	struct slot slot[];
};

struct index_table {
	_Atomic(struct slots *) slots;
	struct qsbr *qsbr;
	uint32_t (*random32)(void *data);
	void *data;
	size_t n_living, n_used;
};

static struct slots *slots_new(size_t n_living)
{
	size_t n = MIN_SLOTS;
	struct slots *s;

	while (n < n_living * ROOM)
		n *= 2;
	s = calloc(1, sizeof(*s) + n * sizeof(s->slot[0]));
	if (s)
		s->n = n;
	return s;
}

/* The index's slot, or the free one where it would be. */
static struct slot *find(struct slots *s, uint32_t index)
{
	size_t i = index & (s->n - 1);

	for (;; i = (i + 1) & (s->n - 1)) {
		uint32_t found = atomic_load_explicit(&s->slot[i].index, memory_order_acquire);

		if (found == index || !found)
			return &s->slot[i];
	}
}

static struct slots *current(const struct index_table *t)
{
	return atomic_load_explicit(&t->slots, memory_order_acquire);
}

/* For writers: NULL if it isn't there. */
static struct slot *find_living(struct index_table *t, uint32_t index)
{
	struct slot *s = index ? find(current(t), index) : NULL;

	return s && atomic_load_explicit(&s->what, memory_order_relaxed) ? s : NULL;
}

static void fill(struct slot *s, uint32_t index, void *what)
{
	atomic_store_explicit(&s->what, what, memory_order_relaxed);
	atomic_store_explicit(&s->index, index, memory_order_release);
}

struct index_table *index_table_new(struct qsbr *q, uint32_t (*random32)(void *data), void *data)
{
	struct index_table *t = calloc(1, sizeof(*t));
	struct slots *s = slots_new(0);

	if (!t || !s) {
		free(t);
		free(s);
		return NULL;
	}
	atomic_init(&t->slots, s);
	t->qsbr = q;
	t->random32 = random32;
	t->data = data;
	return t;
}

void index_table_free(struct index_table *t)
{
	if (!t)
		return;
	free(current(t));
	free(t);
}

static bool make_room(struct index_table *t)
{
	struct slots *old = current(t), *new;

	if (t->n_used + 1 <= old->n / 4 * 3)
		return true;
	new = slots_new(t->n_living + 1);
	if (!new)
		return false;
	for (struct slot *s = old->slot; s < old->slot + old->n; s++) {
		uint32_t index = atomic_load_explicit(&s->index, memory_order_relaxed);
		void *what = atomic_load_explicit(&s->what, memory_order_relaxed);

		if (what)
			fill(find(new, index), index, what);
	}
	t->n_used = t->n_living;
	atomic_store_explicit(&t->slots, new, memory_order_release);
	qsbr_retire(t->qsbr, old, free);
	return true;
}

/* The scheme: random, and new. */
static uint32_t choose(struct index_table *t, struct slot **ret)
{
	for (;;) {
		uint32_t index = t->random32(t->data);
		struct slot *s = index ? find(current(t), index) : NULL;

		if (s && !atomic_load_explicit(&s->index, memory_order_relaxed)) {
			*ret = s;
			return index;
		}
	}
}

uint32_t index_allocate(struct index_table *t, void *what)
{
	struct slot *s;
	uint32_t index;

	if (!make_room(t))
		return 0;
	index = choose(t, &s);
	fill(s, index, what);
	t->n_used++;
	t->n_living++;
	return index;
}

void index_replace(struct index_table *t, uint32_t index, void *what)
{
	struct slot *s = find_living(t, index);

	if (s)
		atomic_store_explicit(&s->what, what, memory_order_release);
}

void index_remove(struct index_table *t, uint32_t index)
{
	struct slot *s = find_living(t, index);

	if (!s)
		return;
	atomic_store_explicit(&s->what, NULL, memory_order_release);
	t->n_living--;
}

void *index_lookup(const struct index_table *t, uint32_t index)
{
	if (!index)
		return NULL;
	return atomic_load_explicit(&find(current(t), index)->what, memory_order_acquire);
}

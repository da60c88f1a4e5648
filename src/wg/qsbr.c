/* SPDX-License-Identifier: MIT */
/*
 * A global epoch, and per worker the epoch it has last been quiescent in. Whoever retires something
 * has unlinked it before; retiring counts the epoch up and notes the new one, e. A worker that says
 * "quiescent" reads the epoch (acquire) and publishes it as seen (release):
 *
 *	- it read e or later: the unlinking happened before that read, so from there on the worker
 *	  can't find the thing; and all it did before is visible to a writer that reads seen >= e;
 *	- it read something older: the thing stays, until the next time.
 *
 * A sleeping worker has seen 0 and holds nothing. Waking is the hard case: the writer must not take
 * it for asleep while it already reads. Both sides therefore read and write the worker's word in
 * one step: the writer's look at a sleeper is an addition of nothing. If it comes first, the
 * waker's exchange reads from it and so sees everything unlinked before; if it comes second, it
 * sees the worker awake. The same holds for the word of registered workers. Two orders of one
 * variable each, and no fence.
 *
 * What waits is a queue in order of epochs, in chunks, one of them kept: a steady state allocates
 * nothing.
 */
#include "wg/qsbr.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#define LINE 64
#define PER_CHUNK 170 /* a page */
#define ASLEEP 0

struct waiting {
	void *what;
	void (*free_fn)(void *);
	uint64_t epoch;
};

struct chunk {
	struct chunk *next;
	struct waiting items[PER_CHUNK];
};

struct worker {
	_Atomic uint64_t seen;
} __attribute__((aligned(LINE)));

struct qsbr {
	struct worker workers[QSBR_MAX_WORKERS];
	/* Read by all, written by writers and on registration only. */
	_Atomic uint64_t epoch __attribute__((aligned(LINE)));
	_Atomic uint64_t registered; /* a bit per worker */

	/* Writers. The first item is at head of the first chunk, the last before tail of the last.
	 */
	struct chunk *first __attribute__((aligned(LINE))), *last, *spare;
	unsigned head, tail;
	size_t n_waiting;
};

_Static_assert(QSBR_MAX_WORKERS == 64, "registered has a bit for each");

struct qsbr *qsbr_new(void)
{
	struct qsbr *q = aligned_alloc(LINE, sizeof(*q));

	if (!q)
		return NULL;
	*q = (struct qsbr){.spare = malloc(sizeof(*q->spare))};
	if (!q->spare) {
		free(q);
		return NULL;
	}
	atomic_init(&q->epoch, ASLEEP + 1);
	return q;
}

/* --- workers -------------------------------------------------------------------------------------
 */

unsigned qsbr_register(struct qsbr *q)
{
	uint64_t old = atomic_load_explicit(&q->registered, memory_order_relaxed);
	unsigned worker;

	do {
		assert(~old); /* at most QSBR_MAX_WORKERS */
		worker = (unsigned)__builtin_ctzll(~old);
	} while (!atomic_compare_exchange_weak_explicit(&q->registered, &old,
		old | UINT64_C(1) << worker, memory_order_acq_rel, memory_order_relaxed));
	return worker;
}

void qsbr_unregister(struct qsbr *q, unsigned worker)
{
	qsbr_sleep(q, worker);
	atomic_fetch_and_explicit(&q->registered, ~(UINT64_C(1) << worker), memory_order_acq_rel);
}

void qsbr_quiescent(struct qsbr *q, unsigned worker)
{
	uint64_t now = atomic_load_explicit(&q->epoch, memory_order_acquire);
	_Atomic uint64_t *seen = &q->workers[worker].seen;

	/* The line is the worker's own until a writer looks: not touched without need. */
	if (atomic_load_explicit(seen, memory_order_relaxed) != now)
		atomic_store_explicit(seen, now, memory_order_release);
}

void qsbr_sleep(struct qsbr *q, unsigned worker)
{
	atomic_store_explicit(&q->workers[worker].seen, ASLEEP, memory_order_release);
}

void qsbr_wake(struct qsbr *q, unsigned worker)
{
	uint64_t now = atomic_load_explicit(&q->epoch, memory_order_acquire);

	atomic_exchange_explicit(&q->workers[worker].seen, now, memory_order_acq_rel);
}

/* --- writers -------------------------------------------------------------------------------------
 */

static uint64_t passed_by(struct worker *w)
{
	uint64_t seen = atomic_load_explicit(&w->seen, memory_order_acquire);

	if (seen == ASLEEP)
		seen = atomic_fetch_add_explicit(&w->seen, 0, memory_order_acq_rel);
	return seen == ASLEEP ? UINT64_MAX : seen;
}

/* The greatest epoch that every worker has passed. */
static uint64_t passed_by_all(struct qsbr *q)
{
	uint64_t left = atomic_fetch_add_explicit(&q->registered, 0, memory_order_acq_rel);
	uint64_t all = UINT64_MAX;

	for (; left; left &= left - 1) {
		uint64_t passed = passed_by(&q->workers[__builtin_ctzll(left)]);

		all = passed < all ? passed : all;
	}
	return all;
}

static bool make_room(struct qsbr *q)
{
	struct chunk *c = q->spare;

	if (q->last && q->tail < PER_CHUNK)
		return true;
	q->spare = NULL;
	if (!c)
		c = malloc(sizeof(*c));
	if (!c)
		return false;
	c->next = NULL;
	if (q->last)
		q->last->next = c;
	else
		q->first = c, q->head = 0;
	q->last = c;
	q->tail = 0;
	return true;
}

void qsbr_retire(struct qsbr *q, void *what, void (*free_fn)(void *))
{
	uint64_t epoch = atomic_fetch_add_explicit(&q->epoch, 1, memory_order_acq_rel) + 1;

	/* Without memory for a note the thing itself is lost: readers may hold it, and a writer
	 * doesn't wait. */
	if (!make_room(q))
		return;
	q->last->items[q->tail++] = (struct waiting){what, free_fn, epoch};
	q->n_waiting++;
}

static void drop_first_chunk(struct qsbr *q)
{
	struct chunk *c = q->first;

	q->first = c->next;
	q->head = 0;
	if (!q->first)
		q->last = NULL;
	if (q->spare)
		free(c);
	else
		q->spare = c;
}

/* What is freed may retire more. */
static void free_until(struct qsbr *q, uint64_t epoch)
{
	while (q->n_waiting && q->first->items[q->head].epoch <= epoch) {
		struct waiting w = q->first->items[q->head++];

		q->n_waiting--;
		if (q->head == PER_CHUNK || !q->n_waiting)
			drop_first_chunk(q);
		w.free_fn(w.what);
	}
}

size_t qsbr_reclaim(struct qsbr *q)
{
	if (q->n_waiting)
		free_until(q, passed_by_all(q));
	return q->n_waiting;
}

void qsbr_free(struct qsbr *q)
{
	if (!q)
		return;
	assert(!atomic_load_explicit(&q->registered, memory_order_acquire));
	free_until(q, UINT64_MAX);
	free(q->spare);
	free(q);
}

/* SPDX-License-Identifier: MIT */
#include "unit.h"
#include "wg/index.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

static uint32_t by_chance(void *data)
{
	return (uint32_t)chance_u64(data);
}

struct table {
	struct qsbr *q;
	struct index_table *t;
	struct chance chance;
};

static struct table start(void)
{
	struct table x = {.q = qsbr_new()};

	x.chance = chance_start("index");
	return x;
}

static void open_table(struct table *x)
{
	x->t = index_table_new(x->q, by_chance, &x->chance);
	assert_non_null(x->t);
}

static void close_table(struct table *x)
{
	index_table_free(x->t);
	qsbr_free(x->q);
}

static void life(void **state)
{
	struct table x = start();
	int a, b;
	uint32_t i, j;

	open_table(&x);
	assert_null(index_lookup(x.t, 0));
	assert_null(index_lookup(x.t, 1));
	i = index_allocate(x.t, &a);
	j = index_allocate(x.t, &a);
	assert_int_not_equal(i, 0);
	assert_int_not_equal(i, j);
	assert_ptr_equal(index_lookup(x.t, i), &a);
	index_replace(x.t, i, &b);
	assert_ptr_equal(index_lookup(x.t, i), &b);
	assert_ptr_equal(index_lookup(x.t, j), &a);
	index_remove(x.t, i);
	assert_null(index_lookup(x.t, i));
	assert_ptr_equal(index_lookup(x.t, j), &a);

	/* What is gone stays gone. */
	index_remove(x.t, i);
	index_remove(x.t, 0);
	index_replace(x.t, i, &b);
	index_replace(x.t, 0, &b);
	assert_null(index_lookup(x.t, i));
	assert_null(index_lookup(x.t, 0));
	close_table(&x);
}

/* Random numbers that repeat themselves, and zero. */
static uint32_t bad_luck(void *data)
{
	static const uint32_t numbers[] = {
		0, 7, 7, 0, 7, 71, 71, 7, 0, 135, UINT32_MAX, UINT32_MAX, 5};
	unsigned *n = data;

	assert_true(*n < sizeof(numbers) / sizeof(numbers[0]));
	return numbers[(*n)++];
}

static void unlucky(void **state)
{
	struct qsbr *q = qsbr_new();
	unsigned n = 0;
	struct index_table *t = index_table_new(q, bad_luck, &n);
	int a, b, c;

	assert_int_equal(index_allocate(t, &a), 7);
	assert_int_equal(index_allocate(t, &b), 71); /* in the same place of a small table */
	index_remove(t, 7);
	assert_ptr_equal(index_lookup(t, 71), &b);
	assert_int_equal(index_allocate(t, &c), 135);
	assert_int_equal(index_allocate(t, &c), UINT32_MAX);
	assert_int_equal(index_allocate(t, &a), 5);
	assert_ptr_equal(index_lookup(t, UINT32_MAX), &c);
	assert_ptr_equal(index_lookup(t, 5), &a);
	assert_null(index_lookup(t, 7));
	index_table_free(t);
	qsbr_free(q);
}

/* --- against a naive table -----------------------------------------------------------------------
 */

#define NAIVE 3000

struct naive {
	uint32_t index;
	void *what;
};

static void against_naive(void **state)
{
	struct table x = start();
	struct naive *n = calloc(NAIVE, sizeof(*n));

	open_table(&x);
	for (unsigned step = 0; step < 200000; step++) {
		/* Ebb and flow, so that it grows and shrinks. */
		unsigned i = chance_below(&x.chance, step / 50000 % 2 ? 30 : NAIVE);
		void *what = &n[chance_below(&x.chance, NAIVE)];

		assert_ptr_equal(index_lookup(x.t, n[i].index), n[i].what);
		if (!n[i].what) {
			n[i].index = index_allocate(x.t, what);
			n[i].what = what;
		} else if (chance_below(&x.chance, 2)) {
			index_replace(x.t, n[i].index, what);
			n[i].what = what;
		} else {
			index_remove(x.t, n[i].index);
			n[i].what = NULL;
		}
		if (step % 50000 == 40000)
			for (unsigned j = 30; j < NAIVE; j++) {
				index_remove(x.t, n[j].index);
				n[j].what = NULL;
			}
		qsbr_reclaim(x.q);
	}
	for (unsigned i = 0; i < NAIVE; i++)
		assert_ptr_equal(index_lookup(x.t, n[i].index), n[i].what);
	free(n);
	close_table(&x);
}

static void many(void **state)
{
	struct table x = start();
	const unsigned n = 300000;
	uint32_t *indices = calloc(n, sizeof(*indices));

	open_table(&x);
	for (unsigned i = 0; i < n; i++)
		indices[i] = index_allocate(x.t, &indices[i]);
	for (unsigned i = 0; i < n; i++)
		assert_ptr_equal(index_lookup(x.t, indices[i]), &indices[i]);
	for (unsigned i = 0; i < n; i++)
		index_remove(x.t, indices[i]);
	for (unsigned i = 0; i < n; i++)
		assert_null(index_lookup(x.t, indices[i]));
	free(indices);
	close_table(&x);
}

/* As large as what lives wants it, however many have come and gone: an array of 64 slots lasts for
 * some 47 of them. */
static void stays_small(void **state)
{
	struct table x = start();
	unsigned worker = qsbr_register(x.q);
	size_t retired;
	int a;

	open_table(&x);
	qsbr_wake(x.q, worker);
	for (unsigned i = 0; i < 10000; i++)
		index_remove(x.t, index_allocate(x.t, &a));
	retired = qsbr_reclaim(x.q);
	assert_in_range(retired, 10000 / 50, 10000 / 40);
	qsbr_unregister(x.q, worker);
	close_table(&x);
}

/* --- readers while it changes --------------------------------------------------------------------
 */

#define SHARED 200
#define CHANGES 20000
#define READERS 2

struct thing {
	uint32_t index;
	unsigned magic;
};

struct race {
	struct table x;
	_Atomic uint32_t known[SHARED]; /* indices given out; some may be gone */
	atomic_uint hits[READERS];
	atomic_bool stop;
	struct thing *coming; /* the next one in the table */
};

struct reader {
	struct race *race;
	unsigned number;
};

static void free_thing(void *thing)
{
	((struct thing *)thing)->magic = 0;
	free(thing);
}

/* Whatever is found is what the index stands for, and alive. */
static void *read_all(void *data)
{
	struct reader *me = data;
	struct race *r = me->race;
	unsigned worker = qsbr_register(r->x.q);

	qsbr_wake(r->x.q, worker);
	while (!atomic_load_explicit(&r->stop, memory_order_acquire)) {
		for (unsigned i = 0; i < SHARED; i++) {
			uint32_t index = atomic_load_explicit(&r->known[i], memory_order_acquire);
			struct thing *found = index_lookup(r->x.t, index);

			if (!found)
				continue;
			if (found->magic != 0x600d || found->index != index)
				abort();
			atomic_fetch_add_explicit(&r->hits[me->number], 1, memory_order_relaxed);
		}
		qsbr_quiescent(r->x.q, worker);
	}
	qsbr_unregister(r->x.q, worker);
	return NULL;
}

static struct thing *thing_new(void)
{
	struct thing *t = malloc(sizeof(*t));

	t->magic = 0x600d;
	t->index = 0;
	return t;
}

/* Readers compare the thing's own word with where they found it, so it knows its index before it is
 * there. The table asks again if it has the number already. */
static uint32_t announce(void *data)
{
	struct race *r = data;

	return r->coming->index = (uint32_t)chance_u64(&r->x.chance) | 1;
}

static void change(struct race *r, struct thing **things, unsigned i)
{
	struct thing *old = things[i], *new = thing_new();

	if (old && chance_below(&r->x.chance, 2)) {
		new->index = old->index;
		index_replace(r->x.t, old->index, new);
	} else {
		if (old)
			index_remove(r->x.t, old->index);
		r->coming = new;
		index_allocate(r->x.t, new);
		atomic_store_explicit(&r->known[i], new->index, memory_order_release);
	}
	things[i] = new;
	if (old)
		qsbr_retire(r->x.q, old, free_thing);
}

static bool all_have_hits(struct race *r)
{
	for (unsigned i = 0; i < READERS; i++)
		if (atomic_load_explicit(&r->hits[i], memory_order_relaxed) < 1000)
			return false;
	return true;
}

static void lookups_while_it_changes(void **state)
{
	static struct race r;
	static struct thing *things[SHARED];
	struct reader readers[READERS];
	pthread_t threads[READERS];

	r.x = start();
	r.x.t = index_table_new(r.x.q, announce, &r);
	for (unsigned i = 0; i < READERS; i++) {
		readers[i] = (struct reader){&r, i};
		assert_int_equal(pthread_create(&threads[i], NULL, read_all, &readers[i]), 0);
	}
	for (unsigned n = 0; n < CHANGES || !all_have_hits(&r); n++) {
		change(&r, things, chance_below(&r.x.chance, SHARED));
		qsbr_reclaim(r.x.q);
	}
	atomic_store_explicit(&r.stop, true, memory_order_release);
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < SHARED; i++)
		free(things[i]);
	close_table(&r.x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(life),
		cmocka_unit_test(unlucky),
		cmocka_unit_test(against_naive),
		cmocka_unit_test(many),
		cmocka_unit_test(stays_small),
		cmocka_unit_test(lookups_while_it_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "unit.h"
#include "wg/qsbr.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#define READERS 3
#define CHANGES 20000 /* at least, and as many as the readers need for their rounds */
#define ROUNDS 200
#define MANY 1000

static unsigned n_freed;

static void count_free(void *what)
{
	n_freed++;
	free(what);
}

static void retire_new(struct qsbr *q)
{
	qsbr_retire(q, malloc(8), count_free);
}

static void nobody_awake(void **state)
{
	struct qsbr *q = qsbr_new();
	unsigned w;

	n_freed = 0;
	assert_int_equal(qsbr_reclaim(q), 0);
	retire_new(q);
	assert_int_equal(n_freed, 0);
	assert_int_equal(qsbr_reclaim(q), 0);
	assert_int_equal(n_freed, 1);
	w = qsbr_register(q);
	retire_new(q);
	assert_int_equal(qsbr_reclaim(q), 0);
	assert_int_equal(n_freed, 2);
	qsbr_unregister(q, w);
	qsbr_free(q);
}

static void waits_for_each(void **state)
{
	struct qsbr *q = qsbr_new();
	unsigned a = qsbr_register(q), b = qsbr_register(q);

	n_freed = 0;
	assert_int_not_equal(a, b);
	qsbr_wake(q, a);
	qsbr_wake(q, b);
	retire_new(q);
	assert_int_equal(qsbr_reclaim(q), 1);
	qsbr_quiescent(q, a);
	qsbr_quiescent(q, a);
	assert_int_equal(qsbr_reclaim(q), 1);
	qsbr_sleep(q, b);
	assert_int_equal(n_freed, 0);
	assert_int_equal(qsbr_reclaim(q), 0);
	assert_int_equal(n_freed, 1);

	/* Who wakes after the retirement can't see what was retired before. */
	retire_new(q);
	qsbr_wake(q, b);
	qsbr_quiescent(q, a);
	assert_int_equal(qsbr_reclaim(q), 0);
	assert_int_equal(n_freed, 2);

	/* A quiescent state before the retirement doesn't count. */
	qsbr_quiescent(q, a);
	qsbr_quiescent(q, b);
	retire_new(q);
	assert_int_equal(qsbr_reclaim(q), 1);
	qsbr_unregister(q, a);
	qsbr_unregister(q, b);
	assert_int_equal(qsbr_reclaim(q), 0);
	qsbr_free(q);
}

/* Only what is older than the slowest worker's last quiescent state goes. */
static void in_order(void **state)
{
	struct qsbr *q = qsbr_new();
	unsigned w = qsbr_register(q);

	n_freed = 0;
	qsbr_wake(q, w);
	for (unsigned i = 0; i < MANY; i++)
		retire_new(q);
	qsbr_quiescent(q, w);
	for (unsigned i = 0; i < MANY; i++)
		retire_new(q);
	assert_int_equal(qsbr_reclaim(q), MANY);
	assert_int_equal(n_freed, MANY);
	retire_new(q);
	qsbr_quiescent(q, w);
	assert_int_equal(qsbr_reclaim(q), 0);
	assert_int_equal(n_freed, 2 * MANY + 1);
	qsbr_unregister(q, w);
	for (unsigned i = 0; i < MANY; i++)
		retire_new(q);
	qsbr_free(q);
	assert_int_equal(n_freed, 3 * MANY + 1);
}

static struct qsbr *nested;

static void free_and_retire(void *what)
{
	retire_new(nested);
	count_free(what);
}

/* What is freed may retire more. */
static void retires_while_freeing(void **state)
{
	nested = qsbr_new();
	n_freed = 0;
	for (unsigned i = 0; i < MANY; i++)
		qsbr_retire(nested, malloc(8), free_and_retire);
	while (qsbr_reclaim(nested))
		;
	assert_int_equal(n_freed, 2 * MANY);
	qsbr_retire(nested, malloc(8), free_and_retire);
	qsbr_free(nested);
	assert_int_equal(n_freed, 2 * MANY + 2);
}

static void numbers_are_reused(void **state)
{
	struct qsbr *q = qsbr_new();
	bool taken[QSBR_MAX_WORKERS] = {false};

	for (unsigned i = 0; i < QSBR_MAX_WORKERS; i++) {
		unsigned w = qsbr_register(q);

		assert_true(w < QSBR_MAX_WORKERS && !taken[w]);
		taken[w] = true;
	}
	qsbr_unregister(q, 7);
	assert_int_equal(qsbr_register(q), 7);
	for (unsigned i = 0; i < QSBR_MAX_WORKERS; i++)
		qsbr_unregister(q, i);
	qsbr_free(q);
}

/* --- readers and a writer ------------------------------------------------------------------------
 *
 * The writer replaces one thing again and again; what is freed is first spoilt. Readers come and
 * go, sleep and wake. ThreadSanitizer and AddressSanitizer see what the asserts don't.
 */

struct thing {
	uint64_t value, same;
};

struct scene {
	struct qsbr *q;
	_Atomic(struct thing *) thing;
	_Atomic bool stop;
	_Atomic unsigned torn;
};

struct reader {
	struct scene *scene;
	unsigned (*pause)(struct qsbr *q, unsigned worker);
	_Atomic unsigned rounds;
};

static void spoil(void *what)
{
	memset(what, 0xa5, sizeof(uint64_t));
	free(what);
}

static unsigned pause_by_quiescent(struct qsbr *q, unsigned worker)
{
	qsbr_quiescent(q, worker);
	return worker;
}

static unsigned pause_by_sleep(struct qsbr *q, unsigned worker)
{
	qsbr_sleep(q, worker);
	sched_yield();
	qsbr_wake(q, worker);
	return worker;
}

static unsigned pause_by_leaving(struct qsbr *q, unsigned worker)
{
	qsbr_unregister(q, worker);
	sched_yield();
	worker = qsbr_register(q);
	qsbr_wake(q, worker);
	return worker;
}

/* A manner each, so that none covers for another. */
static unsigned (*const pauses[READERS])(struct qsbr *, unsigned) = {
	pause_by_quiescent,
	pause_by_sleep,
	pause_by_leaving,
};

static void *read_on(void *data)
{
	struct reader *r = data;
	struct scene *s = r->scene;
	unsigned worker = qsbr_register(s->q);

	qsbr_wake(s->q, worker);
	while (!atomic_load_explicit(&s->stop, memory_order_acquire)) {
		struct thing *t = atomic_load_explicit(&s->thing, memory_order_acquire);

		if (t->value != t->same)
			atomic_fetch_add_explicit(&s->torn, 1, memory_order_relaxed);
		worker = r->pause(s->q, worker);
		atomic_fetch_add_explicit(&r->rounds, 1, memory_order_relaxed);
	}
	qsbr_unregister(s->q, worker);
	return NULL;
}

static struct thing *new_thing(uint64_t value)
{
	struct thing *t = malloc(sizeof(*t));

	*t = (struct thing){value, value};
	return t;
}

static bool have_run(struct reader *readers)
{
	for (unsigned i = 0; i < READERS; i++)
		if (atomic_load_explicit(&readers[i].rounds, memory_order_relaxed) < ROUNDS)
			return false;
	return true;
}

static void readers_and_writer(void **state)
{
	struct scene s = {.q = qsbr_new()};
	struct reader readers[READERS];
	pthread_t threads[READERS];

	atomic_init(&s.thing, new_thing(0));
	for (unsigned i = 0; i < READERS; i++) {
		readers[i] = (struct reader){&s, pauses[i], 0};
		assert_int_equal(pthread_create(&threads[i], NULL, read_on, &readers[i]), 0);
	}
	for (uint64_t i = 1; i < CHANGES || !have_run(readers); i++) {
		struct thing *old =
			atomic_exchange_explicit(&s.thing, new_thing(i), memory_order_acq_rel);

		qsbr_retire(s.q, old, spoil);
		qsbr_reclaim(s.q);
	}
	atomic_store_explicit(&s.stop, true, memory_order_release);
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(qsbr_reclaim(s.q), 0);
	assert_int_equal(s.torn, 0);
	free(atomic_load_explicit(&s.thing, memory_order_relaxed));
	qsbr_free(s.q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_awake),
		cmocka_unit_test(waits_for_each),
		cmocka_unit_test(in_order),
		cmocka_unit_test(retires_while_freeing),
		cmocka_unit_test(numbers_are_reused),
		cmocka_unit_test(readers_and_writer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

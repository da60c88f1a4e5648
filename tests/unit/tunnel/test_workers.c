/* SPDX-License-Identifier: MIT */
/* Lanes: each work is done once, its owner sees it done, with workers and without. */
#include "unit.h"

#include "base/mem.h"
#include "tunnel/workers.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define N_WORK 40000

struct task {
	struct work work;
	unsigned times, number;
	uint8_t text[64], sealed[64 + 16];
};

struct owner {
	pthread_t thread;
	struct workers *workers;
	enum lane_of which;
	unsigned pause; /* microseconds, now and then: workers fall asleep */
	unsigned n_wrong, n_by_workers;
};

static const struct aead_backend *backend;
static const struct aead_key key = {"not a secret of anybody"};

static void seal(struct work *w, struct aead_thread *aead)
{
	struct task *t = container_of(w, struct task, work);
	struct aead_op op = {&key, t->number, t->text, t->sealed, sizeof(t->text), false};

	t->times++;
	memset(t->text, (int)t->number, sizeof(t->text));
	backend->seal(aead, &op, 1);
}

static bool is_right(struct task *t, struct aead_thread *aead, unsigned number)
{
	uint8_t opened[64];
	struct aead_op op = {&key, number, t->sealed, opened, sizeof(opened), false};

	backend->open(aead, &op, 1);
	return op.ok && t->times == 1 && t->number == number && opened[7] == (uint8_t)number;
}

/* As full as a lane may be, then emptied to some chosen depth, on and on. */
static void *own(void *data)
{
	struct owner *o = data;
	struct lane *lane = workers_lane(o->workers, o->which);
	struct aead_thread *aead = backend->thread_new(backend);
	struct task *tasks = calloc(LANE_LEN, sizeof(*tasks));
	struct chance chance = {o->which};
	unsigned first = 0, next = 0;

	while (first < N_WORK) {
		unsigned depth = chance_below(&chance, LANE_LEN);

		while (next < N_WORK && next - first < LANE_LEN) {
			struct task *t = &tasks[next % LANE_LEN];

			t->work.run = seal;
			t->times = 0;
			t->number = next++;
			lane_submit(lane, &t->work);
		}
		if (o->pause && !chance_below(&chance, 40))
			usleep(o->pause);
		for (; next - first > (next == N_WORK ? 0 : depth); first++) {
			struct task *t = &tasks[first % LANE_LEN];

			lane_finish(lane, &t->work, aead);
			o->n_wrong += !lane_is_done(&t->work) || !is_right(t, aead, first);
			o->n_by_workers += t->work.was_by_worker;
		}
	}
	free(tasks);
	backend->thread_free(aead);
	return NULL;
}

/* How much workers did. */
static unsigned run_both(unsigned n_workers, unsigned pause)
{
	struct workers *w = workers_new(backend, n_workers);
	struct owner owners[N_LANES] = {
		{.workers = w, .which = LANE_TX, .pause = pause}, {.workers = w, .which = LANE_RX}};

	assert_int_equal(workers_start(w), n_workers);
	assert_int_equal(workers_start(w), n_workers);
	for (unsigned i = 0; i < N_LANES; i++)
		pthread_create(&owners[i].thread, NULL, own, &owners[i]);
	for (unsigned i = 0; i < N_LANES; i++) {
		pthread_join(owners[i].thread, NULL);
		assert_int_equal(owners[i].n_wrong, 0);
	}
	workers_free(w);
	return owners[0].n_by_workers + owners[1].n_by_workers;
}

static void alone(void **state)
{
	assert_int_equal(run_both(0, 0), 0);
}

static void one_worker(void **state)
{
	run_both(1, 0);
}

static void several_workers(void **state)
{
	run_both(3, 0);
	run_both(WORKERS_MAX, 500);
}

/* Who sleeps is woken by the next work, and does it though the owner does nothing. */
static void sleepers_wake(void **state)
{
	struct workers *w = workers_new(backend, 2);
	struct lane *lane = workers_lane(w, LANE_RX);
	struct aead_thread *aead = backend->thread_new(backend);
	struct task t = {.work = {.run = seal}};

	workers_start(w);
	for (unsigned i = 0; i < 20; i++) {
		usleep(3000);
		t.times = 0;
		t.number = i;
		lane_submit(lane, &t.work);
		while (!lane_is_done(&t.work))
			usleep(100);
		lane_finish(lane, &t.work, aead);
		assert_true(t.work.was_by_worker && is_right(&t, aead, i));
	}
	backend->thread_free(aead);
	workers_free(w);
}

static void never_started(void **state)
{
	struct workers *w = workers_new(backend, 4);
	struct aead_thread *aead = backend->thread_new(backend);
	struct task t = {.work = {.run = seal}};

	lane_submit(workers_lane(w, LANE_TX), &t.work);
	assert_false(lane_is_done(&t.work));
	lane_finish(workers_lane(w, LANE_TX), &t.work, aead);
	assert_true(is_right(&t, aead, 0) && !t.work.was_by_worker);
	backend->thread_free(aead);
	workers_free(w);
	workers_free(NULL);
}

static int find_backend(void **state)
{
	backend = aead_choose(NULL);
	return backend ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alone),
		cmocka_unit_test(one_worker),
		cmocka_unit_test(several_workers),
		cmocka_unit_test(sleepers_wake),
		cmocka_unit_test(never_started),
	};

	return cmocka_run_group_tests_name("workers", tests, find_backend, NULL);
}

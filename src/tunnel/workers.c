/* SPDX-License-Identifier: MIT */
#include "tunnel/workers.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SPINS 1000 /* some ten microseconds, about what a wake-up costs */

/* work.state */
enum { WORK_OPEN, WORK_AWAITED, WORK_DONE };

/*
 * Work number n stands at n % LANE_LEN. Numbers below next are taken, those below head are there.
 * The slot of a number that was taken stays as it is until its work is done, since the owner
 * finishes in order.
 */
struct lane {
	struct workers *workers;
	_Atomic uint64_t head __attribute__((aligned(64)));
	struct work *slots[LANE_LEN];
	_Atomic uint64_t next __attribute__((aligned(64)));
};

struct workers {
	struct lane lanes[N_LANES];
	const struct aead_backend *aead;
	pthread_mutex_t lock; /* of starting */
	unsigned n_wanted;
	_Atomic int n_threads; /* that run; -1: not started yet */
	pthread_t threads[WORKERS_MAX];
	_Atomic bool stopping;
	_Atomic uint32_t n_asleep __attribute__((aligned(64)));
	_Atomic uint32_t calls; /* changes when somebody shall wake */
};

static void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static void futex_wait(_Atomic uint32_t *at, uint32_t value)
{
	syscall(SYS_futex, at, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *at, int n)
{
	syscall(SYS_futex, at, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

/* --- lanes ---------------------------------------------------------------------------------------
 */

static bool has_work(struct lane *l)
{
	return atomic_load(&l->next) < atomic_load(&l->head);
}

/* The oldest work that nobody took, or NULL. */
static struct work *claim(struct lane *l)
{
	uint64_t n = atomic_load_explicit(&l->next, memory_order_relaxed);

	while (n < atomic_load_explicit(&l->head, memory_order_acquire))
		if (atomic_compare_exchange_weak_explicit(
			    &l->next, &n, n + 1, memory_order_acq_rel, memory_order_relaxed))
			return l->slots[n % LANE_LEN];
	return NULL;
}

/* Once it is done its owner may use it anew: nothing of it is read after that. */
static void perform(struct work *work, struct aead_thread *aead, bool by_worker)
{
	work->run(work, aead);
	work->was_by_worker = by_worker;
	if (atomic_exchange_explicit(&work->state, WORK_DONE, memory_order_acq_rel) == WORK_AWAITED)
		futex_wake(&work->state, 1);
}

void lane_submit(struct lane *l, struct work *work)
{
	struct workers *w = l->workers;
	uint64_t head = atomic_load_explicit(&l->head, memory_order_relaxed);

	atomic_store_explicit(&work->state, WORK_OPEN, memory_order_relaxed);
	l->slots[head % LANE_LEN] = work;
	/* Either this sees who falls asleep, or he sees the work. */
	atomic_store(&l->head, head + 1);
	if (atomic_load(&w->n_asleep)) {
		atomic_fetch_add(&w->calls, 1);
		futex_wake(&w->calls, 1);
	}
}

bool lane_is_done(const struct work *work)
{
	return atomic_load_explicit(&work->state, memory_order_acquire) == WORK_DONE;
}

/* Somebody has begun it. */
static void await(struct work *work)
{
	uint32_t open = WORK_OPEN;

	for (unsigned i = 0; i < SPINS; i++) {
		if (lane_is_done(work))
			return;
		relax();
	}
	atomic_compare_exchange_strong_explicit(
		&work->state, &open, WORK_AWAITED, memory_order_acq_rel, memory_order_acquire);
	while (!lane_is_done(work))
		futex_wait(&work->state, WORK_AWAITED);
}

void lane_finish(struct lane *l, struct work *work, struct aead_thread *aead)
{
	while (!lane_is_done(work)) {
		struct work *other = claim(l);

		if (other)
			perform(other, aead, false);
		else
			await(work);
	}
}

/* --- threads -------------------------------------------------------------------------------------
 */

static bool serve(struct workers *w, struct aead_thread *aead)
{
	bool any = false;

	for (unsigned i = 0; i < N_LANES; i++) {
		struct work *work = claim(&w->lanes[i]);

		if (!work)
			continue;
		perform(work, aead, true);
		any = true;
	}
	return any;
}

static void fall_asleep(struct workers *w, struct aead_thread *aead)
{
	uint32_t calls = atomic_load(&w->calls);

	w->aead->forget(aead);
	atomic_fetch_add(&w->n_asleep, 1);
	if (!has_work(&w->lanes[LANE_TX]) && !has_work(&w->lanes[LANE_RX]) &&
		!atomic_load(&w->stopping))
		futex_wait(&w->calls, calls);
	atomic_fetch_sub(&w->n_asleep, 1);
}

static void *run(void *data)
{
	struct workers *w = data;
	struct aead_thread *aead = w->aead->thread_new(w->aead);
	unsigned spins = 0;

	while (aead && !atomic_load_explicit(&w->stopping, memory_order_relaxed)) {
		if (serve(w, aead)) {
			spins = 0;
		} else if (++spins < SPINS) {
			relax();
		} else {
			fall_asleep(w, aead);
			spins = 0;
		}
	}
	if (aead)
		w->aead->thread_free(aead);
	return NULL;
}

struct workers *workers_new(const struct aead_backend *aead, unsigned n)
{
	struct workers *w = aligned_alloc(64, (sizeof(*w) + 63) / 64 * 64);

	if (!w)
		return NULL;
	*w = (struct workers){
		.aead = aead, .n_wanted = n < WORKERS_MAX ? n : WORKERS_MAX, .n_threads = -1};
	for (unsigned i = 0; i < N_LANES; i++)
		w->lanes[i].workers = w;
	pthread_mutex_init(&w->lock, NULL);
	return w;
}

void workers_free(struct workers *w)
{
	if (!w)
		return;
	atomic_store(&w->stopping, true);
	atomic_fetch_add(&w->calls, 1);
	futex_wake(&w->calls, INT_MAX);
	for (int i = 0; i < atomic_load(&w->n_threads); i++)
		pthread_join(w->threads[i], NULL);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

unsigned workers_start(struct workers *w)
{
	int n = atomic_load_explicit(&w->n_threads, memory_order_acquire);

	if (n >= 0)
		return (unsigned)n;
	pthread_mutex_lock(&w->lock);
	n = atomic_load_explicit(&w->n_threads, memory_order_relaxed);
	if (n < 0) {
		for (n = 0; (unsigned)n < w->n_wanted; n++)
			if (pthread_create(&w->threads[n], NULL, run, w))
				break;
		atomic_store_explicit(&w->n_threads, n, memory_order_release);
	}
	pthread_mutex_unlock(&w->lock);
	return (unsigned)n;
}

struct lane *workers_lane(struct workers *w, enum lane_of which)
{
	return &w->lanes[which];
}

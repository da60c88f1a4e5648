/* SPDX-License-Identifier: MIT */
#include "sys/rounds.h"

#include "sys/process.h"

#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#define GUARD_PRIORITY                                                             \
	1 /* of SCHED_FIFO's 1 to 99: above all ordinary threads, below all others \
	   */
#define GUARD_NAP_NS 2000000
#define GUARD_STACK (64 * 1024)

struct rounds {
	pthread_mutex_t locks[2]; /* that of the round under way is held */
	_Atomic uint32_t round;
	_Atomic bool ends;
	pthread_t guard;
};

static pthread_mutex_t *lock_of(struct rounds *r, uint32_t round)
{
	return &r->locks[round % 2];
}

/* --- the guard -----------------------------------------------------------------------------------
 */

/* Until that round is over; at once if it is. */
static void urge(struct rounds *r, uint32_t round)
{
	pthread_mutex_lock(lock_of(r, round));
	pthread_mutex_unlock(lock_of(r, round));
}

static void *guard(void *data)
{
	const struct timespec nap = {.tv_nsec = GUARD_NAP_NS};
	struct rounds *r = data;
	uint32_t seen = atomic_load(&r->round);

	process_drop_cap(CAP_SYS_NICE);
	pthread_setname_np(pthread_self(), "guard");
	while (!atomic_load(&r->ends)) {
		uint32_t round;

		clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
		round = atomic_load(&r->round);
		if (round == seen) {
			urge(r, round);
			round = atomic_load(&r->round);
		}
		seen = round;
	}
	return NULL;
}

static int start_guard(struct rounds *r)
{
	const struct sched_param param = {.sched_priority = GUARD_PRIORITY};
	pthread_attr_t attr;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
	pthread_attr_setschedparam(&attr, &param);
	pthread_attr_setstacksize(&attr, GUARD_STACK);
	err = pthread_create(&r->guard, &attr, guard, r);
	pthread_attr_destroy(&attr);
	return err;
}

/* --- the thread ----------------------------------------------------------------------------------
 */

static void init_locks(struct rounds *r)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
	for (unsigned i = 0; i < 2; i++)
		pthread_mutex_init(&r->locks[i], &attr);
	pthread_mutexattr_destroy(&attr);
}

static void free_all(struct rounds *r)
{
	for (unsigned i = 0; i < 2; i++)
		pthread_mutex_destroy(&r->locks[i]);
	free(r);
}

static struct rounds *begin_guarded(void)
{
	struct rounds *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	init_locks(r);
	pthread_mutex_lock(lock_of(r, 0));
	if (!start_guard(r))
		return r;
	pthread_mutex_unlock(lock_of(r, 0));
	free_all(r);
	return NULL;
}

struct rounds *rounds_begin(void)
{
	return getpriority(PRIO_PROCESS, 0) < 0 ? begin_guarded() : NULL;
}

/* The next lock is taken before the last one is given: there is no moment without either, in which
 * the guard would find nobody to urge. */
void rounds_next(struct rounds *r)
{
	uint32_t round;

	if (!r)
		return;
	round = atomic_load_explicit(&r->round, memory_order_relaxed);
	pthread_mutex_lock(lock_of(r, round + 1));
	atomic_store(&r->round, round + 1);
	pthread_mutex_unlock(lock_of(r, round));
}

void rounds_end(struct rounds *r)
{
	if (!r)
		return;
	atomic_store(&r->ends, true);
	pthread_mutex_unlock(lock_of(r, atomic_load(&r->round)));
	pthread_join(r->guard, NULL);
	free_all(r);
}

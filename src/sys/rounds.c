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

/* Of SCHED_FIFO's 1 to 99: above all ordinary threads, below all others. */
#define GUARD_PRIORITY 1
#define GUARD_NAP_NS 2000000
/* It naps so many times as long as it lent, at least: a tenth of a processor's time is lent. */
#define REST 9
#define GUARD_STACK (64 * 1024)

struct rounds {
	pthread_mutex_t locks[2]; /* that of the round under way is held */
	_Atomic uint32_t round;
	pthread_mutex_t end_lock;
	pthread_cond_t end;
	bool ends;	/* under that lock */
	clockid_t used; /* the thread's time on processors */
	pthread_t guard;
};

static pthread_mutex_t *lock_of(struct rounds *r, uint32_t round)
{
	return &r->locks[round % 2];
}

/* --- the guard -----------------------------------------------------------------------------------
 */

static int64_t ns_of(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* False: it is the end. */
static bool nap(struct rounds *r, int64_t ns)
{
	int64_t until = ns_of(CLOCK_MONOTONIC) + ns;
	const struct timespec t = {until / 1000000000, until % 1000000000};
	int err = 0;
	bool ends;

	pthread_mutex_lock(&r->end_lock);
	while (!r->ends && !err)
		err = pthread_cond_timedwait(&r->end, &r->end_lock, &t);
	ends = r->ends;
	pthread_mutex_unlock(&r->end_lock);
	return !ends;
}

/* Until that round is over; at once if it is. Returns how long it ran meanwhile, in ns. */
static int64_t urge(struct rounds *r, uint32_t round)
{
	int64_t before = ns_of(r->used);

	pthread_mutex_lock(lock_of(r, round));
	pthread_mutex_unlock(lock_of(r, round));
	return ns_of(r->used) - before;
}

static void *guard(void *data)
{
	struct rounds *r = data;
	uint32_t seen = atomic_load(&r->round);
	int64_t lent = 0;

	process_drop_cap(CAP_SYS_NICE);
	pthread_setname_np(pthread_self(), "guard");
	while (nap(r, lent * REST > GUARD_NAP_NS ? lent * REST : GUARD_NAP_NS)) {
		uint32_t round = atomic_load(&r->round);

		lent = round == seen ? urge(r, round) : 0;
		seen = atomic_load(&r->round);
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
	pthread_condattr_t of_end;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
	for (unsigned i = 0; i < 2; i++)
		pthread_mutex_init(&r->locks[i], &attr);
	pthread_mutex_init(&r->end_lock, &attr);
	pthread_mutexattr_destroy(&attr);
	pthread_condattr_init(&of_end);
	pthread_condattr_setclock(&of_end, CLOCK_MONOTONIC);
	pthread_cond_init(&r->end, &of_end);
	pthread_condattr_destroy(&of_end);
}

static void free_all(struct rounds *r)
{
	for (unsigned i = 0; i < 2; i++)
		pthread_mutex_destroy(&r->locks[i]);
	pthread_mutex_destroy(&r->end_lock);
	pthread_cond_destroy(&r->end);
	free(r);
}

static struct rounds *begin_guarded(void)
{
	struct rounds *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	pthread_getcpuclockid(pthread_self(), &r->used);
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
 * the guard would find nobody to urge. That holds one at a time, for an instant; to wait for it
 * with the other in hand would be an order of locks without a first. */
void rounds_next(struct rounds *r)
{
	uint32_t round;

	if (!r)
		return;
	round = atomic_load_explicit(&r->round, memory_order_relaxed);
	while (pthread_mutex_trylock(lock_of(r, round + 1)))
		sched_yield();
	atomic_store(&r->round, round + 1);
	pthread_mutex_unlock(lock_of(r, round));
}

void rounds_end(struct rounds *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->end_lock);
	r->ends = true;
	pthread_cond_signal(&r->end);
	pthread_mutex_unlock(&r->end_lock);
	pthread_mutex_unlock(lock_of(r, atomic_load(&r->round)));
	pthread_join(r->guard, NULL);
	free_all(r);
}

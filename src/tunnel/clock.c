/* SPDX-License-Identifier: MIT */
/* The peers' timers, one thread for all: sleeps until the earliest deadline, then does what is due.
 */
#include "base/mem.h"
#include "tunnel/internal.h"

#include <errno.h>
#include <poll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define PER_ROUND 256
#define RECLAIM_NS (NS_PER_S / 10)

static void tell(struct tunnel_peer *p, unsigned due)
{
	static const struct {
		unsigned due, of;
		const char *what;
	} events[] = {
		{TIMERS_ZERO_KEYS, TIMERS_ZERO_KEYS, "Removing all keys: no new session in 540 s"},
		{TIMERS_GIVE_UP, TIMERS_GIVE_UP, "Handshake did not complete, giving up"},
		{TIMERS_SEND_INITIATION | TIMERS_RETRY, TIMERS_SEND_INITIATION | TIMERS_RETRY,
			"Handshake did not complete, retrying"},
		{TIMERS_SEND_INITIATION, TIMERS_SEND_INITIATION | TIMERS_RETRY,
			"Retrying handshake: nothing heard back"},
		{TIMERS_SEND_KEEPALIVE, TIMERS_SEND_KEEPALIVE, "Sending keepalive packet"},
		{TIMERS_PERSISTENT, TIMERS_PERSISTENT, "Sending persistent keepalive packet"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		if ((due & events[i].of) == events[i].due)
			peer_tell(p, events[i].what);
}

static void act(struct tunnel_peer *p, unsigned due)
{
	tell(p, due);
	if (due & TIMERS_ZERO_KEYS) {
		pthread_mutex_lock(&p->lock);
		peer_drop_keypairs(p);
		pthread_mutex_unlock(&p->lock);
		handshake_abandon(p);
	}
	if (due & TIMERS_GIVE_UP)
		peer_wish(p, TX_DROP_STAGED);
	if (due & TIMERS_SEND_INITIATION)
		peer_want_initiation(p, due & TIMERS_RETRY);
	if (due & (TIMERS_SEND_KEEPALIVE | TIMERS_PERSISTENT))
		peer_wish(p, TX_KEEPALIVE);
}

static void look_at(struct tunnel_peer *p, instant now)
{
	unsigned due = 0;

	pthread_mutex_lock(&p->lock);
	if (!p->dead) {
		if (timers_deadline(&p->timers).ns <= now.ns)
			due = timers_expire(&p->timers, now);
		if (due & TIMERS_CLEAR_SOURCE && p->endpoint.local.family)
			peer_forget_source(p);
		peer_rearm(p);
	}
	pthread_mutex_unlock(&p->lock);
	if (due)
		act(p, due);
}

/* The next peer whose time has come, taken out of the heap; NULL: none. */
static struct tunnel_peer *take_due(struct tunnel *t, instant now)
{
	struct tunnel_peer *p = NULL;
	struct heap_node *first;

	pthread_mutex_lock(&t->clock_lock);
	first = heap_first(&t->clock_heap);
	if (first && first->at.ns <= now.ns) {
		p = container_of(first, struct tunnel_peer, timer);
		heap_remove(&t->clock_heap, first);
		atomic_store_explicit(&p->armed_ns, INT64_MAX, memory_order_release);
	}
	pthread_mutex_unlock(&t->clock_lock);
	return p;
}

static size_t reclaim(struct tunnel *t)
{
	size_t waiting;

	pthread_mutex_lock(&t->map_lock);
	waiting = qsbr_reclaim(t->qsbr);
	pthread_mutex_unlock(&t->map_lock);
	return waiting;
}

static void empty(int fd)
{
	uint64_t count;

	while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
}

/* By a timer of the clock that counts suspended time: what became due meanwhile is due on waking
 * up. A timeout of poll would go on where it stood. */
static void sleep_until(struct tunnel *t, instant at)
{
	struct pollfd fds[] = {{t->clock_wake, POLLIN, 0}, {t->clock_timer, POLLIN, 0}};
	struct itimerspec when = {0};

	if (!instant_is_never(at)) {
		at.ns = at.ns > 0 ? at.ns : 1; /* 0 would disarm it */
		when.it_value = (struct timespec){at.ns / NS_PER_S, at.ns % NS_PER_S};
	}
	timerfd_settime(t->clock_timer, TFD_TIMER_ABSTIME, &when, NULL);
	poll(fds, 2, -1);
	if (fds[0].revents)
		empty(t->clock_wake);
	if (fds[1].revents)
		empty(t->clock_timer);
}

void *clock_run(void *tunnel)
{
	struct tunnel *t = tunnel;
	unsigned worker = qsbr_register(t->qsbr);

	while (!atomic_load_explicit(&t->stopping, memory_order_acquire)) {
		struct tunnel_peer *p;
		instant now, next;

		qsbr_wake(t->qsbr, worker);
		now = tunnel_now();
		for (unsigned i = 0; i < PER_ROUND && (p = take_due(t, now)); i++)
			look_at(p, now);
		qsbr_sleep(t->qsbr, worker);
		pthread_mutex_lock(&t->clock_lock);
		next = heap_deadline(&t->clock_heap);
		pthread_mutex_unlock(&t->clock_lock);
		if (reclaim(t))
			next = instant_min(next, instant_add(now, RECLAIM_NS));
		sleep_until(t, next);
	}
	qsbr_unregister(t->qsbr, worker);
	return NULL;
}

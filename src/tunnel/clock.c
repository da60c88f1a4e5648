/* SPDX-License-Identifier: MIT */
#include "tunnel/clock.h"

#include "base/mem.h"
#include "sys/clock.h"
#include "sys/process.h"
#include "sys/wake.h"
#include "tunnel/device.h"
#include "tunnel/handshake.h"
#include "tunnel/handshake_queue.h"
#include "tunnel/peer.h"
#include "tunnel/wishes.h"

#include <linux/capability.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define PER_ROUND 256
#define RECLAIM_NS (NS_PER_S / 10)

struct clock {
	pthread_mutex_t lock; /* clock_lock */
	struct heap heap;     /* of clock_entry.node; lock */
	int wake, timer;
};

struct clock *clock_new(void)
{
	struct clock *c = mem_zalloc(1, sizeof(*c));

	pthread_mutex_init(&c->lock, NULL);
	heap_init(&c->heap);
	c->wake = wake_new();
	c->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (c->wake >= 0 && c->timer >= 0)
		return c;
	clock_free(c);
	return NULL;
}

void clock_free(struct clock *c)
{
	if (!c)
		return;
	close(c->wake);
	close(c->timer);
	heap_done(&c->heap);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* --- entries -------------------------------------------------------------------------------------
 */

void clock_entry_init(struct clock_entry *e)
{
	atomic_store(&e->at_ns, INT64_MAX);
}

void clock_reserve(struct clock *c, size_t n)
{
	pthread_mutex_lock(&c->lock);
	heap_reserve(&c->heap, n);
	pthread_mutex_unlock(&c->lock);
}

void clock_arm(struct clock *c, struct clock_entry *e, instant at)
{
	bool is_first;

	if (at.ns >= atomic_load_explicit(&e->at_ns, memory_order_acquire))
		return;
	pthread_mutex_lock(&c->lock);
	is_first = at.ns < heap_deadline(&c->heap).ns;
	heap_set(&c->heap, &e->node, at);
	atomic_store_explicit(&e->at_ns, at.ns, memory_order_release);
	pthread_mutex_unlock(&c->lock);
	if (is_first)
		clock_wake(c);
}

void clock_forget(struct clock *c, struct clock_entry *e)
{
	pthread_mutex_lock(&c->lock);
	heap_remove(&c->heap, &e->node);
	pthread_mutex_unlock(&c->lock);
}

void clock_wake(struct clock *c)
{
	wake_up(c->wake);
}

/* --- what is due ---------------------------------------------------------------------------------
 */

static void tell(struct tunnel_peer *p, unsigned due)
{
	static const struct {
		unsigned due, of;
		const char *what;
	} events[] = {
		{TIMERS_LOST, TIMERS_LOST, "Handshakes go unanswered: taken to be lost"},
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
	if (due & TIMERS_LOST) {
		tunnel_count(p->tunnel, TUNNEL_PEERS_LOST, 1);
		wishes_add(p, WISH_CHOOSE_AGAIN);
	}
	if (due & TIMERS_GIVE_UP)
		wishes_add(p, WISH_DROP_STAGED);
	if (due & TIMERS_SEND_INITIATION)
		handshake_request(p, due & TIMERS_RETRY);
	if (due & (TIMERS_SEND_KEEPALIVE | TIMERS_PERSISTENT))
		wishes_add(p, WISH_KEEPALIVE);
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
static struct tunnel_peer *take_due(struct clock *c, instant now)
{
	struct tunnel_peer *p = NULL;
	struct heap_node *first;

	pthread_mutex_lock(&c->lock);
	first = heap_first(&c->heap);
	if (first && first->at.ns <= now.ns) {
		p = container_of(first, struct tunnel_peer, clock.node);
		heap_remove(&c->heap, first);
		atomic_store_explicit(&p->clock.at_ns, INT64_MAX, memory_order_release);
	}
	pthread_mutex_unlock(&c->lock);
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

/* --- the thread ----------------------------------------------------------------------------------
 */

/* By a timer of the clock that counts suspended time: what became due meanwhile is due on waking
 * up. A timeout of poll would go on where it stood. */
static void sleep_until(struct clock *c, instant at)
{
	struct pollfd fds[] = {{c->wake, POLLIN, 0}, {c->timer, POLLIN, 0}};
	struct itimerspec when = {0};

	if (!instant_is_never(at)) {
		at.ns = at.ns > 0 ? at.ns : 1; /* 0 would disarm it */
		when.it_value = (struct timespec){at.ns / NS_PER_S, at.ns % NS_PER_S};
	}
	timerfd_settime(c->timer, TFD_TIMER_ABSTIME, &when, NULL);
	poll(fds, 2, -1);
	if (fds[0].revents)
		wake_clear(c->wake);
	if (fds[1].revents)
		wake_clear(c->timer);
}

void *clock_run(void *tunnel)
{
	struct tunnel *t = tunnel;
	struct clock *c = t->clock;
	unsigned worker = qsbr_register(t->qsbr);

	process_drop_cap(CAP_SYS_NICE); /* of threads with rounds */
	while (!atomic_load_explicit(&t->stopping, memory_order_acquire)) {
		struct tunnel_peer *p;
		instant now, next;

		qsbr_wake(t->qsbr, worker);
		now = sys_now();
		for (unsigned i = 0; i < PER_ROUND && (p = take_due(c, now)); i++)
			look_at(p, now);
		qsbr_sleep(t->qsbr, worker);
		pthread_mutex_lock(&c->lock);
		next = heap_deadline(&c->heap);
		pthread_mutex_unlock(&c->lock);
		if (reclaim(t))
			next = instant_min(next, instant_add(now, RECLAIM_NS));
		sleep_until(c, next);
	}
	qsbr_unregister(t->qsbr, worker);
	return NULL;
}

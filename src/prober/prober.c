/* SPDX-License-Identifier: MIT */
/* The prober's side towards its owner, and what the core calls. */
#include "base/mem.h"
#include "prober/prober_internal.h"
#include "sys/clock.h"
#include "sys/process.h"
#include "sys/wake.h"
#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* What the core wants; it calls under the lock. */

static void queue(struct prober *p, uint32_t peer, enum prober_kind kind, uint16_t port,
	const uint8_t *bytes, size_t len)
{
	struct target *t = map_get(p->by_peer, &peer, sizeof(peer));
	sock_addr to;

	if (!t || !t->local)
		return;
	to = sock_addr_make(&t->remote, port);
	prober_queue_add(&p->out, &t->local->sockets[kind], &to, bytes, len);
}

static void on_send_bfd(uint32_t peer, const uint8_t *packet, size_t len, void *data)
{
	queue(data, peer, PROBER_BFD_OUT, BFD_PORT, packet, len);
}

static void on_send_report(uint32_t peer, const uint8_t *bytes, size_t len, void *data)
{
	queue(data, peer, PROBER_REPORT_OUT, LIVE_REPORT_PORT, bytes, len);
}

static void on_send_echo(uint32_t peer, const struct echo_mark *mark, void *data)
{
	struct prober *p = data;
	struct target *t = map_get(p->by_peer, &peer, sizeof(peer));
	uint8_t bytes[BFD_PACKET_MAX];

	if (t)
		queue(p, peer, PROBER_ECHO, 0, bytes,
			prober_echo_request(t->remote.family, mark, bytes));
}

static void on_event(const struct live_event *e, void *data)
{
	struct prober *p = data;

	/* Before it is woken, so that whatever is lent is given back after. */
	if (p->urges && e->type == LIVE_EVENT_PEER && e->state == LIVE_DOWN)
		process_lend_priority(p->urged);
	vec_push(&p->events, *e);
	if (p->events.n - p->events_taken == 1)
		wake_up(p->readable);
}

static uint64_t on_chance(void *data)
{
	uint64_t bits;

	randombytes_buf(&bits, sizeof(bits));
	return bits;
}

static const struct live_ops ops = {on_send_bfd, on_send_echo, on_event, on_chance, on_send_report};

/* The owner's side. */

static int watch(struct prober *p, int *fd)
{
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = fd};

	return epoll_ctl(p->epoll, EPOLL_CTL_ADD, *fd, &e) < 0 ? -errno : 0;
}

static int open_fds(struct prober *p)
{
	int r;

	p->epoll = epoll_create1(EPOLL_CLOEXEC);
	p->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	p->wake = wake_new();
	p->readable = wake_new();
	if (p->epoll < 0 || p->timer < 0 || p->wake < 0 || p->readable < 0)
		return -errno;
	r = watch(p, &p->timer);
	return r < 0 ? r : watch(p, &p->wake);
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void init_lock(pthread_mutex_t *lock)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(lock, &attr);
	pthread_mutexattr_destroy(&attr);
}

/* Signals are the owner's business. */
static int start_thread(struct prober *p)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&p->thread, NULL, prober_run, p);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

static void free_all(struct prober *p)
{
	instant now = sys_now();

	p->out.packets.n = 0;
	p->generation++;
	p->has_stale_locals = true;
	prober_drop_locals(p, now);
	list_for_each (link, &p->targets)
		free(container_of(link, struct target, link));
	map_free(p->by_peer);
	live_free(p->live);
	prober_queue_done(&p->out);
	vec_done(&p->events);
	close_fd(p->epoll);
	close_fd(p->timer);
	close_fd(p->wake);
	close_fd(p->readable);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

int prober_start(const char *ifname, const struct live_self_config *self, struct prober **ret)
{
	struct prober *p;
	int r;

	if (strlen(ifname) >= sizeof(p->ifname))
		return -ENAMETOOLONG;
	p = mem_zalloc(1, sizeof(*p));
	strcpy(p->ifname, ifname);
	init_lock(&p->lock);
	list_init(&p->targets);
	list_init(&p->locals);
	p->retry_at = INSTANT_NEVER;
	p->by_peer = map_new();
	p->live = live_new(self, &ops, p, sys_now());
	r = open_fds(p);
	if (r == 0)
		r = start_thread(p);
	if (r < 0)
		free_all(p);
	else
		*ret = p;
	return r;
}

void prober_stop(struct prober *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_mutex_unlock(&p->lock);
	wake_up(p->wake);
	pthread_join(p->thread, NULL);
	free_all(p);
}

static struct prober_local *local_of(struct prober *p, const ip_addr *addr, instant now)
{
	struct prober_local *l;

	list_for_each (link, &p->locals) {
		l = container_of(link, struct prober_local, link);
		if (ip_addr_eq(&l->addr, addr))
			return l;
	}
	l = mem_alloc(sizeof(*l));
	prober_local_init(l, addr, now);
	list_append(&p->locals, &l->link);
	p->retry_at = now;
	return l;
}

static struct target *target_of(struct prober *p, uint32_t peer)
{
	struct target *t = map_get(p->by_peer, &peer, sizeof(peer));

	if (t)
		return t;
	t = mem_zalloc(1, sizeof(*t));
	t->peer = peer;
	list_append(&p->targets, &t->link);
	map_put(p->by_peer, &t->peer, sizeof(t->peer), t);
	return t;
}

static void set_peer(struct prober *p, const struct live_peer_config *c, instant now)
{
	struct target *t = target_of(p, c->peer);

	t->generation = p->generation;
	t->remote = c->remote;
	t->local = NULL;
	if (c->local.family && c->local.family == c->remote.family) {
		t->local = local_of(p, &c->local, now);
		t->local->generation = p->generation;
	}
	live_peer_set(p->live, c, now);
}

static void remove_old_peers(struct prober *p, instant now)
{
	list_for_each (link, &p->targets) {
		struct target *t = container_of(link, struct target, link);

		if (t->generation == p->generation)
			continue;
		live_peer_remove(p->live, t->peer, now);
		map_remove(p->by_peer, &t->peer, sizeof(t->peer));
		list_remove(&t->link);
		free(t);
	}
}

void prober_set_peers(struct prober *p, const struct live_peer_config *peers, size_t n)
{
	pthread_mutex_lock(&p->lock);
	p->generation++;
	p->has_stale_locals = true;
	for (size_t i = 0; i < n; i++)
		set_peer(p, &peers[i], sys_now());
	remove_old_peers(p, sys_now());
	pthread_mutex_unlock(&p->lock);
	wake_up(p->wake);
}

void prober_handshake(struct prober *p, uint32_t peer, int64_t handshake_age_ns, uint64_t rx_bytes)
{
	pthread_mutex_lock(&p->lock);
	live_on_handshake(p->live, peer, handshake_age_ns, rx_bytes, sys_now());
	pthread_mutex_unlock(&p->lock);
	wake_up(p->wake);
}

void prober_bfd_lost(struct prober *p, uint32_t peer)
{
	pthread_mutex_lock(&p->lock);
	live_on_bfd_lost(p->live, peer, sys_now());
	pthread_mutex_unlock(&p->lock);
}

void prober_drain(struct prober *p, bool drained)
{
	pthread_mutex_lock(&p->lock);
	live_drain(p->live, drained, sys_now());
	pthread_mutex_unlock(&p->lock);
	wake_up(p->wake);
}

void prober_hold_clear(struct prober *p)
{
	pthread_mutex_lock(&p->lock);
	live_hold_clear(p->live, sys_now());
	pthread_mutex_unlock(&p->lock);
	wake_up(p->wake);
}

void prober_tell(struct prober *p, const struct live_report *r)
{
	pthread_mutex_lock(&p->lock);
	live_tell_report(p->live, r, sys_now());
	pthread_mutex_unlock(&p->lock);
	wake_up(p->wake);
}

bool prober_report(struct prober *p, uint32_t peer, struct live_report *ret)
{
	const struct live_report *r;

	pthread_mutex_lock(&p->lock);
	r = live_peer_report(p->live, peer);
	if (r)
		live_report_copy(r, ret);
	pthread_mutex_unlock(&p->lock);
	return r != NULL;
}

void prober_reopen(struct prober *p)
{
	pthread_mutex_lock(&p->lock);
	p->reopen = true;
	pthread_mutex_unlock(&p->lock);
	wake_up(p->wake);
}

void prober_urge(struct prober *p, pthread_t thread)
{
	pthread_mutex_lock(&p->lock);
	p->urges = true;
	p->urged = thread;
	pthread_mutex_unlock(&p->lock);
}

int prober_fd(const struct prober *p)
{
	return p->readable;
}

size_t prober_events(struct prober *p, struct live_event *ret, size_t max)
{
	size_t n;

	pthread_mutex_lock(&p->lock);
	n = p->events.n - p->events_taken;
	if (n > max)
		n = max;
	if (n > 0)
		memcpy(ret, p->events.items + p->events_taken, n * sizeof(*ret));
	p->events_taken += n;
	if (p->events_taken == p->events.n) {
		p->events.n = p->events_taken = 0;
		wake_clear(p->readable);
	}
	pthread_mutex_unlock(&p->lock);
	return n;
}

bool prober_info(struct prober *p, uint32_t peer, struct live_peer_info *ret)
{
	bool found;

	pthread_mutex_lock(&p->lock);
	found = live_peer_info(p->live, peer, ret);
	pthread_mutex_unlock(&p->lock);
	return found;
}

void prober_self(struct prober *p, bool *ret_drained, bool *ret_holding)
{
	pthread_mutex_lock(&p->lock);
	*ret_drained = live_is_drained(p->live);
	*ret_holding = live_is_holding(p->live);
	pthread_mutex_unlock(&p->lock);
}

bool prober_is_flapping(struct prober *p)
{
	bool flapping;

	pthread_mutex_lock(&p->lock);
	flapping = live_is_flapping(p->live);
	pthread_mutex_unlock(&p->lock);
	return flapping;
}

int prober_error(struct prober *p, char *text, size_t size)
{
	int error;

	pthread_mutex_lock(&p->lock);
	error = p->error;
	if (error)
		snprintf(text, size, "%s", p->error_text);
	pthread_mutex_unlock(&p->lock);
	return error;
}

void prober_stats(struct prober *p, struct prober_stats *ret)
{
	struct timespec cpu = {0};
	clockid_t clock;

	if (pthread_getcpuclockid(p->thread, &clock) == 0)
		clock_gettime(clock, &cpu);
	pthread_mutex_lock(&p->lock);
	*ret = p->stats;
	p->stats.worst_lateness_ns = 0;
	pthread_mutex_unlock(&p->lock);
	ret->cpu_ns = cpu.tv_sec * NS_PER_S + cpu.tv_nsec;
}

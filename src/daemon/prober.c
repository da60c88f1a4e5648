/* SPDX-License-Identifier: MIT */
/*
 * Who may touch what: the core, the tables of peers and local addresses and the queues stand under
 * the lock. Sockets and everything that epoll points at are the thread's alone. What the core wants
 * sent is queued under the lock and sent by the thread without it; other threads only queue and
 * wake it. An address that no peer uses any more is therefore closed by the thread too, at a moment
 * when nothing queued refers to it.
 *
 * The thread reads before it lets time pass in the core: after a pause of its own, what came in
 * meanwhile counts first. It sleeps at least QUANTUM between two rounds that time alone causes, so
 * that a thousand sessions cost a thousand rounds a second and not ten.
 */
#include "daemon/prober.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/vec.h"
#include "daemon/prober_sockets.h"
#include "sys/clock.h"
#include <errno.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define QUANTUM NS_PER_MS
#define DEVICE_CHECK NS_PER_S
#define PRIORITY 10  /* of SCHED_RR's 1 to 99 */
#define READS_MAX 16 /* batches from one socket before others have their turn */

/* Where a peer's packets go. */
struct target {
	uint32_t peer;
	uint64_t generation;
	struct list link;
	struct prober_local *local; /* NULL: it has no address to be probed at */
	ip_addr remote;
};

struct packet_queue {
	struct prober_packet *items;
	size_t n, cap;
};

struct prober {
	char ifname[IF_NAMESIZE];
	unsigned ifindex; /* 0: not there */
	pthread_t thread;
	int epoll, timer, wake, readable;

	pthread_mutex_t lock;
	bool stopping, reopen;
	struct live *live;
	uint64_t generation; /* of the set of peers */
	struct map *by_peer;
	struct list targets, locals;
	bool has_stale_locals;
	instant retry_at; /* the earliest of the locals' */
	struct packet_queue out;
	VEC(struct live_event) events;
	size_t events_taken;
	int error;
	char error_text[160];
	struct prober_stats stats;
};

static void signal_fd(int fd)
{
	uint64_t one = 1;

	while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void clear_fd(int fd)
{
	uint64_t count;

	while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
}

/* What the core wants; it calls under the lock. */

static void queue(struct prober *p, uint32_t peer, enum prober_kind kind, uint16_t port,
	const uint8_t *bytes, size_t len)
{
	struct target *t = map_get(p->by_peer, &peer, sizeof(peer));
	struct prober_packet packet = {.len = len};

	if (!t || !t->local)
		return;
	packet.socket = &t->local->sockets[kind];
	packet.to = sock_addr_make(&t->remote, port);
	memcpy(packet.bytes, bytes, len);
	vec_push(&p->out, packet);
}

static void on_send_bfd(uint32_t peer, const uint8_t packet[static BFD_PACKET_LEN], void *data)
{
	queue(data, peer, PROBER_BFD_OUT, BFD_PORT, packet, BFD_PACKET_LEN);
}

static void on_send_echo(uint32_t peer, uint16_t id, uint16_t seq, void *data)
{
	struct prober *p = data;
	struct target *t = map_get(p->by_peer, &peer, sizeof(peer));
	uint8_t bytes[BFD_PACKET_LEN];

	if (t)
		queue(p, peer, PROBER_ECHO, 0, bytes,
			prober_echo_request(t->remote.family, id, seq, bytes));
}

static void on_event(const struct live_event *e, void *data)
{
	struct prober *p = data;

	vec_push(&p->events, *e);
	if (p->events.n - p->events_taken == 1)
		signal_fd(p->readable);
}

static const struct live_ops ops = {on_send_bfd, on_send_echo, on_event};

/* The thread. */

static void note_error(struct prober *p, const struct prober_local *l, const char *what, int error)
{
	char addr[IP_ADDR_STRLEN];

	p->error = error;
	snprintf(p->error_text, sizeof(p->error_text), "cannot %s at %s on %s: %s", what,
		ip_addr_format(&l->addr, addr), p->ifname, strerror(-error));
}

/* Closes and frees what no peer uses; nothing queued may refer to it. */
static void drop_locals(struct prober *p, instant now)
{
	if (!p->has_stale_locals || p->out.n > 0)
		return;
	p->has_stale_locals = false;
	list_for_each (link, &p->locals) {
		struct prober_local *l = container_of(link, struct prober_local, link);

		if (l->generation == p->generation)
			continue;
		prober_local_close(l, now);
		list_remove(&l->link);
		free(l);
	}
}

static void open_local(struct prober *p, struct prober_local *l, instant now)
{
	const char *what;
	int r = prober_local_open(l, p->ifname, p->epoll, &what, now);

	if (r < 0)
		note_error(p, l, what, r);
}

static void open_locals(struct prober *p, instant now)
{
	if (instant_before(now, p->retry_at))
		return;
	p->retry_at = INSTANT_NEVER;
	list_for_each (link, &p->locals) {
		struct prober_local *l = container_of(link, struct prober_local, link);

		if (!instant_before(now, l->retry_at))
			open_local(p, l, now);
		p->retry_at = instant_min(p->retry_at, l->retry_at);
	}
	if (instant_is_never(p->retry_at))
		p->error = 0;
}

/* Sockets are bound to a device's number: a new one of the same name needs new sockets. */
static void check_device(struct prober *p, instant now)
{
	unsigned ifindex = if_nametoindex(p->ifname);

	if (ifindex == p->ifindex && !p->reopen)
		return;
	p->ifindex = ifindex;
	p->reopen = false;
	p->retry_at = now;
	list_for_each (link, &p->locals)
		prober_local_close(container_of(link, struct prober_local, link), now);
}

static void deliver(
	struct prober *p, const struct prober_socket *s, const struct prober_input *in, instant now)
{
	uint16_t id, seq;

	if (s->kind == PROBER_BFD_IN)
		live_on_bfd(p->live, &in->src, &s->local->addr, in->ttl, in->bytes, in->len, now);
	else if (prober_parse_reply(in, &id, &seq))
		live_on_echo_reply(p->live, &in->src, id, seq, now);
}

static void receive(struct prober *p, const struct prober_socket *s)
{
	struct prober_input inputs[PROBER_BATCH];
	size_t n = PROBER_BATCH;

	for (int i = 0; i < READS_MAX && n == PROBER_BATCH; i++) {
		n = prober_receive(s, inputs);
		pthread_mutex_lock(&p->lock);
		for (size_t k = 0; k < n; k++)
			deliver(p, s, &inputs[k], sys_now());
		p->stats.received += n;
		pthread_mutex_unlock(&p->lock);
	}
}

static void receive_all(struct prober *p)
{
	struct epoll_event events[PROBER_BATCH];
	int n = epoll_wait(p->epoll, events, PROBER_BATCH, -1);

	for (int i = 0; i < n; i++) {
		if (events[i].data.ptr == &p->timer)
			clear_fd(p->timer);
		else if (events[i].data.ptr == &p->wake)
			clear_fd(p->wake);
		else
			receive(p, events[i].data.ptr);
	}
}

static void arm(struct prober *p, instant at, instant now)
{
	struct itimerspec spec = {0};
	instant earliest = instant_add(now, QUANTUM);

	if (instant_before(at, earliest))
		at = earliest;
	spec.it_value.tv_sec = at.ns / NS_PER_S;
	spec.it_value.tv_nsec = at.ns % NS_PER_S;
	timerfd_settime(p->timer, TFD_TIMER_ABSTIME, &spec, NULL);
}

static void count_lateness(struct prober *p, instant now)
{
	instant due = live_deadline(p->live);

	p->stats.rounds++;
	if (instant_before(due, now) && instant_diff(now, due) > p->stats.worst_lateness_ns)
		p->stats.worst_lateness_ns = instant_diff(now, due);
}

/* One round under the lock; takes the queue into sending, which is empty. False: the end. */
static bool work(struct prober *p, struct packet_queue *sending, instant *check_at)
{
	struct packet_queue empty = *sending;
	instant now, next;
	bool go_on;

	pthread_mutex_lock(&p->lock);
	now = sys_now();
	drop_locals(p, now);
	if (p->reopen || !instant_before(now, *check_at)) {
		check_device(p, now);
		*check_at = instant_add(now, DEVICE_CHECK);
	}
	open_locals(p, now);
	count_lateness(p, now);
	live_step(p->live, now);
	*sending = p->out;
	p->out = empty;
	next = instant_min(instant_min(*check_at, p->retry_at), live_deadline(p->live));
	go_on = !p->stopping;
	pthread_mutex_unlock(&p->lock);
	arm(p, next, now);
	return go_on;
}

static void send_queue(struct prober *p, struct packet_queue *sending)
{
	size_t sent = prober_send(sending->items, sending->n);

	sending->n = 0;
	pthread_mutex_lock(&p->lock);
	p->stats.sent += sent;
	pthread_mutex_unlock(&p->lock);
}

/* Where real-time scheduling isn't allowed, the probes do with what there is. */
static void ask_for_priority(void)
{
	struct sched_param param = {.sched_priority = PRIORITY};

	pthread_setschedparam(pthread_self(), SCHED_RR, &param);
	pthread_setname_np(pthread_self(), "prober");
}

static void *run(void *data)
{
	struct prober *p = data;
	struct packet_queue sending = {0};
	instant check_at = {0};

	ask_for_priority();
	while (work(p, &sending, &check_at)) {
		if (sending.n > 0)
			send_queue(p, &sending);
		receive_all(p);
	}
	free(sending.items);
	return NULL;
}

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
	p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	p->readable = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
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
	r = pthread_create(&p->thread, NULL, run, p);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

static void free_all(struct prober *p)
{
	instant now = sys_now();

	p->out.n = 0;
	p->generation++;
	p->has_stale_locals = true;
	drop_locals(p, now);
	list_for_each (link, &p->targets)
		free(container_of(link, struct target, link));
	map_free(p->by_peer);
	live_free(p->live);
	free(p->out.items);
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
	signal_fd(p->wake);
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
	signal_fd(p->wake);
}

void prober_handshake(struct prober *p, uint32_t peer, int64_t handshake_age_ns, uint64_t rx_bytes)
{
	pthread_mutex_lock(&p->lock);
	live_on_handshake(p->live, peer, handshake_age_ns, rx_bytes, sys_now());
	pthread_mutex_unlock(&p->lock);
	signal_fd(p->wake);
}

void prober_drain(struct prober *p, bool drained)
{
	pthread_mutex_lock(&p->lock);
	live_drain(p->live, drained, sys_now());
	pthread_mutex_unlock(&p->lock);
	signal_fd(p->wake);
}

void prober_hold_clear(struct prober *p)
{
	pthread_mutex_lock(&p->lock);
	live_hold_clear(p->live, sys_now());
	pthread_mutex_unlock(&p->lock);
	signal_fd(p->wake);
}

void prober_reopen(struct prober *p)
{
	pthread_mutex_lock(&p->lock);
	p->reopen = true;
	pthread_mutex_unlock(&p->lock);
	signal_fd(p->wake);
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
		clear_fd(p->readable);
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

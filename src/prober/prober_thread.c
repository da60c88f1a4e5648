/* SPDX-License-Identifier: MIT */
/*
 * The prober's thread. It reads before it lets time pass in the core: after a pause of its own,
 * what came in meanwhile counts first. It sleeps at least QUANTUM between two rounds that time
 * alone causes, so that a thousand sessions cost a thousand rounds a second and not ten. Under a
 * flood it does the same between any two rounds: it has priority over all that the machine has to
 * do, and reading packets by the hundred costs a fifth of reading them singly.
 */
#include "live/report_codec.h"
#include "prober/bfd_datagram.h"
#include "prober/prober_internal.h"
#include "sys/clock.h"
#include "sys/wake.h"
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>

#define QUANTUM NS_PER_MS
#define DEVICE_CHECK NS_PER_S
#define EXCESS_MAX 16 /* packets for nothing in a round, before the thread lets some gather */
#define PRIORITY 10   /* of SCHED_RR's 1 to 99 */
#define READS_MAX 16  /* batches from one socket before others have their turn */

static void note_error(struct prober *p, const struct prober_local *l, const char *what, int error)
{
	char addr[IP_ADDR_STRLEN];

	p->error = error;
	snprintf(p->error_text, sizeof(p->error_text), "cannot %s at %s on %s: %s", what,
		ip_addr_format(&l->addr, addr), p->ifname, strerror(-error));
}

void prober_drop_locals(struct prober *p, instant now)
{
	if (!p->has_stale_locals || p->out.packets.n > 0)
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

	/* Only that it isn't there is news: asking takes a file, which may not be had. */
	if (!ifindex && errno != ENODEV)
		ifindex = p->ifindex;
	if (ifindex == p->ifindex && !p->reopen)
		return;
	p->ifindex = ifindex;
	p->reopen = false;
	p->retry_at = now;
	list_for_each (link, &p->locals)
		prober_local_close(container_of(link, struct prober_local, link), now);
}

/* Takes the first packet off a payload that may be several. */
static bool next_packet(
	struct bfd_datagram *d, enum prober_kind kind, const uint8_t **ret, size_t *ret_len)
{
	if (kind == PROBER_BFD_IN)
		return bfd_datagram_next(d, ret, ret_len);
	*ret_len = report_first_len(d->payload, d->len);
	*ret = d->payload;
	d->payload += *ret_len;
	d->len -= *ret_len;
	return *ret_len > 0;
}

/* Of several packets in one the last says whether it was good for something. */
static bool deliver_udp(
	struct prober *p, const struct prober_socket *s, const struct prober_input *in, instant now)
{
	bool is_bfd = s->kind == PROBER_BFD_IN;
	struct bfd_raw raw = {in->src, s->local->addr, is_bfd ? BFD_PORT : LIVE_REPORT_PORT,
		in->bytes, in->got, in->len};
	struct bfd_datagram udp = {.ttl = in->ttl};
	struct live_datagram d = {.src = in->src, .dst = s->local->addr};
	bool counts = false;

	if (!bfd_datagram_parse(&udp, &raw))
		return false;
	d.ttl = udp.ttl;
	d.port = udp.port;
	while (next_packet(&udp, s->kind, &d.bytes, &d.len))
		counts = is_bfd ? live_on_bfd(p->live, &d, now) : live_on_report(p->live, &d, now);
	return counts;
}

static bool deliver(
	struct prober *p, const struct prober_socket *s, const struct prober_input *in, instant now)
{
	struct echo_mark mark;

	if (s->kind != PROBER_ECHO)
		return deliver_udp(p, s, in, now);
	return prober_parse_reply(in, &mark) && live_on_echo_reply(p->live, &in->src, &mark, now);
}

static void receive(struct prober *p, const struct prober_socket *s)
{
	bool is_more = true;

	for (int i = 0; i < READS_MAX && is_more; i++) {
		instant now = sys_now();

		is_more = prober_receive(s, &p->inbox);
		pthread_mutex_lock(&p->lock);
		for (size_t k = 0; k < p->inbox.n; k++)
			p->excess += !deliver(p, s, &p->inbox.inputs[k], now);
		p->stats.received += p->inbox.n;
		pthread_mutex_unlock(&p->lock);
	}
}

/* Lets a quantum pass since then. */
static void gather(instant since)
{
	instant until = instant_add(since, QUANTUM);
	struct timespec t = {until.ns / NS_PER_S, until.ns % NS_PER_S};

	clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &t, NULL);
}

static void receive_all(struct prober *p)
{
	struct epoll_event events[PROBER_BATCH];
	int n = epoll_wait(p->epoll, events, PROBER_BATCH, -1);

	for (int i = 0; i < n; i++) {
		if (events[i].data.ptr == &p->timer)
			wake_clear(p->timer);
		else if (events[i].data.ptr == &p->wake)
			wake_clear(p->wake);
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
static bool work(struct prober *p, struct prober_queue *sending, instant *check_at)
{
	struct prober_queue empty = *sending;
	instant now, next;
	bool go_on;

	pthread_mutex_lock(&p->lock);
	now = sys_now();
	prober_drop_locals(p, now);
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

static void send_queue(struct prober *p, struct prober_queue *sending)
{
	size_t sent = prober_send(sending);

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

void *prober_run(void *data)
{
	struct prober *p = data;
	struct prober_queue sending = {0};
	instant check_at = {0};

	ask_for_priority();
	prober_inbox_init(&p->inbox);
	while (work(p, &sending, &check_at)) {
		if (sending.packets.n > 0)
			send_queue(p, &sending);
		p->excess = 0;
		receive_all(p);
		if (p->excess > EXCESS_MAX)
			gather(sys_now());
	}
	prober_queue_done(&sending);
	prober_inbox_done(&p->inbox);
	return NULL;
}

/* SPDX-License-Identifier: MIT */
/*
 * The thread, and tx's first job: the TUN is read until it is empty, and each packet's peer looked
 * up; what can't go to one is refused. With help (duty.h), superpackets are read where workers will
 * seal them, and no round ends before they have left.
 */
#include "tunnel/tx.h"

#include "base/mem.h"
#include "sys/clock.h"
#include "sys/process.h"
#include "sys/rounds.h"
#include "sys/wake.h"
#include "tunnel/device.h"
#include "tunnel/duty.h"
#include "tunnel/groups.h"
#include "tunnel/icmp.h"
#include "tunnel/inner.h"
#include "tunnel/peer.h"
#include "tunnel/tx_choose.h"
#include "tunnel/tx_seal.h"
#include "tunnel/workers.h"

#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READS_PER_ROUND 64
/* Between so many reads of the host's bulk, network control has its turn, of so many packets at
 * most: it neither waits long nor takes all of the time. */
#define READS_PER_TURN 8
#define CONTROL_PER_TURN 8

/* Why a packet can't go: what is counted, and how many answers may yet be sent. */
struct refusal {
	enum tunnel_counter counter;
	struct icmp_limit limit;
};

struct tx {
	struct tunnel *t;
	struct tx_sealer sealer;
	unsigned worker; /* of qsbr */
	struct tx_chooser chooser;
	struct refusal no_peer, no_endpoint, to_relay;
	struct groups_limit copies;
	struct duty *duty;
	uint8_t *buffer; /* where packets are read: room, or the line's */
	uint8_t *copy;	 /* room for one of them, touched if there are groups */
	uint8_t room[TUN_READ_MAX] __attribute__((aligned(64)));
};

/* --- packets from the TUN ------------------------------------------------------------------------
 */

/* Counted, and answered. */
static void refuse(struct tx *x, struct refusal *why, const uint8_t *packet, size_t len)
{
	struct virtio_net_hdr plain = {0};
	uint8_t answer[ICMP_ANSWER_MAX];
	struct iovec iov[] = {{&plain, x->t->tun.has_vnet ? sizeof(plain) : 0}, {answer, 0}};
	ssize_t done;

	tunnel_count(x->t, why->counter, 1);
	iov[1].iov_len = icmp_build_unreachable(answer, packet, len);
	if (!iov[1].iov_len || !icmp_limit_take(&why->limit, x->sealer.now))
		return;
	do {
		done = writev(x->t->tun.fd, iov, 2);
	} while (done < 0 && errno == EINTR);
	if (done < 0)
		tunnel_count(x->t, TUNNEL_DROP_TUN_WRITE, 1);
}

/* A packet of len bytes behind its vnet header; it is cut where it is. */
static void send_to(struct tx *x, struct tunnel_peer *p, const struct virtio_net_hdr *vnet,
	uint8_t *packet, size_t len)
{
	struct gso g;

	if (!tx_seal_begin(&x->sealer, p))
		refuse(x, &x->no_endpoint, packet, len);
	else if (!gso_start(&g, vnet, packet, len))
		tunnel_count(x->t, TUNNEL_DROP_MALFORMED, 1);
	else
		tx_seal_packet(&x->sealer, p, &g, inner_outer_tos(packet));
}

static void send_to_chosen(
	struct tx *x, const struct virtio_net_hdr *vnet, uint8_t *packet, size_t len)
{
	struct tx_choice c = tx_choose(&x->chooser, packet, len, x->sealer.now);

	if (c.peer)
		send_to(x, c.peer, vnet, packet, len);
	else
		refuse(x, c.is_refused ? &x->to_relay : &x->no_peer, packet, len);
}

/* To each peer of the groups but the one that it came from, if it did; a copy each, since sealing
 * cuts in place, and none in the line, which has its own buffers. */
static void send_to_group(struct tx *x, const struct groups *g, const struct virtio_net_hdr *vnet,
	const uint8_t *packet, size_t len)
{
	struct relay_memory *m = atomic_load_explicit(&x->t->ingress, memory_order_acquire);
	const void *from = m ? relay_memory_from(m, packet, x->sealer.now) : NULL;
	size_t n = atomic_load_explicit(&g->n, memory_order_acquire), n_sent = 0;
	bool is_helped = x->sealer.is_helped;

	if (!groups_limit_take(&x->copies, n, x->sealer.now)) {
		tunnel_count(x->t, TUNNEL_DROP_GROUP_RATE, 1);
		return;
	}
	x->sealer.is_helped = false;
	for (size_t i = 0; i < n; i++) {
		struct tunnel_peer *p =
			atomic_load_explicit(&g->places[i].peer, memory_order_acquire);

		if (!p || p == from)
			continue;
		memcpy(x->copy, packet, len);
		send_to(x, p, vnet, x->copy, len);
		n_sent++;
	}
	x->sealer.is_helped = is_helped;
	tunnel_count(x->t, TUNNEL_GROUP_COPIES, n_sent);
}

/* A packet with its vnet header (if has_vnet) of n bytes in all, in the buffer. */
static void take_packet(struct tx *x, size_t n)
{
	struct virtio_net_hdr vnet = {0};
	size_t head = x->t->tun.has_vnet ? sizeof(vnet) : 0;
	uint8_t *packet = x->buffer + head;
	const struct groups *g;

	if (n < head || !inner_is_whole(packet, n - head)) {
		tunnel_count(x->t, TUNNEL_DROP_MALFORMED, 1);
		return;
	}
	memcpy(&vnet, x->buffer, head);
	g = atomic_load_explicit(&x->t->groups, memory_order_acquire);
	if (g && flow_is_to_group(packet))
		send_to_group(x, g, &vnet, packet, n - head);
	else
		send_to_chosen(x, &vnet, packet, n - head);
}

/* --- what others wish ----------------------------------------------------------------------------
 */

/* What is staged, to whom it goes now; what is for groups stays. */
static void choose_again(struct tx *x, struct tunnel_peer *p)
{
	const struct groups *g = atomic_load_explicit(&x->t->groups, memory_order_acquire);
	uint8_t *packet = x->sealer.staged, tos = 0;
	size_t len;

	for (unsigned n = p->tx.staged.n; n; n--) {
		struct virtio_net_hdr plain = {0};

		len = staging_take(x->t->staging, &p->tx.staged, packet, &tos);
		if (!len)
			return;
		if (g && flow_is_to_group(packet))
			send_to(x, p, &plain, packet, len);
		else
			send_to_chosen(x, &plain, packet, len);
	}
}

static void grant(struct tx *x, struct tunnel_peer *p, unsigned wanted)
{
	struct tunnel *t = x->t;
	bool has_endpoint;

	if (wanted & WISH_DROP_STAGED)
		tunnel_count(
			t, TUNNEL_DROP_NO_SESSION, staging_drop_all(t->staging, &p->tx.staged));
	if (wanted & WISH_CHOOSE_AGAIN)
		choose_again(x, p);
	has_endpoint = tx_seal_begin(&x->sealer, p);
	if (p->tx.staged.n && wanted & (WISH_FLUSH | WISH_KEEPALIVE))
		tx_seal_staged(&x->sealer, p);
	else if (wanted & WISH_KEEPALIVE && has_endpoint)
		tx_seal_keepalive(&x->sealer, p);
}

static bool grant_wishes(struct tx *x)
{
	struct tunnel_peer *p;
	unsigned wanted;
	bool any = false;

	while ((p = wishes_next(x->t->wishes, &wanted))) {
		grant(x, p, wanted);
		any = true;
	}
	return any;
}

/* --- rounds --------------------------------------------------------------------------------------
 */

/* A packet of that queue is taken, if it has one; what read said. */
static ssize_t read_packet(struct tx *x, int queue)
{
	struct tx_sender *out = &x->sealer.out;
	ssize_t n;

	x->buffer = x->sealer.is_helped ? tx_send_line_buffer(out) : x->room;
	n = read(queue, x->buffer, TUN_READ_MAX - WG_PADDING);
	if (n > 0 && atomic_load_explicit(&x->t->running, memory_order_relaxed))
		take_packet(x, (size_t)n);
	return n;
}

static int read_control(struct tx *x)
{
	int any = 0;

	if (!x->t->tun.has_control)
		return 0;
	for (unsigned i = 0; i < CONTROL_PER_TURN; i++) {
		if (read_packet(x, x->t->tun.control_fd) <= 0)
			return any;
		any = 1;
	}
	return any;
}

/* 0: empty; 1: some; -1: the interface is gone or down. */
static int read_round(struct tx *x)
{
	struct tx_sender *out = &x->sealer.out;
	int any = 0;

	for (unsigned i = 0; i < READS_PER_ROUND; i++) {
		ssize_t n;

		if (i % READS_PER_TURN == 0)
			any |= read_control(x);
		n = read_packet(x, x->t->tun.fd);
		if (n > 0) {
			any = 1;
			continue;
		}
		/* While the line moves on, more may come. */
		if (n < 0 && (errno == EINTR || (errno == EAGAIN && tx_send_advance(out, true))))
			continue;
		return n < 0 && errno != EAGAIN ? -1 : any;
	}
	return any;
}

/* --- the thread ----------------------------------------------------------------------------------
 */

/* Between two rounds. */
static void ask_for_help(struct tx *x)
{
	struct tx_sealer *s = &x->sealer;

	s->is_helped = duty_wants_help(x->duty, s->bytes, s->now) && workers_start(x->t->workers) &&
		       tx_send_has_line(&s->out);
	s->bytes = 0;
}

/* After a few yields: what others are about to write arrives without a sleep and a wake-up. */
static void wait_for_work(struct tx *x, bool tun_is_gone)
{
	struct pollfd fds[] = {{wishes_fd(x->t->wishes), POLLIN, 0}, {x->t->tun.fd, POLLIN, 0},
		{x->t->tun.control_fd, POLLIN, 0}};
	nfds_t n = x->t->tun.has_control ? 3 : 2;

	x->t->aead->forget(x->sealer.aead);
	qsbr_sleep(x->t->qsbr, x->worker);
	poll(fds, tun_is_gone ? 1 : n, tun_is_gone ? 100 : -1);
	if (fds[0].revents)
		wake_clear(fds[0].fd);
	qsbr_wake(x->t->qsbr, x->worker);
}

/* As read_round. */
static int work(struct tx *x)
{
	int got;

	x->sealer.now = sys_now();
	ask_for_help(x);
	got = grant_wishes(x);
	got |= read_round(x);
	tx_seal_settle(&x->sealer);
	tx_choose_forget(&x->chooser);
	qsbr_quiescent(x->t->qsbr, x->worker);
	return got;
}

static struct tx *tx_new(struct tunnel *t)
{
	struct tx *x = aligned_alloc(64, (sizeof(*x) + 63) / 64 * 64);

	memset(x, 0, sizeof(*x));
	x->t = t;
	tx_seal_init(&x->sealer, t, t->aead->thread_new(t->aead));
	x->no_peer.counter = TUNNEL_DROP_NO_PEER;
	x->no_endpoint.counter = TUNNEL_DROP_NO_ENDPOINT;
	x->to_relay.counter = TUNNEL_DROP_RELAY_TO_RELAY;
	tx_choose_init(&x->chooser, t);
	x->copy = mem_alloc(TUN_READ_MAX);
	x->duty = duty_new(t->n_workers);
	x->worker = qsbr_register(t->qsbr);
	return x;
}

static void tx_free(struct tx *x)
{
	qsbr_unregister(x->t->qsbr, x->worker);
	duty_free(x->duty);
	x->t->aead->thread_free(x->sealer.aead);
	tx_seal_done(&x->sealer);
	free(x->copy);
	free(x);
}

void *tx_run(void *tunnel)
{
	struct tx *x = tx_new(tunnel);
	struct rounds *rounds = rounds_begin();
	unsigned yields = 0;

	process_drop_cap(CAP_SYS_NICE);
	qsbr_wake(x->t->qsbr, x->worker);
	while (!atomic_load_explicit(&x->t->stopping, memory_order_acquire)) {
		int got = work(x);

		rounds_next(rounds); /* what ends a wait is urged as well */
		if (got > 0) {
			yields = 0;
		} else if (got == 0 && yields < TUNNEL_YIELDS) {
			sched_yield();
			yields++;
		} else {
			wait_for_work(x, got < 0);
			yields = 0;
		}
	}
	qsbr_sleep(x->t->qsbr, x->worker);
	rounds_end(rounds);
	tx_free(x);
	return NULL;
}

/* SPDX-License-Identifier: MIT */
/*
 * TUN to UDP, in one thread with the AEAD inline. The TUN is read until it is empty; a superpacket
 * is sealed segment by segment straight into the buffer that leaves as one UDP_SEGMENT message, so
 * that the copy that segmentation needs is the AEAD's own pass. Packets in a row for one peer and
 * of one size share a message too. Nonces are given out here alone and in the order in which
 * packets leave.
 *
 * What has no session waits in its peer's queue (staging.h).
 *
 * With help (duty.h), superpackets go into a line instead, to be sealed by workers while this
 * thread reads on (seal.h). Everything else stays as it is, but waits until the line is empty, so
 * that packets leave in the order of their nonces; and no round ends before.
 */
#include "tunnel/duty.h"
#include "tunnel/gso.h"
#include "tunnel/internal.h"
#include "tunnel/seal.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define ARENA_LEN (256 * 1024)
#define FLUSH_AT (120 * 1024) /* sealed bytes that fit the cache and are worth a system call */
#define MAX_OUT UDP_BATCH
#define READS_PER_ROUND 64
#define MAX_TOUCHED 256

struct tx {
	struct tunnel *t;
	struct aead_thread *aead;
	unsigned worker;
	uint8_t *arena;
	size_t used;
	struct udp_out out[MAX_OUT];
	struct keypair *out_keypair[MAX_OUT];
	unsigned out_segments[MAX_OUT];
	bool out_closed[MAX_OUT]; /* its last segment is shorter: nothing may follow */
	size_t n_out;
	struct tunnel_peer *touched[MAX_TOUCHED];
	size_t n_touched;
	uint64_t batch;
	uint64_t n_sealed; /* in this round */
	instant now;
	/* The last destination looked up in this round. */
	uint8_t last_version;
	uint8_t last_dst[16];
	struct tunnel_peer *last_peer;
	uint8_t *staged; /* a packet that waited, and room for padding */
	struct duty *duty;
	struct seal_line *line; /* NULL until there is help */
	bool is_helped;		/* this round's superpackets go into the line */
	uint64_t n_by_workers;	/* in this round */
	uint64_t bytes;		/* in this round */
	uint8_t *buffer;	/* where packets are read: room, or the line's */
	uint8_t room[TUN_READ_MAX] __attribute__((aligned(64)));
};

/* --- after sending -------------------------------------------------------------------------------
 */

static bool needs_rekey(const struct tx *x, struct tunnel_peer *p)
{
	struct keypair *k = atomic_load_explicit(&p->current, memory_order_acquire);

	return k && timers_should_rekey_on_send(k->born, k->is_initiator,
			    atomic_load_explicit(&k->counter, memory_order_relaxed), x->now);
}

static void settle_peer(struct tx *x, struct tunnel_peer *p)
{
	if (!p->tx_sent_any)
		return;
	pthread_mutex_lock(&p->lock);
	if (p->tx_sent_data)
		timers_data_sent(&p->timers, x->now, peer_jitter());
	timers_any_authenticated_sent(&p->timers);
	timers_any_authenticated_traversal(&p->timers, x->now);
	peer_rearm(p);
	pthread_mutex_unlock(&p->lock);
	p->tx_sent_data = p->tx_sent_any = false;
	atomic_fetch_add_explicit(&p->tx_bytes, p->tx_batch_bytes, memory_order_relaxed);
	p->tx_batch_bytes = 0;
	if (needs_rekey(x, p))
		peer_want_initiation(p, false);
}

static void transmit(struct tx *x, const struct udp_out *out, size_t n, size_t datagrams)
{
	size_t sent;

	pthread_mutex_lock(&x->t->send_lock);
	sent = udp_send(x->t->udp, out, n, NULL);
	pthread_mutex_unlock(&x->t->send_lock);
	if (sent < datagrams)
		tunnel_count(x->t, TUNNEL_DROP_SEND_ERROR, datagrams - sent);
}

static void flush(struct tx *x)
{
	size_t datagrams = 0;

	if (!x->n_out)
		return;
	for (size_t i = 0; i < x->n_out; i++)
		datagrams += x->out_segments[i];
	transmit(x, x->out, x->n_out, datagrams);
	x->n_out = 0;
	x->used = 0;
}

/* Sends the first superpacket of the line, after what was sealed before it. False: there is none,
 * or, without wait, it isn't ready. */
static bool advance_line(struct tx *x, bool wait)
{
	const struct udp_out *out;
	size_t n, datagrams = 0;
	bool by_worker;

	if (!x->line)
		return false;
	n = seal_line_take(x->line, x->aead, wait, &out, &by_worker);
	if (!n)
		return false;
	flush(x);
	for (size_t i = 0; i < n; i++)
		datagrams += (out[i].len + out[i].segment - 1) / out[i].segment;
	transmit(x, out, n, datagrams);
	if (by_worker)
		x->n_by_workers += datagrams;
	return true;
}

static void empty_line(struct tx *x)
{
	while (advance_line(x, true))
		;
}

/* The end of a round: all is sent, events are told once a peer. */
static void settle(struct tx *x)
{
	empty_line(x);
	flush(x);
	for (size_t i = 0; i < x->n_touched; i++)
		settle_peer(x, x->touched[i]);
	if (x->n_sealed)
		tunnel_count(x->t, TUNNEL_TX_PACKETS, x->n_sealed);
	if (x->n_by_workers)
		tunnel_count(x->t, TUNNEL_TX_BY_WORKERS, x->n_by_workers);
	x->n_sealed = x->n_by_workers = 0;
	x->n_touched = 0;
	x->last_peer = NULL;
	x->last_version = 0;
	x->batch++;
}

static void touch(struct tx *x, struct tunnel_peer *p)
{
	if (p->tx_batch == x->batch)
		return;
	if (x->n_touched == MAX_TOUCHED)
		settle(x);
	p->tx_batch = x->batch;
	x->touched[x->n_touched++] = p;
	if (atomic_load_explicit(&p->endpoint_epoch, memory_order_acquire) != p->tx_epoch) {
		pthread_mutex_lock(&p->lock);
		p->tx_endpoint = p->endpoint;
		p->tx_epoch = atomic_load_explicit(&p->endpoint_epoch, memory_order_relaxed);
		pthread_mutex_unlock(&p->lock);
	}
}

/* --- sealing -------------------------------------------------------------------------------------
 */

/* RFC 6040 section 4.1: the inner ECN goes outside, but congestion experienced starts anew. */
static uint8_t outer_tos(uint8_t inner_tos)
{
	uint8_t ecn = inner_tos & 3;

	return ecn == 3 ? 2 : ecn;
}

static bool fits_last(const struct tx *x, const struct keypair *k, size_t sealed, uint8_t tos)
{
	const struct udp_out *o;
	size_t i = x->n_out - 1;

	if (!x->n_out)
		return false;
	o = &x->out[i];
	return x->out_keypair[i] == k && !x->out_closed[i] && o->tos == tos &&
	       sealed <= o->segment && x->out_segments[i] < UDP_MAX_SEGMENTS &&
	       o->len + sealed <= UDP_MAX_PAYLOAD - 20;
}

/* Where the next sealed datagram goes, in the last message if it fits there. */
static uint8_t *place(
	struct tx *x, struct tunnel_peer *p, struct keypair *k, size_t sealed, uint8_t tos)
{
	uint8_t *at;
	struct udp_out *o;

	if (x->used + sealed > ARENA_LEN)
		flush(x);
	if (fits_last(x, k, sealed, tos)) {
		size_t i = x->n_out - 1;

		o = &x->out[i];
		x->out_closed[i] = sealed < o->segment;
		x->out_segments[i]++;
		o->len += sealed;
	} else {
		if (x->n_out == MAX_OUT)
			flush(x);
		o = &x->out[x->n_out];
		*o = (struct udp_out){p->tx_endpoint, x->arena + x->used, sealed, sealed, tos};
		x->out_keypair[x->n_out] = k;
		x->out_segments[x->n_out] = 1;
		x->out_closed[x->n_out++] = false;
	}
	at = x->arena + x->used;
	x->used += sealed;
	return at;
}

/* n packets of so many bytes on the wire were sealed, or will be. */
static void account(struct tx *x, struct tunnel_peer *p, size_t n, size_t bytes, bool is_data)
{
	p->tx_sent_any = true;
	p->tx_sent_data |= is_data;
	p->tx_batch_bytes += bytes;
	x->bytes += bytes;
	x->n_sealed += n;
}

/* len bytes at packet, with room for 15 more behind them, which are put back. */
static void seal(struct tx *x, struct tunnel_peer *p, struct keypair *k, uint8_t *packet,
	size_t len, uint8_t tos)
{
	size_t padded =
		seal_padded_len(len, atomic_load_explicit(&x->t->mtu, memory_order_relaxed));
	uint64_t counter = atomic_load_explicit(&k->counter, memory_order_relaxed);

	empty_line(x);
	atomic_store_explicit(&k->counter, counter + 1, memory_order_relaxed);
	seal_packet(x->t->aead, x->aead, k, counter, packet, len, padded,
		place(x, p, k, padded + WG_DATA_OVERHEAD, tos));
	account(x, p, 1, padded + WG_DATA_OVERHEAD, len > 0);
}

/* A superpacket in the line's buffer, into the line; false: it has to be sealed here. */
static bool seal_in_line(
	struct tx *x, struct tunnel_peer *p, struct keypair *k, struct gso *g, uint8_t tos)
{
	uint64_t counter = atomic_load_explicit(&k->counter, memory_order_relaxed);
	struct seal_order order = {g, k, counter,
		atomic_load_explicit(&x->t->mtu, memory_order_relaxed), &p->tx_endpoint, tos};
	size_t bytes = seal_line_put(x->line, &order);

	if (!bytes)
		return false;
	atomic_store_explicit(&k->counter, counter + g->n_segments, memory_order_relaxed);
	account(x, p, g->n_segments, bytes, true);
	return true;
}

/* The keypair to send n packets with, or NULL: then an initiation was asked for. */
static struct keypair *sending_keypair(struct tx *x, struct tunnel_peer *p, size_t n)
{
	struct keypair *k = atomic_load_explicit(&p->current, memory_order_acquire);

	if (k && atomic_load_explicit(&k->may_send, memory_order_relaxed) &&
		instant_diff(x->now, k->born) < WG_REJECT_AFTER_TIME &&
		atomic_load_explicit(&k->counter, memory_order_relaxed) <
			WG_REJECT_AFTER_MESSAGES - n)
		return k;
	peer_want_initiation(p, false);
	return NULL;
}

/* --- staging -------------------------------------------------------------------------------------
 */

static void stage(
	struct tx *x, struct tunnel_peer *p, const uint8_t *packet, size_t len, uint8_t tos)
{
	unsigned dropped = staging_add(x->t->staging, &p->staged, packet, len, tos);

	if (dropped)
		tunnel_count(x->t, TUNNEL_DROP_QUEUE_FULL, dropped);
}

static void flush_staged(struct tx *x, struct tunnel_peer *p)
{
	struct keypair *k;
	uint8_t tos = 0;
	size_t len;

	touch(x, p);
	while (p->staged.n && (k = sending_keypair(x, p, 1))) {
		len = staging_take(x->t->staging, &p->staged, x->staged, &tos);
		seal(x, p, k, x->staged, len, tos);
	}
}

/* --- what others wish ----------------------------------------------------------------------------
 */

static void grant(struct tx *x, struct tunnel_peer *p, unsigned wishes)
{
	uint8_t nothing[WG_PADDING];
	struct keypair *k;

	if (wishes & TX_DROP_STAGED) {
		tunnel_count(
			x->t, TUNNEL_DROP_NO_SESSION, staging_drop_all(x->t->staging, &p->staged));
	}
	touch(x, p);
	if (p->staged.n && wishes & (TX_FLUSH | TX_KEEPALIVE)) {
		flush_staged(x, p);
	} else if (wishes & TX_KEEPALIVE) {
		k = sending_keypair(x, p, 1);
		if (k && p->tx_endpoint.remote.sa.sa_family != AF_UNSPEC)
			seal(x, p, k, nothing, 0, 0);
	}
}

static bool grant_wishes(struct tx *x)
{
	struct tunnel *t = x->t;
	bool any = false;

	for (;;) {
		struct tunnel_peer *p = NULL;
		unsigned wishes = 0;

		pthread_mutex_lock(&t->tx_lock);
		if (!list_is_empty(&t->tx_wishes)) {
			p = container_of(t->tx_wishes.next, struct tunnel_peer, in_tx);
			list_remove(&p->in_tx);
			wishes = p->wants;
			p->wants = 0;
		}
		pthread_mutex_unlock(&t->tx_lock);
		if (!p)
			return any;
		grant(x, p, wishes);
		any = true;
	}
}

/* --- packets from the TUN ------------------------------------------------------------------------
 */

static struct tunnel_peer *peer_for(struct tx *x, const uint8_t *packet, size_t len)
{
	uint8_t version = packet[0] >> 4;
	size_t at = version == 4 ? 16 : 24, n = version == 4 ? 4 : 16;
	struct cryptokey_owner *o;

	if (version == x->last_version && !memcmp(x->last_dst, packet + at, n))
		return x->last_peer;
	o = version == 4 ? cryptokey_lookup4(x->t->table, packet + at)
			 : cryptokey_lookup6(x->t->table, packet + at);
	x->last_version = version;
	memcpy(x->last_dst, packet + at, n);
	x->last_peer = o ? container_of(o, struct tunnel_peer, owner) : NULL;
	return x->last_peer;
}

static uint8_t inner_tos(const uint8_t *packet)
{
	return packet[0] >> 4 == 4 ? packet[1] : (uint8_t)(packet[0] << 4 | packet[1] >> 4);
}

static bool is_whole(const uint8_t *packet, size_t len)
{
	return len >= 1 &&
	       ((packet[0] >> 4 == 4 && len >= 20) || (packet[0] >> 4 == 6 && len >= 40));
}

static void send_segments(struct tx *x, struct tunnel_peer *p, struct gso *g, uint8_t tos)
{
	struct keypair *k = p->staged.n ? NULL : sending_keypair(x, p, g->n_segments);
	uint8_t *segment;
	size_t len;

	if (k && x->is_helped && g->n_segments > 1 && seal_in_line(x, p, k, g, tos))
		return;
	while ((segment = gso_next(g, &len))) {
		if (k)
			seal(x, p, k, segment, len, tos);
		else
			stage(x, p, segment, len, tos);
	}
	if (!k)
		flush_staged(x, p);
}

/* A packet with its vnet header (if has_vnet) of n bytes in all. */
static void take_packet(struct tx *x, size_t n)
{
	static const struct virtio_net_hdr plain;
	size_t head = x->t->tun.has_vnet ? sizeof(plain) : 0;
	struct virtio_net_hdr vnet = plain;
	uint8_t *packet = x->buffer + head;
	struct tunnel_peer *p;
	struct gso g;

	if (n < head || !is_whole(packet, n - head)) {
		tunnel_count(x->t, TUNNEL_DROP_MALFORMED, 1);
		return;
	}
	memcpy(&vnet, x->buffer, head);
	p = peer_for(x, packet, n - head);
	if (!p) {
		tunnel_count(x->t, TUNNEL_DROP_NO_PEER, 1);
		icmp_unreachable(x->t, packet, n - head, ICMP_NO_PEER, x->now);
		return;
	}
	touch(x, p);
	if (p->tx_endpoint.remote.sa.sa_family == AF_UNSPEC) {
		tunnel_count(x->t, TUNNEL_DROP_NO_ENDPOINT, 1);
		icmp_unreachable(x->t, packet, n - head, ICMP_NO_ENDPOINT, x->now);
		return;
	}
	if (!gso_start(&g, &vnet, packet, n - head)) {
		tunnel_count(x->t, TUNNEL_DROP_MALFORMED, 1);
		return;
	}
	send_segments(x, p, &g, outer_tos(inner_tos(packet)));
	if (x->used >= FLUSH_AT)
		flush(x);
}

/* Where to read next: a full line makes room first. */
static void choose_buffer(struct tx *x)
{
	x->buffer = x->room;
	if (!x->is_helped)
		return;
	while (advance_line(x, false))
		;
	if (!seal_line_buffer(x->line))
		advance_line(x, true);
	x->buffer = seal_line_buffer(x->line);
}

/* 0: empty; 1: some; -1: the interface is gone or down. */
static int read_round(struct tx *x)
{
	int any = 0;

	for (unsigned i = 0; i < READS_PER_ROUND; i++) {
		ssize_t n;

		choose_buffer(x);
		n = read(x->t->tun.fd, x->buffer, TUN_READ_MAX - WG_PADDING);
		if (n > 0) {
			any = 1;
			if (atomic_load_explicit(&x->t->running, memory_order_relaxed))
				take_packet(x, (size_t)n);
			continue;
		}
		/* While the line moves on, more may come. */
		if (n < 0 && (errno == EINTR || (errno == EAGAIN && advance_line(x, true))))
			continue;
		return n < 0 && errno != EAGAIN ? -1 : any;
	}
	return any;
}

/* Between two rounds. */
static void ask_for_help(struct tx *x)
{
	x->is_helped = duty_wants_help(x->duty, x->bytes, x->now) && workers_start(x->t->workers);
	x->bytes = 0;
	if (x->is_helped && !x->line)
		x->line = seal_line_new(x->t->aead, workers_lane(x->t->workers, LANE_TX));
	x->is_helped = x->is_helped && x->line;
}

/* After a few yields: what others are about to write arrives without a sleep and a wake-up. */
static void wait_for_work(struct tx *x, bool tun_is_gone)
{
	struct pollfd fds[] = {{x->t->tx_wake, POLLIN, 0}, {x->t->tun.fd, POLLIN, 0}};
	uint64_t count;

	x->t->aead->forget(x->aead);
	qsbr_sleep(x->t->qsbr, x->worker);
	poll(fds, tun_is_gone ? 1 : 2, tun_is_gone ? 100 : -1);
	if (fds[0].revents)
		while (read(x->t->tx_wake, &count, sizeof(count)) < 0 && errno == EINTR)
			;
	qsbr_wake(x->t->qsbr, x->worker);
}

void *tx_run(void *tunnel)
{
	struct tx *x = aligned_alloc(64, (sizeof(*x) + 63) / 64 * 64);
	unsigned yields = 0;

	memset(x, 0, sizeof(*x));
	x->t = tunnel;
	x->batch = 1;
	x->arena = malloc(ARENA_LEN);
	x->staged = malloc(STAGING_MAX_PACKET + WG_PADDING);
	x->aead = x->t->aead->thread_new(x->t->aead);
	x->duty = duty_new(x->t->n_workers);
	x->worker = qsbr_register(x->t->qsbr);
	qsbr_wake(x->t->qsbr, x->worker);
	while (!atomic_load_explicit(&x->t->stopping, memory_order_acquire)) {
		int got;

		x->now = tunnel_now();
		ask_for_help(x);
		got = grant_wishes(x);
		got |= read_round(x);
		settle(x);
		qsbr_quiescent(x->t->qsbr, x->worker);
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
	qsbr_unregister(x->t->qsbr, x->worker);
	x->t->aead->thread_free(x->aead);
	duty_free(x->duty);
	seal_line_free(x->line);
	free(x->arena);
	free(x->staged);
	free(x);
	return NULL;
}

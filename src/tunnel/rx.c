/* SPDX-License-Identifier: MIT */
/*
 * UDP to TUN, in one thread with the AEAD inline: one recvmmsg, every datagram opened in place in
 * the receive buffers, then everything merged across all its messages and written. The order of
 * checks is that of the paper (section 5.4.6) and of Linux: session, age and count, tag, replay
 * window, and only then endpoint, confirmation, timers, and the source address against the
 * cryptokey table.
 *
 * With help (duty.h), a batch's datagrams are opened by workers, in chunks, while this thread
 * receives the next batch into other buffers; it is completed, in order, when the next one is on
 * its way. Now and then all is completed, so that this thread can say that it holds nothing.
 */
#include "tunnel/duty.h"
#include "tunnel/gro.h"
#include "tunnel/internal.h"
#include "tunnel/workers.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_OPS 256	/* of a batch */
#define OPS_AT_ONCE 128 /* alone: what fits the cache */
#define CHUNK 16	/* what a worker takes */
#define MAX_TOUCHED 256
#define COMPLETE_EVERY 16 /* rounds */

struct arrival {
	struct keypair *keypair;
	const struct udp_in *in;
	uint64_t counter;
	uint8_t *plain;
	size_t len;
};

struct chunk {
	struct work work;
	const struct aead_backend *backend;
	struct aead_op *ops;
	size_t n;
};

/* What came with one recvmmsg. */
struct batch {
	struct udp_receiver *receiver; /* holds the packets */
	struct aead_op ops[MAX_OPS];
	struct arrival arrivals[MAX_OPS];
	size_t n_ops;
	bool is_shared; /* its chunks are in the lane */
	struct chunk chunks[MAX_OPS / CHUNK];
};

struct rx {
	struct tunnel *t;
	struct aead_thread *aead;
	unsigned worker;
	struct gro *gro;
	struct batch batches[2]; /* the second with help only */
	struct batch *filling;
	struct batch *pending; /* shared, to be completed; or NULL */
	struct duty *duty;
	bool is_helped;
	unsigned n_rounds;     /* after every so many all is completed */
	uint64_t n_by_workers; /* in this batch */
	uint64_t bytes;	       /* since duty was asked */
	struct tunnel_peer *touched[MAX_TOUCHED];
	size_t n_touched;
	uint64_t batch;
	uint32_t last_index;
	struct keypair *last_keypair; /* of last_index, in this batch */
	/* The last source looked up in this batch; last_version 0: none. */
	uint8_t last_version;
	uint8_t last_src[16];
	const struct cryptokey_owner *last_owner;
	uint64_t n_delivered; /* in this batch */
	bool is_active[2];    /* the sockets of IPv4 and IPv6: worth asking */
	instant now;
};

static uint32_t get_le32(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return le32toh(v);
}

static uint64_t get_le64(const uint8_t *at)
{
	uint64_t v;

	memcpy(&v, at, sizeof(v));
	return le64toh(v);
}

/* --- peers of a batch ----------------------------------------------------------------------------
 */

static bool needs_rekey(const struct rx *x, struct tunnel_peer *p)
{
	struct keypair *k = atomic_load_explicit(&p->current, memory_order_acquire);
	bool needs;

	if (!k)
		return false;
	pthread_mutex_lock(&p->lock);
	needs = timers_should_rekey_on_receive(&p->timers, k->born, k->is_initiator, x->now);
	if (needs)
		p->timers.sent_lastminute_handshake = true;
	pthread_mutex_unlock(&p->lock);
	return needs;
}

static void settle_peer(struct rx *x, struct tunnel_peer *p)
{
	if (!p->rx_got_any)
		return;
	pthread_mutex_lock(&p->lock);
	timers_any_authenticated_received(&p->timers);
	timers_any_authenticated_traversal(&p->timers, x->now);
	if (p->rx_got_data)
		timers_data_received(&p->timers, x->now);
	peer_rearm(p);
	pthread_mutex_unlock(&p->lock);
	p->rx_got_any = p->rx_got_data = false;
	atomic_fetch_add_explicit(&p->rx_bytes, p->rx_batch_bytes, memory_order_relaxed);
	p->rx_batch_bytes = 0;
	if (needs_rekey(x, p))
		peer_want_initiation(p, false);
}

static long write_tun(const struct iovec *iov, int n, void *data)
{
	struct rx *x = data;
	ssize_t done;

	if (!x->t->tun.has_vnet) {
		iov++;
		n--;
	}
	do {
		done = writev(x->t->tun.fd, iov, n);
	} while (done < 0 && errno == EINTR);
	if (done >= 0)
		return done;
	done = -errno;
	if (!gro_is_refused(n, done))
		tunnel_count(x->t, TUNNEL_DROP_TUN_WRITE, 1);
	return done;
}

/* A kernel that promised to take merged packets and doesn't. */
static void write_out(struct rx *x)
{
	unsigned ended = gro_flush(x->gro, write_tun, x);

	if (ended & GRO_TCP)
		tunnel_log(x->t, "the kernel refuses merged TCP segments on the TUN; going on "
				 "without merging them");
	if (ended & GRO_UDP)
		tunnel_log(x->t, "the kernel refuses merged UDP datagrams on the TUN; going on "
				 "without merging them");
}

static void settle(struct rx *x)
{
	write_out(x);
	for (size_t i = 0; i < x->n_touched; i++)
		settle_peer(x, x->touched[i]);
	if (x->n_delivered)
		tunnel_count(x->t, TUNNEL_RX_PACKETS, x->n_delivered);
	if (x->n_by_workers)
		tunnel_count(x->t, TUNNEL_RX_BY_WORKERS, x->n_by_workers);
	x->n_delivered = x->n_by_workers = 0;
	x->n_touched = 0;
	x->last_keypair = NULL;
	x->last_version = 0;
	x->batch++;
}

static void touch(struct rx *x, struct tunnel_peer *p)
{
	if (p->rx_batch == x->batch)
		return;
	if (x->n_touched == MAX_TOUCHED)
		settle(x);
	p->rx_batch = x->batch;
	x->touched[x->n_touched++] = p;
}

/* Any authenticated packet moves the endpoint; mostly it is where it was. */
static void roam(struct tunnel_peer *p, const struct udp_endpoint *from)
{
	uint32_t epoch = atomic_load_explicit(&p->endpoint_epoch, memory_order_acquire);

	if (epoch == p->rx_epoch && udp_endpoint_eq(&p->rx_endpoint, from))
		return;
	if (peer_roam(p, from))
		sources_ask(p);
	p->rx_endpoint = *from;
	p->rx_epoch = atomic_load_explicit(&p->endpoint_epoch, memory_order_acquire);
}

/* --- opened packets ------------------------------------------------------------------------------
 */

/* RFC 6040 section 4.2: congestion outside is congestion inside, if the inner transport knows of
 * it. */
static void decapsulate_ecn(uint8_t *packet, uint8_t outer)
{
	if ((outer & 3) != 3)
		return;
	if (packet[0] >> 4 == 6) {
		if (packet[1] & 0x30)
			packet[1] |= 0x30;
	} else if (packet[1] & 3 && (packet[1] & 3) != 3) {
		/* The checksum changes with the word (RFC 1624, equation 3). */
		uint16_t old_word = (uint16_t)(packet[0] << 8 | packet[1]);
		uint16_t new_word = old_word | 3;
		uint32_t sum = (uint16_t) ~(packet[10] << 8 | packet[11]);

		sum += (uint16_t)~old_word + (uint32_t)new_word;
		sum = (sum & 0xffff) + (sum >> 16);
		sum = (sum & 0xffff) + (sum >> 16);
		packet[1] |= 3;
		packet[10] = (uint8_t)(~sum >> 8);
		packet[11] = (uint8_t)~sum;
	}
}

/* The length that the IP header states, 0 if that can't be. */
static size_t inner_len(const uint8_t *packet, size_t len)
{
	size_t stated;

	if (packet[0] >> 4 == 4 && len >= 20)
		stated = (size_t)(packet[2] << 8 | packet[3]);
	else if (packet[0] >> 4 == 6 && len >= 40)
		stated = 40 + (size_t)(packet[4] << 8 | packet[5]);
	else
		return 0;
	return stated <= len && stated >= (packet[0] >> 4 == 4 ? 20 : 40) ? stated : 0;
}

static const struct cryptokey_owner *owner_of_source(struct rx *x, const uint8_t *packet)
{
	uint8_t version = packet[0] >> 4;
	const uint8_t *src = packet + (version == 4 ? 12 : 8);
	size_t n = version == 4 ? 4 : 16;

	if (version == x->last_version && !memcmp(x->last_src, src, n))
		return x->last_owner;
	x->last_owner = version == 4 ? cryptokey_lookup4(x->t->table, src)
				     : cryptokey_lookup6(x->t->table, src);
	x->last_version = version;
	memcpy(x->last_src, src, n);
	return x->last_owner;
}

static void deliver(struct rx *x, struct tunnel_peer *p, const struct arrival *a)
{
	size_t len = inner_len(a->plain, a->len);

	if (!len) {
		tunnel_count(x->t, TUNNEL_DROP_MALFORMED, 1);
		return;
	}
	if (owner_of_source(x, a->plain) != &p->owner) {
		tunnel_count(x->t, TUNNEL_DROP_SOURCE_NOT_ALLOWED, 1);
		return;
	}
	decapsulate_ecn(a->plain, a->in->tos);
	x->n_delivered++;
	if (!gro_add(x->gro, a->plain, len)) {
		write_out(x);
		gro_add(x->gro, a->plain, len);
	}
}

static void opened(struct rx *x, const struct arrival *a)
{
	struct keypair *k = a->keypair;
	struct tunnel_peer *p = k->peer;

	if (!replay_accept(&k->replay, a->counter)) {
		tunnel_count(x->t, TUNNEL_DROP_REPLAY, 1);
		return;
	}
	touch(x, p);
	roam(p, &a->in->from);
	if (peer_confirm_keypair(p, k, x->now))
		peer_wish(p, TX_FLUSH);
	p->rx_got_any = true;
	p->rx_batch_bytes += a->len + WG_DATA_OVERHEAD;
	if (!a->len) {
		peer_tell(p, "Receiving keepalive packet");
		return;
	}
	p->rx_got_data = true;
	deliver(x, p, a);
}

static void open_chunk(struct work *w, struct aead_thread *aead)
{
	struct chunk *c = container_of(w, struct chunk, work);

	c->backend->open(aead, c->ops, c->n);
}

static void share(struct rx *x, struct batch *b)
{
	struct lane *lane = workers_lane(x->t->workers, LANE_RX);

	b->is_shared = true;
	for (size_t at = 0; at < b->n_ops; at += CHUNK) {
		struct chunk *c = &b->chunks[at / CHUNK];

		c->work.run = open_chunk;
		c->backend = x->t->aead;
		c->ops = b->ops + at;
		c->n = b->n_ops - at < CHUNK ? b->n_ops - at : CHUNK;
		lane_submit(lane, &c->work);
	}
}

/* The chunk at this place, once it is opened. */
static void await_chunk(struct rx *x, struct chunk *c)
{
	lane_finish(workers_lane(x->t->workers, LANE_RX), &c->work, x->aead);
	if (c->work.was_by_worker)
		x->n_by_workers += c->n;
}

/* All packets of the batch are opened, here if they weren't shared, and go their ways. */
static void complete(struct rx *x, struct batch *b)
{
	if (b->n_ops && !b->is_shared)
		x->t->aead->open(x->aead, b->ops, b->n_ops);
	for (size_t i = 0; i < b->n_ops; i++) {
		if (b->is_shared && i % CHUNK == 0)
			await_chunk(x, &b->chunks[i / CHUNK]);
		if (b->ops[i].ok)
			opened(x, &b->arrivals[i]);
		else
			tunnel_count(x->t, TUNNEL_DROP_BAD_TAG, 1);
	}
	b->n_ops = 0;
	b->is_shared = false;
}

static void complete_pending(struct rx *x)
{
	if (x->pending) {
		complete(x, x->pending);
		settle(x);
	}
	x->pending = NULL;
}

/* Room for more in the batch that is being filled: what came before it goes first. */
static void make_room(struct rx *x)
{
	complete_pending(x);
	if (x->is_helped)
		share(x, x->filling);
	complete(x, x->filling);
}

/* --- datagrams -----------------------------------------------------------------------------------
 */

static struct keypair *keypair_of(struct rx *x, uint32_t index)
{
	struct keypair *k;

	if (x->last_keypair && x->last_index == index)
		return x->last_keypair;
	k = index_lookup(x->t->indices, index);
	if (!k || k->kind != REF_KEYPAIR)
		return NULL;
	x->last_index = index;
	x->last_keypair = k;
	return k;
}

static void take_data(struct rx *x, const struct udp_in *in, uint8_t *data, size_t len)
{
	struct keypair *k = keypair_of(x, get_le32(data + 4));
	uint64_t counter = get_le64(data + 8);
	uint8_t *body = data + WG_DATA_HEADER_LEN;
	size_t plain = len - WG_DATA_OVERHEAD;
	struct batch *b = x->filling;

	if (!k || instant_diff(x->now, k->born) >= WG_REJECT_AFTER_TIME) {
		tunnel_count(x->t, k ? TUNNEL_DROP_NO_SESSION : TUNNEL_DROP_UNKNOWN_INDEX, 1);
		return;
	}
	if (b->n_ops == (x->is_helped ? MAX_OPS : OPS_AT_ONCE))
		make_room(x);
	b->ops[b->n_ops] = (struct aead_op){&k->receive, counter, body, body, plain, false};
	b->arrivals[b->n_ops++] = (struct arrival){k, in, counter, body, plain};
}

static void take_datagram(struct rx *x, const struct udp_in *in, uint8_t *data, size_t len)
{
	uint32_t type = len >= 4 ? get_le32(data) : 0;

	if (type == WG_DATA && len >= WG_DATA_OVERHEAD)
		take_data(x, in, data, len);
	else if ((type == WG_INITIATION && len == WG_INITIATION_LEN) ||
		 (type == WG_RESPONSE && len == WG_RESPONSE_LEN) ||
		 (type == WG_COOKIE_REPLY && len == WG_COOKIE_REPLY_LEN))
		handshake_enqueue(x->t, in, data, len, x->now);
	else
		tunnel_count(x->t, TUNNEL_DROP_MALFORMED, 1);
}

static void take_message(struct rx *x, const struct udp_in *in)
{
	size_t step = in->segment ? in->segment : in->len;

	if (!in->len) /* empty, or truncated */
		tunnel_count(x->t, TUNNEL_DROP_MALFORMED, 1);
	for (size_t at = 0; at < in->len; at += step)
		take_datagram(x, in, in->data + at, in->len - at < step ? in->len - at : step);
}

static bool receive_round(struct rx *x, int family)
{
	const struct udp_in *in;
	size_t n;

	if (udp_fd(x->t->udp, family) < 0)
		return false;
	n = udp_receive(x->t->udp, family, x->filling->receiver, &in);
	for (size_t i = 0; i < n; i++) {
		x->bytes += in[i].len;
		take_message(x, &in[i]);
	}
	if (!n)
		return false;
	if (!x->is_helped) {
		complete(x, x->filling);
		/* Before the buffers are used again. */
		settle(x);
		return true;
	}
	share(x, x->filling);
	complete_pending(x);
	x->pending = x->filling;
	x->filling = x->filling == x->batches ? x->batches + 1 : x->batches;
	return true;
}

/* While nothing is pending. */
static void ask_for_help(struct rx *x)
{
	x->is_helped = duty_wants_help(x->duty, x->bytes, x->now) && workers_start(x->t->workers);
	x->bytes = 0;
	for (unsigned i = 0; i < 2 && x->is_helped; i++) {
		if (!x->batches[i].receiver)
			x->batches[i].receiver = udp_receiver_new();
		x->is_helped = x->batches[i].receiver;
	}
	if (!x->is_helped)
		x->filling = x->batches;
}

/*
 * A socket that is empty while the other has something isn't asked again until poll says so, or
 * until enough rounds have passed.
 */
static bool receive_active(struct rx *x)
{
	bool got[2] = {false, false};

	if (x->batch % 32 == 0)
		x->is_active[0] = x->is_active[1] = true;
	for (unsigned i = 0; i < 2; i++)
		got[i] = x->is_active[i] && receive_round(x, i ? AF_INET6 : AF_INET);
	if (got[0] || got[1])
		memcpy(x->is_active, got, sizeof(got));
	return got[0] || got[1];
}

static void wait_for_work(struct rx *x)
{
	struct pollfd fds[] = {{x->t->rx_wake, POLLIN, 0}, {udp_fd(x->t->udp, AF_INET), POLLIN, 0},
		{udp_fd(x->t->udp, AF_INET6), POLLIN, 0}};
	uint64_t count;

	x->t->aead->forget(x->aead);
	qsbr_sleep(x->t->qsbr, x->worker);
	poll(fds, 3, -1);
	x->is_active[0] = fds[1].revents;
	x->is_active[1] = fds[2].revents;
	if (fds[0].revents)
		while (read(x->t->rx_wake, &count, sizeof(count)) < 0 && errno == EINTR)
			;
	qsbr_wake(x->t->qsbr, x->worker);
}

/*
 * Whoever binds or closes the sockets must be alone with them: rx is stopped between two rounds,
 * out of poll, and goes on with the new ones.
 */
void rx_pause(struct tunnel *t)
{
	atomic_store_explicit(&t->rx_pausing, true, memory_order_release);
	tunnel_wake(t->rx_wake);
	pthread_mutex_lock(&t->rx_round);
}

void rx_resume(struct tunnel *t)
{
	atomic_store_explicit(&t->rx_pausing, false, memory_order_release);
	pthread_mutex_unlock(&t->rx_round);
}

static void let_pause(struct tunnel *t)
{
	if (!atomic_load_explicit(&t->rx_pausing, memory_order_acquire))
		return;
	pthread_mutex_unlock(&t->rx_round);
	/* A mutex isn't fair: wait until the other has it. */
	while (atomic_load_explicit(&t->rx_pausing, memory_order_acquire))
		sched_yield();
	pthread_mutex_lock(&t->rx_round);
}

void *rx_run(void *tunnel)
{
	struct rx *x = calloc(1, sizeof(*x));
	unsigned yields = 0;

	x->t = tunnel;
	x->batch = 1;
	x->filling = x->batches;
	x->filling->receiver = udp_receiver_new();
	x->duty = duty_new(x->t->n_workers);
	x->gro = gro_new(x->t->tun.takes_tso, x->t->tun.takes_uso);
	x->aead = x->t->aead->thread_new(x->t->aead);
	x->worker = qsbr_register(x->t->qsbr);
	qsbr_wake(x->t->qsbr, x->worker);
	pthread_mutex_lock(&x->t->rx_round);
	while (!atomic_load_explicit(&x->t->stopping, memory_order_acquire)) {
		bool got;

		let_pause(x->t);
		x->now = tunnel_now();
		if (!x->pending)
			ask_for_help(x);
		got = receive_active(x);
		if (!got || ++x->n_rounds % COMPLETE_EVERY == 0)
			complete_pending(x);
		if (!x->pending)
			qsbr_quiescent(x->t->qsbr, x->worker);
		if (got) {
			yields = 0;
		} else if (yields < TUNNEL_YIELDS) {
			sched_yield();
			yields++;
		} else {
			wait_for_work(x);
			yields = 0;
		}
	}
	complete_pending(x);
	pthread_mutex_unlock(&x->t->rx_round);
	qsbr_sleep(x->t->qsbr, x->worker);
	qsbr_unregister(x->t->qsbr, x->worker);
	x->t->aead->thread_free(x->aead);
	gro_free(x->gro);
	for (unsigned i = 0; i < 2; i++)
		udp_receiver_free(x->batches[i].receiver);
	duty_free(x->duty);
	free(x);
	return NULL;
}

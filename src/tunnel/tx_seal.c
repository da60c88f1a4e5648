/* SPDX-License-Identifier: MIT */
#include "tunnel/tx_seal.h"

#include "base/mem.h"
#include "tunnel/device.h"
#include "tunnel/handshake_queue.h"
#include "tunnel/peer.h"
#include "tunnel/seal.h"

#include <netinet/in.h>
#include <stdlib.h>

void tx_seal_init(struct tx_sealer *s, struct tunnel *t, struct aead_thread *aead)
{
	s->t = t;
	s->aead = aead;
	s->round = 1;
	s->staged = mem_alloc(STAGING_MAX_PACKET + WG_PADDING);
	tx_send_init(&s->out, t, aead);
}

void tx_seal_done(struct tx_sealer *s)
{
	tx_send_done(&s->out);
	free(s->staged);
}

/* --- a round's peers -----------------------------------------------------------------------------
 */

static bool needs_rekey(const struct tx_sealer *s, struct tunnel_peer *p)
{
	struct keypair *k = atomic_load_explicit(&p->current, memory_order_acquire);

	return k && timers_should_rekey_on_send(k->born, k->is_initiator,
			    atomic_load_explicit(&k->counter, memory_order_relaxed), s->now);
}

static void settle_peer(struct tx_sealer *s, struct tunnel_peer *p)
{
	if (!p->tx.sent_any)
		return;
	pthread_mutex_lock(&p->lock);
	if (p->tx.sent_data)
		timers_data_sent(&p->timers, s->now, peer_jitter());
	timers_any_authenticated_sent(&p->timers);
	timers_any_authenticated_traversal(&p->timers, s->now);
	peer_rearm(p);
	pthread_mutex_unlock(&p->lock);
	p->tx.sent_data = p->tx.sent_any = false;
	atomic_fetch_add_explicit(&p->tx_bytes, p->tx.sent_bytes, memory_order_relaxed);
	p->tx.sent_bytes = 0;
	if (needs_rekey(s, p))
		handshake_request(p, false);
}

void tx_seal_settle(struct tx_sealer *s)
{
	tx_send_empty_line(&s->out);
	tx_send_flush(&s->out);
	for (size_t i = 0; i < s->n_touched; i++)
		settle_peer(s, s->touched[i]);
	if (s->n_sealed)
		tunnel_count(s->t, TUNNEL_TX_PACKETS, s->n_sealed);
	if (s->out.n_by_workers)
		tunnel_count(s->t, TUNNEL_TX_BY_WORKERS, s->out.n_by_workers);
	s->n_sealed = s->out.n_by_workers = 0;
	s->n_touched = 0;
	s->round++;
}

static void touch(struct tx_sealer *s, struct tunnel_peer *p)
{
	if (s->n_touched == TX_MAX_TOUCHED)
		tx_seal_settle(s);
	p->tx.round = s->round;
	s->touched[s->n_touched++] = p;
	if (atomic_load_explicit(&p->endpoint_epoch, memory_order_acquire) !=
		p->tx.endpoint_epoch) {
		pthread_mutex_lock(&p->lock);
		p->tx.endpoint = p->endpoint;
		p->tx.endpoint_epoch =
			atomic_load_explicit(&p->endpoint_epoch, memory_order_relaxed);
		pthread_mutex_unlock(&p->lock);
	}
}

bool tx_seal_begin(struct tx_sealer *s, struct tunnel_peer *p)
{
	if (p->tx.round != s->round)
		touch(s, p);
	return p->tx.endpoint.remote.sa.sa_family != AF_UNSPEC;
}

/* n packets of so many bytes on the wire were sealed, or will be. */
static void account(
	struct tx_sealer *s, struct tunnel_peer *p, size_t n, size_t bytes, bool is_data)
{
	p->tx.sent_any = true;
	p->tx.sent_data |= is_data;
	p->tx.sent_bytes += bytes;
	s->bytes += bytes;
	s->n_sealed += n;
}

/* --- sealing -------------------------------------------------------------------------------------
 */

/* len bytes at packet, with room for 15 more behind them, which are put back. */
static void seal(struct tx_sealer *s, struct tunnel_peer *p, struct keypair *k, uint8_t *packet,
	size_t len, uint8_t tos)
{
	size_t padded =
		seal_padded_len(len, atomic_load_explicit(&s->t->mtu, memory_order_relaxed));
	uint64_t counter = atomic_load_explicit(&k->counter, memory_order_relaxed);
	uint8_t *at;

	if (s->out.line)
		tx_send_empty_line(&s->out);
	atomic_store_explicit(&k->counter, counter + 1, memory_order_relaxed);
	at = tx_send_place(&s->out, &p->tx.endpoint, k, padded + WG_DATA_OVERHEAD, tos);
	seal_packet(s->t->aead, s->aead, k, counter, packet, len, padded, at);
	account(s, p, 1, padded + WG_DATA_OVERHEAD, len > 0);
}

/* A superpacket in the line's buffer, into the line; false: it has to be sealed here. */
static bool seal_in_line(
	struct tx_sealer *s, struct tunnel_peer *p, struct keypair *k, struct gso *g, uint8_t tos)
{
	uint64_t counter = atomic_load_explicit(&k->counter, memory_order_relaxed);
	struct seal_order order = {g, k, counter,
		atomic_load_explicit(&s->t->mtu, memory_order_relaxed), &p->tx.endpoint, tos};
	size_t bytes = seal_line_put(s->out.line, &order);

	if (!bytes)
		return false;
	atomic_store_explicit(&k->counter, counter + g->n_segments, memory_order_relaxed);
	account(s, p, g->n_segments, bytes, true);
	return true;
}

/* The keypair to send n packets with, or NULL: then an initiation was asked for. */
static struct keypair *sending_keypair(struct tx_sealer *s, struct tunnel_peer *p, size_t n)
{
	struct keypair *k = atomic_load_explicit(&p->current, memory_order_acquire);

	if (k && atomic_load_explicit(&k->may_send, memory_order_relaxed) &&
		instant_diff(s->now, k->born) < WG_REJECT_AFTER_TIME &&
		atomic_load_explicit(&k->counter, memory_order_relaxed) <
			WG_REJECT_AFTER_MESSAGES - n)
		return k;
	handshake_request(p, false);
	return NULL;
}

static void stage(
	struct tx_sealer *s, struct tunnel_peer *p, const uint8_t *packet, size_t len, uint8_t tos)
{
	unsigned dropped = staging_add(s->t->staging, &p->tx.staged, packet, len, tos);

	if (dropped)
		tunnel_count(s->t, TUNNEL_DROP_QUEUE_FULL, dropped);
}

void tx_seal_staged(struct tx_sealer *s, struct tunnel_peer *p)
{
	struct keypair *k;
	uint8_t tos = 0;
	size_t len;

	while (p->tx.staged.n && (k = sending_keypair(s, p, 1))) {
		len = staging_take(s->t->staging, &p->tx.staged, s->staged, &tos);
		seal(s, p, k, s->staged, len, tos);
	}
}

static void cut(struct tx_sealer *s, struct tunnel_peer *p, struct gso *g, uint8_t tos)
{
	struct keypair *k = p->tx.staged.n ? NULL : sending_keypair(s, p, g->n_segments);
	uint8_t *segment;
	size_t len;

	if (k && s->is_helped && g->n_segments > 1 && seal_in_line(s, p, k, g, tos))
		return;
	while ((segment = gso_next(g, &len))) {
		if (k)
			seal(s, p, k, segment, len, tos);
		else
			stage(s, p, segment, len, tos);
	}
	if (!k)
		tx_seal_staged(s, p);
}

void tx_seal_packet(struct tx_sealer *s, struct tunnel_peer *p, struct gso *g, uint8_t tos)
{
	cut(s, p, g, tos);
	if (s->out.used >= TX_FLUSH_AT)
		tx_send_flush(&s->out);
}

void tx_seal_keepalive(struct tx_sealer *s, struct tunnel_peer *p)
{
	uint8_t nothing[WG_PADDING];
	struct keypair *k = sending_keypair(s, p, 1);

	if (k)
		seal(s, p, k, nothing, 0, 0);
}

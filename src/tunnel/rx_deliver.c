/* SPDX-License-Identifier: MIT */
#include "tunnel/rx_deliver.h"

#include "tunnel/device.h"
#include "tunnel/gro.h"
#include "tunnel/groups.h"
#include "tunnel/inner.h"
#include "tunnel/peer.h"
#include "wg/flow.h"
#include "wg/relay_memory.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

void rx_deliver_init(struct rx_deliverer *d, struct tunnel *t)
{
	d->t = t;
	d->round = 1;
	d->gro = gro_new(t->tun.takes_tso, t->tun.takes_uso);
}

void rx_deliver_done(struct rx_deliverer *d)
{
	gro_free(d->gro);
}

/* --- out by the TUN ------------------------------------------------------------------------------
 */

static long write_tun(const struct iovec *iov, int n, void *data)
{
	struct rx_deliverer *d = data;
	ssize_t done;

	if (!d->t->tun.has_vnet) {
		iov++;
		n--;
	}
	do {
		done = writev(d->t->tun.fd, iov, n);
	} while (done < 0 && errno == EINTR);
	if (done >= 0)
		return done;
	done = -errno;
	if (!gro_is_refused(n, done))
		tunnel_count(d->t, TUNNEL_DROP_TUN_WRITE, 1);
	return done;
}

/* A kernel that promised to take merged packets and doesn't. */
static void write_out(struct rx_deliverer *d)
{
	unsigned ended = gro_flush(d->gro, write_tun, d);

	if (ended & GRO_TCP)
		tunnel_log(d->t, "the kernel refuses merged TCP segments on the TUN; going on "
				 "without merging them");
	if (ended & GRO_UDP)
		tunnel_log(d->t, "the kernel refuses merged UDP datagrams on the TUN; going on "
				 "without merging them");
}

/* --- a round's peers -----------------------------------------------------------------------------
 */

static bool needs_rekey(const struct rx_deliverer *d, struct tunnel_peer *p)
{
	struct keypair *k = atomic_load_explicit(&p->current, memory_order_acquire);
	bool needs;

	if (!k)
		return false;
	pthread_mutex_lock(&p->lock);
	needs = timers_should_rekey_on_receive(&p->timers, k->born, k->is_initiator, d->now);
	if (needs)
		p->timers.sent_lastminute_handshake = true;
	pthread_mutex_unlock(&p->lock);
	return needs;
}

static void settle_peer(struct rx_deliverer *d, struct tunnel_peer *p)
{
	if (!p->rx.got_any)
		return;
	pthread_mutex_lock(&p->lock);
	timers_any_authenticated_received(&p->timers);
	timers_any_authenticated_traversal(&p->timers, d->now);
	if (p->rx.got_data)
		timers_data_received(&p->timers, d->now);
	peer_rearm(p);
	pthread_mutex_unlock(&p->lock);
	p->rx.got_any = p->rx.got_data = false;
	atomic_fetch_add_explicit(&p->rx_bytes, p->rx.got_bytes, memory_order_relaxed);
	p->rx.got_bytes = 0;
	if (needs_rekey(d, p))
		handshake_request(p, false);
}

void rx_deliver_settle(struct rx_deliverer *d)
{
	write_out(d);
	for (size_t i = 0; i < d->n_touched; i++)
		settle_peer(d, d->touched[i]);
	if (d->n_delivered)
		tunnel_count(d->t, TUNNEL_RX_PACKETS, d->n_delivered);
	d->n_delivered = 0;
	d->n_touched = 0;
	d->last_version = 0;
	d->round++;
}

static void touch(struct rx_deliverer *d, struct tunnel_peer *p)
{
	if (p->rx.round == d->round)
		return;
	if (d->n_touched == RX_MAX_TOUCHED)
		rx_deliver_settle(d);
	p->rx.round = d->round;
	d->touched[d->n_touched++] = p;
}

/* Any authenticated packet moves the endpoint; mostly it is where it was. */
static void roam(struct tunnel_peer *p, const struct udp_endpoint *from)
{
	uint32_t epoch = atomic_load_explicit(&p->endpoint_epoch, memory_order_acquire);

	if (epoch == p->rx.endpoint_epoch && udp_endpoint_eq(&p->rx.endpoint, from))
		return;
	if (peer_roam(p, from))
		sources_ask(p);
	p->rx.endpoint = *from;
	p->rx.endpoint_epoch = atomic_load_explicit(&p->endpoint_epoch, memory_order_acquire);
}

/* --- opened packets ------------------------------------------------------------------------------
 */

/* A link-local source is the one of whom it is, if the device knows him, whatever prefixes say. */
static enum cryptokey_verdict verdict_on(
	const struct rx_deliverer *d, const struct tunnel_peer *p, const uint8_t *packet)
{
	const struct groups *g = atomic_load_explicit(&d->t->groups, memory_order_acquire);

	if (g && flow_is_from_link_local(packet)) {
		const struct tunnel_peer *whose = groups_find(g, packet + 8);

		if (whose)
			return whose == p ? CRYPTOKEY_ACCEPT : CRYPTOKEY_REFUSE;
	}
	return cryptokey_accept(d->t->table, packet, &p->owner);
}

/* May this peer have sent a packet from there? */
static enum cryptokey_verdict judge_source(
	struct rx_deliverer *d, const struct tunnel_peer *p, const uint8_t *packet)
{
	uint8_t version = inner_version(packet);
	const uint8_t *src = inner_src(packet);

	if (version == d->last_version && p == d->last_from &&
		!memcmp(d->last_src, src, inner_addr_len(version)))
		return d->last_verdict;
	d->last_verdict = verdict_on(d, p, packet);
	d->last_version = version;
	d->last_from = p;
	memcpy(d->last_src, src, inner_addr_len(version));
	return d->last_verdict;
}

static bool is_accepted(enum cryptokey_verdict v)
{
	return v == CRYPTOKEY_ACCEPT || v == CRYPTOKEY_ACCEPT_RELAY;
}

/* For tx, if the host sends it on. */
static void remember(struct rx_deliverer *d, const struct tunnel_peer *p, const uint8_t *packet,
	enum cryptokey_verdict v)
{
	struct relay_memory *m = atomic_load_explicit(&d->t->relays, memory_order_acquire);

	if (m)
		relay_memory_note(m, packet, v == CRYPTOKEY_ACCEPT_RELAY ? p : NULL, d->now);
	m = atomic_load_explicit(&d->t->ingress, memory_order_acquire);
	if (m && flow_is_to_group(packet))
		relay_memory_note(m, packet, p, d->now);
}

static void deliver(struct rx_deliverer *d, struct tunnel_peer *p, const struct rx_arrival *a)
{
	size_t len = inner_len(a->plain, a->len);
	enum cryptokey_verdict v;

	if (!len) {
		tunnel_count(d->t, TUNNEL_DROP_MALFORMED, 1);
		return;
	}
	v = judge_source(d, p, a->plain);
	if (!is_accepted(v)) {
		tunnel_count(d->t, TUNNEL_DROP_SOURCE_NOT_ALLOWED, 1);
		return;
	}
	remember(d, p, a->plain, v);
	inner_take_congestion(a->plain, a->in->tos);
	d->n_delivered++;
	if (!gro_add(d->gro, a->plain, len)) {
		write_out(d);
		gro_add(d->gro, a->plain, len);
	}
}

void rx_deliver(struct rx_deliverer *d, const struct rx_arrival *a)
{
	struct keypair *k = a->keypair;
	struct tunnel_peer *p = k->peer;

	if (!replay_accept(&k->replay, a->counter)) {
		tunnel_count(d->t, TUNNEL_DROP_REPLAY, 1);
		return;
	}
	touch(d, p);
	roam(p, &a->in->from);
	if (peer_confirm_keypair(p, k, d->now))
		wishes_add(p, WISH_FLUSH);
	p->rx.got_any = true;
	p->rx.got_bytes += a->len + WG_DATA_OVERHEAD;
	if (!a->len) {
		peer_tell(p, "Receiving keepalive packet");
		return;
	}
	p->rx.got_data = true;
	deliver(d, p, a);
}

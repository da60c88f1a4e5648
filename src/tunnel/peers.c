/* SPDX-License-Identifier: MIT */
/*
 * Peers as configured. Removal is in two phases: first the peer is marked dead and taken out of
 * every table and list, so that no thread can find it anew; then it is retired, and freed once no
 * thread can still hold it.
 */
#include "tunnel/peers.h"

#include "base/map.h"
#include "base/secret.h"
#include "sys/clock.h"
#include "tunnel/device.h"
#include "tunnel/owners.h"
#include "tunnel/peer.h"
#include "tunnel/staging.h"
#include "wg/pool.h"

#include <errno.h>
#include <string.h>

#define KEYPAIRS_PER_PEER 4
#define KEYPAIRS_SPARE 64

struct tunnel_peer *tunnel_peer_find(struct tunnel *t, const wg_key *key)
{
	struct tunnel_peer *p;

	pthread_mutex_lock(&t->map_lock);
	p = map_get(t->by_key, key, sizeof(*key));
	pthread_mutex_unlock(&t->map_lock);
	return p;
}

/* Room for what n peers may need while packets flow: staged packets, and sessions: three a peer,
 * and those that still wait to be reclaimed. */
static int size_pools(struct tunnel *t, size_t n)
{
	if (staging_set_peers(t->staging, n) ||
		pool_set_size(t->keypairs, n * KEYPAIRS_PER_PEER + KEYPAIRS_SPARE))
		return -ENOMEM;
	clock_reserve(t->clock, n);
	return 0;
}

int tunnel_peer_add(struct tunnel *t, const wg_key *key, struct tunnel_peer **ret)
{
	struct tunnel_peer *p;

	if (t->identity.is_set && wg_key_eq(&t->identity.public_key, key))
		return -EINVAL;
	if (size_pools(t, t->n_peers + 1))
		return -ENOMEM;
	p = secret_alloc(sizeof(*p));
	if (!p)
		return -ENOMEM;
	peer_init(p, t, key);
	list_append(&t->peers, &p->in_order);
	t->n_peers++;
	pthread_mutex_lock(&t->map_lock);
	map_put(t->by_key, &p->handshake.noise.remote_static,
		sizeof(p->handshake.noise.remote_static), p);
	pthread_mutex_unlock(&t->map_lock);
	peer_tell(p, "Created");
	*ret = p;
	return 0;
}

static void free_peer(void *peer)
{
	peer_done(peer);
	secret_free(peer, sizeof(struct tunnel_peer));
}

static void unhang(struct tunnel *t, struct tunnel_peer *p)
{
	pthread_mutex_lock(&p->lock);
	atomic_store_explicit(&p->dead, true, memory_order_release);
	timers_stop(&p->timers);
	peer_drop_keypairs(p);
	pthread_mutex_unlock(&p->lock);
	handshake_abandon(p);
	handshake_forget(p);
	sources_forget(p);
	wishes_forget(p);
	clock_forget(t->clock, &p->clock);
}

void tunnel_peer_remove(struct tunnel *t, struct tunnel_peer *p)
{
	list_remove(&p->in_order);
	t->n_peers--;
	owners_forget_link_local(t, p);
	groups_leave(t, p);
	pthread_mutex_lock(&t->map_lock);
	map_remove(t->by_key, &p->handshake.noise.remote_static,
		sizeof(p->handshake.noise.remote_static));
	cryptokey_remove_owner(t->table, &p->owner);
	pthread_mutex_unlock(&t->map_lock);
	owners_note_left(t);
	unhang(t, p);
	peer_tell(p, "Removed");
	/* A handshake that was under way may have hung something on it until it saw the mark. */
	handshake_abandon(p);
	pthread_mutex_lock(&t->map_lock);
	qsbr_retire(t->qsbr, p, free_peer);
	pthread_mutex_unlock(&t->map_lock);
	size_pools(t, t->n_peers);
	clock_wake(t->clock);
}

void tunnel_remove_all_peers(struct tunnel *t)
{
	while (!list_is_empty(&t->peers))
		tunnel_peer_remove(t, container_of(t->peers.next, struct tunnel_peer, in_order));
}

void tunnel_peer_set_psk(struct tunnel *t, struct tunnel_peer *p, const wg_key *psk)
{
	pthread_mutex_lock(&p->handshake.lock);
	noise_peer_set_psk(&p->handshake.noise, psk);
	pthread_mutex_unlock(&p->handshake.lock);
}

void tunnel_peer_set_endpoint(struct tunnel *t, struct tunnel_peer *p, const sock_addr *endpoint)
{
	bool may_begin;

	pthread_mutex_lock(&p->lock);
	/* The keepalives of an interval that was there before had nowhere to go. */
	may_begin = t->is_up && p->timers.persistent_interval_ns &&
		    p->endpoint.remote.sa.sa_family == AF_UNSPEC;
	p->endpoint = (struct udp_endpoint){.remote = *endpoint};
	p->refused = (struct udp_endpoint){0};
	atomic_fetch_add_explicit(&p->endpoint_epoch, 1, memory_order_release);
	pthread_mutex_unlock(&p->lock);
	if (may_begin)
		wishes_add(p, WISH_KEEPALIVE);
}

void tunnel_peer_set_keepalive(struct tunnel *t, struct tunnel_peer *p, uint16_t seconds)
{
	bool send;

	pthread_mutex_lock(&p->lock);
	send = timers_set_persistent(&p->timers, seconds, sys_now()) && t->is_up;
	peer_rearm(p);
	pthread_mutex_unlock(&p->lock);
	if (send)
		wishes_add(p, WISH_KEEPALIVE);
}

int tunnel_peer_allow(struct tunnel *t, struct tunnel_peer *p, const ip_prefix *prefix)
{
	int err;

	pthread_mutex_lock(&t->map_lock);
	err = cryptokey_insert(t->table, prefix, &p->owner);
	pthread_mutex_unlock(&t->map_lock);
	return err;
}

void tunnel_peer_disallow(struct tunnel *t, struct tunnel_peer *p, const ip_prefix *prefix)
{
	pthread_mutex_lock(&t->map_lock);
	cryptokey_remove(t->table, prefix, &p->owner);
	pthread_mutex_unlock(&t->map_lock);
}

size_t tunnel_peer_remove_some(struct tunnel *t, struct tunnel_peer *p, size_t max)
{
	size_t n;

	pthread_mutex_lock(&t->map_lock);
	n = cryptokey_remove_some(t->table, &p->owner, max);
	pthread_mutex_unlock(&t->map_lock);
	return n;
}

void tunnel_peer_disallow_all(struct tunnel *t, struct tunnel_peer *p)
{
	pthread_mutex_lock(&t->map_lock);
	cryptokey_replace_begin(&p->owner);
	pthread_mutex_unlock(&t->map_lock);
}

size_t tunnel_peer_configure_some(struct tunnel *t, struct tunnel_peer *p, size_t max)
{
	size_t n;

	pthread_mutex_lock(&t->map_lock);
	n = cryptokey_replace_some(t->table, &p->owner, max);
	pthread_mutex_unlock(&t->map_lock);
	return n;
}

void tunnel_peer_configured(struct tunnel *t, struct tunnel_peer *p)
{
	bool is_replaced;

	pthread_mutex_lock(&t->map_lock);
	is_replaced = p->owner.is_replacing;
	cryptokey_replace_end(t->table, &p->owner);
	pthread_mutex_unlock(&t->map_lock);
	if (is_replaced)
		owners_note_left(t);
	owners_note_peer(p);
	if (t->is_up)
		wishes_add(p, WISH_FLUSH);
}

size_t tunnel_n_peers(const struct tunnel *t)
{
	return t->n_peers;
}

struct tunnel_peer *tunnel_peer_next(struct tunnel *t, struct tunnel_peer *prev)
{
	struct list *next = prev ? prev->in_order.next : t->peers.next;

	return next == &t->peers ? NULL : container_of(next, struct tunnel_peer, in_order);
}

const wg_key *tunnel_peer_key(const struct tunnel_peer *p)
{
	return &p->handshake.noise.remote_static;
}

void tunnel_peer_get(struct tunnel *t, struct tunnel_peer *p, struct tunnel_peer_info *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->public_key = p->handshake.noise.remote_static;
	pthread_mutex_lock(&p->handshake.lock);
	ret->psk = p->handshake.noise.psk;
	pthread_mutex_unlock(&p->handshake.lock);
	pthread_mutex_lock(&p->lock);
	ret->endpoint = p->endpoint.remote;
	ret->keepalive = (uint16_t)(p->timers.persistent_interval_ns / NS_PER_S);
	ret->last_handshake = p->last_handshake;
	pthread_mutex_unlock(&p->lock);
	ret->level = atomic_load_explicit(&p->owner.level, memory_order_relaxed);
	ret->answers = atomic_load_explicit(&p->owner.answers, memory_order_relaxed);
	ret->has_multicast = atomic_load_explicit(&p->owner.multicast, memory_order_relaxed);
	ret->link_local = p->link_local;
	ret->rx_bytes = atomic_load_explicit(&p->rx_bytes, memory_order_relaxed);
	ret->tx_bytes = atomic_load_explicit(&p->tx_bytes, memory_order_relaxed);
}

size_t tunnel_peer_allowed(
	const struct tunnel_peer *p, const struct list **at, ip_prefix *ret, size_t max)
{
	return cryptokey_list(&p->owner.own, at, ret, max);
}

/* --- all of them ---------------------------------------------------------------------------------
 */

void peers_start(struct tunnel *t)
{
	list_for_each (at, &t->peers) {
		struct tunnel_peer *p = container_of(at, struct tunnel_peer, in_order);
		bool persistent;

		pthread_mutex_lock(&p->lock);
		persistent = p->timers.persistent_interval_ns != 0;
		pthread_mutex_unlock(&p->lock);
		wishes_add(p, persistent ? WISH_KEEPALIVE | WISH_FLUSH : WISH_FLUSH);
	}
}

void peers_stop(struct tunnel *t)
{
	list_for_each (at, &t->peers) {
		struct tunnel_peer *p = container_of(at, struct tunnel_peer, in_order);

		pthread_mutex_lock(&p->lock);
		timers_stop(&p->timers);
		p->timers.last_handshake_sent = (instant){0};
		peer_rearm(p);
		peer_drop_keypairs(p);
		pthread_mutex_unlock(&p->lock);
		handshake_abandon(p);
		handshake_forget(p);
		wishes_add(p, WISH_DROP_STAGED);
	}
}

void peers_forget_sources(struct tunnel *t)
{
	list_for_each (at, &t->peers) {
		struct tunnel_peer *p = container_of(at, struct tunnel_peer, in_order);

		pthread_mutex_lock(&p->lock);
		peer_forget_source(p);
		p->refused = (struct udp_endpoint){0};
		pthread_mutex_unlock(&p->lock);
	}
}

static void expire(struct keypair *k)
{
	if (k)
		atomic_store_explicit(&k->may_send, false, memory_order_relaxed);
}

void peers_expire_sending(struct tunnel *t)
{
	list_for_each (at, &t->peers) {
		struct tunnel_peer *p = container_of(at, struct tunnel_peer, in_order);

		handshake_abandon(p);
		pthread_mutex_lock(&p->lock);
		p->timers.last_handshake_sent = (instant){0};
		expire(atomic_load_explicit(&p->current, memory_order_relaxed));
		expire(atomic_load_explicit(&p->next, memory_order_relaxed));
		expire(atomic_load_explicit(&p->previous, memory_order_relaxed));
		pthread_mutex_unlock(&p->lock);
	}
}

/* SPDX-License-Identifier: MIT */
#include "tunnel/handshake.h"

#include "base/map.h"
#include "sys/clock.h"
#include "sys/process.h"
#include "sys/wake.h"
#include "tunnel/device.h"
#include "tunnel/handshake_queue.h"
#include "tunnel/packet.h"
#include "tunnel/peer.h"
#include "tunnel/sockets.h"
#include "tunnel/sources.h"
#include "tunnel/wishes.h"
#include "wg/index.h"
#include "wg/pool.h"

#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <sodium.h>
#include <string.h>
#include <time.h>

#define SUSPECTS_AT_ONCE 32
#define HANDSHAKE_TOS 0x88

/* --- sending -------------------------------------------------------------------------------------
 */

static void send_message(
	struct tunnel *t, const struct udp_endpoint *to, const void *message, size_t len)
{
	struct udp_out out = {*to, message, len, len, HANDSHAKE_TOS};

	if (to->remote.sa.sa_family == AF_UNSPEC)
		return;
	sockets_send(t->sockets, &out, 1);
}

static struct udp_endpoint endpoint_of(struct tunnel_peer *p)
{
	struct udp_endpoint e;

	pthread_mutex_lock(&p->lock);
	e = p->endpoint;
	pthread_mutex_unlock(&p->lock);
	return e;
}

/* With noise_lock held: the index of the handshake under way is given up. */
static void drop_index(struct tunnel_peer *p)
{
	if (!p->handshake.index)
		return;
	pthread_mutex_lock(&p->tunnel->map_lock);
	index_remove(p->tunnel->indices, p->handshake.index);
	pthread_mutex_unlock(&p->tunnel->map_lock);
	p->handshake.index = 0;
}

static uint32_t fresh_index(struct tunnel_peer *p)
{
	drop_index(p);
	pthread_mutex_lock(&p->tunnel->map_lock);
	p->handshake.index = index_allocate(p->tunnel->indices, &p->handshake.ref);
	pthread_mutex_unlock(&p->tunnel->map_lock);
	return p->handshake.index;
}

void handshake_abandon(struct tunnel_peer *p)
{
	pthread_mutex_lock(&p->handshake.lock);
	drop_index(p);
	noise_handshake_clear(&p->handshake.noise);
	pthread_mutex_unlock(&p->handshake.lock);
}

static void make_timestamp(uint8_t ret[static WG_TIMESTAMP_LEN])
{
	struct timespec wall;

	clock_gettime(CLOCK_REALTIME, &wall);
	noise_timestamp(wall.tv_sec, (uint32_t)wall.tv_nsec, ret);
}

/* True if one may be sent now; the event is noted then. Whoever asks anew, even in vain, gives the
 * peer all its tries again. */
static bool may_initiate(struct tunnel_peer *p, bool is_retry, instant now)
{
	bool may;

	pthread_mutex_lock(&p->lock);
	if (!is_retry)
		p->timers.handshake_attempts = 0;
	may = !p->dead && p->endpoint.remote.sa.sa_family != AF_UNSPEC &&
	      timers_may_initiate(&p->timers, now);
	if (may) {
		timers_handshake_initiated(&p->timers, now, peer_jitter());
		timers_any_authenticated_traversal(&p->timers, now);
		timers_any_authenticated_sent(&p->timers);
		peer_rearm(p);
	}
	pthread_mutex_unlock(&p->lock);
	return may;
}

static void initiate(struct tunnel_peer *p, bool is_retry, instant now)
{
	struct tunnel *t = p->tunnel;
	uint8_t timestamp[WG_TIMESTAMP_LEN];
	struct wg_initiation m;
	struct udp_endpoint to;
	wg_key ephemeral;
	int err;

	if (!atomic_load_explicit(&t->running, memory_order_acquire) ||
		!may_initiate(p, is_retry, now))
		return;
	make_timestamp(timestamp);
	randombytes_buf(&ephemeral, sizeof(ephemeral));
	pthread_rwlock_rdlock(&t->identity_lock);
	pthread_mutex_lock(&p->handshake.lock);
	err = noise_create_initiation(
		&t->identity, &p->handshake.noise, &ephemeral, timestamp, fresh_index(p), &m);
	if (err)
		drop_index(p);
	else
		cookie_add_macs(&p->handshake.cookie_maker, &m, sizeof(m), now);
	pthread_mutex_unlock(&p->handshake.lock);
	pthread_rwlock_unlock(&t->identity_lock);
	wg_key_wipe(&ephemeral);
	if (err)
		return;
	to = endpoint_of(p);
	peer_tell(p, "Sending handshake initiation");
	send_message(t, &to, &m, sizeof(m));
	atomic_fetch_add_explicit(&p->tx_bytes, sizeof(m), memory_order_relaxed);
}

/* --- sessions ------------------------------------------------------------------------------------
 */

/* With noise_lock held and a finished handshake; the handshake's index becomes the session's. */
static struct keypair *begin_session(struct tunnel_peer *p, instant now)
{
	struct keypair *k = keypair_new(p);
	struct noise_session s;

	if (!k || noise_begin_session(&p->handshake.noise, &s)) {
		if (k)
			pool_give(k->pool, k);
		return NULL;
	}
	memcpy(k->send.bytes, s.send.bytes, sizeof(k->send.bytes));
	memcpy(k->receive.bytes, s.receive.bytes, sizeof(k->receive.bytes));
	k->local_index = s.local_index;
	k->remote_index = s.remote_index;
	k->is_initiator = s.is_initiator;
	k->born = now;
	atomic_store_explicit(&k->may_send, true, memory_order_relaxed);
	sodium_memzero(&s, sizeof(s));
	p->handshake.index = 0;
	return k;
}

/* Takes over k; false if the peer was removed meanwhile. */
static bool install(struct tunnel_peer *p, struct keypair *k, instant now)
{
	struct tunnel *t = p->tunnel;
	bool alive;

	pthread_mutex_lock(&p->lock);
	alive = !p->dead;
	if (alive) {
		pthread_mutex_lock(&t->map_lock);
		index_replace(t->indices, k->local_index, k);
		pthread_mutex_unlock(&t->map_lock);
		peer_install_keypair(p, k);
		timers_session_derived(&p->timers, now);
		if (k->is_initiator) {
			timers_handshake_complete(&p->timers);
			clock_gettime(CLOCK_REALTIME, &p->last_handshake);
		}
		timers_any_authenticated_traversal(&p->timers, now);
		peer_rearm(p);
	}
	pthread_mutex_unlock(&p->lock);
	if (!alive)
		keypair_retire(t, k);
	return alive;
}

/* --- receiving -----------------------------------------------------------------------------------
 */

static struct noise_peer *lookup(const wg_key *key, void *tunnel)
{
	struct tunnel *t = tunnel;
	struct tunnel_peer *p;

	pthread_mutex_lock(&t->map_lock);
	p = map_get(t->by_key, key, sizeof(*key));
	pthread_mutex_unlock(&t->map_lock);
	if (!p)
		return NULL;
	pthread_mutex_lock(&p->handshake.lock);
	return &p->handshake.noise;
}

static void take_initiation(struct tunnel *t, const struct queued *e, instant now)
{
	struct wg_initiation m;
	struct wg_response reply;
	struct noise_peer *noise = NULL;
	struct udp_endpoint from;
	struct tunnel_peer *p;
	struct keypair *k = NULL;
	wg_key ephemeral;
	int err;

	memcpy(&m, e->message, sizeof(m));
	randombytes_buf(&ephemeral, sizeof(ephemeral));
	err = noise_consume_initiation(&t->identity, &m, lookup, t, now, &noise);
	p = noise ? container_of(noise, struct tunnel_peer, handshake.noise) : NULL;
	if (!err)
		err = noise_create_response(
			&t->identity, noise, &ephemeral, fresh_index(p), &reply);
	if (!err) {
		cookie_add_macs(&p->handshake.cookie_maker, &reply, sizeof(reply), now);
		k = begin_session(p, now);
	}
	if (p)
		pthread_mutex_unlock(&p->handshake.lock);
	wg_key_wipe(&ephemeral);
	if (err == -EEXIST) {
		tunnel_count(t, TUNNEL_DROP_TIMESTAMP, 1);
		peer_tell(p,
			"Received initiation with a timestamp that isn't newer: a replay, or its "
			"clock went back");
		return;
	}
	if (err || !k) {
		tunnel_refuse(t, TUNNEL_DROP_HANDSHAKE, "Received invalid initiation message");
		return;
	}
	peer_tell(p, "Received handshake initiation");
	from = sources_check(p, &e->from);
	peer_roam(p, &from);
	if (!install(p, k, now))
		return;
	atomic_fetch_add_explicit(&p->rx_bytes, e->len, memory_order_relaxed);
	peer_tell(p, "Sending handshake response");
	send_message(t, &from, &reply, sizeof(reply));
	atomic_fetch_add_explicit(&p->tx_bytes, sizeof(reply), memory_order_relaxed);
	pthread_mutex_lock(&p->lock);
	timers_handshake_responded(&p->timers, now);
	timers_any_authenticated_received(&p->timers);
	timers_any_authenticated_sent(&p->timers);
	peer_rearm(p);
	pthread_mutex_unlock(&p->lock);
}

static struct tunnel_peer *peer_of_handshake(struct tunnel *t, const uint8_t *index)
{
	const struct handshake_ref *ref = index_lookup(t->indices, get_le32(index));

	return ref && ref->kind == REF_HANDSHAKE ? ref->peer : NULL;
}

static void take_response(struct tunnel *t, const struct queued *e, instant now)
{
	struct wg_response m;
	struct udp_endpoint from;
	struct tunnel_peer *p;
	struct keypair *k = NULL;

	memcpy(&m, e->message, sizeof(m));
	p = peer_of_handshake(t, m.receiver);
	if (p) {
		pthread_mutex_lock(&p->handshake.lock);
		if (!noise_consume_response(&t->identity, &p->handshake.noise, &m))
			k = begin_session(p, now);
		pthread_mutex_unlock(&p->handshake.lock);
	}
	if (!k) {
		tunnel_refuse(t, TUNNEL_DROP_HANDSHAKE, "Received invalid response message");
		return;
	}
	peer_tell(p, "Received handshake response");
	from = sources_check(p, &e->from);
	peer_roam(p, &from);
	pthread_mutex_lock(&p->lock);
	timers_any_authenticated_received(&p->timers);
	pthread_mutex_unlock(&p->lock);
	atomic_fetch_add_explicit(&p->rx_bytes, e->len, memory_order_relaxed);
	/* The first message confirms the session to the responder: what waits, or an empty one. */
	if (install(p, k, now))
		wishes_add(p, WISH_FLUSH | WISH_KEEPALIVE);
}

static void take_cookie_reply(struct tunnel *t, const struct queued *e, instant now)
{
	struct wg_cookie_reply m;
	const enum ref_kind *ref;
	struct tunnel_peer *p;

	memcpy(&m, e->message, sizeof(m));
	ref = index_lookup(t->indices, get_le32(m.receiver));
	if (!ref) {
		tunnel_refuse(t, TUNNEL_DROP_UNKNOWN_INDEX,
			"Received cookie reply for no handshake or session of ours");
		return;
	}
	p = *ref == REF_HANDSHAKE ? ((const struct handshake_ref *)ref)->peer
				  : ((const struct keypair *)ref)->peer;
	pthread_mutex_lock(&p->handshake.lock);
	if (cookie_consume_reply(&p->handshake.cookie_maker, &m, now))
		peer_tell(p, "Received cookie reply");
	else
		tunnel_refuse(t, TUNNEL_DROP_HANDSHAKE, "Received invalid cookie reply");
	pthread_mutex_unlock(&p->handshake.lock);
}

static void make_cookie(
	struct tunnel *t, const struct queued *e, instant now, struct wg_cookie_reply *ret)
{
	struct {
		uint8_t nonce[WG_COOKIE_NONCE_LEN], secret[WG_HASH_LEN];
	} fresh;

	randombytes_buf(&fresh, sizeof(fresh));
	cookie_create_reply(&t->checker, e->message, e->len, &e->from.remote,
		get_le32(e->message + 4), fresh.nonce, fresh.secret, now, ret);
	handshake_show_checker(t->handshakes, &t->checker);
	tunnel_tell(t, NULL, "Sending cookie reply");
	tunnel_count(t, TUNNEL_COOKIES_SENT, 1);
}

static void send_cookie(struct tunnel *t, const struct queued *e, instant now)
{
	struct wg_cookie_reply reply;

	make_cookie(t, e, now, &reply);
	send_message(t, &e->from, &reply, sizeof(reply));
}

/* One more for the same peer goes with those before it, as one message that the kernel cuts. */
static size_t add_reply(struct udp_out *out, size_t n, const struct udp_endpoint *to,
	const struct wg_cookie_reply *reply)
{
	if (n && udp_endpoint_eq(&out[n - 1].to, to)) {
		out[n - 1].len += sizeof(*reply);
		return n;
	}
	out[n] = (struct udp_out){
		*to, (const uint8_t *)reply, sizeof(*reply), sizeof(*reply), HANDSHAKE_TOS};
	return n + 1;
}

/* Many at once: whose address somebody forges is one of them. True if there were any. */
static bool answer_suspects(struct tunnel *t, instant now)
{
	struct wg_cookie_reply replies[SUSPECTS_AT_ONCE];
	struct queued suspects[SUSPECTS_AT_ONCE];
	struct udp_out out[SUSPECTS_AT_ONCE];
	size_t n = handshake_take_suspects(t->handshakes, suspects, SUSPECTS_AT_ONCE);
	size_t n_replies = 0, n_out = 0;

	pthread_rwlock_rdlock(&t->identity_lock);
	for (size_t i = 0; i < n; i++) {
		const struct queued *e = &suspects[i];

		if (!t->identity.is_set ||
			cookie_check(&t->checker, e->message, e->len, &e->from.remote, false,
				now) == COOKIE_BAD_MAC1) {
			tunnel_count(t, TUNNEL_DROP_HANDSHAKE, 1);
			continue;
		}
		make_cookie(t, e, now, &replies[n_replies]);
		n_out = add_reply(out, n_out, &e->from, &replies[n_replies++]);
	}
	pthread_rwlock_unlock(&t->identity_lock);
	if (n_out)
		sockets_send(t->sockets, out, n_out);
	return n;
}

/* True if the message may cost us a Diffie-Hellman. */
static bool passes_macs(struct tunnel *t, const struct queued *e, instant now)
{
	bool loaded = e->needs_cookie || handshake_is_under_load(t->handshakes, now);

	switch (cookie_check(&t->checker, e->message, e->len, &e->from.remote, loaded, now)) {
	case COOKIE_BAD_MAC1:
		tunnel_refuse(t, TUNNEL_DROP_HANDSHAKE, "Received packet with invalid mac1");
		return false;
	case COOKIE_MAC1_ONLY:
		if (!loaded || e->is_proven)
			return true;
		send_cookie(t, e, now);
		return false;
	default:
		if (!loaded || e->is_proven ||
			handshake_has_token(t->handshakes, &e->from.remote, now))
			return true;
		tunnel_count(t, TUNNEL_DROP_HANDSHAKE, 1);
		return false;
	}
}

static void take_message(struct tunnel *t, const struct queued *e, instant now)
{
	uint32_t type = get_le32(e->message);

	pthread_rwlock_rdlock(&t->identity_lock);
	if (!t->identity.is_set) {
		tunnel_count(t, TUNNEL_DROP_HANDSHAKE, 1);
	} else if (type == WG_COOKIE_REPLY) {
		take_cookie_reply(t, e, now);
	} else if (passes_macs(t, e, now)) {
		if (type == WG_INITIATION)
			take_initiation(t, e, now);
		else
			take_response(t, e, now);
	}
	pthread_rwlock_unlock(&t->identity_lock);
}

/* --- the thread ----------------------------------------------------------------------------------
 */

/* A wish, a source, some suspects and a message in turn, so that a flood of the one doesn't starve
 * the others. */
static bool work(struct tunnel *t)
{
	struct queued e;
	struct tunnel_peer *p;
	bool is_retry = false, any = false;
	instant now = sys_now();

	p = handshake_next_wish(t->handshakes, &is_retry);
	if (p) {
		initiate(p, is_retry, now);
		any = true;
	}
	any |= sources_work(t, now);
	any |= answer_suspects(t, now);
	if (handshake_dequeue(t->handshakes, &e)) {
		take_message(t, &e, now);
		any = true;
	}
	return any;
}

static void wait_for_work(struct tunnel *t)
{
	struct pollfd fds[] = {{handshake_queue_fd(t->handshakes), POLLIN, 0},
		{sources_fd(t->sources), POLLIN, 0}};
	instant at = sources_deadline(t->sources);
	int64_t ns = instant_diff(at, sys_now());
	struct timespec timeout = {ns > 0 ? ns / NS_PER_S : 0, ns > 0 ? ns % NS_PER_S : 0};

	ppoll(fds, 2, instant_is_never(at) ? NULL : &timeout, NULL);
	if (fds[0].revents)
		wake_clear(fds[0].fd);
	if (fds[1].revents)
		sources_note(t->sources);
}

void *handshake_run(void *tunnel)
{
	struct tunnel *t = tunnel;
	unsigned worker = qsbr_register(t->qsbr);

	process_drop_cap(CAP_SYS_NICE); /* of threads with rounds */
	qsbr_wake(t->qsbr, worker);
	while (!atomic_load_explicit(&t->stopping, memory_order_acquire)) {
		if (work(t)) {
			qsbr_quiescent(t->qsbr, worker);
			continue;
		}
		qsbr_sleep(t->qsbr, worker);
		wait_for_work(t);
		qsbr_wake(t->qsbr, worker);
	}
	qsbr_sleep(t->qsbr, worker);
	qsbr_unregister(t->qsbr, worker);
	return NULL;
}

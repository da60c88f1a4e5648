/* SPDX-License-Identifier: MIT */
#include "tunnel/tunnel.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/secret.h"
#include "tunnel/clock.h"
#include "tunnel/device.h"
#include "tunnel/duty.h"
#include "tunnel/handshake.h"
#include "tunnel/handshake_queue.h"
#include "tunnel/keypair.h"
#include "tunnel/owners.h"
#include "tunnel/peers.h"
#include "tunnel/rx.h"
#include "tunnel/sockets.h"
#include "tunnel/sources.h"
#include "tunnel/staging.h"
#include "tunnel/tx.h"
#include "tunnel/wishes.h"
#include "tunnel/workers.h"
#include "wg/cryptokey.h"
#include "wg/index.h"
#include "wg/pool.h"

#include <sodium.h>

#define STACK_OF_DH 4096 /* what a Diffie-Hellman may leave keys in */

static void init_locks(struct tunnel *t)
{
	pthread_mutex_init(&t->config_lock, NULL);
	pthread_mutex_init(&t->map_lock, NULL);
	pthread_rwlock_init(&t->identity_lock, NULL);
}

static void destroy_locks(struct tunnel *t)
{
	pthread_mutex_destroy(&t->config_lock);
	pthread_mutex_destroy(&t->map_lock);
	pthread_rwlock_destroy(&t->identity_lock);
}

static uint32_t random32(void *data)
{
	return randombytes_random();
}

static int start_threads(struct tunnel *t)
{
	static void *(*const bodies[])(void *) = {tx_run, rx_run, handshake_run, clock_run};

	_Static_assert(ARRAY_SIZE(bodies) == sizeof(t->threads) / sizeof(t->threads[0]), "");
	for (; t->n_threads < ARRAY_SIZE(bodies); t->n_threads++) {
		pthread_t *thread = &t->threads[t->n_threads];
		int err = pthread_create(thread, NULL, bodies[t->n_threads], t);

		if (err)
			return -err;
	}
	return 0;
}

static void end_threads(struct tunnel *t)
{
	if (!t->n_threads)
		return;
	atomic_store_explicit(&t->stopping, true, memory_order_release);
	wishes_wake(t->wishes);
	sockets_wake(t->sockets);
	clock_wake(t->clock);
	handshake_queue_wake(t->handshakes);
	for (unsigned i = 0; i < t->n_threads; i++)
		pthread_join(t->threads[i], NULL);
	t->n_threads = 0;
}

static bool make_parts(struct tunnel *t, int n_workers)
{
	int sources_err = sources_new(&t->sources);
	uint64_t seed;

	randombytes_buf(&seed, sizeof(seed));
	t->aead = aead_choose(NULL);
	t->n_workers = n_workers;
	t->workers = t->aead ? workers_new(t->aead, duty_threads(n_workers)) : NULL;
	t->sockets = sockets_new(t->log, t->log_data);
	t->clock = clock_new();
	t->wishes = wishes_new();
	t->handshakes = handshake_queue_new();
	t->staging = staging_new();
	t->keypairs = pool_new(sizeof(struct keypair), true);
	t->qsbr = qsbr_new();
	t->by_key = map_new();
	t->owners = map_new();
	t->by_link_local = map_new();
	t->indices = index_table_new(t->qsbr, random32, NULL);
	t->table = cryptokey_new(t->qsbr, seed);
	return !sources_err && t->workers && t->sockets && t->clock && t->wishes && t->handshakes &&
	       t->staging && t->keypairs && t->qsbr && t->owners && t->by_link_local &&
	       t->indices && t->table;
}

struct tunnel *tunnel_new(const struct tun *tun, int n_workers, udp_log_fn *log, void *data)
{
	struct tunnel *t = secret_alloc(sizeof(*t));

	if (!t)
		return NULL;
	t->tun = *tun;
	t->log = log;
	t->log_data = data;
	init_locks(t);
	list_init(&t->peers);
	atomic_store(&t->mtu, TUN_DEFAULT_MTU);
	if (!make_parts(t, n_workers) || start_threads(t)) {
		t->tun.fd = -1; /* still the caller's */
		tunnel_free(t);
		return NULL;
	}
	return t;
}

void tunnel_free(struct tunnel *t)
{
	if (!t)
		return;
	end_threads(t);
	workers_free(t->workers);
	tunnel_remove_all_peers(t);
	owners_free(t);
	cryptokey_free(t->table);
	index_table_free(t->indices);
	qsbr_free(t->qsbr);
	map_free(t->by_key);
	map_free(t->by_link_local);
	pool_free(t->keypairs);
	staging_free(t->staging);
	sources_free(t->sources);
	handshake_queue_free(t->handshakes);
	wishes_free(t->wishes);
	clock_free(t->clock);
	sockets_free(t->sockets);
	if (t->tun.fd >= 0)
		tun_close(&t->tun);
	noise_identity_done(&t->identity);
	destroy_locks(t);
	secret_free(t, sizeof(*t));
}

void tunnel_lock(struct tunnel *t)
{
	pthread_mutex_lock(&t->config_lock);
	t->n_changes++;
}

void tunnel_lock_to_read(struct tunnel *t)
{
	pthread_mutex_lock(&t->config_lock);
}

void tunnel_unlock(struct tunnel *t)
{
	pthread_mutex_unlock(&t->config_lock);
}

uint64_t tunnel_changes(const struct tunnel *t)
{
	return t->n_changes;
}

const char *tunnel_aead_name(const struct tunnel *t)
{
	return t->aead->name;
}

/* --- up and down ---------------------------------------------------------------------------------
 */

static int bind_sockets(struct tunnel *t, uint16_t *port)
{
	int err = sockets_bind(t->sockets, port, t->fwmark);

	if (!err)
		tunnel_tell(t, NULL, "UDP bind has been updated");
	return err;
}

int tunnel_up(struct tunnel *t)
{
	uint16_t port = t->listen_port;
	int err;

	if (t->is_up)
		return 0;
	err = bind_sockets(t, &port);
	if (err)
		return err;
	t->listen_port = port;
	t->is_up = true;
	atomic_store_explicit(&t->running, true, memory_order_release);
	peers_start(t);
	return 0;
}

void tunnel_down(struct tunnel *t)
{
	if (!t->is_up)
		return;
	t->is_up = false;
	atomic_store_explicit(&t->running, false, memory_order_release);
	sockets_unbind(t->sockets);
	peers_stop(t);
}

bool tunnel_is_up(struct tunnel *t)
{
	return t->is_up;
}

/* As many datagrams of full size as one UDP message can carry, of the wider outer family, and the
 * headers they share. */
static unsigned gso_max_size(unsigned mtu)
{
	unsigned datagram = mtu + WG_DATA_OVERHEAD;
	unsigned segments = datagram ? (UDP_MAX_PAYLOAD - 40) / datagram : 1;
	unsigned headers = 52; /* IPv4 and TCP with timestamps */

	if (segments > UDP_MAX_SEGMENTS)
		segments = UDP_MAX_SEGMENTS;
	if (segments < 1 || mtu <= headers)
		return 65536;
	return segments * (mtu - headers) + headers;
}

void tunnel_set_mtu(struct tunnel *t, unsigned mtu)
{
	unsigned size = gso_max_size(mtu);

	atomic_store_explicit(&t->mtu, mtu, memory_order_relaxed);
	if (size != t->gso_max_size && !tun_set_gso_max_size(&t->tun, size))
		t->gso_max_size = size;
}

/* --- the device's own settings -------------------------------------------------------------------
 */

int tunnel_set_listen_port(struct tunnel *t, uint16_t port)
{
	uint16_t got = port;
	int err;

	if (port && port == t->listen_port)
		return 0;
	if (!t->is_up) {
		t->listen_port = port;
		return 0;
	}
	err = bind_sockets(t, &got);
	if (err)
		return err;
	t->listen_port = got;
	peers_forget_sources(t);
	return 0;
}

int tunnel_set_fwmark(struct tunnel *t, uint32_t mark)
{
	int err = sockets_set_fwmark(t->sockets, mark);

	if (err)
		return err;
	t->fwmark = mark;
	peers_forget_sources(t);
	return 0;
}

int tunnel_set_private_key(struct tunnel *t, const wg_key *key)
{
	struct noise_identity new;
	struct tunnel_peer *self;

	/* Compared as it will be used, clamped. */
	noise_identity_set(&new, key);
	if (new.is_set == t->identity.is_set &&
		wg_key_eq(&new.private_key, &t->identity.private_key))
		goto out;
	self = new.is_set ? tunnel_peer_find(t, &new.public_key) : NULL;
	if (self)
		tunnel_peer_remove(t, self);
	pthread_rwlock_wrlock(&t->identity_lock);
	t->identity = new;
	if (new.is_set)
		cookie_checker_init(&t->checker, &new.public_key);
	pthread_rwlock_unlock(&t->identity_lock);
	peers_expire_sending(t);
out:
	noise_identity_done(&new);
	sodium_stackzero(STACK_OF_DH);
	return 0;
}

void tunnel_get(struct tunnel *t, struct tunnel_info *ret)
{
	ret->has_private_key = t->identity.is_set;
	ret->private_key = t->identity.private_key;
	ret->listen_port = t->listen_port;
	ret->fwmark = t->fwmark;
	ret->has_multicast = t->has_multicast;
}

/* --- counters ------------------------------------------------------------------------------------
 */

const char *tunnel_counter_name(enum tunnel_counter c)
{
	static const char *const names[TUNNEL_COUNTERS] = {
		[TUNNEL_TX_PACKETS] = "tx_packets",
		[TUNNEL_RX_PACKETS] = "rx_packets",
		[TUNNEL_TX_BY_WORKERS] = "tx_by_workers",
		[TUNNEL_RX_BY_WORKERS] = "rx_by_workers",
		[TUNNEL_DROP_NO_PEER] = "drop_no_peer",
		[TUNNEL_DROP_NO_ENDPOINT] = "drop_no_endpoint",
		[TUNNEL_DROP_RELAY_TO_RELAY] = "drop_relay_to_relay",
		[TUNNEL_DROP_NO_SESSION] = "drop_no_session",
		[TUNNEL_DROP_SOURCE_NOT_ALLOWED] = "drop_source_not_allowed",
		[TUNNEL_DROP_REPLAY] = "drop_replay",
		[TUNNEL_DROP_BAD_TAG] = "drop_bad_tag",
		[TUNNEL_DROP_QUEUE_FULL] = "drop_queue_full",
		[TUNNEL_DROP_MALFORMED] = "drop_malformed",
		[TUNNEL_DROP_UNKNOWN_INDEX] = "drop_unknown_index",
		[TUNNEL_DROP_HANDSHAKE] = "drop_handshake",
		[TUNNEL_DROP_TIMESTAMP] = "drop_timestamp",
		[TUNNEL_DROP_SEND_ERROR] = "drop_send_error",
		[TUNNEL_DROP_TUN_WRITE] = "drop_tun_write",
		[TUNNEL_DROP_TUN_QUEUE] = "drop_tun_queue",
		[TUNNEL_DROP_RECEIVE_QUEUE] = "drop_receive_queue",
		[TUNNEL_DROP_GROUP_RATE] = "drop_group_rate",
		[TUNNEL_GROUP_COPIES] = "group_copies",
		[TUNNEL_RELAYED_FORGOTTEN] = "relayed_forgotten",
		[TUNNEL_PEERS_LOST] = "peers_lost",
		[TUNNEL_COOKIES_SENT] = "cookies_sent",
	};

	return names[c];
}

uint64_t tunnel_counter(struct tunnel *t, enum tunnel_counter c)
{
	/* What the kernel counts for us. */
	if (c == TUNNEL_DROP_TUN_QUEUE)
		return tun_queue_drops(&t->tun);
	if (c == TUNNEL_DROP_RECEIVE_QUEUE)
		return sockets_receive_drops(t->sockets);
	if (c == TUNNEL_RELAYED_FORGOTTEN)
		return owners_relayed_forgotten(t);
	return atomic_load_explicit(&t->counters[c], memory_order_relaxed);
}

/* SPDX-License-Identifier: MIT */
/*
 * The device within. Threads and what each owns:
 *
 * - main: configuration (UAPI, netlink), everything behind tunnel_lock
 * - tx: TUN to UDP; nonces, staged packets, all data messages and keepalives that leave
 * - rx: UDP to TUN; replay windows, roaming; hands handshake messages on
 * - handshake: its queue of fixed size; noise, cookies, new keypairs; which sources may be used
 * - clock: the peers' timers
 * - workers, while a direction is busy and a core is not: AEAD for tx and rx, and nothing else
 *
 * tx, rx, handshake and clock are known to qsbr: what they find by a table (a peer by address, a
 * session by index) stays while they are awake; workers live on what tx and rx hold meanwhile.
 * Between the threads a peer's fields stand under one of its two locks, or are atomic, or belong to
 * one thread:
 *
 * - noise_lock: noise, cookie_maker, handshake index (handshake thread and configuration)
 * - lock: endpoint, timers, the writing of keypair slots (anybody, for some hundred nanoseconds)
 * - keypair slots are read by acquire, and replaced under lock, the old ones retired by qsbr
 *
 * Order: tunnel_lock, identity_lock, noise_lock, lock, then clock_lock, tx_lock or handshake_lock
 * (leaves).
 */
#ifndef SHUNT_TUNNEL_INTERNAL_H
#define SHUNT_TUNNEL_INTERNAL_H

#include "base/heap.h"
#include "base/map.h"
#include "tunnel/config.h"
#include "tunnel/events.h"
#include "tunnel/icmp.h"
#include "tunnel/sources.h"
#include "tunnel/staging.h"
#include "tunnel/tun.h"
#include "tunnel/udp.h"
#include "wg/aead.h"
#include "wg/cookie.h"
#include "wg/cryptokey.h"
#include "wg/index.h"
#include "wg/noise.h"
#include "wg/pool.h"
#include "wg/ratelimit.h"
#include "wg/replay.h"
#include "wg/timers.h"
#include <pthread.h>
#include <stdatomic.h>

/* How often tx and rx find nothing, and let others run, before they sleep: a wake-up costs more. */
#define TUNNEL_YIELDS 4

/* What a session index stands for; the first member of both. */
enum ref_kind { REF_HANDSHAKE, REF_KEYPAIR };

struct handshake_ref {
	enum ref_kind kind;
	struct tunnel_peer *peer;
};

struct keypair {
	enum ref_kind kind;
	struct tunnel_peer *peer;
	struct pool *pool; /* that it came from */
	struct aead_key send, receive;
	_Atomic uint64_t counter; /* next nonce; tx alone adds */
	_Atomic bool may_send;	  /* false once expired by a new private key */
	bool is_initiator;
	instant born;
	uint32_t local_index, remote_index;
	struct replay replay; /* rx alone */
};

/* Bits of tunnel_peer.wants: what tx shall do for a peer. */
enum tx_wish { TX_FLUSH = 1, TX_KEEPALIVE = 2, TX_DROP_STAGED = 4 };

struct tunnel_peer {
	struct cryptokey_owner owner;
	struct tunnel *tunnel;
	struct list in_order; /* of tunnel.peers; tunnel_lock */
	struct handshake_ref handshake_ref;

	pthread_mutex_t noise_lock;
	struct noise_peer noise;
	struct cookie_maker cookie_maker;
	uint32_t handshake_index; /* 0: none */

	pthread_mutex_t lock;
	struct udp_endpoint endpoint;
	struct timers timers;
	struct timespec last_handshake; /* wall clock */
	_Atomic bool dead;		/* removed: nothing new may be hung on it; set under lock */
	_Atomic(struct keypair *) current, previous, next;
	_Atomic uint32_t endpoint_epoch; /* changes with endpoint */
	struct udp_endpoint refused;	 /* whose source isn't learned (sources.h); lock */
	struct list in_sources;		 /* its list */

	struct heap_node timer; /* clock_lock */
	_Atomic int64_t armed_ns;

	struct list in_tx; /* tx_lock */
	unsigned wants;
	struct list in_handshake; /* handshake_lock */
	bool wants_initiation, initiation_is_retry;

	_Atomic uint64_t rx_bytes, tx_bytes;

	/* tx alone. */
	struct staging_queue staged;
	uint64_t tx_batch;
	bool tx_sent_data, tx_sent_any;
	uint64_t tx_batch_bytes;
	uint32_t tx_epoch;
	struct udp_endpoint tx_endpoint;

	/* rx alone. */
	uint64_t rx_batch;
	bool rx_got_data, rx_got_any;
	uint64_t rx_batch_bytes;
	uint32_t rx_epoch;
	struct udp_endpoint rx_endpoint;
};

struct tunnel {
	struct tun tun;
	struct udp *udp;
	pthread_mutex_t send_lock; /* of udp_send and binding */
	const struct aead_backend *aead;
	int n_workers; /* as asked for: a number or DUTY_AUTO */
	struct workers *workers;
	struct qsbr *qsbr;

	pthread_mutex_t config_lock; /* tunnel_lock */
	struct list peers;
	size_t n_peers;
	struct staging *staging;
	struct pool *keypairs;
	_Atomic uint16_t listen_port;
	_Atomic uint32_t fwmark;
	bool is_up;
	unsigned gso_max_size; /* of the interface, as we set it last; 0: not yet */

	pthread_mutex_t map_lock; /* by_key, indices and table are changed under it */
	struct map *by_key;
	struct index_table *indices;
	struct cryptokey_table *table;

	pthread_rwlock_t identity_lock;
	struct noise_identity identity;
	struct cookie_checker checker; /* handshake thread; remade under the write lock */

	_Atomic unsigned mtu;
	_Atomic bool running; /* up: packets flow */
	_Atomic bool stopping;
	udp_log_fn *log; /* may be NULL */
	void *log_data;
	_Atomic(tunnel_event_fn *) listener; /* events.c; NULL: none */
	void *listener_data;
	_Atomic uint64_t counters[TUNNEL_COUNTERS];
	struct icmp_limit icmp_limits[2]; /* by enum icmp_why; tx alone */

	pthread_mutex_t tx_lock;
	struct list tx_wishes;
	int tx_wake;

	pthread_mutex_t clock_lock;
	struct heap clock_heap;
	int clock_wake, clock_timer;

	struct handshake_queue *handshakes;
	struct sources *sources;
	int rx_wake;
	pthread_mutex_t rx_round; /* held by rx while it may use the sockets */
	_Atomic bool rx_pausing;

	pthread_t tx_thread, rx_thread, handshake_thread, clock_thread;
	unsigned n_threads; /* started, in this order */
};

static inline void tunnel_count(struct tunnel *t, enum tunnel_counter c, uint64_t n)
{
	atomic_fetch_add_explicit(&t->counters[c], n, memory_order_relaxed);
}

/* What the operator should know whatever the log's level; any thread. */
static inline void tunnel_log(struct tunnel *t, const char *line)
{
	if (t->log)
		t->log(line, t->log_data);
}

static inline void peer_tell(struct tunnel_peer *p, const char *what)
{
	tunnel_tell(p->tunnel, &p->noise.remote_static, what);
}

static inline void tunnel_refuse(struct tunnel *t, enum tunnel_counter c, const char *why)
{
	tunnel_count(t, c, 1);
	tunnel_tell(t, NULL, why);
}

/* CLOCK_BOOTTIME. */
instant tunnel_now(void);
void tunnel_random(void *bytes, size_t n);
void tunnel_wake(int eventfd);

/* peer.c */
/* Adds bits to what tx shall do for the peer and wakes it. Any thread. */
void peer_wish(struct tunnel_peer *p, unsigned wishes);
/* Asks the handshake thread for an initiation unless one was sent within REKEY_TIMEOUT. Any thread.
 */
void peer_want_initiation(struct tunnel_peer *p, bool is_retry);
/* After p->timers changed, with p->lock held: makes the clock thread look in time. */
void peer_rearm(struct tunnel_peer *p);
/* The endpoint was seen to be this one by an authenticated packet (rx and handshake threads); a
 * source that was refused isn't taken. True if the source is another one now. */
bool peer_roam(struct tunnel_peer *p, const struct udp_endpoint *from);
/* With p->lock held. */
void peer_forget_source(struct tunnel_peer *p);
/* With p->lock held: a new session; takes ownership of k. */
void peer_install_keypair(struct tunnel_peer *p, struct keypair *k);
/* rx: the first message on next: it becomes current. True if it was next. */
bool peer_confirm_keypair(struct tunnel_peer *p, struct keypair *k, instant now);
/* With p->lock held. */
void peer_drop_keypairs(struct tunnel_peer *p);
/* Zeroed, of this peer, after it was authenticated; NULL if too many wait to be reclaimed. */
struct keypair *keypair_new(struct tunnel_peer *p);
/* k, or NULL: takes its index away, and wipes and frees it once no thread can hold it. */
void keypair_retire(struct tunnel *t, struct keypair *k);
/* 0..WG_REKEY_TIMEOUT_JITTER */
int64_t peer_jitter(void);

/* The threads' bodies; data is the tunnel. */
void *tx_run(void *tunnel);
void *rx_run(void *tunnel);
void *handshake_run(void *tunnel);
void *clock_run(void *tunnel);

/* handshake_queue.c */
struct handshake_queue *handshake_queue_new(void);
void handshake_queue_free(struct handshake_queue *q);
/* rx: a message of type 1 to 3 with its right length; copied, or dropped and counted. */
void handshake_enqueue(
	struct tunnel *t, const struct udp_in *in, const uint8_t *message, size_t len, instant now);
void handshake_wake(struct tunnel *t);
/* An eventfd: something waits. */
int handshake_fd(const struct tunnel *t);
/* Hangs the peer on the list of those who want an initiation (peer.c). */
void handshake_request(struct tunnel_peer *p, bool is_retry);
/* Takes the peer off all lists of the handshake thread (removal). */
void handshake_forget(struct tunnel_peer *p);

/* handshake.c */
/* Gives up the handshake under way, wiping it. */
void handshake_abandon(struct tunnel_peer *p);

/* rx.c: between the two, rx touches no socket. Under tunnel_lock. */
void rx_pause(struct tunnel *t);
void rx_resume(struct tunnel *t);

/* icmp.c: answers a packet that can't be sent: no peer (EHOSTUNREACH) or no endpoint; writes to the
 * TUN. */
enum icmp_why { ICMP_NO_PEER, ICMP_NO_ENDPOINT };
void icmp_unreachable(
	struct tunnel *t, const uint8_t *packet, size_t len, enum icmp_why why, instant now);

#endif

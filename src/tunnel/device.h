/* SPDX-License-Identifier: MIT */
/*
 * A device within: what its threads share. Each thread has its own file, and keeps what is its own
 * to itself:
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
 *
 * Locks, in this order: tunnel_lock, identity_lock, a peer's noise_lock, a peer's lock, map_lock;
 * then leaves: those of the clock, of wishes, of the handshake queue, of sources, of sockets.
 */
#ifndef SHUNT_TUNNEL_DEVICE_H
#define SHUNT_TUNNEL_DEVICE_H

#include "base/list.h"
#include "tunnel/config.h"
#include "tunnel/events.h"
#include "tunnel/tun.h"
#include "tunnel/udp.h"
#include "wg/cookie.h"
#include "wg/noise.h"
#include "wg/qsbr.h"
#include <pthread.h>
#include <stdatomic.h>

/* How often tx and rx find nothing, and let others run, before they sleep: a wake-up costs more. */
#define TUNNEL_YIELDS 4

struct tunnel {
	/* Made with it and never changed; what they point to sees to its own locks. */
	struct tun tun; /* tx reads, rx writes */
	struct sockets *sockets;
	const struct aead_backend *aead;
	struct workers *workers;
	int n_workers; /* as asked for: a number or DUTY_AUTO */
	struct clock *clock;
	struct wishes *wishes;
	struct handshake_queue *handshakes;
	struct sources *sources;
	struct staging *staging;
	struct pool *keypairs;
	udp_log_fn *log; /* may be NULL */
	void *log_data;

	pthread_mutex_t config_lock; /* tunnel_lock: of the next twelve */
	uint64_t n_changes;	     /* times that it was taken to change something */
	struct list peers;	     /* tunnel_peer.in_order */
	size_t n_peers;
	struct map *owners;	   /* tunnel_owners by number */
	struct map *by_link_local; /* peers */
	size_t n_relay_sets;	   /* that have a relay in them */
	bool has_multicast;
	bool is_up;
	unsigned gso_max_size;	      /* of the interface, as we set it last; 0: not yet */
	_Atomic uint16_t listen_port; /* read by handshake */
	_Atomic uint32_t fwmark;      /* read by handshake */
	_Atomic unsigned mtu;	      /* read by tx */

	pthread_mutex_t map_lock; /* of changes to the next three, and of retiring */
	struct map *by_key;	  /* also of looking */
	struct index_table *indices;
	struct cryptokey_table *table;
	struct qsbr *qsbr;

	pthread_rwlock_t identity_lock; /* configuration writes */
	struct noise_identity identity;
	struct cookie_checker checker; /* handshake alone; remade under the write lock */

	/* What tx and rx do besides, while it is configured; NULL: nothing. */
	_Atomic(struct groups *) groups;	/* groups.c */
	_Atomic(struct relay_memory *) relays;	/* which flows came from a relay */
	_Atomic(struct relay_memory *) ingress; /* from whom it came that is sent to a group */
	struct relay_memory *relays_made, *ingress_made; /* once they were needed; tunnel_lock */

	_Atomic bool running;			    /* up: packets flow; configuration's */
	_Atomic bool stopping;			    /* the threads shall end */
	_Atomic(tunnel_event_fn *) listener;	    /* events.c; NULL: none */
	void *listener_data;			    /* set before it */
	_Atomic uint64_t counters[TUNNEL_COUNTERS]; /* anybody adds */

	pthread_t threads[4]; /* tx, rx, handshake, clock; tunnel.c */
	unsigned n_threads;   /* started, in this order */
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

/* One more that was dropped, and why. */
static inline void tunnel_refuse(struct tunnel *t, enum tunnel_counter c, const char *why)
{
	tunnel_count(t, c, 1);
	tunnel_tell(t, NULL, why);
}

#endif

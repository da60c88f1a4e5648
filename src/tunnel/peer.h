/* SPDX-License-Identifier: MIT */
/*
 * A peer, and what any thread may do to it. Its parts belong to those who declare them; what is
 * shared stands under its lock, held for some hundred nanoseconds, or is atomic. Keypair slots are
 * read by acquire, and replaced under the lock, the old ones retired by qsbr.
 */
#ifndef SHUNT_TUNNEL_PEER_H
#define SHUNT_TUNNEL_PEER_H

#include "tunnel/clock.h"
#include "tunnel/groups.h"
#include "tunnel/handshake.h"
#include "tunnel/handshake_queue.h"
#include "tunnel/keypair.h"
#include "tunnel/rx.h"
#include "tunnel/sources.h"
#include "tunnel/tx.h"
#include "tunnel/wishes.h"
#include "wg/cryptokey.h"
#include "wg/timers.h"
#include <time.h>

struct tunnel_peer {
	struct cryptokey_owner owner; /* map_lock */
	struct tunnel *tunnel;
	struct list in_order;	   /* of tunnel.peers; tunnel_lock */
	ip_addr link_local;	   /* AF_UNSPEC: none; tunnel_lock */
	struct group_place *group; /* NULL: it is in none; groups.c */

	/* Each its unit's. */
	struct handshake_peer handshake;
	struct initiation_wish initiation;
	struct source_entry source;
	struct clock_entry clock;
	struct wish_entry wish;
	struct tx_peer tx;
	struct rx_peer rx;

	pthread_mutex_t lock;		/* of the next five; with it, the slots are written */
	struct udp_endpoint endpoint;	/* where it is sent to */
	struct udp_endpoint refused;	/* whose source isn't learned (sources.h) */
	struct timers timers;		/* rearmed after a change */
	struct timespec last_handshake; /* wall clock */
	_Atomic bool dead; /* removed: nothing new may be hung on it; read by anybody */
	_Atomic uint32_t endpoint_epoch; /* changes with endpoint; read by anybody */
	_Atomic(struct keypair *) current, previous, next;

	_Atomic uint64_t rx_bytes, tx_bytes; /* rx and tx add, and handshake to both */
};

/* Nothing is known of it but its key. */
void peer_init(struct tunnel_peer *p, struct tunnel *t, const wg_key *key);
/* No thread holds it any more. */
void peer_done(struct tunnel_peer *p);

/* After p->timers changed, with p->lock held: makes the clock thread look in time, and shows
 * whether it answers. */
void peer_rearm(struct tunnel_peer *p);
/* 0..WG_REKEY_TIMEOUT_JITTER */
int64_t peer_jitter(void);
/* Tells whoever listens what happened to it (events.h). */
void peer_tell(struct tunnel_peer *p, const char *what);

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

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Handshakes, in one thread, the only one that computes X25519: messages of types 1 to 3 from the
 * queue (handshake_queue.h), and initiations that other threads ask for there.
 */
#ifndef SHUNT_TUNNEL_HANDSHAKE_H
#define SHUNT_TUNNEL_HANDSHAKE_H

#include "tunnel/keypair.h"
#include "wg/cookie.h"
#include "wg/noise.h"
#include <pthread.h>

struct tunnel_peer;

/* A peer's side of it: the thread's and configuration's. */
struct handshake_peer {
	pthread_mutex_t lock;	 /* noise_lock: of all in here */
	struct noise_peer noise; /* remote_static never changes, and needs no lock */
	struct cookie_maker cookie_maker;
	uint32_t index;		  /* of the handshake under way; 0: none */
	struct handshake_ref ref; /* what that index stands for */
};

/* The thread's body. */
void *handshake_run(void *tunnel);
/* Gives up the handshake under way, wiping it. */
void handshake_abandon(struct tunnel_peer *p);

#endif

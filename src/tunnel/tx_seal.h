/* SPDX-License-Identifier: MIT */
/*
 * tx's second job: packets for a peer that is known are cut and sealed, with nonces that are given
 * out here alone and in the order in which packets leave (the paper, section 5.4.6). What has no
 * session waits in its peer's queue (staging.h). A superpacket is sealed segment by segment
 * straight into the buffer that leaves, so that the copy that cutting needs is the AEAD's own pass.
 *
 * What happened to a peer in a round is told to its timers once, when the round is settled.
 */
#ifndef SHUNT_TUNNEL_TX_SEAL_H
#define SHUNT_TUNNEL_TX_SEAL_H

#include "base/time.h"
#include "tunnel/gso.h"
#include "tunnel/tx_send.h"

#define TX_MAX_TOUCHED 256

struct tunnel_peer;

struct tx_sealer {
	struct tunnel *t;
	struct aead_thread *aead; /* tx's */
	struct tx_sender out;
	instant now;	   /* of the round; tx sets it */
	bool is_helped;	   /* this round's superpackets go into the line; tx sets it */
	uint64_t bytes;	   /* on the wire; since tx asked */
	uint64_t n_sealed; /* in this round */
	uint64_t round;	   /* its number, from 1 */
	struct tunnel_peer *touched[TX_MAX_TOUCHED]; /* in this round */
	size_t n_touched;
	uint8_t *staged; /* room for a packet that waited, and its padding */
};

/* s is zeroed. */
void tx_seal_init(struct tx_sealer *s, struct tunnel *t, struct aead_thread *aead);
void tx_seal_done(struct tx_sealer *s);

/* Before anything else is done for a peer: it is one of this round's, and its endpoint is copied.
 * True if it has one. */
bool tx_seal_begin(struct tx_sealer *s, struct tunnel_peer *p);
/* The packet, cut, to the peer, or into its queue; with is_helped, g is of the line's buffer. */
void tx_seal_packet(struct tx_sealer *s, struct tunnel_peer *p, struct gso *g, uint8_t tos);
/* What waits in its queue, if there is a session. */
void tx_seal_staged(struct tx_sealer *s, struct tunnel_peer *p);
/* An empty message, if there is a session. */
void tx_seal_keepalive(struct tx_sealer *s, struct tunnel_peer *p);
/* The end of a round: all is sent, events are told once a peer. */
void tx_seal_settle(struct tx_sealer *s);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * TUN to UDP, one thread, in three units: tx.c reads packets and looks up whom they go to,
 * tx_seal.c cuts and seals them for that peer, tx_send.c has what was sealed leave.
 */
#ifndef SHUNT_TUNNEL_TX_H
#define SHUNT_TUNNEL_TX_H

#include "tunnel/staging.h"
#include "tunnel/udp.h"

/* What it keeps about a peer; tx alone. */
struct tx_peer {
	struct staging_queue staged;
	uint32_t endpoint_epoch;      /* of the peer's endpoint when it was copied */
	struct udp_endpoint endpoint; /* the copy */
	uint64_t round;		      /* in which it was last sent something */
	/* In that round: */
	bool sent_data, sent_any;
	uint64_t sent_bytes;
};

/* The thread's body. */
void *tx_run(void *tunnel);

#endif

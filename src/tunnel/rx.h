/* SPDX-License-Identifier: MIT */
/*
 * UDP to TUN, one thread, in three units: rx.c receives datagrams and finds their sessions,
 * rx_open.c opens them, rx_deliver.c checks what came out and has it leave by the TUN.
 */
#ifndef SHUNT_TUNNEL_RX_H
#define SHUNT_TUNNEL_RX_H

#include "tunnel/udp.h"

/* What it keeps about a peer; rx alone. */
struct rx_peer {
	uint32_t endpoint_epoch;      /* of the peer's endpoint when it was copied */
	struct udp_endpoint endpoint; /* where it was last heard from, then */
	uint64_t round;		      /* in which something last came from it */
	/* In that round: */
	bool got_data, got_any;
	uint64_t got_bytes;
};

/* The thread's body. */
void *rx_run(void *tunnel);

#endif

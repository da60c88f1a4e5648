/* SPDX-License-Identifier: MIT */
/*
 * rx's third job: what was opened is checked, and leaves by the TUN. The order is that of the paper
 * (section 5.4.6) and of Linux: the replay window, and only then endpoint, confirmation, timers,
 * and the source address against the cryptokey table. Packets are merged across all messages of a
 * round (gro.h).
 *
 * What happened to a peer in a round is told to its timers once, when the round is settled.
 */
#ifndef SHUNT_TUNNEL_RX_DELIVER_H
#define SHUNT_TUNNEL_RX_DELIVER_H

#include "base/time.h"
#include "wg/cryptokey.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RX_MAX_TOUCHED 256

struct gro;
struct keypair;
struct tunnel;
struct tunnel_peer;
struct udp_in;

/* A data message whose tag was right. */
struct rx_arrival {
	struct keypair *keypair;
	const struct udp_in *in; /* that it came in */
	uint64_t counter;
	uint8_t *plain; /* in the receive buffer */
	size_t len;
};

struct rx_deliverer {
	struct tunnel *t;
	struct gro *gro;
	instant now;				     /* of the round; rx sets it */
	uint64_t n_delivered;			     /* in this round */
	uint64_t round;				     /* its number, from 1 */
	struct tunnel_peer *touched[RX_MAX_TOUCHED]; /* in this round */
	size_t n_touched;
	/* The last source looked up in this round, from whom, and the answer; version 0: none yet.
	 */
	uint8_t last_version;
	uint8_t last_src[16];
	const struct tunnel_peer *last_from;
	enum cryptokey_verdict last_verdict;
};

/* d is zeroed. */
void rx_deliver_init(struct rx_deliverer *d, struct tunnel *t);
void rx_deliver_done(struct rx_deliverer *d);

/* Its plain text stays where it is until the round is settled. */
void rx_deliver(struct rx_deliverer *d, const struct rx_arrival *a);
/* The end of a round: all is written, events are told once a peer. */
void rx_deliver_settle(struct rx_deliverer *d);

#endif

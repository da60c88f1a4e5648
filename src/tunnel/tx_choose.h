/* SPDX-License-Identifier: MIT */
/*
 * Whom a packet of the host goes to. The last one's answer is kept for a round, since what follows
 * one another mostly goes to one address; only where the owner goes by the flow, the flow counts as
 * well, and on a relay whether it came from one.
 */
#ifndef SHUNT_TUNNEL_TX_CHOOSE_H
#define SHUNT_TUNNEL_TX_CHOOSE_H

#include "base/time.h"
#include "tunnel/device.h"
#include "tunnel/inner.h"
#include "wg/flow.h"
#include "wg/relay_memory.h"

#include <string.h>

struct tx_choice {
	struct tunnel_peer *peer; /* NULL: nobody */
	bool is_refused;	  /* nobody, since it came from a relay and only relays have it */
};

struct tx_chooser {
	struct tunnel *t;
	uint64_t seed; /* of the hash of flows that are kept */
	/* The last one; version 0: none yet. */
	uint8_t version;
	bool is_by_flow;
	const void *relay; /* that brought it; NULL: none did */
	uint8_t dst[16];
	uint64_t flow;
	struct tx_choice choice;
};

/* c is zeroed. */
void tx_choose_init(struct tx_chooser *c, struct tunnel *t);
/* Not kept: what tx_choose asks when it must. */
struct tx_choice tx_choose_anew(
	struct tx_chooser *c, const uint8_t *packet, size_t len, const void *relay);

/* The end of a round: nothing is kept. */
static inline void tx_choose_forget(struct tx_chooser *c)
{
	c->version = 0;
}

/* The relay that brought it to the host a moment ago; NULL: none did. */
static inline const void *tx_choose_relay(
	const struct tx_chooser *c, const uint8_t *packet, instant now)
{
	struct relay_memory *m = atomic_load_explicit(&c->t->relays, memory_order_acquire);

	return m ? relay_memory_from(m, packet, now) : NULL;
}

static inline bool tx_choose_is_kept(
	const struct tx_chooser *c, const uint8_t *packet, size_t len, const void *relay)
{
	uint8_t version = inner_version(packet);

	return version == c->version && relay == c->relay &&
	       !memcmp(c->dst, inner_dst(packet), inner_addr_len(version)) &&
	       (!c->is_by_flow || flow_hash(packet, len, c->seed) == c->flow);
}

/* A whole packet. */
static inline struct tx_choice tx_choose(
	struct tx_chooser *c, const uint8_t *packet, size_t len, instant now)
{
	const void *relay = tx_choose_relay(c, packet, now);

	if (tx_choose_is_kept(c, packet, len, relay))
		return c->choice;
	return tx_choose_anew(c, packet, len, relay);
}

#endif

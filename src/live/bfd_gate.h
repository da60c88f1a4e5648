/* SPDX-License-Identifier: MIT */
/*
 * Who may speak in a session. The tunnel proves the node that a packet comes from, not the user:
 * whoever has a login there can send from its overlay address. So between nodes with shuntd only
 * what is authenticated counts. Of other speakers (BIRD, FRR), which are asked for nothing, it is
 * the source port that a local user can't have while they do: it is noted when a three-way
 * handshake shows that who sends hears us too, and as long as the session is up nobody else counts.
 *
 * What counts is still rationed, before it costs anything. Who is known by the source port has a
 * budget of its own, so that others can't use it up.
 */
#ifndef SHUNT_LIVE_BFD_GATE_H
#define SHUNT_LIVE_BFD_GATE_H

#include "live/bfd_auth.h"
#include "live/bfd_session.h"
#include "live/budget.h"

struct bfd_gate {
	bool authenticates;
	struct bfd_auth auth;
	uint16_t port; /* of who was believed last; 0: nobody yet */
	struct budget known, others;
	uint64_t refused; /* packets */
};

enum bfd_word {
	BFD_WORD_REFUSED, /* counted, and nothing else */
	BFD_WORD_DOUBTED, /* perhaps the peer's daemon began anew: ask its node by an echo */
	BFD_WORD_TAKEN,	  /* to be received, and then told to bfd_gate_passed */
};

/* keys NULL: the peer doesn't authenticate. sent_seq as in bfd_auth_init. */
void bfd_gate_init(struct bfd_gate *g, const struct bfd_keys *keys, uint32_t sent_seq);
/* Takes other keys, or none; our sequence goes on. */
void bfd_gate_set_keys(struct bfd_gate *g, const struct bfd_keys *keys);
/* Overwrites the keys. */
void bfd_gate_done(struct bfd_gate *g);

/* What a packet of this session's addresses is worth; bytes are those it was decoded of. */
enum bfd_word bfd_gate_judge(struct bfd_gate *g, const struct bfd_session *s,
	const struct bfd_packet *p, const uint8_t *bytes, uint16_t port, instant now);
/* The session has received a packet that was taken, which changed it so. */
void bfd_gate_passed(struct bfd_gate *g, const struct bfd_session *s, enum bfd_change change,
	const uint8_t *bytes, uint16_t port, instant now);
/* Encodes what the session sends; returns the length. */
size_t bfd_gate_encode(
	struct bfd_gate *g, const struct bfd_packet *p, uint8_t out[static BFD_PACKET_MAX]);

#endif

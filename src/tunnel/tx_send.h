/* SPDX-License-Identifier: MIT */
/*
 * tx's third job: what is sealed leaves. One packet after another is sealed into an arena; those in
 * a row for one session and of one size share a message, which the kernel cuts (UDP_SEGMENT), and
 * some messages share a system call. With help, superpackets stand in a line instead, where workers
 * seal them (seal.h); what is sealed here waits until the line is empty, so that packets leave in
 * the order of their nonces.
 */
#ifndef SHUNT_TUNNEL_TX_SEND_H
#define SHUNT_TUNNEL_TX_SEND_H

#include "tunnel/udp.h"
#include <stdbool.h>

#define TX_ARENA_LEN (256 * 1024)
#define TX_FLUSH_AT (120 * 1024) /* sealed bytes that fit the cache and are worth a system call */

struct aead_thread;
struct keypair;
struct seal_line;
struct tunnel;

struct tx_sender {
	struct tunnel *t;
	struct aead_thread *aead; /* tx's */
	struct seal_line *line;	  /* NULL until there is help */
	uint64_t n_by_workers;	  /* datagrams that workers sealed; since tx asked */
	uint8_t *arena;
	size_t used; /* of it */
	struct udp_out messages[UDP_BATCH];
	size_t n_messages, n_datagrams; /* in the arena */
	/* Of the last message: */
	const struct keypair *keypair;
	size_t n_segments;
	bool is_closed; /* its last segment is shorter: nothing may follow */
};

/* s is zeroed. */
void tx_send_init(struct tx_sender *s, struct tunnel *t, struct aead_thread *aead);
void tx_send_done(struct tx_sender *s);

/* What the arena holds leaves. */
void tx_send_flush(struct tx_sender *s);
/* Sends the first superpacket of the line, after what was sealed before it. False: there is none,
 * or, without wait, it isn't ready. */
bool tx_send_advance(struct tx_sender *s, bool wait);
/* All that stands in the line leaves. */
void tx_send_empty_line(struct tx_sender *s);
/* True if there is a line, or memory for one. */
bool tx_send_has_line(struct tx_sender *s);
/* Where the next superpacket is read, for the line: a full one makes room first. */
uint8_t *tx_send_line_buffer(struct tx_sender *s);

static inline bool tx_send_fits_last(
	const struct tx_sender *s, const struct keypair *k, size_t sealed, uint8_t tos)
{
	const struct udp_out *o;

	if (!s->n_messages)
		return false;
	o = &s->messages[s->n_messages - 1];
	return s->keypair == k && !s->is_closed && o->tos == tos && sealed <= o->segment &&
	       s->n_segments < UDP_MAX_SEGMENTS && o->len + sealed <= UDP_MAX_PAYLOAD - 20;
}

/* Where the next sealed datagram of so many bytes goes, to be written at once: into the last
 * message if it fits there, else into one of its own. */
static inline uint8_t *tx_send_place(struct tx_sender *s, const struct udp_endpoint *to,
	const struct keypair *k, size_t sealed, uint8_t tos)
{
	uint8_t *at;

	if (s->used + sealed > TX_ARENA_LEN)
		tx_send_flush(s);
	at = s->arena + s->used;
	if (tx_send_fits_last(s, k, sealed, tos)) {
		struct udp_out *o = &s->messages[s->n_messages - 1];

		s->is_closed = sealed < o->segment;
		s->n_segments++;
		o->len += sealed;
	} else {
		if (s->n_messages == UDP_BATCH) {
			tx_send_flush(s);
			at = s->arena;
		}
		s->messages[s->n_messages++] = (struct udp_out){*to, at, sealed, sealed, tos};
		s->keypair = k;
		s->n_segments = 1;
		s->is_closed = false;
	}
	s->n_datagrams++;
	s->used += sealed;
	return at;
}

#endif

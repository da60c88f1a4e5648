/* SPDX-License-Identifier: MIT */
/*
 * What waits for the handshake thread, in fixed memory: messages from the network, and peers that
 * want an initiation. Nothing that isn't authenticated costs more.
 *
 * Under load is a queue of more than WG_UNDER_LOAD_AT, and a second after it. A source (an IPv4
 * /32, an IPv6 /64) may fill no more than its share of the queue, which is below that mark, so that
 * a flood from one address puts nobody else into cookie mode. It puts itself there: for a second
 * after it had its share, what comes from it waits in a smaller queue, where it costs no
 * Diffie-Hellman but is answered by a cookie. Under load or not, who shows his cookie (or the index
 * of a handshake of ours, which only he was told) has a queue of his own, that no flood reaches:
 * forging somebody's address costs him a round trip and no more. A reply is smaller than what it
 * answers.
 */
#ifndef SHUNT_TUNNEL_HANDSHAKE_QUEUE_H
#define SHUNT_TUNNEL_HANDSHAKE_QUEUE_H

#include "base/list.h"
#include "tunnel/udp.h"
#include "wg/cookie.h"

#define HANDSHAKE_ROWS 2

struct tunnel;
struct tunnel_peer;
struct handshake_queue;

struct queued {
	struct udp_endpoint from;
	uint16_t len;
	uint16_t rows[HANDSHAKE_ROWS]; /* its source's buckets */
	bool needs_cookie;	       /* its source has had its share */
	bool is_proven;		       /* it had a token for its cookie or our index */
	uint8_t message[WG_INITIATION_LEN];
};

/* A peer's place among those that want an initiation; the queue's lock. */
struct initiation_wish {
	struct list link;
	bool is_there, is_retry;
};

/* NULL without memory, randomness or a descriptor. */
struct handshake_queue *handshake_queue_new(void);
/* Accepts NULL. */
void handshake_queue_free(struct handshake_queue *q);
/* Readable when something waits. */
int handshake_queue_fd(const struct handshake_queue *q);
void handshake_queue_wake(struct handshake_queue *q);

/* rx: a message of type 1 to 3 with its right length; copied, or dropped and counted. */
void handshake_enqueue(
	struct tunnel *t, const struct udp_in *in, const uint8_t *message, size_t len, instant now);
void initiation_wish_init(struct initiation_wish *w);
/* Asks the handshake thread for an initiation unless one was sent within REKEY_TIMEOUT. Any thread.
 */
void handshake_request(struct tunnel_peer *p, bool is_retry);
/* The peer is about to be removed. */
void handshake_forget(struct tunnel_peer *p);

/* All by the handshake thread. */
/* The next message, those with a proof first; false: none. */
bool handshake_dequeue(struct handshake_queue *q, struct queued *ret);
/* Up to so many that are to be answered by a cookie, whatever they are; how many. */
size_t handshake_take_suspects(struct handshake_queue *q, struct queued *ret, size_t most);
bool handshake_is_under_load(struct handshake_queue *q, instant now);
/* False: the source had as many handshakes by its cookie as it gets. */
bool handshake_has_token(struct handshake_queue *q, const sock_addr *from, instant now);
/* What cookies are made with now, so that rx can tell who shows one. */
void handshake_show_checker(struct handshake_queue *q, const struct cookie_checker *c);
/* The next peer that wants an initiation, or NULL. */
struct tunnel_peer *handshake_next_wish(struct handshake_queue *q, bool *is_retry);

#endif

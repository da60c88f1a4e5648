/* SPDX-License-Identifier: MIT */
/*
 * Packets that wait for a session: a queue per peer, at most WG_MAX_STAGED packets of it, all out
 * of one memory whose size follows the number of configured peers. Where room is missing the oldest
 * go first: the peer's own at its limit, anybody's when the memory is full, so that peers that
 * never answer can't keep out one that will. Nothing is allocated for a packet.
 *
 * A queue belongs to one thread (tx); staging_drop_all alone may come from others, for a queue that
 * no thread uses any more.
 */
#ifndef SHUNT_TUNNEL_STAGING_H
#define SHUNT_TUNNEL_STAGING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STAGING_MAX_PACKET 65535

struct staging;
struct staged;

/* Zeroed is empty. */
struct staging_queue {
	struct staged *first, *last;
	unsigned n;
};

struct staging *staging_new(void);
/* All queues are empty. Accepts NULL. */
void staging_free(struct staging *s);
/* Makes room for as many peers. -ENOMEM. */
int staging_set_peers(struct staging *s, size_t n);
/* Copies the packet in, as the last; returns how many were dropped for it, itself perhaps. */
unsigned staging_add(
	struct staging *s, struct staging_queue *q, const uint8_t *packet, size_t len, uint8_t tos);
/* Copies the first out (STAGING_MAX_PACKET bytes at most) and drops it; its length, 0 if there is
 * none. */
size_t staging_take(struct staging *s, struct staging_queue *q, uint8_t *into, uint8_t *ret_tos);
/* How many there were. */
unsigned staging_drop_all(struct staging *s, struct staging_queue *q);
/* Bytes that are held at most, now. */
size_t staging_limit(const struct staging *s);

#endif

/* SPDX-License-Identifier: MIT */
/* What other threads want tx to do for peers: it alone sends data messages and has their nonces. */
#ifndef SHUNT_TUNNEL_WISHES_H
#define SHUNT_TUNNEL_WISHES_H

#include "base/list.h"
#include <stdbool.h>

struct tunnel_peer;
struct wishes;

/* What is staged goes out; and if nothing is, an empty message; what is staged is dropped; or
 * looked up again, since others may be sent to in its place. */
enum wish { WISH_FLUSH = 1, WISH_KEEPALIVE = 2, WISH_DROP_STAGED = 4, WISH_CHOOSE_AGAIN = 8 };

/* A peer's place among those that somebody wishes something for; the lock of wishes. */
struct wish_entry {
	struct list link;
	unsigned wanted; /* bits of enum wish */
};

/* NULL without a descriptor. */
struct wishes *wishes_new(void);
/* Accepts NULL. */
void wishes_free(struct wishes *w);
/* Readable once there is something new for tx. */
int wishes_fd(const struct wishes *w);
void wishes_wake(struct wishes *w);

void wish_entry_init(struct wish_entry *e);
/* Adds bits to what tx shall do for the peer and wakes it. Any thread. */
void wishes_add(struct tunnel_peer *p, unsigned wanted);
/* The peer is about to be removed. */
void wishes_forget(struct tunnel_peer *p);
/* tx: the next peer, and what is wanted for it; NULL: nothing more. */
struct tunnel_peer *wishes_next(struct wishes *w, unsigned *ret);

#endif

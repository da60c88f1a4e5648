/* SPDX-License-Identifier: MIT */
/* Sets of owners by number, as configured (config.h), and what the device knows of its peers as
 * owners. */
#ifndef SHUNT_TUNNEL_OWNERS_H
#define SHUNT_TUNNEL_OWNERS_H

#include <stdint.h>

struct tunnel;
struct tunnel_peer;

/* With tunnel_lock, after what may have put it into a set or out of one: a peer that doesn't answer
 * is tried again for as long as others are sent to in its place. */
void owners_note_peer(struct tunnel_peer *p);
/* With tunnel_lock, after a peer left sets: what came from relays isn't remembered for those that
 * have none any more. */
void owners_note_left(struct tunnel *t);
/* With tunnel_lock: the peer is about to be removed. */
void owners_forget_link_local(struct tunnel *t, struct tunnel_peer *p);
/* How many flows from relays were forgotten too early. Any thread. */
uint64_t owners_relayed_forgotten(struct tunnel *t);
/* All sets go; none is left, and no peer. The table may still be there. */
void owners_free(struct tunnel *t);

#endif

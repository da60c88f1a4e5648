/* SPDX-License-Identifier: MIT */
/*
 * Who gets what is sent to groups (224.0.0.0/4, 255.255.255.255, ff00::/8), and speaks link-local:
 * a list that tx walks without a lock, which is there while the device's multicast is on. A place
 * in it stays as it was made until its peer leaves it, which is one store; newer ones are
 * appended. A list that is full is copied into a larger one, without the places that were left.
 * Who has a link-local address is found by a hash of it: the slots lead to places, and nothing is
 * taken out of them.
 */
#ifndef SHUNT_TUNNEL_GROUPS_H
#define SHUNT_TUNNEL_GROUPS_H

#include "base/time.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tunnel;
struct tunnel_peer;

struct group_place {
	_Atomic(struct tunnel_peer *) peer; /* NULL: it has left */
	uint8_t link_local[16];		    /* zeros: none */
};

struct groups {
	size_t room; /* places */
	_Atomic size_t n;
	size_t n_slots; /* a power of two, twice the places at least, so that some stay empty */
	_Atomic uint32_t *slots; /* 1 + the place; 0: empty */
	struct group_place places[];
};

/* After the device's multicast, or a peer's, or its link-local address changed: with tunnel_lock.
 * -ENOMEM: it gets nothing. */
int groups_update(struct tunnel *t, struct tunnel_peer *p);
int groups_update_all(struct tunnel *t);
/* The peer is about to be removed. */
void groups_leave(struct tunnel *t, struct tunnel_peer *p);
/* No thread is left. */
void groups_free(struct tunnel *t);

/* To fe80::/64, IPv6 of at least 40 bytes or IPv4. */
bool groups_is_to_link_local(const uint8_t *packet);
/* Whose link-local address this is, of 16 bytes; NULL: nobody's. tx, rx. */
struct tunnel_peer *groups_find(const struct groups *g, const uint8_t *addr);
/* Copies: 10,000 a second, 1,000 at once; zeroed is full. */
struct groups_limit {
	int64_t spent_until_ns;
};

/* True if a packet may be sent n times now, which is counted then. A packet is sent to all or
 * nobody: more than what is left are lent. */
bool groups_limit_take(struct groups_limit *l, size_t n, instant now);

#endif

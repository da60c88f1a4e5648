/* SPDX-License-Identifier: MIT */
/*
 * Who of a set's owners sends, and who may receive from whom. A choice is made whole and then read
 * by many threads; only the states of its owners change, and an owner may be struck out.
 */
#ifndef SHUNT_WG_CRYPTOKEY_CHOICE_H
#define SHUNT_WG_CRYPTOKEY_CHOICE_H

#include "wg/cryptokey.h"

#define CHOICE_BUCKETS 1024

struct choice_member {
	_Atomic(struct cryptokey_owner *) owner; /* NULL: struck out */
	uint16_t rank, weight;
	bool is_relay;
	uint8_t table; /* of its rank: 0, or 1 + the place in buckets */
};

struct cryptokey_choice {
	uint8_t n, n_senders; /* members by rank, those of a weight first */
	struct choice_member members[CRYPTOKEY_MAX_OWNERS];
	uint64_t salts[CRYPTOKEY_MAX_OWNERS];
	uint8_t buckets[][CHOICE_BUCKETS]; /* for each rank of several senders: the member */
};

/* No owner twice, at most CRYPTOKEY_MAX_OWNERS. NULL without memory; free() releases it. */
struct cryptokey_choice *choice_new(const struct cryptokey_member *members, size_t n);
size_t choice_members(
	const struct cryptokey_choice *c, struct cryptokey_member ret[static CRYPTOKEY_MAX_OWNERS]);
/* For good, without memory. */
void choice_strike_out(struct cryptokey_choice *c, const struct cryptokey_owner *o);

/* Does the flow choose among those of the lowest rank? */
static inline bool choice_is_by_flow(const struct cryptokey_choice *c)
{
	return c->members[0].table;
}

/* Whom it chooses then. */
static inline unsigned choice_bucket(const struct cryptokey_choice *c, uint64_t hash)
{
	return c->buckets[0][hash % CHOICE_BUCKETS];
}

/* What a relay brought goes to no relay, and not back to him. */
static inline bool choice_keeps_from(const struct choice_member *m, const struct cryptokey_owner *o,
	const struct cryptokey_owner *relay)
{
	return relay && (m->is_relay || o == relay);
}

/* The member, if he is up and may be sent to, as nearly always. NULL: ask for the group. */
static inline struct cryptokey_owner *choice_if_up(
	const struct cryptokey_choice *c, unsigned i, const struct cryptokey_owner *relay)
{
	const struct choice_member *m = &c->members[i];
	struct cryptokey_owner *o = atomic_load_explicit(&m->owner, memory_order_acquire);
	bool is_up = o && atomic_load_explicit(&o->level, memory_order_acquire) == CRYPTOKEY_UP &&
		     atomic_load_explicit(&o->answers, memory_order_acquire);

	return is_up && m->weight && !choice_keeps_from(m, o, relay) ? o : NULL;
}

/* Who may be sent to and is usable, of the best level and then the lowest rank: bits of members. */
struct choice_group {
	unsigned bits;
	bool is_kept; /* somebody usable was left out, since a relay brought it */
};

struct choice_group choice_group(
	const struct cryptokey_choice *c, const struct cryptokey_owner *relay);
/* Of a group that isn't empty; the hash matters only where it has several. */
struct cryptokey_owner *choice_pick(
	const struct cryptokey_choice *c, unsigned group_bits, uint64_t hash);
/* Whatever the states; NULL: nobody may be sent to. */
struct cryptokey_owner *choice_preferred(
	const struct cryptokey_choice *c, const struct cryptokey_owner *relay);
enum cryptokey_verdict choice_accept(
	const struct cryptokey_choice *c, const struct cryptokey_owner *from);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The cryptokey table as a list that is gone through from the longest prefix to the shortest, for
 * tests to hold the real one against. Peers and sets are numbers.
 */
#ifndef SHUNT_TESTS_CRYPTOKEY_TWIN_H
#define SHUNT_TESTS_CRYPTOKEY_TWIN_H

#include "base/prefix.h"
#include "wg/cryptokey.h"

#include <string.h>

#define TWIN_PEERS 8
#define TWIN_SETS 32
#define TWIN_ENTRIES 400

struct twin_member {
	unsigned peer, rank, weight;
	bool is_relay;
};

struct twin_set {
	struct twin_member members[TWIN_PEERS];
	unsigned n;
};

struct twin_entry {
	ip_prefix p;
	bool is_strict;
	unsigned who; /* a peer, or a set */
};

struct twin {
	struct twin_entry entries[TWIN_ENTRIES];
	unsigned n;
	struct twin_set sets[TWIN_SETS];
	enum cryptokey_level level[TWIN_PEERS];
	bool answers[TWIN_PEERS];
};

static inline void twin_init(struct twin *w)
{
	memset(w, 0, sizeof(*w));
	for (unsigned i = 0; i < TWIN_PEERS; i++) {
		w->level[i] = CRYPTOKEY_UP;
		w->answers[i] = true;
	}
}

/* --- changes --- */

static inline struct twin_entry *twin_find(struct twin *w, const ip_prefix *p)
{
	for (unsigned i = 0; i < w->n; i++)
		if (ip_prefix_eq(&w->entries[i].p, p))
			return &w->entries[i];
	return NULL;
}

static inline void twin_put(struct twin *w, const ip_prefix *p, bool is_strict, unsigned who)
{
	struct twin_entry *e = twin_find(w, p);

	if (!e)
		e = &w->entries[w->n++];
	*e = (struct twin_entry){*p, is_strict, who};
}

static inline bool twin_take(struct twin *w, const ip_prefix *p, bool is_strict, unsigned who)
{
	struct twin_entry *e = twin_find(w, p);

	if (!e || e->is_strict != is_strict || e->who != who)
		return false;
	*e = w->entries[--w->n];
	return true;
}

static inline void twin_take_all(struct twin *w, bool is_strict, unsigned who)
{
	for (unsigned i = w->n; i--;)
		if (w->entries[i].is_strict == is_strict && w->entries[i].who == who)
			w->entries[i] = w->entries[--w->n];
}

static inline void twin_leave_sets(struct twin *w, unsigned peer)
{
	for (unsigned i = 0; i < TWIN_SETS; i++) {
		struct twin_set *s = &w->sets[i];
		unsigned n = 0;

		for (unsigned j = 0; j < s->n; j++)
			if (s->members[j].peer != peer)
				s->members[n++] = s->members[j];
		s->n = n;
	}
}

/* --- the rule --- */

static inline bool twin_usable(const struct twin *w, unsigned peer)
{
	return w->answers[peer] && w->level[peer] != CRYPTOKEY_DOWN;
}

/* The longest entry that holds the address and is shorter than len; NULL: none. */
static inline const struct twin_entry *twin_next(const struct twin *w, const ip_addr *a, int len)
{
	const struct twin_entry *best = NULL;

	for (unsigned i = 0; i < w->n; i++) {
		const struct twin_entry *e = &w->entries[i];

		if (e->p.len < len && ip_prefix_has_addr(&e->p, a) &&
			(!best || e->p.len > best->p.len))
			best = e;
	}
	return best;
}

/* What brought a packet beside peers. */
#define TWIN_NO_RELAY UINT32_MAX
#define TWIN_OTHER_RELAY TWIN_PEERS /* one that owns nothing here */

struct twin_answer {
	unsigned peers; /* bits: any of these is right; none: nobody */
	bool is_refused;
};

static inline bool twin_keeps_from(const struct twin_member *m, unsigned relay)
{
	return relay != TWIN_NO_RELAY && (m->is_relay || m->peer == relay);
}

/* Whom the set sends to now, as bits. */
static inline unsigned twin_of_set(const struct twin *w, const struct twin_set *s, unsigned relay)
{
	for (int level = CRYPTOKEY_UP; level > CRYPTOKEY_DOWN; level--)
		for (unsigned rank = 0; rank <= UINT16_MAX; rank++) {
			unsigned bits = 0;
			bool is_last = true;

			for (unsigned i = 0; i < s->n; i++) {
				const struct twin_member *m = &s->members[i];

				is_last = is_last && m->rank <= rank;
				if (m->weight && m->rank == rank && twin_usable(w, m->peer) &&
					(int)w->level[m->peer] == level &&
					!twin_keeps_from(m, relay))
					bits |= 1u << m->peer;
			}
			if (bits)
				return bits;
			if (is_last)
				break;
		}
	return 0;
}

/* Its preferred owner as a bit, whatever the states. */
static inline unsigned twin_preferred(const struct twin_set *s, unsigned relay)
{
	const struct twin_member *best = NULL;

	for (unsigned i = 0; i < s->n; i++) {
		const struct twin_member *m = &s->members[i];

		if (m->weight && !twin_keeps_from(m, relay) && (!best || m->rank < best->rank))
			best = m;
	}
	return best ? 1u << best->peer : 0;
}

static inline struct twin_answer twin_send(const struct twin *w, const ip_addr *to, unsigned relay)
{
	struct twin_answer a = {0, false};
	unsigned second_best = 0;
	bool any_relay = false;

	for (const struct twin_entry *e = twin_next(w, to, 129); e;
		e = twin_next(w, to, e->p.len)) {
		const struct twin_set *s = &w->sets[e->who];

		if (e->is_strict) {
			a.peers = 1u << e->who;
			return a;
		}
		a.peers = twin_of_set(w, s, relay);
		if (a.peers)
			return a;
		a.is_refused = twin_of_set(w, s, TWIN_NO_RELAY) != 0;
		if (a.is_refused)
			return a;
		any_relay |= relay != TWIN_NO_RELAY && twin_preferred(s, TWIN_NO_RELAY) != 0;
		if (!second_best)
			second_best = twin_preferred(s, relay);
	}
	a.is_refused = any_relay && !second_best;
	a.peers = a.is_refused ? 0 : second_best;
	return a;
}

static inline enum cryptokey_verdict twin_receive(
	const struct twin *w, const ip_addr *from, unsigned peer)
{
	for (const struct twin_entry *e = twin_next(w, from, 129); e;
		e = twin_next(w, from, e->p.len)) {
		const struct twin_set *s = &w->sets[e->who];
		bool has_usable = false;

		if (e->is_strict)
			return e->who == peer ? CRYPTOKEY_ACCEPT : CRYPTOKEY_REFUSE;
		for (unsigned i = 0; i < s->n; i++) {
			if (s->members[i].peer == peer)
				return s->members[i].is_relay ? CRYPTOKEY_ACCEPT_RELAY
							      : CRYPTOKEY_ACCEPT;
			has_usable |= s->members[i].weight && twin_usable(w, s->members[i].peer);
		}
		if (has_usable)
			return CRYPTOKEY_REFUSE;
	}
	return CRYPTOKEY_PASS;
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What the RIB holds, for the files of this module.
 *
 * Prefixes of one origin nearly always have the same candidates, so sets of candidates are
 * interned: an entry (a prefix) points at its set, a set knows its entries. Each peer knows the
 * sets that mention it, as next hop or as the origin of a transit candidate; so an event of a peer
 * reaches exactly the prefixes that it may concern, by peer -> sets -> entries.
 *
 * A set lives as long as it has entries, an entry as long as its prefix has candidates (and to the
 * end of the step that removes it), a peer as long as the RIB.
 */
#ifndef SHUNT_ROUTE_STORE_H
#define SHUNT_ROUTE_STORE_H

#include "base/list.h"
#include "base/map.h"
#include "base/trie.h"
#include "base/vec.h"
#include "route/decision.h"

struct rib_peer {
	struct list mentions;
	enum rib_state state;
	bool known; /* had an event */
};

struct rib_set;

struct rib_mention {
	struct list of_peer;
	struct rib_set *set;
};

struct rib_set {
	struct list entries;
	struct rib_candidate *candidates; /* in decision_candidate_cmp order; in this allocation */
	uint32_t n;
	uint32_t n_mentions;
	bool touched; /* by an event of the step under way; then it is freed by that step only */
	struct rib_mention mentions[]; /* one per peer mentioned */
};

struct rib_entry {
	struct list of_set;
	struct rib_set *set; /* NULL: gone at the end of this step */
	ip_prefix prefix;
	uint8_t on_dead; /* enum rib_on_dead */
	bool pinned;
	bool touched;
	bool route;
	bool doubtful; /* in rib->doubtful: its best candidate is a detour around an origin that is
			  down */
	struct list of_doubtful;
	uint8_t n_owners;
	uint32_t owners[]; /* max_owners */
};

/* The outcome of the decision for a set, the same for all its prefixes alike in being pinned. */
struct rib_contest {
	const struct rib_set *set; /* NULL: none */
	bool pinned;
	struct rib_owners owners;
	struct decision_contender *contenders; /* set->n, in the set's order */
	enum rib_reason *reasons;
	size_t cap;
};

struct rib_sort_key {
	uint64_t head;
	size_t at; /* in the difference being built */
};

struct rib {
	unsigned max_owners;
	struct trie *entries;
	struct map *sets;	      /* by the bytes of their candidates */
	VEC(struct rib_peer *) peers; /* by id; NULL where nobody asked */
	struct rib_contest contest;
	struct list doubtful; /* entries whose owners depend on what covers them */
	/* Of the step under way. */
	VEC(struct rib_set *) touched_sets;
	VEC(struct rib_entry *) touched_entries;
	/* Scratch memory, kept from call to call. */
	VEC(struct rib_candidate) candidates;
	VEC(enum rib_reason) reasons;
	VEC(uint32_t) ids;
	VEC(struct rib_sort_key) keys;
};

/* The peer of an id, made down and unknown if new. */
struct rib_peer *rib_store_peer(struct rib *rib, uint32_t id);
/* The entry of a prefix, made without a set if new. */
struct rib_entry *rib_store_entry(struct rib *rib, const ip_prefix *p);
/* Gives an entry the set of n candidates (0: none) and drops its old one. */
void rib_store_assign(
	struct rib *rib, struct rib_entry *e, const struct rib_candidate *candidates, size_t n);
/* Removes an entry that has no set. */
void rib_store_remove(struct rib *rib, struct rib_entry *e);
/* Frees a set that has no entries and isn't touched. */
void rib_store_collect(struct rib *rib, struct rib_set *s);

/* A candidate of a set with what is known now of its next hop and its origin. */
struct decision_contender rib_store_contender(const struct rib *rib, const struct rib_candidate *c);

/* The decision for an entry's set, valid until the next call, event or change of the set. */
const struct rib_contest *rib_contest_run(struct rib *rib, const struct rib_entry *e);

#endif

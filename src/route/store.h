/* SPDX-License-Identifier: MIT */
/*
 * What the RIB holds, for the files of this module.
 *
 * Sets are interned by their candidates, on_dead and pin. An entry (a prefix) points at its set; a
 * set knows its entries, apart those that deviate from its outcome and those that might. Each peer
 * knows the sets that mention it, as next hop or as the origin of a transit candidate; so an event
 * of a peer reaches exactly the sets that it may concern.
 *
 * Where the device holds many owners, each set whose prefixes stand in an owner set has a group:
 * the owner set and its shadow. Sets that differ in nothing but the numbers of places (the
 * inventory got one node more) have one group, so that their prefixes needn't move.
 *
 * A set lives as long as it has entries (and to the end of the step that empties it), an entry as
 * long as its prefix has candidates (likewise), a group as long as it has sets, a peer as long as
 * the RIB.
 */
#ifndef SHUNT_ROUTE_STORE_H
#define SHUNT_ROUTE_STORE_H

#include "base/list.h"
#include "base/map.h"
#include "base/trie.h"
#include "route/decision.h"

#define RIB_NOBODY UINT32_MAX

struct rib_peer {
	struct list mentions;
	uint32_t step; /* the last step that touched it: before is as it was then */
	enum rib_state state, before;
	bool known;	      /* had an event */
	bool takes_many;      /* packets of one source by several next hops */
	VEC(uint8_t) reaches; /* enum rib_reach, by the origin's id; beyond its end UNKNOWN */
};

struct rib_mention {
	struct list of_peer;
	struct rib_set *set;
};

/* What a prefix is for those that it covers. */
enum rib_cover {
	RIB_COVER_NONE, /* their packets pass it by: it has no owner, or is a doubtful detour too */
	RIB_COVER_DEAD, /* it would get them, and nobody who lives carries them on */
	RIB_COVER_LIVING,
};

/* What the FIB is to hold of a prefix. */
struct rib_want {
	struct rib_owners owners; /* who is sent to */
	struct rib_home home;
	bool route;
};

/* What the decision makes of a set. */
struct rib_outcome {
	struct rib_owners owners;
	bool route;
	bool usable;   /* the first owner isn't down: neither held nor pinned and dead */
	bool doubtful; /* the best is a detour around an origin that is down: rule 7 */
	enum rib_cover cover;
};

/* What makes two sets one: the head of the key that they are found by. */
struct rib_policy {
	uint32_t on_dead; /* enum rib_on_dead */
	uint32_t pinned;
};

/* What becomes an owner set on the device, and its shadow, in which entries stand that are covered.
 */
struct rib_group {
	uint8_t *key; /* what it is found by; key_len bytes */
	size_t key_len;
	uint64_t number; /* of the owner set; the shadow's is one more */
	struct list sets;
	uint32_t step;		  /* the last step that touched it */
	uint32_t n, was_n;	  /* owners now, and at the end of the last step */
	struct rib_owner *owners; /* the three in one allocation */
	struct rib_owner *shadow; /* the same, and nobody is sent to */
	struct rib_owner *was;
	bool was_stood_in, was_shadow_stood_in; /* by an entry, likewise */
};

struct rib_set {
	struct list plain, nested, deviants; /* entries; nested ones don't deviate */
	struct list of_group;
	struct rib_group *group;	  /* NULL: its prefixes are one peer's or nobody's */
	struct rib_policy *policy;	  /* the candidates follow it; in this allocation */
	struct rib_candidate *candidates; /* in decision_candidate_cmp order */
	struct rib_owner *order;	  /* n_order of them, in this allocation */
	uint32_t n, n_order, n_mentions;
	uint32_t held; /* the last owner that was usable; RIB_NOBODY: none ever was */
	uint32_t step; /* the last step that touched it: before is as it was then */
	uint32_t moved_step, moved_at; /* when its owners became what they are, by the clock */
	struct rib_outcome now, before;
	struct rib_mention mentions[]; /* one per peer mentioned */
};

struct rib_entry {
	struct list of_set;
	struct rib_set *set; /* NULL: gone at the end of this step */
	ip_prefix prefix;
	uint32_t step;	   /* the last step that touched it */
	uint32_t moved_at; /* when its owners became what they are, as of that step */
	uint32_t held;	   /* deviation: in place of the set's; RIB_NOBODY: none */
	bool covered;	   /* deviation: no owner, a living cover serves it */
	bool nested;	   /* within one of another set that isn't a default route */
	bool in_doubtful;  /* stands in rib->doubtful */
};

/* An entry as it was before the step that touched it. */
struct rib_touched {
	struct rib_entry *entry;
	struct rib_want want;
	enum rib_cover cover;
	uint32_t moved_at;
};

/* The decision on a set with the reasons, for who asks why. */
struct rib_contest {
	struct decision_contender *contenders; /* set->n, in the set's order */
	enum rib_reason *reasons;
	size_t cap;
};

struct rib {
	unsigned max_owners;
	rib_tag_fn *tag;
	void *tag_data;
	uint32_t step;	/* its number, from 1 */
	uint32_t clock; /* what rib_clock said */
	struct trie *entries;
	struct trie *doubtful;	      /* the nested entries of doubtful sets */
	struct map *sets;	      /* by policy and candidates */
	struct map *groups;	      /* by what their number is made of */
	struct map *numbers;	      /* groups by their number */
	VEC(struct rib_peer *) peers; /* by id; NULL where nobody asked */
	/* Of the step under way. */
	VEC(struct rib_set *) touched_sets;
	VEC(struct rib_touched) touched;
	VEC(struct rib_group *) touched_groups;
	VEC(uint32_t) touched_peers; /* ids of those that had an event */
	/* Scratch memory, kept from call to call. */
	struct rib_contest contest;
	VEC(uint8_t) key; /* a set's policy and candidates */
	VEC(struct rib_candidate) candidates;
	VEC(enum rib_reason) reasons;
	VEC(uint32_t) ids;
};

/* The peer of an id, made down and unknown if new. */
struct rib_peer *rib_store_peer(struct rib *rib, uint32_t id);
/* The entry of a prefix, made without a set if new. */
struct rib_entry *rib_store_entry(struct rib *rib, const ip_prefix *p);
/* What one source says of a prefix. */
struct rib_word {
	enum rib_source source;
	const struct rib_candidate *candidates;
	size_t n;
	enum rib_on_dead on_dead;
	bool pinned;
};
/* Gives the entry the set that has what this source says and what others said before. A new set has
 * no outcome yet and is to be touched. */
void rib_store_assign(struct rib *rib, struct rib_entry *e, const struct rib_word *word);
/* Removes an entry that has no set. */
void rib_store_remove(struct rib *rib, struct rib_entry *e);
/* Frees a set that has no entries. */
void rib_store_collect(struct rib *rib, struct rib_set *s);

/* Marks the set for the step under way and remembers its outcome. */
void rib_touch_set(struct rib *rib, struct rib_set *s);
/* Marks the entry for the step under way and remembers what it had. To be called before it gets
 * another set or deviation. */
void rib_touch_entry(struct rib *rib, struct rib_entry *e);
/* When the owners of the entry became what they are. */
uint32_t rib_entry_moved_at(const struct rib_entry *e);
/* Where the prefixes of a set stand that have these owners, and don't deviate. */
struct rib_home rib_home_of(const struct rib_set *s, const struct rib_owners *owners);
/* What the FIB is to hold for an entry as of now: its set's outcome with its own deviation. */
void rib_entry_want(const struct rib_entry *e, struct rib_want *ret);
/* The owner set that an entry stands in; n is 0 if it stands in none. Borrowed until the next step.
 */
struct rib_owner_set rib_entry_owner_set(const struct rib_entry *e);

/* Whether that source has candidates in it. NULL: none. */
bool rib_set_has(const struct rib_set *s, enum rib_source source);

/* Decides the set anew: its order and its outcome (outcome.c). */
void rib_set_decide(struct rib *rib, struct rib_set *s);
/* The reasons of a set's candidates, in rib->contest until the next call. */
const struct rib_contest *rib_contest_run(struct rib *rib, const struct rib_set *s);
/* To be called once a touched entry has another set than old, if it has: it and those that it
 * covers may be nested now, or no more (nest.c). */
void rib_nest(struct rib *rib, struct rib_entry *e, const struct rib_set *old);
/* After the touched sets were decided: touches the entries whose deviation that changes, and gives
 * all touched ones their deviation (deviate.c). */
void rib_deviate(struct rib *rib);

/* Gives a new set its group, or none (owner_set.c). */
void rib_group_join(struct rib *rib, struct rib_set *s);
/* To be called before the set goes; frees a group without sets. */
void rib_group_leave(struct rib *rib, struct rib_set *s);
/* Marks the group for the step under way. */
void rib_touch_group(struct rib *rib, struct rib_group *g);
/* Gives the set's group its owners. contest: of the set, with the reasons. ret gets those that the
 * device sends to by them. */
void rib_group_decide(struct rib *rib, struct rib_set *s, const struct rib_contest *contest,
	struct rib_owners *ret);
/* After all else of a step: tells what is new, changed or gone among owner sets. */
void rib_groups_compare(struct rib *rib, struct rib_diff *diff);
void rib_groups_free(struct rib *rib);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The RIB: every candidate of every prefix, the state of every next hop, the decision, and the
 * desired FIB. A pure core: events in, the difference of the desired FIB out; no I/O, no clock, no
 * names (peers and origins are the caller's small numbers).
 *
 * Candidates come from sources. An event replaces what its own source says of a prefix and leaves
 * the others' candidates alone; the decision compares all of them.
 *
 * Prefixes with the same candidates, the same on_dead and the same pin form a set, and the outcome
 * of the decision belongs to the set: an ordered list of owners. A prefix has nothing of its own
 * but a deviation from its set, of which there are two kinds: a detour that a living cover makes
 * needless (docs/decision.md, rule 7), and a held owner that others of its set never had. So an
 * event costs what it changes, and its difference is told by sets as far as it can be.
 *
 * The order of candidates is route/decision.h; the rules around it, by the numbers of
 * docs/decision.md:
 *   7  A prefix whose best candidate is a detour around an origin that is down, and whose on_dead
 *      is RIB_FALL_BACK, has no owner while a living one would get its packets instead: the
 *      longest covering prefix with an owner, other than a default route, has one whose next hop
 *      isn't down (it may be kept though it is) and that is no such detour itself.
 *   8  No usable candidate: on_dead tells. RIB_FALL_BACK withdraws the owner and keeps the kernel
 *      route, RIB_HOLD keeps the last owner (or, if there never was one, the first candidate in
 *      order), RIB_RELEASE withdraws both.
 *   9  A pinned prefix (a direct peer's own overlay address) has its one candidate as owner
 *      whatever its state (given several, the first of them by steps 2 to 6).
 */
#ifndef SHUNT_ROUTE_RIB_H
#define SHUNT_ROUTE_RIB_H

#include "base/prefix.h"
#include "base/vec.h"

#define RIB_MAX_OWNERS 16
#define RIB_MAX_ID                                                                    \
	(1u << 24) /* peers and origins stay below; tables are as long as the largest \
		    */

enum rib_state { RIB_DOWN, RIB_LAST_RESORT, RIB_UP };
enum rib_on_dead { RIB_FALL_BACK, RIB_HOLD, RIB_RELEASE };
/* Who tells of candidates. */
enum rib_source { RIB_INVENTORY, RIB_KERNEL, RIB_N_SOURCES };
/* Administrative distances; lower wins. */
enum rib_distance { RIB_DISTANCE_INVENTORY = 10, RIB_DISTANCE_KERNEL = 20 };

/* Why a candidate stands where it stands; the first step that decided against it. */
enum rib_reason {
	RIB_WINS,
	RIB_PEER_DOWN,
	RIB_PEER_LAST_RESORT,
	RIB_ORIGIN_DOWN,
	RIB_HIGHER_DISTANCE,
	RIB_HIGHER_METRIC,
	RIB_IS_TRANSIT,
	RIB_HIGHER_HUB_METRIC,
	RIB_LATER_IN_FILE,
	RIB_CUT_FROM_SET,	/* equal to the winner, but the FIB holds no more owners */
	RIB_HELD,		/* not usable, yet kept: on_dead is hold, or the prefix is pinned */
	RIB_ORIGIN_LAST_RESORT, /* the next hop is up, but the origin is drained or holding */
	RIB_WITHDRAWN,		/* in a change only: no candidate goes through that peer any more */
};

struct rib_candidate {
	uint32_t peer;	 /* next hop */
	uint32_t origin; /* may be equal to peer */
	uint8_t distance;
	bool transit;
	uint8_t source; /* enum rib_source; an event's own counts, whatever stands here */
	uint32_t metric;
	uint32_t hub_metric;
	uint32_t place; /* of the next hop in the inventory */
	uint32_t origin_place;
};

/* A next hop of a set's candidates, by its best one. */
struct rib_owner {
	uint32_t peer;
	uint16_t rank;	 /* 0: the best; equal ones are an equal-cost set */
	uint16_t weight; /* its share among those of its rank */
	bool sends;	 /* may be sent to as of now; otherwise it may only send from here */
};

/* Those that a FIB with room for so many gets, in order. */
struct rib_owners {
	uint8_t n; /* 0: nobody */
	uint32_t peer[RIB_MAX_OWNERS];
};

/* Before and after an event. */
struct rib_turn {
	struct rib_owners old_owners, owners;
	bool old_route, route; /* the kernel's route towards the device */
	enum rib_reason why;   /* why the first old owner isn't the first owner any more; RIB_WINS:
				  nothing was lost */
};

struct rib_change {
	ip_prefix prefix;
	struct rib_turn turn;
};

struct rib_set;

/* The same turn for all prefixes of a set but those that the difference names by themselves. */
struct rib_set_change {
	const struct rib_set *set;
	struct rib_turn turn;
};

/* What a step changed. A zeroed one is empty; what it holds stays valid until the next step. */
struct rib_diff {
	VEC(struct rib_set_change) sets;
	VEC(struct rib_change) prefixes;
	uint32_t step;
};

enum rib_event_type { RIB_EVENT_PEER, RIB_EVENT_PREFIX };

struct rib_event {
	enum rib_event_type type;
	union {
		struct {
			uint32_t id;
			enum rib_state state;
		} peer; /* an unknown peer is DOWN until its first event */
		struct {
			enum rib_source source;
			ip_prefix prefix; /* host bits clear */
			/* Replace what the source said before; copied. */
			const struct rib_candidate *candidates;
			size_t n; /* 0: the source knows the prefix no more; with the last one
				     that did go owners and route */
			/* Counts from the inventory only; what others alone know falls back. */
			enum rib_on_dead on_dead;
			bool pinned;
		} prefix;
	} u;
};

struct rib;

/* max_owners 1..RIB_MAX_OWNERS: how many owners per prefix the device can hold. */
struct rib *rib_new(unsigned max_owners);
void rib_free(struct rib *rib);

/* Applies n events as one: diff holds what differs after all of them, each prefix at most once. */
void rib_step(struct rib *rib, const struct rib_event *events, size_t n, struct rib_diff *diff);
void rib_diff_done(struct rib_diff *diff);

typedef void rib_diff_fn(const ip_prefix *prefix, const struct rib_turn *turn, void *data);
/* Every changed prefix, those of a set one after another, in no other order. */
void rib_diff_each(const struct rib_diff *diff, rib_diff_fn *fn, void *data);
size_t rib_diff_count(const struct rib_diff *diff);
/* The same as a list in ip_prefix_cmp order; malloc'd, NULL if empty. */
size_t rib_diff_list(const struct rib_diff *diff, struct rib_change **ret);

enum rib_state rib_peer_state(const struct rib *rib, uint32_t peer);

/* The answer to "why": a prefix with its candidates in order of preference as of now, each with its
 * reason. */
struct rib_answer {
	ip_prefix prefix;
	struct rib_owners owners;
	const struct rib_owner *order; /* every next hop, as its set has it; borrowed likewise */
	size_t n_order;
	bool route;
	bool pinned;
	enum rib_on_dead on_dead;
	const struct rib_candidate *candidates; /* borrowed until the next call on the rib */
	const enum rib_reason *reasons;
	size_t n;
};

/* Exact prefix; false if unknown. */
bool rib_explain(struct rib *rib, const ip_prefix *prefix, struct rib_answer *ret);
/* The longest prefix that holds the address AND has an owner now (what a packet would take); false
 * if none. */
bool rib_lookup(struct rib *rib, const ip_addr *addr, struct rib_answer *ret);
/* The longest prefix that strictly holds another, with an owner or without; false if there is none.
 */
bool rib_cover(struct rib *rib, const ip_prefix *prefix, struct rib_answer *ret);
/* As rib_walk, from the first prefix behind after (NULL: from the first), at most max of them. */
int rib_walk_after(struct rib *rib, const ip_prefix *after, size_t max,
	int (*fn)(const struct rib_answer *a, void *data), void *data);
/* In ip_prefix_cmp order; a non-zero answer of fn ends it and is returned. */
int rib_walk(struct rib *rib, int (*fn)(const struct rib_answer *a, void *data), void *data);

/* What the FIB is to hold of a prefix as of now, and nothing of why: cheap. */
struct rib_desire {
	ip_prefix prefix;
	struct rib_owners owners;
	bool route;
	enum rib_on_dead on_dead;
};

typedef int rib_desire_fn(const struct rib_desire *d, void *data);
/* As rib_walk_after. */
int rib_desires_after(
	const struct rib *rib, const ip_prefix *after, size_t max, rib_desire_fn *fn, void *data);

const char *rib_reason_name(enum rib_reason r); /* stable, for JSON: "higher-metric" */

#endif

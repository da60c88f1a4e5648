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
 * On a device that holds many owners (rib_new) a prefix stands in an owner set: all of its next
 * hops in order of elimination, so that the device itself finds the next one when a peer's level
 * falls. Within the best level (up before last resort; who is down comes last) the device takes the
 * lowest rank that may be sent to, and shares among equals by weight. Ranks don't depend on who is
 * up, so a peer that is lost changes no owner set but those whose outcome would be another than the
 * decision's: there who would wrongly win may only send from here (sends is false) until that is
 * over. A prefix stays one peer's alone where nothing else may take over: it is pinned, or its
 * on_dead is RIB_HOLD. A deviation by rule 7 stands in a set of its own, of which nobody is sent
 * to.
 *
 * The order of candidates is route/decision.h; the rules around it, by the numbers of
 * docs/decision.md:
 *   7  A prefix whose best candidate is a detour around an origin that is down, and whose on_dead
 *      is RIB_FALL_BACK, has no owner while a living one would get its packets instead: the
 *      longest covering prefix with an owner, other than a default route, has one whose next hop
 *      isn't down (it may be kept though it is) and that is no such detour itself.
 *   8  No usable candidate: on_dead tells. RIB_FALL_BACK withdraws the owner and keeps the kernel
 *      route, RIB_HOLD keeps the last owner (or, if there never was one, the first candidate in
 *      order), RIB_RELEASE withdraws both. An owner set stays, and nobody in it is sent to.
 *   9  A pinned prefix (a direct peer's own overlay address) has the inventory's one candidate as
 *      owner whatever its state (given several, the first of them by steps 2 to 6). What another
 *      source says of it is kept, and counts when the pin is gone.
 *
 * RIB_KERNEL is what a routing engine chose, of which it keeps the kernel's routes itself: a prefix
 * that nobody but the kernel tells of has owners and no route of ours. The engine says that the
 * next hop has the origin, which is more than that we don't see it: such an origin that is down for
 * us counts as up. That it drains or holds counts as ever, and so does what the next hop reports.
 *
 * Where that source has no direct candidate, and no other has any at all, it counts for nothing
 * that an origin drains or holds: it tells hubs apart for us, and not for the origin on its way
 * back.
 */
#ifndef SHUNT_ROUTE_RIB_H
#define SHUNT_ROUTE_RIB_H

#include "base/prefix.h"
#include "base/vec.h"

#define RIB_MAX_OWNERS 16
#define RIB_TICK_NS INT64_C(100000000) /* of rib_clock */
#define RIB_MAX_ID                                                                    \
	(1u << 24) /* peers and origins stay below; tables are as long as the largest \
		    */

enum rib_state { RIB_DOWN, RIB_LAST_RESORT, RIB_UP };
enum rib_on_dead { RIB_FALL_BACK, RIB_HOLD, RIB_RELEASE };
/* Who tells of candidates. */
enum rib_source { RIB_INVENTORY, RIB_KERNEL, RIB_N_SOURCES };
/* Administrative distances; lower wins. */
enum rib_distance { RIB_DISTANCE_KERNEL = 5, RIB_DISTANCE_INVENTORY = 10 };

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
	RIB_CUT_FOR_ORIGIN,	/* equal to the winner, but an origin behind them, or behind one
				   that would be their equal if it were up, takes packets of one
				   source from one peer only, as far as is known */
	RIB_PINNED,		/* the prefix is, and only the inventory says to whom */
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
	uint16_t weight; /* its share among equals; 0 counts as 1 */
};

/* A next hop of a set's candidates, by its best one. */
struct rib_owner {
	uint32_t peer;
	uint16_t rank;	 /* 0: the best; equal ones are an equal-cost set */
	uint16_t weight; /* its share among those of its rank */
	bool sends;	 /* may be sent to as of now; otherwise it may only send from here */
	bool is_relay;	 /* its best candidate is transit, and the inventory's: what a routing
			    protocol chose may well lead over several hubs */
};

/* Where a prefix stands on the device. */
enum rib_home_kind { RIB_AT_NOBODY, RIB_AT_PEER, RIB_AT_OWNER_SET };

struct rib_home {
	enum rib_home_kind kind;
	uint32_t peer;	    /* RIB_AT_PEER */
	uint64_t owner_set; /* RIB_AT_OWNER_SET: its number */
};

/*
 * The owners of all prefixes that stand in it. Its number is made of what its candidates are, by
 * the names of nodes: the same on every start, and another when they are others. All numbers begin
 * with RIB_OWNER_SET_MARK, so that ours are known for ours on a device.
 */
struct rib_owner_set {
	uint64_t number;
	const struct rib_owner *owners; /* by rank */
	size_t n;			/* 0: it is gone */
};

#define RIB_OWNER_SET_MARK (UINT64_C(0x5348) << 48)
#define RIB_IS_OWNER_SET(number) ((number) >> 48 == 0x5348)

/* Those that a FIB with room for so many gets, in order. */
struct rib_owners {
	uint8_t n; /* 0: nobody */
	uint32_t peer[RIB_MAX_OWNERS];
};

/* Before and after an event. */
struct rib_turn {
	struct rib_owners old_owners, owners; /* who is sent to */
	struct rib_home old_home, home;
	bool old_route, route; /* the kernel's route towards the device */
	enum rib_reason why;   /* why the first old owner isn't the first owner any more; RIB_WINS:
				  nothing was lost */
};

struct rib_change {
	ip_prefix prefix;
	struct rib_turn turn;
};

/* True if both are the same place. */
bool rib_home_eq(const struct rib_home *a, const struct rib_home *b);

struct rib_level {
	uint32_t peer;
	enum rib_state state;
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
	/* New or changed or gone, by number; of a FIB of many owners only. */
	VEC(struct rib_owner_set) owner_sets;
	VEC(struct rib_owner) owners; /* of all owner_sets: what they point into */
	/* Peers whose state is another now, each once: the levels of a FIB of many owners. */
	VEC(struct rib_level) levels;
	uint32_t step;
};

/* What a peer says of its own line to an origin. */
enum rib_reach {
	RIB_REACH_UNKNOWN, /* nothing: what we ourselves know of the origin counts */
	RIB_REACH_HAS,	   /* it has it: the origin isn't down on that way, whatever we see; a
			      drain that we see remains */
	RIB_REACH_CLEAN,   /* it has it, while our own line to the origin is poor, which is all
			      that we have against it: it is up on that way */
	RIB_REACH_POOR,	   /* it has it, but that way the origin is last resort */
	RIB_REACH_LOST,	   /* the origin is down on that way */
};

enum rib_event_type { RIB_EVENT_PEER, RIB_EVENT_PREFIX, RIB_EVENT_REACH, RIB_EVENT_TAKES_MANY };

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
			/* Count from the inventory only; what others alone know falls back. */
			enum rib_on_dead on_dead;
			bool pinned;
		} prefix;
		/* Of an origin as its own next hop only LOST says anything: it has gone elsewhere,
		 * and who else has it comes before it. */
		struct {
			uint32_t peer, origin;
			enum rib_reach reach;
		} reach;
		/* Whether that node takes packets of one source from several peers, so that flows
		 * to it may be shared among relays; until its first event it isn't known to. */
		struct {
			uint32_t id;
			bool takes_many;
		} takes_many;
	} u;
};

struct rib;

/* What names a peer or origin beyond a restart: a hash of the node's name. */
typedef uint64_t rib_tag_fn(uint32_t id, void *data);

/* max_owners 1..RIB_MAX_OWNERS: how many owners per prefix the device can hold. tag: for the
 * numbers of owner sets; NULL with one owner. */
struct rib *rib_new(unsigned max_owners, rib_tag_fn *tag, void *data);
void rib_free(struct rib *rib);
/* The time that the steps from here on are marked with: ticks of any clock, of 13 years at most. */
void rib_clock(struct rib *rib, uint32_t now);

/* Applies n events as one: diff holds what differs after all of them, each prefix at most once. */
void rib_step(struct rib *rib, const struct rib_event *events, size_t n, struct rib_diff *diff);
void rib_diff_done(struct rib_diff *diff);

typedef void rib_diff_fn(const ip_prefix *prefix, const struct rib_turn *turn, void *data);
/* Every changed prefix, those of a set one after another, in no other order. */
void rib_diff_each(const struct rib_diff *diff, rib_diff_fn *fn, void *data);
/* The same of those alone whose home or route is another: what a FIB has to do beside owner sets
 * and levels. Looks at no prefix of a set that stays. */
void rib_diff_each_move(const struct rib_diff *diff, rib_diff_fn *fn, void *data);
size_t rib_diff_count(const struct rib_diff *diff);
/* The same as a list in ip_prefix_cmp order; malloc'd, NULL if empty. */
size_t rib_diff_list(const struct rib_diff *diff, struct rib_change **ret);

enum rib_state rib_peer_state(const struct rib *rib, uint32_t peer);

/* The answer to "why": a prefix with its candidates in order of preference as of now, each with its
 * reason. */
struct rib_answer {
	ip_prefix prefix;
	struct rib_owners owners;
	struct rib_home home;
	const struct rib_owner *order; /* every next hop, as its set has it (with many owners: as
					  the owner set has it); borrowed likewise */
	size_t n_order;
	bool route;
	bool pinned;
	uint32_t moved_at; /* by rib_clock: since when the owners are these */
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
	struct rib_home home;
	struct rib_owner_set owner_set; /* RIB_AT_OWNER_SET: borrowed until the next step */
	bool route;
	enum rib_on_dead on_dead;
};

typedef int rib_desire_fn(const struct rib_desire *d, void *data);
/* As rib_walk_after. */
int rib_desires_after(
	const struct rib *rib, const ip_prefix *after, size_t max, rib_desire_fn *fn, void *data);

const char *rib_reason_name(enum rib_reason r); /* stable, for JSON: "higher-metric" */

#endif

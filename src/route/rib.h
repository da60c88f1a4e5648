/* SPDX-License-Identifier: MIT */
/*
 * The RIB: every candidate of every prefix, the state of every next hop, the decision, and the
 * desired FIB. A pure core: events in, the difference of the desired FIB out; no I/O, no clock, no
 * names (peers and origins are the caller's small numbers).
 *
 * Decision process, per prefix, one step after another (DESIGN.md rule 3):
 *   1  usable: a next hop that is down is out. A transit candidate whose origin is known down (a
 * direct peer of ours that had an event and is down) counts after all others: the origin itself may
 * be dead, and then another origin of an anycast prefix must win. Within that, last resort (the
 * next hop, or the known origin behind it, is drained or holding) comes after the others.
 *   2  administrative distance of the source
 *   3  the prefix's metric at its origin
 *   4  direct before transit
 *   5  the hub's metric
 *   6  place of the next hop, then of the origin, in the inventory
 * What is installed now decides nothing. Candidates equal through step 5 (and different in their
 * next hop) form an ECMP set; a FIB with max_owners 1 gets the first and the others keep
 * RIB_CUT_FROM_SET as their reason.
 *
 * A prefix whose best candidate is such a detour, and whose on_dead is RIB_FALL_BACK, counts as
 * having none while a living owner would get its packets instead: the longest covering prefix with
 * an owner, other than a default route, has one whose next hop isn't down (it may be kept though it
 * is: hold, pinned) and that is no such detour. A dead specific falls back to its cover.
 *
 * No usable candidate: on_dead tells. RIB_FALL_BACK withdraws the owners and keeps the kernel
 * route, RIB_HOLD keeps the last owners (or, if there never were any, the first candidate in
 * order), RIB_RELEASE withdraws both. A pinned prefix (a direct peer's own overlay address) has its
 * one candidate as owner whatever its state (given several, the first of them by steps 2 to 6).
 */
#ifndef SHUNT_ROUTE_RIB_H
#define SHUNT_ROUTE_RIB_H

#include "base/prefix.h"

#define RIB_MAX_OWNERS 16
#define RIB_MAX_ID                                                                    \
	(1u << 24) /* peers and origins stay below; tables are as long as the largest \
		    */

enum rib_state { RIB_DOWN, RIB_LAST_RESORT, RIB_UP };
enum rib_on_dead { RIB_FALL_BACK, RIB_HOLD, RIB_RELEASE };
enum rib_distance {
	RIB_DISTANCE_INVENTORY = 10
}; /* lower wins; other sources will take their places */

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
	uint32_t metric;
	uint32_t hub_metric;
	uint32_t place; /* of the next hop in the inventory */
	uint32_t origin_place;
};

struct rib_owners {
	uint8_t n; /* 0: nobody */
	uint32_t peer[RIB_MAX_OWNERS];
};

/* One prefix of the desired FIB, before and after an event. */
struct rib_change {
	ip_prefix prefix;
	struct rib_owners old_owners, owners;
	bool old_route, route; /* the kernel's route towards the device */
	enum rib_reason why;   /* why the first old owner isn't the first owner any more; RIB_WINS:
				  nothing was lost */
};

/* Filled by rib_step in ip_prefix_cmp order; a zeroed one is empty; items stay valid until the next
 * step on it. */
struct rib_diff {
	struct rib_change *items;
	size_t n;
	size_t cap;
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
			ip_prefix prefix;			/* host bits clear */
			const struct rib_candidate *candidates; /* replace what was there; copied */
			size_t n; /* 0: the prefix is gone, and so are its owners and route */
			enum rib_on_dead on_dead;
			bool pinned;
		} prefix;
	} u;
};

struct rib;

/* max_owners 1..RIB_MAX_OWNERS: how many owners per prefix the device can hold. */
struct rib *rib_new(unsigned max_owners);
void rib_free(struct rib *rib);

/* Applies n events as one: diff holds, per prefix whose owners or route differ after all of them,
 * one change. */
void rib_step(struct rib *rib, const struct rib_event *events, size_t n, struct rib_diff *diff);
void rib_diff_done(struct rib_diff *diff);

enum rib_state rib_peer_state(const struct rib *rib, uint32_t peer);

/* The answer to "why": a prefix with its candidates in order of preference as of now, each with its
 * reason. */
struct rib_answer {
	ip_prefix prefix;
	struct rib_owners owners;
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
/* In ip_prefix_cmp order; a non-zero answer of fn ends it and is returned. */
int rib_walk(struct rib *rib, int (*fn)(const struct rib_answer *a, void *data), void *data);

const char *rib_reason_name(enum rib_reason r); /* stable, for JSON: "higher-metric" */

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What nodes tell each other of their lines (live/report.h), as this one understands it: its own
 * report, kept up with its verdicts, and what the RIB is to know of those of its peers.
 *
 * What is said of nodes counts from a hub only, of nodes that our inventory links with it: who else
 * relays to nobody. Nodes are named by their places in the speaker's inventory. One that is ours,
 * or was ours a while ago, is understood; of another, warnings of before stand (lost, poor), and no
 * promise does. What was known of whether nodes take packets from several peers stands until
 * somebody who can know says otherwise.
 *
 * Of clients with several servers these tell which of them has it (reports_clients.c).
 *
 * A peer that is lost moves by its level alone: what it said is forgotten a moment later, unless
 * it is back with a word of its own. The RIB hears of all in slices (reports_take), so that nothing
 * that a report says keeps a verdict waiting.
 *
 * Pure: no I/O, no clock.
 */
#ifndef SHUNT_DAEMON_REPORTS_H
#define SHUNT_DAEMON_REPORTS_H

#include "daemon/generation.h"
#include "live/live.h"
#include "live/report.h"
#include "route/rib.h"

/* A new peer that isn't heard for so long counts as lost for others. */
#define REPORTS_UNHEARD LIVE_ADOPT_GRACE
/* What a lost peer said, or what a device that was found made believe, is forgotten then. */
#define REPORTS_FORGET (2 * NS_PER_S)
#define REPORTS_FORGET_FOUND (10 * NS_PER_S)

/* So many are told of a peer. */
#define REPORTS_LOST_MAX 16

struct reports;

struct reports *reports_new(void);
/* Accepts NULL. */
void reports_free(struct reports *r);

/* The generation in force, which must outlive it or be followed by another. */
void reports_set(struct reports *r, const struct generation *g, instant now);
/* Of the device: how many owners a prefix may have. */
void reports_set_max_owners(struct reports *r, unsigned max_owners);

/* --- what happens --- */

/* At the start: how the device was found to use a peer; was_known: it stood there, so that one that
 * is down was lost before. */
void reports_found(struct reports *r, uint32_t peer, enum live_state state, bool was_known);
/* At the start: what the owners on the device show of reports of before; REACH or TAKES_MANY, which
 * the RIB has heard. It stands until the hub says something itself, or for REPORTS_FORGET_FOUND. */
void reports_recall(struct reports *r, const struct rib_event *event, instant now);
/* Peers of the generation in force are probed from now on. */
void reports_probing(struct reports *r, instant now);
void reports_on_verdict(struct reports *r, const struct live_event *v, instant now);
/* NULL: its report stands no more. Copied. */
void reports_on_report(
	struct reports *r, uint32_t peer, const struct live_report *report, instant now);
/* A client that roams, and when it last had a handshake with us; INSTANT_NEVER: never. */
struct reports_handshake {
	uint32_t client;
	instant at;
};
/* As the device says; of who isn't in the list nothing is new. */
void reports_on_handshakes(
	struct reports *r, const struct reports_handshake *list, size_t n, instant now);
void reports_on_time(struct reports *r, instant now);
/* When reports_on_time or reports_take are due at the latest; INSTANT_NEVER. */
instant reports_deadline(const struct reports *r);

/* --- what follows --- */

/* At most max events of which the RIB hasn't heard; it has from then on. */
size_t reports_take(struct reports *r, struct rib_event *ret, size_t max);
/* Our own report if it changed since this was asked last, else NULL; valid until the next call of
 * any. */
const struct live_report *reports_news(struct reports *r);

/* --- what is known, for those who ask --- */

/* The node's place in our inventory; -1: none. */
int64_t reports_place(const struct reports *r, uint32_t node);

struct reports_heard {
	bool is_of_our_inventory;
	instant other_since; /* it and ours differ as they do; INSTANT_NEVER: they don't */
	int64_t inventory_time;
	unsigned max_owners;
};

/* False: no report of the peer stands. */
bool reports_heard(const struct reports *r, uint32_t peer, struct reports_heard *ret);

struct reports_line {
	enum live_line line;
	instant since;
};

/* The line between the two: as the peer says; as we see our own to it. */
struct reports_line reports_line_of(const struct reports *r, uint32_t peer, uint32_t node);
struct reports_line reports_own_line(const struct reports *r, uint32_t peer);
/* Nodes that the peer says it lost, at most REPORTS_LOST_MAX; borrowed. */
size_t reports_lost(const struct reports *r, uint32_t peer, const uint32_t **ret);
/* Whether the node takes packets of one source from several peers, as far as is known. */
bool reports_takes_many(const struct reports *r, uint32_t node);

#endif

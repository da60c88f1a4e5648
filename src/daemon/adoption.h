/* SPDX-License-Identifier: MIT */
/*
 * What a table that is found at the start says of the life before. A restart must move nothing, but
 * the verdicts and the reports of peers are gone; and a prefix that doesn't go by the peer who is
 * the best by the rules says that it wasn't:
 *
 * - it drained or held, and was last resort, if nothing else of what it could relay goes by it. On
 *   a device that keeps levels (many owners a prefix) they tell that, and tell it exactly. Taken
 * for up, it would get its prefixes until its first packet came, and lose them to the source checks
 * of all others.
 * - else it was the hub that said that it had lost the node behind.
 *
 * - of a client with several servers it was the one by which it doesn't go, or, on a server, the
 *   client itself: another had it.
 *
 * A prefix that goes by a hub to a node that we ourselves hold for dead, where nobody would have it
 * by the rules, says that this hub still had the node; and one that goes by several that the node
 * takes packets from several.
 */
#ifndef SHUNT_DAEMON_ADOPTION_H
#define SHUNT_DAEMON_ADOPTION_H

#include "base/vec.h"
#include "route/rib.h"

/* By whom a prefix goes in the table that was found; one, or several that share. */
struct adoption_found {
	uint32_t peers[RIB_MAX_OWNERS];
	size_t n;
};

/* False: by nobody we know. */
typedef bool adoption_found_fn(const ip_prefix *prefix, struct adoption_found *ret, void *data);

typedef VEC(struct rib_event) adoption_events;

struct adoption_table {
	adoption_found_fn *find;
	void *data;
	bool has_levels;
	/* Of an origin: a client with several servers, of which one has it. NULL: there are none.
	 */
	bool (*roams)(uint32_t origin, void *data);
};

/* Given a RIB with all candidates, in which peers stand as the table's levels say, or without
 * levels those of the table up and all others down: tells it what the table shows besides. ret gets
 * those of the events that peers' reports are to say sooner or later (REACH, TAKES_MANY); the
 * caller frees it. */
void adoption_refine(struct rib *rib, const struct adoption_table *table, adoption_events *ret);

#endif

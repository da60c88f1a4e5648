/* SPDX-License-Identifier: MIT */
/* From the inventory's candidates to the RIB's: the one place where the two meet. */
#ifndef SHUNT_DAEMON_CANDIDATES_H
#define SHUNT_DAEMON_CANDIDATES_H

#include "base/vec.h"
#include "mesh/view.h"
#include "route/rib.h"

/* One RIB_EVENT_PREFIX per prefix, with the memory of their candidates. */
struct candidate_events {
	VEC(struct rib_event) events;
	struct rib_candidate *candidates;
};

/* All that a view says, in ip_prefix_cmp order. */
void candidate_events_of_view(
	const struct mesh_view *v, const uint32_t *ids, struct candidate_events *ret);
/* What it says of n prefixes; of one that it doesn't have, that nobody carries it. */
void candidate_events_of_prefixes(const struct mesh_view *v, const uint32_t *ids,
	const ip_prefix *prefixes, size_t n, struct candidate_events *ret);
void candidate_events_done(struct candidate_events *e);

/* Whether they are the same to the RIB; the source apart, which an event states. */
bool candidate_is_same(const struct rib_candidate *a, const struct rib_candidate *b);

/* In ip_prefix_cmp order. */
typedef VEC(ip_prefix) candidate_changes;

/* Appends the prefixes of which the RIB is told something else by the one view than by the other.
 */
void candidate_changes_between(const struct mesh_view *before, const uint32_t *ids_before,
	const struct mesh_view *after, const uint32_t *ids_after, candidate_changes *ret);

#endif

/* SPDX-License-Identifier: MIT */
/* From the inventory's candidates to the RIB's: the one place where the two meet. */
#ifndef SHUNT_DAEMON_CANDIDATES_H
#define SHUNT_DAEMON_CANDIDATES_H

#include "base/vec.h"
#include "mesh/view.h"
#include "route/rib.h"

/* One RIB_EVENT_PREFIX per prefix of a view, with the memory of their candidates. */
struct candidate_events {
	VEC(struct rib_event) events; /* of a view: in ip_prefix_cmp order */
	struct rib_candidate *candidates;
};

void candidate_events_of_view(
	const struct mesh_view *v, const uint32_t *ids, struct candidate_events *ret);
/* What makes of the prefixes of one view those of another: all of after's, and those of before that
 * are gone. */
void candidate_events_of_change(const struct mesh_view *before, const struct mesh_view *after,
	const uint32_t *ids, struct candidate_events *ret);
void candidate_events_done(struct candidate_events *e);

#endif

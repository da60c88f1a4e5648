/* SPDX-License-Identifier: MIT */
/* The decision process on one prefix's candidates, apart from how the RIB stores them. */
#ifndef SHUNT_ROUTE_DECISION_H
#define SHUNT_ROUTE_DECISION_H

#include "route/rib.h"

/* A candidate together with the facts that step 1 asks for. */
struct decision_contender {
	const struct rib_candidate *candidate;
	enum rib_state state; /* of the next hop */
	enum rib_state
		origin; /* of the origin behind it, if that is a peer heard of; else RIB_UP */
	/* Packets of one source may reach the origin by several next hops: it accepts them so, or
	 * is the next hop itself. */
	bool takes_many;
};

/* Negative: a before b. 0 only for the same candidate twice. *ret_why (may be NULL) gets the step
 * that decided, as the loser's reason; RIB_WINS if none did. */
int decision_compare(const struct decision_contender *a, const struct decision_contender *b,
	enum rib_reason *ret_why);

/* For qsort: candidates as if every next hop were up. */
int decision_candidate_cmp(const void *a, const void *b);

/* Why each of n contenders, which stand in decision_candidate_cmp order, wins or loses, where the
 * FIB takes max_owners: the best usable one and what is equal to it through step 5 win. The best
 * one wins alone where any that would be its equal, were all next hops up, doesn't take many.
 * Nobody usable: every reason is RIB_PEER_DOWN. */
void decision_reasons(const struct decision_contender *list, size_t n, unsigned max_owners,
	enum rib_reason *reasons);

/* Every next hop of n contenders once, by its best one, in order of preference. Those equal through
 * step 5 have the same rank if all of them take many. ret has room for n; returns how many there
 * are. */
size_t decision_order(const struct decision_contender *list, size_t n, struct rib_owner *ret);

/* The reason of one that is as good as the winner through step 5. */
bool decision_is_equal(enum rib_reason why);

bool decision_owns(const struct rib_owners *owners, uint32_t peer);

#endif

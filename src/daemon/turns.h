/* SPDX-License-Identifier: MIT */
/* The difference of one step of the RIB as a plan: what an event moves at once. Pure. */
#ifndef SHUNT_DAEMON_TURNS_H
#define SHUNT_DAEMON_TURNS_H

#include "daemon/generation.h"
#include "fib/plan.h"
#include "route/rib.h"

/* Borrowed; as the last SYNC found and decided it. */
struct turns_facts {
	const struct generation *gen;
	/* The one that the last SYNC was of, while that of gen is under way; else NULL. What it
	 * doesn't have the journal doesn't name yet, and a SYNC that does gives it an owner. */
	const struct generation *before;
	bool has_many_owners; /* the device; else a prefix in an owner set is the first owner's */
	struct want_facts want;
	const ip_prefix *foreign; /* sorted: what foreign peers own, which stays theirs */
	size_t n_foreign;
};

/* In the order to be done; *ret is for fib_plan_done. False: something is left out, as it is a
 * foreign peer's as far as is known, or not ours yet; a look tells more. */
bool turns_plan(const struct turns_facts *facts, const struct rib_diff *diff, struct fib_plan *ret);

/* Takes the beginning of a large plan out, which isn't to wait behind other large ones: levels, and
 * the signals of who died. False: there is nothing of the kind, or the plan is small. *first is for
 * fib_plan_done. */
bool turns_split(struct fib_plan *plan, struct fib_plan *first);

#endif

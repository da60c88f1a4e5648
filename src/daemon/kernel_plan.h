/* SPDX-License-Identifier: MIT */
/*
 * The kernel's routes and rules brought into line with fib/want.h, around the change of the
 * device: what shall be is decided and journaled first; then, only where a mark is given up, the
 * routes go home and the rules go, since the device loses its mark next; after the device has its
 * new allowed IPs come the missing routes, then the rules, then what is stale goes. So a prefix
 * that moves to another table stands in both for a moment, and in none never.
 */
#ifndef SHUNT_DAEMON_KERNEL_PLAN_H
#define SHUNT_DAEMON_KERNEL_PLAN_H

#include "daemon/fib.h"
#include "fib/diff.h"

struct kernel_plan {
	struct want_facts facts;
	prefix_vec overlays;  /* what facts borrow */
	prefix_vec backstops; /* those that the journal has to name */
	route_vec routes;
	rule_vec rules;
	VEC(uint32_t) marks; /* ours, now and before */
	struct want_diff diff;
	bool clear_mark; /* the mark on the device is ours and has no more use */
};

/* Decides f->apart and f->fwmark, given the carried prefixes in order (borrowed for as long as the
 * plan lives) and what the device reports; looks at the kernel. 0 or negative errno. */
int kernel_plan_make(struct fib *f, const struct want_prefix *carried, size_t n,
	const struct device_state *mirror, struct kernel_plan *ret);
/* Before the device is changed. */
int kernel_plan_begin(struct fib *f, struct kernel_plan *p);
/* After it. */
int kernel_plan_finish(struct fib *f, struct kernel_plan *p, struct fib_counts *counts);
void kernel_plan_done(struct kernel_plan *p);

/* Takes away our rules and the routes that refuse, before the device goes; its routes and addresses
 * go with it. */
void kernel_plan_remove(struct fib *f);

#endif

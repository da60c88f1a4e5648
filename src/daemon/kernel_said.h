/* SPDX-License-Identifier: MIT */
/*
 * What the source of the kernel's routes says of a prefix, interned: an engine brings a hundred
 * thousand prefixes and a few sets of next hops. A set is found by peers, origins and the kernel's
 * weights, in the epoch of the facts that made candidates of them. Pure.
 */
#ifndef SHUNT_DAEMON_KERNEL_SAID_H
#define SHUNT_DAEMON_KERNEL_SAID_H

#include "daemon/kernel_candidates.h"

/* Never changed by who has one. */
struct kernel_said {
	size_t refs; /* the saids' own */
	struct kernel_hops *hops;
	size_t n; /* 1.. */
	struct rib_candidate *candidates;
	size_t key_n;
	uint32_t key[]; /* the saids' own */
};

struct kernel_saids;

struct kernel_saids *kernel_saids_new(void);
/* Accepts NULL. Nobody has one of them any more. */
void kernel_saids_free(struct kernel_saids *s);
/* One reference more. hops: one at least; the judge is that epoch's. */
struct kernel_said *kernel_saids_get(struct kernel_saids *s, const struct kernel_judge *judge,
	uint32_t epoch, const struct kernel_hops *hops);
/* One less. Accepts NULL. */
void kernel_said_put(struct kernel_saids *s, struct kernel_said *d);
/* The same candidates, whatever epoch they are of. NULL: none. */
bool kernel_said_is_same(const struct kernel_said *a, const struct kernel_said *b);

#endif

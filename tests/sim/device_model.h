/* SPDX-License-Identifier: MIT */
/*
 * A device that holds several owners of a prefix, as docs/uapi.md and docs/shunt-wg.md describe it
 * and no cleverer, to which nothing is said but what the RIB's differences tell.
 */
#ifndef SHUNT_TESTS_DEVICE_MODEL_H
#define SHUNT_TESTS_DEVICE_MODEL_H

#include "route/rib.h"

#define MODEL_PEERS 64
#define MODEL_SETS 256
#define MODEL_PREFIXES 64

struct model_set {
	uint64_t number;
	struct rib_owner owners[RIB_MAX_OWNERS];
	size_t n;
};

struct model_prefix {
	ip_prefix prefix;
	struct rib_home home;
};

struct model {
	enum rib_state levels[MODEL_PEERS];
	struct model_set sets[MODEL_SETS];
	size_t n_sets;
	struct model_prefix prefixes[MODEL_PREFIXES];
	size_t n_prefixes;
};

/* What an urgent order does at once. */
void model_apply_levels(struct model *m, const struct rib_diff *diff);
/* All else of it, in the order of the plan: owner sets, homes, owner sets that go. Fails the test
 * if it doesn't fit what is there. */
void model_apply(struct model *m, const struct rib_diff *diff);

/* To whom a packet may go; n is 0 if to nobody. */
void model_send(const struct model *m, const ip_addr *to, struct rib_owners *ret);
/* Whether a packet from this address is taken from the peer. */
bool model_takes(const struct model *m, const ip_addr *from, uint32_t peer);

const struct model_set *model_set(const struct model *m, uint64_t number);
/* The longest that holds the address; NULL if none. */
const struct model_prefix *model_longest(const struct model *m, const ip_addr *a);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What a route of the kernel means in peers: who owns its next hops, who may stand behind them, and
 * why it is refused. Pure, and nothing is kept between two routes (kernel_source.h keeps).
 *
 * A next hop's owner is known by its address alone. Which nodes may stand behind it is asked of the
 * inventory: the peer itself, if it may announce the prefix; behind a hub rather who has the
 * narrowest permit, of which the hub's own may be a cover. An overlay address is announced by its
 * node, without being listed.
 */
#ifndef SHUNT_DAEMON_KERNEL_CANDIDATES_H
#define SHUNT_DAEMON_KERNEL_CANDIDATES_H

#include "daemon/kernel_facts.h"
#include "route/rib.h"
#include "sys/route_mirror.h"

/* Behind one next hop. */
#define KERNEL_ORIGINS_MAX 4

struct kernel_judge;

/* Borrows what the facts borrow, and reads the inventory of their generation. */
struct kernel_judge *kernel_judge_new(const struct kernel_source_facts *f);
/* Accepts NULL. */
void kernel_judge_free(struct kernel_judge *j);
/* Another device or other endpoints, in the same generation. */
void kernel_judge_update(struct kernel_judge *j, const struct kernel_source_facts *f);

/* Whether a next hop is in the route as it stands. */
enum kernel_hop_kind {
	KERNEL_HOP_STANDS,
	KERNEL_HOP_KEPT,    /* it was, and counts as if it were */
	KERNEL_HOP_LINGERS, /* it was, and is behind all others: taken from, and sent to last */
};

/* Of a candidate that lingers. */
#define KERNEL_DISTANCE_LINGERS UINT8_MAX

/* A next hop that may carry the prefix. */
struct kernel_hop {
	uint32_t peer;	 /* id */
	uint8_t kind;	 /* enum kernel_hop_kind */
	uint16_t weight; /* the kernel's, capped at MESH_WEIGHT_MAX */
	uint8_t n_origins;
	uint32_t origins[KERNEL_ORIGINS_MAX]; /* indices of nodes */
};

/* Each peer once. */
struct kernel_hops {
	size_t n;
	struct kernel_hop items[ROUTE_HOPS_MAX];
};

struct kernel_refusal {
	enum kernel_trouble_kind kind; /* KERNEL_N_TROUBLES: nothing is refused */
	uint32_t peer;		       /* or KERNEL_SOURCE_NOBODY */
	ip_addr hop;
};

/* Of a view that stands: the next hops that count, and the first thing that is refused. A route
 * that doesn't lead through the device has neither. */
void kernel_judge_route(const struct kernel_judge *j, const struct route_view *v,
	struct kernel_hops *ret, struct kernel_refusal *ret_refusal);
/* The same by what was known of the next hops before: who may stand behind them now. Peers that are
 * none any more go. */
void kernel_judge_again(
	const struct kernel_judge *j, const ip_prefix *prefix, struct kernel_hops *hops);

/* ret has room for all origins of all hops. Returns how many there are. */
size_t kernel_judge_candidates(
	const struct kernel_judge *j, const struct kernel_hops *hops, struct rib_candidate *ret);

#endif

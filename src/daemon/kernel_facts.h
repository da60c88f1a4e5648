/* SPDX-License-Identifier: MIT */
/* What the source of the kernel's routes (kernel_source.h) works with, and what it names. */
#ifndef SHUNT_DAEMON_KERNEL_FACTS_H
#define SHUNT_DAEMON_KERNEL_FACTS_H

#include "base/vec.h"
#include "daemon/generation.h"

/* What of the node's surroundings it works with; borrowed until the next set. */
struct kernel_source_facts {
	const struct generation *gen;
	int ifindex; /* of our device; 0: not known, all routes count as none */
	/* Endpoints in use, resolved and reported. */
	const ip_addr *endpoints;
	size_t n_endpoints;
};

enum kernel_trouble_kind {
	KERNEL_NO_GATEWAY,
	KERNEL_UNKNOWN_HOP,
	KERNEL_OVERLAY_ADDRESS, /* ours, or a direct peer's */
	KERNEL_ENDPOINT,	/* it would carry the tunnel's own packets */
	KERNEL_DEFAULT_ROUTE,
	KERNEL_MAY_NOT_ANNOUNCE, /* peer */
	KERNEL_HELD_SWEPT,	 /* how many are held: no trouble, but worth a line */
	KERNEL_N_TROUBLES
};

/* Of each kind and peer: how many prefixes, and the first by ip_prefix_cmp. */
struct kernel_trouble {
	enum kernel_trouble_kind kind;
	uint32_t peer; /* KERNEL_SOURCE_NOBODY */
	size_t n;
	ip_prefix first;
	uint8_t protocol;
	ip_addr hop; /* of the first */
};
#define KERNEL_SOURCE_NOBODY UINT32_MAX

typedef VEC(struct kernel_trouble) kernel_troubles;

#endif

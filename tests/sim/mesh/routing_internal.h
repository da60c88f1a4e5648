/* SPDX-License-Identifier: MIT */
/*
 * Shared by routing_engine.c (what engines say to each other and choose) and routing_kernel.c (what
 * they write into the kernel of their machine).
 */
#ifndef SHUNT_TESTS_SIM_MESH_ROUTING_INTERNAL_H
#define SHUNT_TESTS_SIM_MESH_ROUTING_INTERNAL_H

#include "routing_engine.h"

#define PREFIXES 48

struct session {
	bool is_up, has_told; /* has_told: all that the other side has */
	instant heard_at;     /* the last packet */
	instant retry_at;
	uint8_t told[PREFIXES]; /* by the other side */
};

/* A prefix as the kernel has it of the engine. */
struct written {
	uint32_t hops;
	uint32_t port; /* who wrote it */
};

struct speaker {
	bool runs, knows; /* knows: it has heard all that it waits for, and tells */
	bool is_mute;	  /* it announces nothing of its own */
	unsigned edition; /* of the inventory that its configuration is rendered of */
	uint32_t port;
	unsigned starts;
	instant at; /* thinks next */
	instant died_at;
	instant sweeps_at, knows_at, waits_until; /* after its start */
	uint8_t tells[PREFIXES];
	struct session sessions[WORLD_NODES];
	struct written kernel[PREFIXES];
};

struct routing {
	struct chance chance;
	VEC(ip_prefix) prefixes;
	struct speaker speakers[WORLD_NODES];
};

static inline struct speaker *speaker(const struct world *w, unsigned node)
{
	return &w->routing->speakers[node];
}

/* Prefix i goes by these next hops from now on, a bit each; none: it is withdrawn. */
void routing_write(struct world *w, unsigned node, size_t i, uint32_t hops);
/* What an earlier engine left, by a port that didn't write it. */
void routing_sweep(struct world *w, unsigned node);

#endif

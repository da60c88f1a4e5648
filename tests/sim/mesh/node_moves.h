/* SPDX-License-Identifier: MIT */
/* The difference of a step of the RIB as a plan, by what the last SYNC has found. */
#ifndef SHUNT_TESTS_SIM_MESH_NODE_MOVES_H
#define SHUNT_TESTS_SIM_MESH_NODE_MOVES_H

#include "daemon/engine.h"
#include "fib/plan.h"

struct move_facts {
	prefix_vec apart, foreign; /* foreign: with peers that the inventory doesn't know */
	uint32_t mark;
	int ifindex;
};

/* False: something of it is left out, as it is a foreign peer's, or not ours yet. */
bool node_moves_plan(const struct engine *e, const struct move_facts *facts,
	const struct rib_diff *diff, struct fib_plan *ret);

#endif

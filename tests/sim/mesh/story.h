/* SPDX-License-Identifier: MIT */
/*
 * A story: what a seed lets happen in a mesh. The same seed makes the same mesh and the same
 * happenings; a story that fails is shortened to the happenings that it takes.
 */
#ifndef SHUNT_TESTS_SIM_MESH_STORY_H
#define SHUNT_TESTS_SIM_MESH_STORY_H

#include "world.h"

struct story_figures {
	uint64_t incidents, packets, operations, flows;
	int64_t simulated_ns;
};

/* Plays the seed's story of n incidents. False if something was wrong: trace (may be NULL) gets
 * the shortest version that still fails. Adds to figures. */
bool story_play(uint64_t seed, unsigned n, struct story_figures *figures, struct buf *trace);

#endif

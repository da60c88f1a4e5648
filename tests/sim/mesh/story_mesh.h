/* SPDX-License-Identifier: MIT */
/*
 * The mesh of a story: one to three hubs, some sites, clients of the hubs; one family or both;
 * maybe an anycast address, a network around all others, a way out into the world, and one that
 * holds the machines' own endpoints. Devices have one owner a prefix, or many, or some this and
 * some that; where any has many, hubs may be equal, and share by weight. With routing engines
 * nobody is a way out, and what holds endpoints nobody carries: what an engine makes of a default
 * route is its operator's matter.
 */
#ifndef SHUNT_TESTS_SIM_MESH_STORY_MESH_H
#define SHUNT_TESTS_SIM_MESH_STORY_MESH_H

#include "world.h"

enum story_devices { STORY_ONE_OWNER, STORY_MANY_OWNERS, STORY_MIXED };

enum story_devices story_devices_of(uint64_t seed);

/* Of seeds from here on, an eighth of all: hubs and most sites, or all, have a routing engine. The
 * other stories are what they were before there were any. */
#define STORY_WITH_ENGINES (UINT64_C(2) << 61)
bool story_has_engines(uint64_t seed);

/* n editions of one inventory: the same nodes, other metrics and links, and one network
 * that comes or goes. */
void story_make_mesh(struct mesh_build *builds, unsigned n, uint64_t seed, struct chance *c);

#endif

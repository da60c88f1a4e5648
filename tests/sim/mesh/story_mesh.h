/* SPDX-License-Identifier: MIT */
/*
 * The mesh of a story: one to three hubs, some sites, clients of the hubs; one family or both;
 * maybe an anycast address, a network around all others, a way out into the world, and one that
 * holds the machines' own endpoints. Devices have one owner a prefix, or many, or some this and
 * some that; where any has many, hubs may be equal, and share by weight.
 */
#ifndef SHUNT_TESTS_SIM_MESH_STORY_MESH_H
#define SHUNT_TESTS_SIM_MESH_STORY_MESH_H

#include "world.h"

enum story_devices { STORY_ONE_OWNER, STORY_MANY_OWNERS, STORY_MIXED };

enum story_devices story_devices_of(uint64_t seed);

/* n editions of one inventory: the same nodes, other metrics and links, and one network
 * that comes or goes. */
void story_make_mesh(struct mesh_build *builds, unsigned n, uint64_t seed, struct chance *c);

#endif

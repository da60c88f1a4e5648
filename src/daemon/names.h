/* SPDX-License-Identifier: MIT */
/*
 * Small numbers for node names that stay the same for the daemon's life: the RIB and the prober
 * know peers by them, while a node's index changes from one inventory to the next. Each generation
 * has all names of the one before, with their numbers, and those that it adds; none is ever
 * forgotten, and nothing changes once the generation is made.
 */
#ifndef SHUNT_DAEMON_NAMES_H
#define SHUNT_DAEMON_NAMES_H

#include "base/map.h"
#include "base/vec.h"
#include <stdint.h>

#define NAMES_NONE UINT32_MAX

struct names {
	struct map *ids; /* name -> id + 1 */
	VEC(char *) texts;
};

/* A copy of before; NULL: none. */
void names_init(struct names *n, const struct names *before);
void names_done(struct names *n);
/* The name's number, made now if it is new. */
uint32_t names_id(struct names *n, const char *name);
/* NAMES_NONE if it never had one. */
uint32_t names_find(const struct names *n, const char *name);
/* "?" for a number that nobody has. */
const char *names_text(const struct names *n, uint32_t id);

#endif

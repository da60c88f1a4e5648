/* SPDX-License-Identifier: MIT */
/*
 * Small numbers for node names that stay the same for the daemon's life: the RIB and the prober
 * know peers by them, while a node's index changes from one inventory to the next.
 */
#ifndef SHUNT_DAEMON_NAMES_H
#define SHUNT_DAEMON_NAMES_H

#include "base/map.h"
#include "base/vec.h"
#include <stdint.h>

struct names {
	struct map *ids; /* name -> id + 1 */
	VEC(char *) texts;
};

void names_init(struct names *n);
void names_done(struct names *n);
/* The name's number, made now if it is new. */
uint32_t names_id(struct names *n, const char *name);
const char *names_text(const struct names *n, uint32_t id);

#endif

/* SPDX-License-Identifier: MIT */
/* Whether two nodes run the same inventory, in a few bytes. */
#ifndef SHUNT_MESH_DIGEST_H
#define SHUNT_MESH_DIGEST_H

#include "mesh/inventory.h"

#define MESH_DIGEST_LEN 16

/* BLAKE2b over all that the inventory means: every value of every node after the defaults, and the
 * order of nodes, by which they are named. Comments, layout, where a value stands, and the file's
 * own name mean nothing. */
void mesh_digest(const struct mesh_inventory *inv, uint8_t out[static MESH_DIGEST_LEN]);

#endif

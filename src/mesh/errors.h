/* SPDX-License-Identifier: MIT */
/* Errors of the inventory's reader, collected: one run names everything there is to mend. */
#ifndef SHUNT_MESH_ERRORS_H
#define SHUNT_MESH_ERRORS_H

#include "mesh/inventory.h"

/* Nobody mends more than this at once, and a hostile file can't fill the memory with messages. */
#define MESH_ERRORS_MAX 1000

/* Appends one; past MESH_ERRORS_MAX only a last word that there are more. */
void mesh_errors_add(struct mesh_errors *e, struct mesh_pos pos, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Puts the errors from index `from` on in the order of the file; those of one place stay as added.
 */
void mesh_errors_sort(struct mesh_errors *e, size_t from);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * One owner's prefixes, written with fewer entries: where two sibling prefixes of the owner
 * complete their parent, the parent stands for both. The addresses are exactly the same, no cover
 * is invented and a prefix that belongs to somebody else never arises by merging (it would be taken
 * from him). Nested prefixes of the owner that aren't part of a merge stay.
 */
#ifndef SHUNT_MESH_AGGREGATE_H
#define SHUNT_MESH_AGGREGATE_H

#include "base/buf.h"
#include "base/prefix.h"

struct mesh_aggregate;

/* True if the prefix, which the owner doesn't have, must not arise by merging. */
typedef bool mesh_taken_fn(const ip_prefix *p, const void *data);

/* n distinct prefixes in ip_prefix_cmp order, copied. is_taken is called in here only. */
struct mesh_aggregate *mesh_aggregate_new(
	const ip_prefix *prefixes, size_t n, mesh_taken_fn *is_taken, const void *data);
/* Accepts NULL. */
void mesh_aggregate_free(struct mesh_aggregate *a);

/* Takes one of the prefixes out, as belonging to somebody else, until mesh_aggregate_restore: costs
 * the depth of the tree, so that variants of a large set are cheap. */
void mesh_aggregate_remove(struct mesh_aggregate *a, const ip_prefix *p);
void mesh_aggregate_restore(struct mesh_aggregate *a);

/* Appends the entries in ip_prefix_cmp order, ", " between them; returns their number. */
size_t mesh_aggregate_print(const struct mesh_aggregate *a, struct buf *out);

#endif

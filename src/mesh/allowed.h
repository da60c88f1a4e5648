/* SPDX-License-Identifier: MIT */
/*
 * The allowed IPs of every peer as each node programs them with everything up: the winners of
 * view.h, for many nodes at once, with clients at the first of their servers. A node is selected,
 * then its peers are printed.
 */
#ifndef SHUNT_MESH_ALLOWED_H
#define SHUNT_MESH_ALLOWED_H

#include "base/buf.h"
#include "mesh/topology.h"

/* A peer with more prefixes than this gets them merged (aggregate.h); up to it, every prefix stands
 * by itself. */
#define MESH_ALLOWED_PLAIN_MAX 128

struct mesh_allowed;

struct mesh_allowed_count {
	size_t prefixes; /* that the peer wins */
	size_t entries;	 /* that were written for them */
};

/* Borrows t and its inventory. */
struct mesh_allowed *mesh_allowed_new(const struct mesh_topology_index *t);
/* Accepts NULL. */
void mesh_allowed_free(struct mesh_allowed *a);

/* What follows is about this node; of a client, about its file for its first server. */
void mesh_allowed_select(struct mesh_allowed *a, unsigned node);
/* The same, of a client about its file for that one of its servers; -1: it has none. */
void mesh_allowed_select_by(struct mesh_allowed *a, unsigned node, int server);
/* Appends the peer's allowed IPs in ip_prefix_cmp order, ", " between them. Of one node, peers are
 * asked for in ascending order. */
struct mesh_allowed_count mesh_allowed_print(
	struct mesh_allowed *a, unsigned peer, struct buf *out);

#endif

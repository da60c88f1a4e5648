/* SPDX-License-Identifier: MIT */
/*
 * Configurations of routing engines from an inventory: for BIRD 2 and FRR, BGP over the one
 * interface (layout single). The same inventory gives the same bytes.
 *
 * Of each node with an engine there are two kinds of files: an include file with all that is ours,
 * for an operator's own configuration, and whole ones for who has none: bird.conf, or frr.conf and
 * daemons. A name in them is safe for the engine's grammar and tells the node.
 *
 * What they say. Hubs and the others call each other. A node announces what is local: what
 * the kernel has or another protocol gave, within its networks and `may_announce`. A hub passes on
 * what it learned from nodes that are no hubs, and nothing else: with what it learned from another
 * hub passed on, a detour would stay in the set of equals. From a hub comes what any node may
 * announce, from another node what that node may. Overlay addresses and endpoints never. Of a node
 * that is newer than the hub's file, the hub takes what lies apart from all that it knows, and
 * marks it, so that the others take it too: what such a node may is up to shuntd.
 *
 * Who lives is not asked by the engine: it resolves next hops by the routes that shuntd keeps of
 * peers that live (signals), and so no BFD is in these files.
 */
#ifndef SHUNT_MESH_RENDER_ROUTING_H
#define SHUNT_MESH_RENDER_ROUTING_H

#include "base/buf.h"
#include "mesh/topology.h"

/* The table of signals: which peers live, as BIRD learns it (fib/want.h). Of the interface's name,
 * as the daemon computes it. */
uint32_t mesh_signal_table(const char *interface);

enum mesh_engine_file {
	MESH_ENGINE_INCLUDE, /* shunt-bird.conf, shunt-frr.conf */
	MESH_ENGINE_WHOLE,   /* bird.conf, frr.conf */
	MESH_ENGINE_DAEMONS, /* FRR's file of daemons: daemons */
	MESH_N_ENGINE_FILES
};

/* The name of that file of the node; NULL: it has no such file, or no engine that is rendered.
 * Never that of its wg-quick file. */
const char *mesh_engine_file_name(const struct mesh_node *node, enum mesh_engine_file f);

struct mesh_engine_renderer; /* what files of one mesh have in common */

/* Borrows t and its inventory, which has no errors. */
struct mesh_engine_renderer *mesh_engine_renderer_new(const struct mesh_topology_index *t);
/* Accepts NULL. */
void mesh_engine_renderer_free(struct mesh_engine_renderer *r);
/* Appends the whole file. The node has that file. */
void mesh_render_engine(
	struct mesh_engine_renderer *r, unsigned node, enum mesh_engine_file f, struct buf *out);

#endif

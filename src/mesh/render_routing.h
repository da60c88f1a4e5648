/* SPDX-License-Identifier: MIT */
/*
 * Configurations of routing engines from an inventory: for BIRD 2 and FRR, BGP over the one
 * interface (layout single). The same inventory gives the same bytes.
 *
 * Of each node with an engine there are two kinds of files: an include file with all that is ours,
 * for an operator's own configuration, and whole ones for who has none: bird.conf, or frr.conf and
 * daemons. A name in them is safe for the engine's grammar and tells the node.
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
	MESH_ENGINE_DAEMONS, /* FRR's file of daemons */
	MESH_N_ENGINE_FILES
};

/* The name of that file of the node; NULL: it has no such file, or no engine that is rendered. */
const char *mesh_engine_file_name(const struct mesh_node *node, enum mesh_engine_file f);
/* Appends the whole file. It has that file. */
void mesh_render_engine(const struct mesh_topology_index *t, unsigned node, enum mesh_engine_file f,
	struct buf *out);

#endif

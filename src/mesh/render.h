/* SPDX-License-Identifier: MIT */
/*
 * wg-quick files from an inventory. The same inventory gives the same bytes. No secret is in them:
 * keys come by PostUp from their own files. Rendering many nodes shares what nodes have in common
 * (spokes on the same hubs see the same prefixes), so that a mesh of 10,000 spokes is rendered
 * without 10,000 views.
 */
#ifndef SHUNT_MESH_RENDER_H
#define SHUNT_MESH_RENDER_H

#include "base/buf.h"
#include "mesh/topology.h"

struct mesh_renderer;

/* Borrows t and its inventory. */
struct mesh_renderer *mesh_renderer_new(const struct mesh_topology_index *t);
void mesh_renderer_free(struct mesh_renderer *r);
/* Appends the bytes with which a file of the mesh for a node of that name begins, whether or not
 * the inventory has the node. No other file begins so. */
void mesh_render_mark(const struct mesh_inventory *inv, const char *node, struct buf *out);

/* Appends the node's whole file to out; a client's is for its first server. */
void mesh_render_node(struct mesh_renderer *r, unsigned node, struct buf *out);
/* The same, of a client for that one of its servers; -1: it has none. */
void mesh_render_by(struct mesh_renderer *r, unsigned node, int server, struct buf *out);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Clients whose files a change of the inventory has made stale: nobody reloads them there, so a
 * person has to hand out new ones. What is told holds for a rendered file and an app's profile.
 */
#ifndef SHUNT_MESH_STALE_H
#define SHUNT_MESH_STALE_H

#include "base/buf.h"
#include "mesh/topology.h"

/* "laptop's file is stale: AllowedIPs of hub-a, Endpoint of hub-a" */
typedef void mesh_stale_fn(const char *sentence, void *data);

/* Tells of each client of `is` that `was` had too, in its order. */
void mesh_stale_clients(const struct mesh_topology_index *was, const struct mesh_topology_index *is,
	mesh_stale_fn *fn, void *data);

/* Appends what differs between two rendered files of a client, with commas between; nothing: only
 * comments do. */
void mesh_stale_difference(const char *was, const char *is, struct buf *out);

#endif

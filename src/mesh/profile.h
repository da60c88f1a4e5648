/* SPDX-License-Identifier: MIT */
/*
 * A client's configuration as the WireGuard apps of phones and desktops take it: whole, with its
 * private key, and nothing in it but what all of them know. Those apps refuse a file for one line
 * that they don't know, and run nothing (PostUp and the like). No comments: it is read from a QR
 * code as well, where each byte makes the code harder to read.
 */
#ifndef SHUNT_MESH_PROFILE_H
#define SHUNT_MESH_PROFILE_H

#include "base/buf.h"
#include "mesh/topology.h"

/* The preshared key of a link of the client's; false: it can't be had. */
typedef bool mesh_profile_psk_fn(const struct mesh_link *link, wg_key *ret, void *data);

/*
 * Appends the profile of the client by that one of its servers (-1: it has none, or all are in one
 * profile, as in a full mesh). out is for secrets. -ENOKEY: psk, which may be NULL where no link of
 * the client has a preshared key, had none; then *ret_link is the link.
 */
int mesh_profile_render(const struct mesh_topology_index *t, unsigned client, int server,
	const wg_key *private_key, mesh_profile_psk_fn *psk, void *data, struct buf *out,
	const struct mesh_link **ret_link);

#endif

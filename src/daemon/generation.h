/* SPDX-License-Identifier: MIT */
/*
 * One generation of the configuration: an inventory that passed the check, what this node sees of
 * it, and the node's secrets. Built whole before anything is changed; a reload builds the next one
 * and lets the old go.
 */
#ifndef SHUNT_DAEMON_GENERATION_H
#define SHUNT_DAEMON_GENERATION_H

#include "base/buf.h"
#include "base/vec.h"
#include "daemon/names.h"
#include "mesh/view.h"

struct generation_peer {
	const struct mesh_view_peer *view;
	const struct mesh_node *node;
	uint32_t id;   /* of names.h */
	int psk_error; /* of reading it, negative errno; 0: none is wanted, or it is there */
	wg_key psk;    /* zero: none */
};

struct generation {
	uint64_t number; /* the owner's, one more for each; what speaks of an older one is void */
	struct mesh_inventory *inv;
	struct mesh_topology_index *topology;
	struct mesh_view view;
	const struct mesh_node *self;
	wg_key private_key;
	uint32_t *ids;		       /* node index -> id */
	struct generation_peer *peers; /* as view.peers */
	size_t n_peers;
	struct map *by_id, *by_key; /* of peers */
	ip_prefix
		*addresses; /* ours with the length of their overlay, as the interface gets them */
	size_t n_addresses;
	VEC(char *)
	faults; /* of the inventory, those that others can live with; one sentence each */
};

/* 0, or negative errno with why: one or more lines in the user's names. */
int generation_load(const char *file, const char *node, struct names *names,
	struct generation **ret, struct buf *why);
/* Wipes the secrets. Accepts NULL. */
void generation_free(struct generation *g);

/* NULL if that node is no peer of ours in this generation. */
const struct generation_peer *generation_peer_by_id(const struct generation *g, uint32_t id);
const struct generation_peer *generation_peer_by_key(const struct generation *g, const wg_key *key);
/* True if the prefix is reached by the connected route of one of our own addresses. */
bool generation_prefix_is_connected(const struct generation *g, const ip_prefix *p);

#endif

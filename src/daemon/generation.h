/* SPDX-License-Identifier: MIT */
/*
 * One generation of the configuration: an inventory that passed the check, what this node sees of
 * it, and the node's secrets. Built whole before anything is changed; a reload builds the next one
 * and lets the old go.
 */
#ifndef SHUNT_DAEMON_GENERATION_H
#define SHUNT_DAEMON_GENERATION_H

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

/* Sentences, malloc'd. */
typedef VEC(char *) generation_faults;

struct generation {
	uint64_t number; /* the owner's, one more for each; what speaks of an older one is void */
	const struct mesh_inventory *inv;
	struct mesh_inventory *owned; /* the same, if it goes with the generation; or NULL */
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
	generation_faults faults; /* of the inventory, those that others can live with */
};

/* The key of a file, or negative errno. */
typedef int generation_psk_fn(wg_key *ret, const char *file);

struct generation_parts {
	struct mesh_topology_index *topology; /* of an inventory without errors; taken over */
	const struct mesh_node *self;	      /* of it, no client */
	const wg_key *private_key;	      /* copied */
	generation_psk_fn *read_psk;	      /* NULL: none can be read */
};

/* What the node sees of the inventory, which must outlive it, without a look at any file but by
 * read_psk. */
struct generation *generation_make(const struct generation_parts *parts, struct names *names);
/* Wipes the secrets. Accepts NULL. */
void generation_free(struct generation *g);
void generation_faults_done(generation_faults *f);

/* NULL if that node is no peer of ours in this generation. */
const struct generation_peer *generation_peer_by_id(const struct generation *g, uint32_t id);
const struct generation_peer *generation_peer_by_key(const struct generation *g, const wg_key *key);
/* True if the prefix is reached by the connected route of one of our own addresses. */
bool generation_prefix_is_connected(const struct generation *g, const ip_prefix *p);

#endif

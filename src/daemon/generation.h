/* SPDX-License-Identifier: MIT */
/*
 * One generation of the configuration: an inventory that passed the check, what this node sees of
 * it, and the node's secrets. Built whole before anything is changed, from the one that is in force
 * then, by any thread; never changed after that, so that any may read it; and counted: it goes with
 * the last who holds it. That may take long where it is large.
 */
#ifndef SHUNT_DAEMON_GENERATION_H
#define SHUNT_DAEMON_GENERATION_H

#include "base/buf.h"
#include "base/vec.h"
#include "daemon/candidates.h"
#include "daemon/names.h"
#include "fib/want.h"
#include "mesh/digest.h"
#include "mesh/routing.h"
#include "mesh/view.h"

struct generation_peer {
	const struct mesh_view_peer *view;
	const struct mesh_node *node;
	uint32_t id;   /* of names.h */
	bool roams;    /* a client of ours and of other servers: daemon/reports.h */
	int psk_error; /* of reading it, negative errno; 0: none is wanted, or it is there */
	wg_key psk;    /* zero: none */
};

/* A direct peer with a routing engine, by one of its overlay addresses: where we have an engine,
 * too, ours is told whether it lives. */
struct generation_signal {
	ip_addr addr;
	size_t peer; /* its place in peers */
};

/* Sentences, malloc'd. */
typedef VEC(char *) generation_faults;

struct generation {
	_Atomic unsigned holders;
	uint64_t number; /* one more than the one before; what speaks of an older one is void */
	struct names names;
	const struct mesh_inventory *inv;
	struct mesh_inventory *owned; /* the same, if it goes with the generation; or NULL */
	struct mesh_topology_index *topology;
	struct mesh_view view;
	const struct mesh_node *self;
	wg_key private_key;
	uint8_t digest[MESH_DIGEST_LEN]; /* of inv: nodes that have the same run the same */
	int64_t inventory_time;		 /* seconds of the wall clock: its file's; 0: it has none */
	uint32_t *ids;			 /* node index -> id */
	struct generation_peer *peers;	 /* as view.peers */
	size_t n_peers;
	struct map *by_id, *by_key; /* of peers */
	bool *roams;		    /* by place: a client with several servers */
	bool has_roaming;
	/* Ours, as the interface gets them: with the length of their overlay; with a routing engine
	 * of host length, and behind them the fixed link-local one. */
	ip_prefix *addresses;
	size_t n_addresses;
	ip_prefix *overlays; /* that ours are of, sorted, each once */
	ip_addr *sources;    /* of overlays: the first of ours in each */
	size_t n_overlays;
	/* Of a node with a routing engine, else none: */
	struct generation_signal *signals; /* by peer */
	size_t n_signals;
	ip_prefix *guarded; /* mesh_guarded */
	size_t n_guarded;
	struct mesh_announcers *announcers; /* NULL: it has no engine */
	candidate_changes changes; /* of view, against the generation before; the first has none */
	generation_faults stale;   /* clients' files, by a change against the one before */
	generation_faults faults;  /* of the inventory, those that others can live with */
};

/* The key of a file, or negative errno. */
typedef int generation_psk_fn(wg_key *ret, const char *file);

struct generation_parts {
	struct mesh_topology_index *topology; /* of an inventory without errors; taken over */
	const struct mesh_node *self;	      /* of it, no client */
	const wg_key *private_key;	      /* copied */
	int64_t inventory_time;		      /* of its file; 0: none */
	generation_psk_fn *read_psk;	      /* NULL: none can be read */
	/* The one in force, which this is to follow; borrowed. NULL: it is the first. */
	const struct generation *before;
};

/* What the node sees of the inventory, which must outlive it, without a look at any file but by
 * read_psk. The caller holds it, and may still add to it before anybody else does. */
struct generation *generation_make(const struct generation_parts *parts);
/* One holder more; returns g. */
const struct generation *generation_get(const struct generation *g);
/* One less; the last one wipes the secrets. Accepts NULL. */
void generation_put(const struct generation *g);
void generation_faults_done(generation_faults *f);

/* NULL if that node is no peer of ours in this generation. */
const struct generation_peer *generation_peer_by_id(const struct generation *g, uint32_t id);
const struct generation_peer *generation_peer_by_key(const struct generation *g, const wg_key *key);
/* The signals of a peer of g: none if nobody is told of it. Borrowed. */
const struct generation_signal *generation_signals_of(
	const struct generation *g, const struct generation_peer *p, size_t *ret_n);
/* True if the prefix is reached by the route of one of our overlays, or of the link. */
bool generation_prefix_is_connected(const struct generation *g, const ip_prefix *p);
/* What the kernel's routes are made of, as far as the inventory tells; borrows from g. */
void generation_facts(const struct generation *g, struct want_facts *ret);
/* The prefix may be owned by a peer because a routing engine says so. */
bool generation_may_be_announced(const struct generation *g, const ip_prefix *p);
/* True of an address of the peer's own: it never moves, and says nothing of what it carries. */
bool generation_peer_has_address(const struct generation_peer *p, const ip_prefix *host);
/* That another program has its listen port. */
void generation_tell_port(const struct generation *g, struct buf *why);

#endif

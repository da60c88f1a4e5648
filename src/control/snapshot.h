/* SPDX-License-Identifier: MIT */
/*
 * The daemon at one moment, for those who ask: verdicts, counters, problems. The daemon makes one
 * whole and never changes it; the next one takes its place. Whoever still answers from the old one
 * holds a reference.
 */
#ifndef SHUNT_CONTROL_SNAPSHOT_H
#define SHUNT_CONTROL_SNAPSHOT_H

#include "base/arena.h"
#include "control/when.h"
#include "live/live.h"
#include "mesh/inventory.h"

/* Of a routing engine's, with a peer. */
struct snapshot_session {
	ip_addr neighbor;
	const char *state; /* static */
	int64_t for_ns;	   /* in that state */
	uint32_t routes;
};

struct snapshot_routing {
	const char *engine; /* static; NULL: none */
	const char *socket; /* NULL: it can't be asked */
	bool is_known, answers;
	int64_t for_ns; /* it answers, or doesn't */
	size_t n_sessions, n_established;
	uint64_t n_routes;
};

struct snapshot_peer {
	const char *node;
	enum mesh_role role;
	struct live_peer_info live;
	sock_addr endpoint;	  /* AF_UNSPEC: none known */
	int64_t handshake_age_ns; /* negative: never, or nobody knows */
	uint64_t rx_bytes, tx_bytes;
	/* What it told of itself and of its lines. */
	bool has_reported;
	bool runs_our_inventory;
	unsigned max_owners;
	const char **lost; /* nodes */
	size_t n_lost;
	struct snapshot_session *sessions;
	size_t n_sessions;
};

/* A line that is down between two nodes that live, as far as can be told. */
struct snapshot_cut_pair {
	const char *a, *b, *effect;
};

struct snapshot_problem {
	const char *what, *fix; /* fix: mostly a command; NULL: none */
};

/* A node that was seen to send through this one, and what to. */
struct snapshot_user {
	const char *node; /* or its address, where no node has it */
	ip_prefix prefix;
	const char *to; /* who carries it */
	instant last;
};

/* A network of ours, or an address, which stands for itself only. */
struct snapshot_own {
	ip_prefix prefix;
	bool is_address;
};

struct snapshot {
	unsigned references; /* of the loop's thread */
	struct arena arena;  /* all that it points at */
	struct when when;
	int64_t uptime_ns;
	const char *node, *mesh, *inventory, *inventory_digest;
	enum mesh_role role;
	const char *interface, *device_kind, *device_name;
	uint16_t listen_port;
	unsigned max_owners; /* per prefix, on the device */
	bool drained, holding;
	int64_t drained_until_ns; /* of the wall clock; 0: without an end, or not drained */
	struct snapshot_routing routing;
	struct snapshot_peer *peers;
	size_t n_peers;
	struct snapshot_cut_pair *cut_pairs;
	size_t n_cut_pairs;
	struct snapshot_problem *problems;
	size_t n_problems;
	bool knows_users; /* it is drained, and was watched for long enough */
	struct snapshot_user *users;
	size_t n_users;
	struct snapshot_own *own;
	size_t n_own;
};

/* Empty, with one reference, which is the caller's. */
struct snapshot *snapshot_new(void);
struct snapshot *snapshot_get(struct snapshot *s);
/* The last one frees it. Accepts NULL. */
void snapshot_put(struct snapshot *s);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What the files of the check share, and nobody else: check.c holds the frame, each other check_*.c
 * one kind of finding. A part reports through check_add, texts and lists live in the arena of the
 * findings.
 */
#ifndef SHUNT_MESH_CHECK_PARTS_H
#define SHUNT_MESH_CHECK_PARTS_H

#include "base/trie.h"
#include "base/vec.h"
#include "mesh/check.h"

/* A network at one of the nodes that carry it. */
struct carried {
	ip_prefix prefix;
	unsigned node;
	const struct mesh_network *network;
};

typedef VEC(unsigned) node_list;
typedef VEC(ip_prefix) prefix_list;

struct check {
	const struct mesh_topology_index *t;
	const struct mesh_inventory *inv;
	struct mesh_findings *out;
	struct carried *carried; /* all networks by prefix, then by node */
	size_t n_carried;
	struct trie *networks; /* each prefix: its first place in carried */
	struct trie *overlays; /* each overlay prefix: its struct mesh_overlay */
	bool partial;	       /* parts of the file couldn't be read */
};

/* Appends a copy of the finding; nodes and prefixes are copied too, effect and fix are not. */
void check_add(struct check *c, const struct mesh_finding *f);

/* One past the last place in carried with the same prefix as place i. */
size_t check_same_prefix(const struct check *c, size_t i);

/* Texts for effects and fixes, in the arena. Long lists are cut: "a, b, c and 37 others". */
const char *check_text(struct check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *check_name(const struct check *c, unsigned node);
const char *check_names(struct check *c, const unsigned *nodes, size_t n);
const char *check_prefix(struct check *c, const ip_prefix *p);
const char *check_prefixes(struct check *c, const ip_prefix *p, size_t n);

/* Nodes that have something in common, in the order of the file. */
struct check_group {
	node_list nodes;
};

/* By what they have in common; by_key is made by who begins one. */
struct check_groups {
	struct map *by_key;
	VEC(struct check_group *) groups; /* in the order of their first nodes */
};

/* The key must live as long as the groups. */
void check_groups_add(struct check_groups *g, const void *key, size_t len, unsigned node);
void check_groups_done(struct check_groups *g);

/* The parts, in the order of the issue codes that they report. */
void check_duplicate_prefixes(struct check *c);
void check_nested_prefixes(struct check *c);
void check_networks(struct check *c);
void check_keys(struct check *c);
void check_revoked(struct check *c);
void check_takers(struct check *c);
void check_addresses(struct check *c);
void check_interfaces(struct check *c);
void check_keepalives(struct check *c);
void check_endpoints(struct check *c);
void check_missing_endpoints(struct check *c);
void check_mtus(struct check *c);
void check_reachability(struct check *c);
void check_single_losses(struct check *c);
void check_hub_metrics(struct check *c);
void check_shared_prefixes(struct check *c);
void check_engines(struct check *c);
void check_reflectors(struct check *c);
void check_sessions(struct check *c);
void check_announced(struct check *c);

#endif

/* SPDX-License-Identifier: MIT */
/* What render_bird.c and render_frr.c share. */
#ifndef SHUNT_MESH_RENDER_ROUTING_INTERNAL_H
#define SHUNT_MESH_RENDER_ROUTING_INTERNAL_H

#include "base/buf.h"
#include "mesh/neighbours.h"
#include "mesh/permits.h"

/* Seconds. Sessions end that long after the last word; a peer that restarts has that long. */
#define ROUTING_HOLD 9
#define ROUTING_KEEPALIVE 3
#define ROUTING_RESTART 30
#define ROUTING_ESTABLISH 5 /* what a neighbour may take to call an engine that starts */
#define ROUTING_PATHS 16
/* Local preference of what comes from a hub, below the default of 100: direct before transit, where
 * paths have no length (one AS). All hubs have the same. */
#define ROUTING_BY_HUB 90
/* Routes that shuntd wrote (sys/rtnl.h). */
#define ROUTING_OUR_PROTOCOL 213
#define ROUTING_MAIN_TABLE 254 /* RT_TABLE_MAIN */
/* Large communities. The first, as it is, travels from hubs to others; the two that follow, with
 * the node's own AS number, are notes of a node to itself. */
#define ROUTING_MARK_NEW "4200000000:213:1" /* MESH_ASN_FIRST, which no node has */
#define ROUTING_MARK_STAY 2
#define ROUTING_MARK_SITE 3

/* Of one family, what is the same on all nodes of a mesh. */
struct routing_shared {
	struct permits mesh;  /* what any node may announce */
	struct permits never; /* what nobody may: overlay addresses, endpoints, special ones */
	ip_prefix *covers;    /* of `mesh`, as long as its shortest at least */
	size_t n_covers;
};

struct routing_node {
	const struct mesh_inventory *inv;
	const struct mesh_node *self;
	uint32_t asn;
	neighbour_groups groups;
	struct permits own[2];	     /* what it may announce itself: IPv4, IPv6 */
	const struct buf *shared[2]; /* the text of the shared part */
};

static inline bool routing_is_hub(const struct routing_node *n)
{
	return n->self->role == MESH_HUB;
}

#define ROUTING_NAME_MAX 64
/*
 * The node's name in letters, digits and `_` alone, at most 40 of them, different for different
 * names: a `-` between two letters or digits is `_`, any other such character `__` and two hex
 * digits; a name too long for that ends in a hash.
 */
char *routing_safe_name(const char *name, char buf[static ROUTING_NAME_MAX]);

/* The part of a body that is the same on all nodes. */
void routing_bird_shared(const struct routing_shared *s, struct buf *out);
void routing_frr_shared(const struct routing_shared *s, struct buf *out);
/* Bodies of the include files, without their heads, and what goes around them in whole ones. */
void routing_bird_body(const struct routing_node *n, struct buf *out);
void routing_bird_around(const struct routing_node *n, const struct buf *body, struct buf *out);
void routing_frr_body(const struct routing_node *n, struct buf *out);
void routing_frr_around(const struct routing_node *n, const struct buf *body, struct buf *out);
void routing_frr_daemons(struct buf *out);

#endif

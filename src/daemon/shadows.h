/* SPDX-License-Identifier: MIT */
/*
 * Which routes of others take packets from the mesh: pure.
 *
 * The kernel goes through the policy rules, and takes the longest match of the first table that has
 * one. So a foreign route takes packets of ours if a rule before ours leads to its table and the
 * two overlap at all, or if it stands in the same table and is longer, or equal with a better
 * metric. Ours in the main table are beaten by longer ones only; ours in the mark's table by
 * everything in the main one but a default route, shorter ones too. Rules for some packets (by
 * source, mark, interface, port) can't be judged and aren't.
 *
 * Not named: what a routing engine of the node chose; what is within an own network; what leads to
 * an endpoint of a peer (the tunnel stands on it), be it the connected network that is carried,
 * where a link names endpoints in it; longer routes where ours is a default route or a half of one,
 * which is for what nobody else has. A half that takes a default route is named.
 */
#ifndef SHUNT_DAEMON_SHADOWS_H
#define SHUNT_DAEMON_SHADOWS_H

#include "fib/want.h"

struct shadow_facts {
	const struct want_facts *want;
	const ip_prefix *own; /* networks, and addresses as host prefixes, of this node */
	size_t n_own;
	const ip_addr *endpoints;
	size_t n_endpoints;
	const struct rtnl_rule *rules; /* everybody's, in the kernel's order within a family */
	size_t n_rules;
	const struct rtnl_route *routes; /* everybody's, of all types and tables */
	size_t n_routes;
};

struct shadow {
	ip_prefix ours; /* the first one that loses packets */
	size_t others;	/* so many more do */
	bool by_rule;	/* a rule refuses them; else a route takes them */
	struct rtnl_rule rule;
	struct rtnl_route route;
};

typedef VEC(struct shadow) shadow_vec;

/* At most so many are told. */
#define SHADOWS_MAX 16

/* *ret is for vec_done; one for each foreign route or rule, in their order. */
void shadows_find(const struct shadow_facts *f, shadow_vec *ret);

#endif

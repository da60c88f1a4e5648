/* SPDX-License-Identifier: MIT */
/*
 * What the kernel's routes and rules shall be, and how that differs from what they are: values in,
 * values out, no I/O.
 *
 *	main        10.20.2.0/24 dev wg0                a network that somebody carries
 *	            unreachable 10.20.2.0/24 metric 4294967295
 *	table MARK  default dev wg0                     what would carry the tunnel's own packets
 *	            unreachable default metric 4294967295
 *	table own   unreachable 10.10.0.0/24            the overlay
 *
 *	32690  to 10.10.0.0/24 lookup main suppress_prefixlength 23
 *	32691  to 10.10.0.0/24 lookup own
 *	32700  lookup main suppress_prefixlength 0
 *	32701  not fwmark MARK lookup MARK
 *
 * A prefix that holds an endpoint (a default route holds them all) would carry the tunnel's own
 * packets. Such prefixes stand in a table that marked packets don't ask; what is more specific than
 * a default route in the main table comes before it. With them in the main table the mark were of
 * no use: a marked packet asks that table, too.
 *
 * The routes that refuse (backstops) stand behind ours for the time in which the device is gone:
 * killed, deleted, being made anew. Without them packets for the mesh would leave in clear by the
 * default route. One behind each outermost prefix of a table is enough, as all within it is caught
 * by it. The metric is the last one: a routing engine that reads a distance from it (zebra, from
 * the top byte) leaves it alone. The overlay has its own by a rule and a table, as engines resolve
 * next hops in the main table, where a dead one must not resolve. They have no interface, so they
 * stay when it goes; the journal says which are ours.
 */
#ifndef SHUNT_FIB_WANT_H
#define SHUNT_FIB_WANT_H

#include "base/vec.h"
#include "sys/rtnl.h"

#define KERNEL_BACKSTOP_METRIC UINT32_MAX

/* In the family's order of rules: before the main table's own 32766. */
#define KERNEL_PRIORITY_OVERLAY 32690
#define KERNEL_PRIORITY_REFUSED 32691
#define KERNEL_PRIORITY_SPECIFIC 32700
#define KERNEL_PRIORITY_MARK 32701

typedef VEC(ip_prefix) prefix_vec;
typedef VEC(struct rtnl_route) route_vec;
typedef VEC(struct rtnl_rule) rule_vec;

struct want_prefix {
	ip_prefix prefix;
	bool route;   /* leads into the device, now */
	bool release; /* may leave by another line when nobody carries it */
};

/* Borrows all that it points at from who made it. */
struct want_facts {
	const struct want_prefix *carried; /* in ip_prefix_cmp order */
	size_t n_carried;
	const ip_prefix *overlays; /* reached by the connected routes of the device's addresses */
	size_t n_overlays;
	const ip_prefix *apart; /* sorted: those of carried that stand in the mark's table */
	size_t n_apart;
	uint32_t mark;		/* of the device and of the table; 0 if there are none apart */
	uint32_t overlay_table; /* where the overlay is refused */
	int ifindex;		/* of the device that all this is about */
	const char *ifname;
};

/* NULL if it isn't carried. */
const struct want_prefix *want_carried(const struct want_facts *f, const ip_prefix *p);
/* By ip_prefix_cmp, each once. */
void want_sort(prefix_vec *v);
/* True if one of the overlays reaches the prefix. */
bool want_is_connected(const struct want_facts *f, const ip_prefix *p);

/*
 * Of the carried prefixes those that must stand apart, sorted: default routes, and what holds one
 * of the endpoints; also those of `before`, so that a peer that roams to and fro moves nothing.
 * *ret is for vec_done. Linear in prefixes and endpoints.
 */
void want_apart(const struct want_facts *f, const ip_addr *endpoints, size_t n_endpoints,
	const prefix_vec *before, prefix_vec *ret);
bool want_is_apart(const ip_prefix *apart, size_t n, const ip_prefix *p);

/* The route of a carried prefix into the device. */
struct rtnl_route want_route(const struct want_facts *f, const ip_prefix *p);
/* All routes, sorted by want_route_cmp; *ret is for vec_done. */
void want_routes(const struct want_facts *f, route_vec *ret);
int want_route_cmp(const void *a, const void *b);
/* In the order in which they are to be added; *ret is for vec_done. */
void want_rules(const struct want_facts *f, rule_vec *ret);

#endif

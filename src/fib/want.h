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
 *
 * On a node with a routing engine, which resolves its next hops in main:
 *
 *	main        10.20.2.0/24 dev wg0 metric 4278190080   ours, behind the engine's own
 *	            10.20.0.0/16 dev wg0 metric 4278190080   what others may announce
 *	            unreachable 10.20.0.0/16 metric 4294967295   and must not leave in clear
 *	            unreachable 10.10.0.0/24 metric 4294967295   should the rule be gone
 *	            10.10.0.1/32 dev wg0                     a signal: that peer lives
 *	table own   10.10.0.0/24 dev wg0 src 10.10.0.11      all overlay addresses, always
 *	            unreachable 10.10.0.0/24 metric 4294967295
 *	table signal 10.10.0.1/32 via 10.10.0.1 dev wg0 onlink   the same for BIRD, in no rule
 *
 *	32690  to 10.10.0.0/24 lookup own
 *
 * The interface's addresses have host length there, so that main has no route of the overlay. zebra
 * reads the top byte of a route's metric as distance, and withdraws its own route where ours is
 * better: so ours stand at 0xff000000 and above. What others may announce leads into the device
 * whether an engine has it or not: there it is refused unless it has an owner, and owners are held
 * while an engine starts anew. A signal stands in a table that no rule asks, or a
 * dead peer would resolve by the default route, in clear; but zebra looks at main alone, and so
 * does the kernel where it judges an IPv6 next hop. What decides about packets of the overlay is
 *the rule, which comes before main and has all peers always.
 */
#ifndef SHUNT_FIB_WANT_H
#define SHUNT_FIB_WANT_H

#include "base/vec.h"
#include "sys/rtnl.h"

#define KERNEL_BACKSTOP_METRIC UINT32_MAX
/* Behind a routing engine's routes, and where zebra reads the last distance. */
#define KERNEL_ENGINE_METRIC UINT32_C(0xff000000)

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
	bool engines; /* only a routing engine tells of it, and keeps the route itself */
};

/* A peer with a routing engine, by one of its overlay addresses. */
struct want_signal {
	ip_addr addr;
	bool lives;
};

/* How many routes a signal has, at most. */
#define WANT_SIGNAL_ROUTES 2

/* Borrows all that it points at from who made it. */
struct want_facts {
	const struct want_prefix *carried; /* in ip_prefix_cmp order */
	size_t n_carried;
	const ip_prefix *overlays; /* reached by the connected routes of the device's addresses, or
				      with an engine by their table */
	size_t n_overlays;
	const ip_prefix *apart; /* sorted: those of carried that stand in the mark's table */
	size_t n_apart;
	uint32_t mark;		/* of the device and of the table; 0 if there are none apart */
	uint32_t overlay_table; /* where the overlay is refused */
	int ifindex;		/* of the device that all this is about */
	const char *ifname;
	const ip_addr *sources; /* of overlays: our address in each; NULL: none are stated */
	uint32_t signal_table;	/* of BIRD's signals */
	bool has_engine;	/* a routing engine decides here */
	bool is_bird;		/* which learns signals from their table */
	const uint8_t *engine_protocols; /* of its routes */
	size_t n_engine_protocols;
	bool no_rules[2]; /* of IPv4, of IPv6: the kernel has no policy rules, and so one table */
	const ip_prefix *guarded; /* sorted: what others may announce, and must not leave in clear:
				     the outermost */
	size_t n_guarded;
	const struct want_signal *signals; /* by ip_addr order, each address once */
	size_t n_signals;
};

/* NULL if it isn't carried. */
const struct want_prefix *want_carried(const struct want_facts *f, const ip_prefix *p);
/* By ip_prefix_cmp, each once. */
void want_sort(prefix_vec *v);
/* True if an overlay reaches the prefix, or the link itself. */
bool want_is_connected(const struct want_facts *f, const ip_prefix *p);

/*
 * Of the carried and guarded prefixes those that must stand apart, sorted: default routes, and what
 * holds one of the endpoints; also those of `before`, so that a peer that roams to and fro moves
 * nothing. *ret is for vec_done. Linear in prefixes and endpoints.
 */
void want_apart(const struct want_facts *f, const ip_addr *endpoints, size_t n_endpoints,
	const prefix_vec *before, prefix_vec *ret);
bool want_is_apart(const ip_prefix *apart, size_t n, const ip_prefix *p);

/* Where the overlay's routes stand: main where there are no rules. */
uint32_t want_overlay_table(const struct want_facts *f, int family);
/* True of the overlay's route into the device on a node with an engine. */
bool want_is_overlay_way(const struct want_facts *f, const struct rtnl_route *r);
/* True of what refuses the overlay in main. */
bool want_is_overlay_guard(const struct want_facts *f, const struct rtnl_route *r);
/* True of a route that the engine wrote: its own, however it looks and wherever it leads. */
bool want_is_engines(const struct want_facts *f, const struct rtnl_route *r);
/* True of a route that is a signal, now or earlier. */
bool want_is_signal(const struct want_facts *f, const struct rtnl_route *r);
/* The routes of a peer's signal, in the order in which they are to be added; returns how many. */
size_t want_signal_routes(const struct want_facts *f, const ip_addr *peer,
	struct rtnl_route ret[static WANT_SIGNAL_ROUTES]);
/* What stands only where an engine decides, appended in no order. */
void want_engine_routes(const struct want_facts *f, route_vec *ret);

/* The route of a carried prefix into the device. */
struct rtnl_route want_route(const struct want_facts *f, const ip_prefix *p);
/* All routes, sorted by want_route_cmp; *ret is for vec_done. */
void want_routes(const struct want_facts *f, route_vec *ret);
int want_route_cmp(const void *a, const void *b);
/* In the order in which they are to be added; *ret is for vec_done. */
void want_rules(const struct want_facts *f, rule_vec *ret);

#endif

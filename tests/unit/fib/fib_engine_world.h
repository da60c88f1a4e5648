/* SPDX-License-Identifier: MIT */
/*
 * A kernel in which a node's layout changes, with a routing engine and without: addresses with
 * their connected routes, routes in tables, rules. An uplink has the default route and, in both
 * families, a cover of the overlay and of all networks.
 */
#ifndef SHUNT_TESTS_FIB_ENGINE_WORLD_H
#define SHUNT_TESTS_FIB_ENGINE_WORLD_H

#include "../unit.h"
#include "fib/do.h"
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define WG 5
#define UPLINK 2
#define OVERLAY_TABLE 777u
#define SIGNAL_TABLE 888u

struct kernel {
	prefix_vec addresses;
	route_vec routes; /* of all */
	rule_vec rules;	  /* ours, in the order in which they were added */
	bool makes_link_local, up;
};

static struct kernel *world;

static inline ip_prefix P(const char *text)
{
	ip_prefix p;

	assert_true(ip_prefix_parse(&p, text));
	return p;
}

static inline ip_addr A(const char *text)
{
	ip_addr a;

	assert_true(ip_addr_parse(&a, text));
	return a;
}

static inline bool has_addr(const ip_addr *a)
{
	for (size_t i = 0; i < world->addresses.n; i++) {
		ip_addr have = ip_prefix_addr(&world->addresses.items[i]);

		if (ip_addr_eq(&have, a))
			return true;
	}
	return false;
}

/* --- what is asked of it -------------------------------------------------------------------------
 */

static inline int world_link_set(struct fib_io *io, int ifindex, bool up, unsigned mtu)
{
	world->up = up;
	return 0;
}

static inline int world_link_quiet(struct fib_io *io, int ifindex)
{
	world->makes_link_local = false;
	return 0;
}

static inline struct rtnl_route connected(const ip_prefix *a)
{
	return (struct rtnl_route){
		.dst = ip_prefix_masked(a), .ifindex = WG, .protocol = RTPROT_KERNEL};
}

static inline int world_addr_add(struct fib_io *io, int ifindex, const ip_prefix *a)
{
	ip_addr addr = ip_prefix_addr(a);

	if (a->family == AF_INET6 && has_addr(&addr))
		return -EEXIST;
	vec_push(&world->addresses, *a);
	if (a->len < ip_family_bits(a->family))
		vec_push(&world->routes, connected(a));
	return 0;
}

static inline void drop_route(size_t at)
{
	world->routes.n--;
	memmove(&world->routes.items[at], &world->routes.items[at + 1],
		(world->routes.n - at) * sizeof(*world->routes.items));
}

/* With it go its connected route and, unless it is there with another length, what comes from it.
 */
static inline int world_addr_del(struct fib_io *io, int ifindex, const ip_prefix *a)
{
	struct rtnl_route of_it = connected(a);
	ip_addr addr = ip_prefix_addr(a);
	size_t kept = 0;

	for (size_t i = 0; i < world->addresses.n; i++)
		if (!ip_prefix_eq(&world->addresses.items[i], a))
			world->addresses.items[kept++] = world->addresses.items[i];
	assert_int_equal(kept + 1, world->addresses.n);
	world->addresses.n = kept;
	for (size_t i = world->routes.n; i-- > 0;) {
		const struct rtnl_route *r = &world->routes.items[i];
		bool is_connected = r->protocol == RTPROT_KERNEL && r->ifindex == WG &&
				    ip_prefix_eq(&r->dst, &of_it.dst);
		bool is_from = r->src.family && ip_addr_eq(&r->src, &addr) && !has_addr(&addr);

		if (is_connected || is_from)
			drop_route(i);
	}
	return 0;
}

static inline int world_route_add(struct fib_io *io, const struct rtnl_route *r)
{
	assert_true(!r->src.family || has_addr(&r->src));
	for (size_t i = 0; i < world->routes.n; i++)
		assert_int_not_equal(want_route_cmp(&world->routes.items[i], r), 0);
	/* The kernel judges an IPv6 next hop that is said to be on the link by main. */
	if (r->via.family == AF_INET6) {
		bool stands = false;

		for (size_t i = 0; i < world->routes.n; i++)
			stands |= !world->routes.items[i].table &&
				  ip_prefix_eq(&world->routes.items[i].dst, &r->dst);
		assert_true(stands);
	}
	vec_push(&world->routes, *r);
	return 0;
}

static inline int world_route_del(struct fib_io *io, const struct rtnl_route *r)
{
	assert_int_equal(r->protocol, RTNL_PROTO_SHUNT);
	for (size_t i = 0; i < world->routes.n; i++)
		if (!want_route_cmp(&world->routes.items[i], r)) {
			drop_route(i);
			return 0;
		}
	return 0;
}

static inline int world_rule_add(struct fib_io *io, const struct rtnl_rule *r)
{
	vec_push(&world->rules, *r);
	return 0;
}

static inline int world_rule_del(struct fib_io *io, const struct rtnl_rule *r)
{
	for (size_t i = 0; i < world->rules.n; i++)
		if (rtnl_rule_is(&world->rules.items[i], r)) {
			world->rules.n--;
			memmove(&world->rules.items[i], &world->rules.items[i + 1],
				(world->rules.n - i) * sizeof(*world->rules.items));
			return 0;
		}
	fail_msg("a rule that isn't there");
	return 0;
}

static inline int world_sysctl_get(struct fib_io *io, const char *path, int *ret)
{
	*ret = 1;
	return 0;
}

static const struct fib_io_ops world_ops = {
	.link_set = world_link_set,
	.link_quiet = world_link_quiet,
	.addr_add = world_addr_add,
	.addr_del = world_addr_del,
	.route_add = world_route_add,
	.route_del = world_route_del,
	.rule_add = world_rule_add,
	.rule_del = world_rule_del,
	.sysctl_get = world_sysctl_get,
};

static struct fib_io world_io = {&world_ops};

/* --- where a packet goes -------------------------------------------------------------------------
 */

enum fate { CLEAR, REFUSED, INTO };

/* By the longest match of a table, then by the lowest metric; NULL: none that is longer. */
static inline const struct rtnl_route *match(uint32_t table, int longer, const ip_addr *to)
{
	const struct rtnl_route *best = NULL;

	for (size_t i = 0; i < world->routes.n; i++) {
		const struct rtnl_route *r = &world->routes.items[i];

		if (r->table != table || r->dst.len <= longer || !ip_prefix_has_addr(&r->dst, to))
			continue;
		if (!best || r->dst.len > best->dst.len ||
			(r->dst.len == best->dst.len && r->metric < best->metric))
			best = r;
	}
	return best;
}

static inline enum fate fate_by(const struct rtnl_route *r)
{
	return !r ? REFUSED : r->type ? REFUSED : r->ifindex == WG ? INTO : CLEAR;
}

static inline enum fate fate_of(const ip_addr *to)
{
	for (uint32_t priority = 0; priority < 32766; priority++)
		for (size_t i = 0; i < world->rules.n; i++) {
			const struct rtnl_rule *rule = &world->rules.items[i];
			const struct rtnl_route *r;

			if (rule->priority != priority || rule->family != to->family ||
				!ip_prefix_has_addr(&rule->to, to))
				continue;
			r = match(rule->table == RT_TABLE_MAIN ? 0 : rule->table,
				rule->suppress_prefixlen, to);
			if (r)
				return fate_by(r);
		}
	return fate_by(match(0, -1, to));
}

/* What a look would find. */
static inline void world_look(struct fib_state *ret)
{
	struct fib_device d = {.name = "wg0",
		.ifindex = WG,
		.up = world->up,
		.makes_link_local = world->makes_link_local};

	fib_state_done(ret);
	*ret = (struct fib_state){0};
	for (size_t i = 0; i < world->addresses.n; i++)
		vec_push(&d.addresses, world->addresses.items[i]);
	want_sort(&d.addresses);
	vec_push(&ret->devices, d);
	for (size_t i = 0; i < world->routes.n; i++)
		if (world->routes.items[i].ifindex != UPLINK)
			vec_push(&ret->routes, world->routes.items[i]);
	if (ret->routes.n)
		qsort(ret->routes.items, ret->routes.n, sizeof(*ret->routes.items), want_route_cmp);
	for (size_t i = 0; i < world->rules.n; i++)
		vec_push(&ret->rules, world->rules.items[i]);
}

static inline void world_begin(struct kernel *k)
{
	static const char *const by_uplink[] = {"0.0.0.0/0", "10.0.0.0/8", "::/0", "fd00::/8"};

	*k = (struct kernel){.makes_link_local = true};
	world = k;
	for (size_t i = 0; i < ARRAY_SIZE(by_uplink); i++)
		vec_push(
			&k->routes, ((struct rtnl_route){P(by_uplink[i]), UPLINK, 0, RTPROT_BOOT}));
}

static inline void world_end(struct kernel *k)
{
	vec_done(&k->addresses);
	vec_done(&k->routes);
	vec_done(&k->rules);
}

#endif

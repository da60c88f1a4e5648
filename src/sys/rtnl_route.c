/* SPDX-License-Identifier: MIT */
#include "sys/rtnl_internal.h"

#include "base/mem.h"
#include "base/vec.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * A metric of 0 is "the usual one": in IPv4 that is 0 indeed, in IPv6 the kernel makes it 1024.
 * Read and written so that 0 means the same in both.
 */
#define IP6_USUAL_METRIC 1024

static uint32_t metric_to_kernel(const struct rtnl_route *route)
{
	return !route->metric && route->dst.family == AF_INET6 ? IP6_USUAL_METRIC : route->metric;
}

static uint32_t route_table(const struct rtnl_route *route)
{
	return route->table ? route->table : RT_TABLE_MAIN;
}

static void put_u32_unless_0(struct nlmsghdr *h, uint16_t type, uint32_t value)
{
	if (value)
		mnl_attr_put_u32(h, type, value);
}

bool rtnl_route_refuses(const struct rtnl_route *route)
{
	return route->type == RTN_UNREACHABLE || route->type == RTN_BLACKHOLE ||
	       route->type == RTN_PROHIBIT;
}

static bool is_same_addr(const ip_addr *a, const ip_addr *b)
{
	return a->family == b->family && (!a->family || ip_addr_eq(a, b));
}

/* Straight to the device; in a deletion any scope will do. */
static uint8_t scope_of(uint16_t change, const struct rtnl_route *route)
{
	if (change == RTM_DELROUTE)
		return RT_SCOPE_NOWHERE;
	return route->dst.family == AF_INET && !route->type && !route->via.family
		       ? RT_SCOPE_LINK
		       : RT_SCOPE_UNIVERSE;
}

/* What a deletion may leave out. */
static void put_way(struct nlmsghdr *h, struct rtmsg *m, const struct rtnl_route *route)
{
	if (route->via.family) {
		assert(route->via.family == route->dst.family);
		m->rtm_flags |= RTNH_F_ONLINK;
		rtnl_put_addr(h, RTA_GATEWAY, route->via.family, route->via.bytes);
	}
	if (route->src.family)
		rtnl_put_addr(h, RTA_PREFSRC, route->src.family, route->src.bytes);
}

static int route_change(
	struct rtnl *r, uint16_t type, uint16_t flags, const struct rtnl_route *route)
{
	struct nlmsghdr *h = nl_begin(r->nl, type, flags);
	struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	ip_prefix dst = ip_prefix_masked(&route->dst);

	m->rtm_family = dst.family;
	m->rtm_dst_len = dst.len;
	m->rtm_protocol = route->protocol;
	m->rtm_type = route->type ? route->type : RTN_UNICAST;
	m->rtm_scope = scope_of(type, route);
	rtnl_put_addr(h, RTA_DST, dst.family, dst.bytes);
	if (!route->type)
		mnl_attr_put_u32(h, RTA_OIF, (uint32_t)route->ifindex);
	mnl_attr_put_u32(h, RTA_TABLE, route_table(route));
	put_u32_unless_0(h, RTA_PRIORITY, metric_to_kernel(route));
	if (type == RTM_NEWROUTE)
		put_way(h, m, route);
	return nl_talk(r->nl, h, NULL, NULL);
}

/* --- reading -------------------------------------------------------------------------------- */

struct route_walk {
	uint8_t family;
	uint8_t protocol; /* 0: any */
	uint8_t type;	  /* RTNL_ANY_TYPE: any */
	size_t from;	  /* where this family's routes begin */
	VEC(struct rtnl_route) found;
};

static void route_restart(void *data)
{
	struct route_walk *w = data;

	w->found.n = w->from;
}

/* The one interface of all next hops; 0: they have several. */
static int one_interface(const struct nlattr *hops)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(hops);
	size_t left = mnl_attr_get_payload_len(hops);
	int ifindex = left >= sizeof(*hop) ? hop->rtnh_ifindex : 0;

	while (left >= sizeof(*hop) && hop->rtnh_len >= sizeof(*hop) && hop->rtnh_len <= left) {
		size_t n = NLMSG_ALIGN(hop->rtnh_len);

		if (hop->rtnh_ifindex != ifindex)
			return 0;
		left -= n < left ? n : left;
		hop = (const void *)((const char *)hop + n);
	}
	return ifindex;
}

static void route_attribute(struct rtnl_route *route, const struct nlattr *a)
{
	size_t n = mnl_attr_get_payload_len(a);

	switch (mnl_attr_get_type(a)) {
	case RTA_DST:
		if (n == ip_family_bits(route->dst.family) / 8)
			memcpy(route->dst.bytes, mnl_attr_get_payload(a), n);
		break;
	case RTA_OIF:
		if (n >= 4)
			route->ifindex = (int)mnl_attr_get_u32(a);
		break;
	case RTA_TABLE:
		if (n >= 4)
			route->table = mnl_attr_get_u32(a);
		break;
	case RTA_PRIORITY:
		if (n >= 4)
			route->metric = mnl_attr_get_u32(a);
		break;
	case RTA_GATEWAY:
		if (n == ip_family_bits(route->dst.family) / 8)
			route->via = ip_addr_from_bytes(route->dst.family, mnl_attr_get_payload(a));
		break;
	case RTA_PREFSRC:
		if (n == ip_family_bits(route->dst.family) / 8)
			route->src = ip_addr_from_bytes(route->dst.family, mnl_attr_get_payload(a));
		break;
	case RTA_MULTIPATH:
		route->ifindex = one_interface(a);
		break;
	}
}

/* False if it isn't a route to a prefix of the two families. */
static bool route_parse(const struct nlmsghdr *h, struct rtnl_route *ret)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);

	if (h->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(h) < sizeof(*m))
		return false;
	if ((m->rtm_family != AF_INET && m->rtm_family != AF_INET6) ||
		m->rtm_dst_len > ip_family_bits(m->rtm_family))
		return false;
	*ret = (struct rtnl_route){.protocol = m->rtm_protocol,
		.table = m->rtm_table,
		.type = m->rtm_type == RTN_UNICAST ? 0 : m->rtm_type};
	ret->dst.family = m->rtm_family;
	ret->dst.len = m->rtm_dst_len;
	nl_for_each_attr (a, h, sizeof(*m))
		route_attribute(ret, a);
	if (ret->dst.family == AF_INET6 && ret->metric == IP6_USUAL_METRIC)
		ret->metric = 0;
	if (rtnl_route_refuses(ret)) /* IPv6 says lo */
		ret->ifindex = 0;
	if (ret->table == RT_TABLE_MAIN)
		ret->table = 0;
	return true;
}

static int on_route(const struct nlmsghdr *h, void *data)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	struct route_walk *w = data;
	struct rtnl_route route;

	if (!route_parse(h, &route) || route.dst.family != w->family)
		return 0;
	if ((w->type != RTNL_ANY_TYPE && route.type != w->type) || (m->rtm_flags & RTM_F_CLONED) ||
		(w->protocol && route.protocol != w->protocol))
		return 0;
	vec_push(&w->found, route);
	return 0;
}

/* Adds the routes of one family to w. The kernel filters by what isn't 0 in only, where it can. */
static int route_dump(
	struct rtnl *r, struct route_walk *w, int family, const struct rtnl_route *only)
{
	struct nlmsghdr *h = nl_begin(r->nl, RTM_GETROUTE, NLM_F_DUMP);
	struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));

	m->rtm_family = (uint8_t)family;
	m->rtm_protocol = only->protocol;
	m->rtm_type = only->type == RTNL_ANY_TYPE ? RTN_UNSPEC
		      : only->type		  ? only->type
						  : RTN_UNICAST;
	put_u32_unless_0(h, RTA_TABLE, only->table);
	put_u32_unless_0(h, RTA_OIF, (uint32_t)only->ifindex);
	w->family = (uint8_t)family;
	w->protocol = only->protocol;
	w->type = only->type;
	w->from = w->found.n;
	return nl_dump(r->nl, h, on_route, route_restart, w);
}

/* What older kernels don't filter by. */
static bool is_asked_for(const struct rtnl_route *have, const struct rtnl_route *only)
{
	return (!only->ifindex || have->ifindex == only->ifindex) &&
	       (!only->table || route_table(have) == only->table);
}

int rtnl_route_list_where(
	struct rtnl *r, const struct rtnl_route *only, struct rtnl_route **ret, size_t *ret_n)
{
	static const int families[] = {AF_INET, AF_INET6};
	struct route_walk w = {0};
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		int err = route_dump(r, &w, families[i], only);

		if (err == -ENOENT && only->table) /* there is no such table */
			err = 0;
		if (err < 0) {
			vec_done(&w.found);
			return err;
		}
	}
	for (size_t i = 0; i < w.found.n; i++)
		if (is_asked_for(&w.found.items[i], only))
			w.found.items[n++] = w.found.items[i];
	*ret = w.found.items;
	*ret_n = n;
	return 0;
}

int rtnl_route_list(struct rtnl *r, uint8_t protocol, struct rtnl_route **ret, size_t *ret_n)
{
	struct rtnl_route only = {.protocol = protocol};

	return rtnl_route_list_where(r, &only, ret, ret_n);
}

struct route_answer {
	struct rtnl_route route;
	bool found;
};

static int on_route_answer(const struct nlmsghdr *h, void *data)
{
	struct route_answer *a = data;

	if (!route_parse(h, &a->route))
		return 0;
	a->found = true;
	return 0;
}

/* RTM_F_FIB_MATCH in flags: the route as it stands in the table; else the way taken. */
static int route_ask(struct rtnl *r, const ip_addr *dst, uint32_t fwmark, unsigned flags,
	struct route_answer *ret)
{
	struct nlmsghdr *h = nl_begin(r->nl, RTM_GETROUTE, 0);
	struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	int err;

	m->rtm_family = dst->family;
	m->rtm_dst_len = (uint8_t)ip_family_bits(dst->family);
	/* Which IPv6 tells unasked, and refuses to be asked for. */
	m->rtm_flags = flags | (dst->family == AF_INET ? RTM_F_LOOKUP_TABLE : 0);
	rtnl_put_addr(h, RTA_DST, dst->family, dst->bytes);
	put_u32_unless_0(h, RTA_MARK, fwmark);
	*ret = (struct route_answer){0};
	err = nl_talk(r->nl, h, on_route_answer, ret);
	/* The kernel's words for unreachable, blackhole and prohibit. */
	if (err == -EHOSTUNREACH || err == -EINVAL || err == -EACCES || (!err && !ret->found))
		return -ENETUNREACH;
	if (!err && (rtnl_route_refuses(&ret->route) || ret->route.type == RTN_THROW))
		return -ENETUNREACH;
	return err;
}

int rtnl_route_get(struct rtnl *r, const ip_addr *dst, uint32_t fwmark, struct rtnl_route *ret)
{
	struct route_answer a, taken;
	int err = route_ask(r, dst, fwmark, RTM_F_FIB_MATCH, &a);

	if (err < 0)
		return err;
	if (!a.route.ifindex) { /* one of several next hops */
		err = route_ask(r, dst, fwmark, 0, &taken);
		if (err < 0)
			return err;
		a.route.ifindex = taken.route.ifindex;
	}
	*ret = a.route;
	return 0;
}

/* --- changing ------------------------------------------------------------------------------- */

static bool same_route(const struct rtnl_route *a, const struct rtnl_route *b)
{
	return ip_prefix_eq(&a->dst, &b->dst) && a->ifindex == b->ifindex &&
	       route_table(a) == route_table(b) && a->protocol == b->protocol &&
	       a->type == b->type && metric_to_kernel(a) == metric_to_kernel(b) &&
	       is_same_addr(&a->via, &b->via);
}

/* Whether exactly this route is there. A question about its first address finds it unless a longer
 * prefix or a policy rule stands before it; only then is the table read. */
static int route_is_there(struct rtnl *r, const struct rtnl_route *want)
{
	struct rtnl_route only = *want;
	ip_addr first = ip_prefix_addr(&want->dst);
	struct route_walk w = {0};
	struct route_answer a;
	int err;

	if (!route_ask(r, &first, 0, RTM_F_FIB_MATCH, &a) && same_route(&a.route, want))
		return true;
	only.table = route_table(want);
	err = route_dump(r, &w, want->dst.family, &only);
	for (size_t i = 0; !err && i < w.found.n; i++)
		if (same_route(&w.found.items[i], want))
			err = true;
	vec_done(&w.found);
	return err;
}

int rtnl_route_add(struct rtnl *r, const struct rtnl_route *route)
{
	struct rtnl_route want = *route;
	int there;
	int err = route_change(r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route);

	if (err != -EEXIST)
		return err;
	want.dst = ip_prefix_masked(&route->dst);
	there = route_is_there(r, &want);
	return there < 0 ? there : there ? 0 : -EEXIST;
}

int rtnl_route_del(struct rtnl *r, const struct rtnl_route *route)
{
	int err = route_change(r, RTM_DELROUTE, 0, route);

	return err == -ESRCH || err == -ENODEV ? 0 : err;
}

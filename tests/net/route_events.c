/* SPDX-License-Identifier: MIT */
/*
 * Changes at random, of the kind that engines and people make. Few prefixes, metrics and next hops,
 * so that routes meet. What the kernel refuses is no matter.
 */
#include "route_twin.h"

#include "base/mem.h"
#include "sys/nl.h"
#include "sys/route_mirror_internal.h"
#include "sys/rtnl.h"
#include <arpa/inet.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINKS 3
#define OBJECTS 6 /* 1 to 6; 7 and 8 are groups */
#define GROUPS 2

struct stage {
	struct rtnl *rt;
	struct nl *nl;
	uint64_t state;
	bool mixes;
	int links[LINKS]; /* l0 to l2, each with its other end */
	int peers[LINKS];
	bool is_up[LINKS], has_carrier[LINKS];
};

static unsigned below(struct stage *s, unsigned n)
{
	uint64_t z = s->state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (unsigned)((z ^ z >> 31) % n);
}

static bool one_in(struct stage *s, unsigned n)
{
	return !below(s, n);
}

/* --- links and addresses -------------------------------------------------------------------- */

static void run(const char *command)
{
	if (system(command))
		exit(1);
}

static int index_of(struct stage *s, const char *name)
{
	struct rtnl_link l;

	return rtnl_link_get(s->rt, name, &l) < 0 ? 0 : l.index;
}

static void find_link(struct stage *s, unsigned i)
{
	char name[8];

	snprintf(name, sizeof(name), "l%u", i);
	s->links[i] = index_of(s, name);
	snprintf(name, sizeof(name), "p%u", i);
	s->peers[i] = index_of(s, name);
}

static void make_link(struct stage *s, unsigned i)
{
	AUTO_FREE char *command = mem_printf("ip link add l%u type veth peer name p%u && "
					     "ip link set p%u up && ip link set l%u up",
		i, i, i, i);

	run(command);
	find_link(s, i);
	s->is_up[i] = s->has_carrier[i] = true;
}

/* An address of link i: 0 its own, 1 a second one, 2 IPv6. */
static ip_prefix address(unsigned i, unsigned which)
{
	AUTO_FREE char *text = which == 2 ? mem_printf("fd0%u::1/64", i + 1)
					  : mem_printf("10.%u.%u.1/24", i + 1, which ? 9 : 0);
	ip_prefix p = {0};

	ip_prefix_parse(&p, text);
	return p;
}

static void add_addresses(struct stage *s, unsigned i)
{
	for (unsigned k = 0; k < 3; k++) {
		ip_prefix p = address(i, k);

		rtnl_addr_add(s->rt, s->links[i], &p);
	}
}

static void change_address(struct stage *s)
{
	unsigned i = below(s, LINKS);
	ip_prefix p = address(i, below(s, 3));

	if (one_in(s, 2))
		rtnl_addr_del(s->rt, s->links[i], &p);
	else
		rtnl_addr_add(s->rt, s->links[i], &p);
}

static void change_link(struct stage *s)
{
	unsigned i = below(s, LINKS);

	if (one_in(s, 8)) {
		rtnl_link_del(s->rt, s->links[i]);
		make_link(s, i);
	} else if (one_in(s, 3)) {
		s->has_carrier[i] = !s->has_carrier[i];
		rtnl_link_set(s->rt, s->peers[i], s->has_carrier[i], 0);
	} else {
		s->is_up[i] = !s->is_up[i];
		rtnl_link_set(s->rt, s->links[i], s->is_up[i], 0);
	}
	if (one_in(s, 2))
		add_addresses(s, i);
}

/* --- next hops ------------------------------------------------------------------------------ */

struct gateway {
	ip_addr addr;
	int ifindex;
};

static struct gateway gateway(struct stage *s, int family)
{
	unsigned i = below(s, LINKS), host = 2 + below(s, 3);
	AUTO_FREE char *text = family == AF_INET ? mem_printf("10.%u.0.%u", i + 1, host)
			       : one_in(s, 4)	 ? mem_printf("fe80::%u", host)
						 : mem_printf("fd0%u::%u", i + 1, host);
	struct gateway g = {.ifindex = s->links[i]};

	ip_addr_parse(&g.addr, text);
	return g;
}

static void put_gateway(struct nlmsghdr *h, int family, const struct gateway *g)
{
	size_t n = ip_family_bits(g->addr.family) / 8;
	struct {
		uint16_t family;
		uint8_t bytes[16];
	} via = {.family = g->addr.family};

	if (g->addr.family == family) {
		mnl_attr_put(h, RTA_GATEWAY, n, g->addr.bytes);
		return;
	}
	memcpy(via.bytes, g->addr.bytes, n);
	mnl_attr_put(h, RTA_VIA, 2 + n, &via);
}

/* IPv4 at times by way of IPv6. */
static struct gateway gateway_for(struct stage *s, int family)
{
	return gateway(s, family == AF_INET && one_in(s, 6) ? AF_INET6 : family);
}

static void put_set(struct stage *s, struct nlmsghdr *h, int family)
{
	struct nlattr *set = mnl_attr_nest_start(h, RTA_MULTIPATH);

	for (unsigned i = 2 + below(s, 2); i; i--) {
		struct gateway g = gateway_for(s, family);
		struct rtnexthop *hop = mnl_nlmsg_get_payload_tail(h);

		h->nlmsg_len += sizeof(*hop);
		*hop = (struct rtnexthop){.rtnh_ifindex = g.ifindex,
			.rtnh_flags = one_in(s, 3) ? RTNH_F_ONLINK : 0,
			.rtnh_hops = (uint8_t)below(s, 3)};
		put_gateway(h, family, &g);
		hop->rtnh_len = (uint16_t)((char *)mnl_nlmsg_get_payload_tail(h) - (char *)hop);
	}
	mnl_attr_nest_end(h, set);
}

/* only_sets: with gateways, one or several. */
static void put_next_hops(struct stage *s, struct nlmsghdr *h, struct rtmsg *m, bool only_sets)
{
	struct gateway g = gateway_for(s, m->rtm_family);

	switch (only_sets ? 1 + below(s, 2) * 4 : below(s, 8)) {
	case 0:
		m->rtm_scope = RT_SCOPE_LINK;
		mnl_attr_put_u32(h, RTA_OIF, (uint32_t)g.ifindex);
		break;
	case 1:
	case 2:
		put_set(s, h, m->rtm_family);
		break;
	case 3:
	case 4:
		mnl_attr_put_u32(h, RTA_NH_ID, 1 + below(s, OBJECTS + GROUPS));
		break;
	default:
		put_gateway(h, m->rtm_family, &g);
		mnl_attr_put_u32(h, RTA_OIF, (uint32_t)g.ifindex);
		if (one_in(s, 3))
			m->rtm_flags |= RTNH_F_ONLINK;
	}
}

/* --- routes --------------------------------------------------------------------------------- */

static void put_dst(struct stage *s, struct nlmsghdr *h, struct rtmsg *m)
{
	static const char *const dsts[] = {"10.20.0.0/16", "10.20.0.0/24", "10.20.1.0/24",
		"0.0.0.0/0", "fd20::/48", "fd20::/64", "fd20:0:0:1::/64", "::/0"};
	ip_prefix dst = {0};

	ip_prefix_parse(&dst, dsts[below(s, ARRAY_SIZE(dsts))]);
	m->rtm_family = dst.family;
	m->rtm_dst_len = dst.len;
	mnl_attr_put(h, RTA_DST, ip_family_bits(dst.family) / 8, dst.bytes);
}

#define SETS_METRIC 32 /* without a mix, IPv6's routes of this metric are sets */

static struct nlmsghdr *begin_route(
	struct stage *s, uint16_t type, struct rtmsg **ret, bool *ret_only_sets)
{
	static const uint8_t protocols[] = {12, 12, 186, 4};
	static const uint32_t tables[] = {RT_TABLE_MAIN, RT_TABLE_MAIN, 100, 77};
	static const uint32_t metrics[] = {0, 20, 20, SETS_METRIC};
	struct nlmsghdr *h = nl_begin(s->nl, type, 0);
	uint32_t metric = metrics[below(s, ARRAY_SIZE(metrics))];

	*ret = mnl_nlmsg_put_extra_header(h, sizeof(**ret));
	put_dst(s, h, *ret);
	(*ret)->rtm_protocol = protocols[below(s, ARRAY_SIZE(protocols))];
	(*ret)->rtm_type = RTN_UNICAST;
	if ((*ret)->rtm_family == AF_INET && one_in(s, 10))
		(*ret)->rtm_tos = 8;
	mnl_attr_put_u32(h, RTA_TABLE, tables[below(s, ARRAY_SIZE(tables))]);
	if (metric)
		mnl_attr_put_u32(h, RTA_PRIORITY, metric);
	*ret_only_sets = !s->mixes && (*ret)->rtm_family == AF_INET6 && metric == SETS_METRIC;
	return h;
}

/* Without a mix, IPv6's routes are replaced, and others stand beside sets of their own only. */
static uint16_t add_flags(struct stage *s, bool any)
{
	static const uint16_t flags[] = {NLM_F_CREATE | NLM_F_REPLACE, NLM_F_REPLACE,
		NLM_F_CREATE | NLM_F_EXCL, NLM_F_CREATE, NLM_F_CREATE | NLM_F_APPEND,
		NLM_F_CREATE | NLM_F_REPLACE};

	return flags[below(s, any ? ARRAY_SIZE(flags) : 3)];
}

static void add_route(struct stage *s)
{
	static const uint8_t types[] = {RTN_UNREACHABLE, RTN_BLACKHOLE, RTN_PROHIBIT, RTN_THROW};
	ip_prefix source = address(below(s, LINKS), below(s, 2));
	struct rtmsg *m;
	bool only_sets;
	struct nlmsghdr *h = begin_route(s, RTM_NEWROUTE, &m, &only_sets);

	h->nlmsg_flags |= add_flags(s, s->mixes || only_sets || m->rtm_family == AF_INET);
	if (!only_sets && one_in(s, 7)) {
		m->rtm_type = types[below(s, ARRAY_SIZE(types))];
	} else {
		put_next_hops(s, h, m, only_sets);
		if (m->rtm_family == AF_INET && one_in(s, 6))
			mnl_attr_put(h, RTA_PREFSRC, 4, source.bytes);
	}
	nl_talk(s->nl, h, NULL, NULL);
}

static void delete_route(struct stage *s)
{
	struct rtmsg *m;
	bool only_sets;
	struct nlmsghdr *h = begin_route(s, RTM_DELROUTE, &m, &only_sets);

	m->rtm_type = 0;
	if (!one_in(s, 3))
		m->rtm_protocol = 0;
	if (one_in(s, 3))
		put_next_hops(s, h, m, only_sets);
	m->rtm_scope = RT_SCOPE_NOWHERE;
	nl_talk(s->nl, h, NULL, NULL);
}

/* --- next-hop objects ------------------------------------------------------------------------ */

static void put_group(struct stage *s, struct nlmsghdr *h)
{
	struct nexthop_grp members[3] = {0};
	unsigned n = 1 + below(s, 3);

	for (unsigned i = 0; i < n; i++)
		members[i] =
			(struct nexthop_grp){.id = 1 + (below(s, OBJECTS / 3) * 3 + i) % OBJECTS,
				.weight = (uint8_t)below(s, 3)};
	mnl_attr_put(h, NHA_GROUP, n * sizeof(members[0]), members);
}

static void put_object(struct stage *s, struct nlmsghdr *h, struct nhmsg *m)
{
	struct gateway g = gateway(s, one_in(s, 2) ? AF_INET : AF_INET6);

	m->nh_family = g.addr.family;
	if (one_in(s, 8)) {
		mnl_attr_put(h, NHA_BLACKHOLE, 0, NULL);
		return;
	}
	mnl_attr_put_u32(h, NHA_OIF, (uint32_t)g.ifindex);
	if (!one_in(s, 6))
		mnl_attr_put(h, NHA_GATEWAY, ip_family_bits(g.addr.family) / 8, g.addr.bytes);
	if (one_in(s, 3))
		m->nh_flags = RTNH_F_ONLINK;
}

static void change_object(struct stage *s)
{
	uint32_t id = 1 + below(s, OBJECTS + GROUPS);
	bool delete = one_in(s, 4);
	struct nlmsghdr *h = nl_begin(s->nl, delete ? RTM_DELNEXTHOP : RTM_NEWNEXTHOP,
		delete ? 0 : NLM_F_CREATE | NLM_F_REPLACE);
	struct nhmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));

	mnl_attr_put_u32(h, NHA_ID, id);
	if (!delete)
		m->nh_protocol = 11;
	if (!delete &&id > OBJECTS)
		put_group(s, h);
	else if (!delete)
		put_object(s, h, m);
	nl_talk(s->nl, h, NULL, NULL);
}

/* --- all together --------------------------------------------------------------------------- */

static void change(struct stage *s, bool quiet)
{
	unsigned what = below(s, 100);

	if (!quiet && what < 6)
		change_link(s);
	else if (!quiet && what < 12)
		change_address(s);
	else if (what < 25)
		change_object(s);
	else if (what < 50)
		delete_route(s);
	else
		add_route(s);
}

static void set_stage(struct stage *s, uint64_t seed, bool mixes)
{
	*s = (struct stage){.state = seed, .mixes = mixes};
	if (rtnl_open(&s->rt) < 0 || nl_open(NETLINK_ROUTE, &s->nl) < 0)
		exit(1);
	run("ip link set lo up");
	for (unsigned i = 0; i < LINKS; i++) {
		make_link(s, i);
		add_addresses(s, i);
	}
	for (int i = 0; i < 20; i++)
		change_object(s);
}

bool twin_random(struct twin *t, uint64_t seed, size_t n, bool mixes)
{
	struct stage s;
	bool same = true;

	set_stage(&s, seed, mixes);
	twin_settle(t);
	for (size_t i = 0; i < n && same;) {
		size_t few = 1 + below(&s, 10);
		bool quiet = !one_in(&s, 4); /* routes and objects alone: the kernel tells of all */

		twin_settle(t);
		for (size_t k = 0; k < few; k++)
			change(&s, quiet);
		i += few;
		twin_read(t);
		if (quiet && !mixes && t->mirror->wanted & DOUBT_STEP && !t->n_overruns) {
			printf("news don't fit what is held\n");
			same = false;
		}
		same &= twin_compare(t);
		if (!same)
			printf("seed %llu: after %zu events\n", (unsigned long long)seed, i);
	}
	rtnl_close(s.rt);
	nl_close(s.nl);
	return same;
}

/* SPDX-License-Identifier: MIT */
/* The kernel's messages about routes, built by hand: what route_news.c reads. */
#ifndef SHUNT_TESTS_ROUTE_MESSAGES_H
#define SHUNT_TESTS_ROUTE_MESSAGES_H

#include "base/prefix.h"
#include "sys/nl.h"
#include <assert.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define MESSAGE_MAX 4096

/* What the kernel says of a change, in its own flags. */
#define SAYS_ADDED 0x600
#define SAYS_REPLACED 0x100
#define SAYS_APPENDED 0xc00
#define SAYS_PREPENDED 0x400

struct a_hop {
	const char *via; /* NULL: straight to the device */
	int dev;
	uint8_t weight; /* 0: 1 */
	uint8_t flags;	/* RTNH_F_* */
	uint32_t realm; /* of one of several */
};

/* Zeroed: main, metric 0, protocol 12, unicast. */
struct a_route {
	const char *dst;
	uint16_t flags; /* nlmsg_flags */
	uint32_t port;
	uint32_t table, metric, nhid;
	uint8_t proto, type, tos;
	unsigned rtm_flags;
	const char *src;
	struct a_hop hops[4]; /* several: RTA_MULTIPATH */
};

struct message {
	_Alignas(8) char bytes[MESSAGE_MAX];
	size_t n;
};

static inline struct nlmsghdr *message_begin(
	struct message *m, uint16_t type, uint16_t flags, uint32_t port)
{
	struct nlmsghdr *h;

	memset(m->bytes, 0, sizeof(m->bytes));
	h = mnl_nlmsg_put_header(m->bytes);
	h->nlmsg_type = type;
	h->nlmsg_flags = flags;
	h->nlmsg_pid = port;
	return h;
}

static inline size_t a_bytes(const ip_addr *a)
{
	return ip_family_bits(a->family) / 8;
}

static inline ip_addr an_addr(const char *text)
{
	ip_addr a;
	bool ok = ip_addr_parse(&a, text);

	assert(ok);
	(void)ok;
	return a;
}

static inline void put_via(struct nlmsghdr *h, int family, const char *text)
{
	struct {
		uint16_t family;
		uint8_t bytes[16];
	} via;
	ip_addr a;

	if (!text)
		return;
	a = an_addr(text);
	if (a.family == family) {
		mnl_attr_put(h, RTA_GATEWAY, a_bytes(&a), a.bytes);
		return;
	}
	via.family = a.family;
	memcpy(via.bytes, a.bytes, sizeof(via.bytes));
	mnl_attr_put(h, RTA_VIA, 2 + a_bytes(&a), &via);
}

static inline void put_hops(struct nlmsghdr *h, int family, const struct a_hop *hops, size_t n)
{
	struct nlattr *set = mnl_attr_nest_start(h, RTA_MULTIPATH);

	for (size_t i = 0; i < n; i++) {
		struct rtnexthop *hop = mnl_nlmsg_get_payload_tail(h);

		h->nlmsg_len += sizeof(*hop);
		*hop = (struct rtnexthop){.rtnh_ifindex = hops[i].dev,
			.rtnh_flags = hops[i].flags,
			.rtnh_hops = hops[i].weight ? (uint8_t)(hops[i].weight - 1) : 0};
		put_via(h, family, hops[i].via);
		if (hops[i].realm)
			mnl_attr_put_u32(h, RTA_FLOW, hops[i].realm);
		hop->rtnh_len = (uint16_t)((char *)mnl_nlmsg_get_payload_tail(h) - (char *)hop);
	}
	mnl_attr_nest_end(h, set);
}

static inline void message_route(struct message *m, uint16_t type, const struct a_route *r)
{
	struct nlmsghdr *h = message_begin(m, type, r->flags, r->port);
	struct rtmsg *rt = mnl_nlmsg_put_extra_header(h, sizeof(*rt));
	size_t n = 0;
	ip_prefix dst;
	ip_addr src;

	assert(ip_prefix_parse(&dst, r->dst));
	while (n < 4 && r->hops[n].dev)
		n++;
	rt->rtm_family = dst.family;
	rt->rtm_dst_len = dst.len;
	rt->rtm_tos = r->tos;
	rt->rtm_protocol = r->proto ? r->proto : 12;
	rt->rtm_type = r->type ? r->type : RTN_UNICAST;
	rt->rtm_table = r->table ? RT_TABLE_UNSPEC : RT_TABLE_MAIN;
	rt->rtm_flags = r->rtm_flags | (n == 1 ? r->hops[0].flags : 0);
	mnl_attr_put(h, RTA_DST, ip_family_bits(dst.family) / 8, dst.bytes);
	mnl_attr_put_u32(h, RTA_TABLE, r->table ? r->table : RT_TABLE_MAIN);
	mnl_attr_put_u32(h, RTA_PRIORITY, r->metric);
	if (r->src) {
		src = an_addr(r->src);
		mnl_attr_put(h, RTA_PREFSRC, a_bytes(&src), src.bytes);
	}
	if (r->nhid)
		mnl_attr_put_u32(h, RTA_NH_ID, r->nhid);
	if (n > 1) {
		put_hops(h, dst.family, r->hops, n);
	} else if (n) {
		put_via(h, dst.family, r->hops[0].via);
		mnl_attr_put_u32(h, RTA_OIF, (uint32_t)r->hops[0].dev);
	}
	m->n = h->nlmsg_len;
}

/* Of a single hop, or of members (id, weight), the last of id 0. */
struct a_nexthop {
	uint32_t id;
	uint16_t flags;
	uint32_t port;
	const char *via;
	int dev;
	bool blackhole, dead;
	struct nexthop_grp members[4];
};

static inline void message_nexthop(struct message *m, uint16_t type, const struct a_nexthop *n)
{
	struct nlmsghdr *h = message_begin(m, type, n->flags, n->port);
	struct nhmsg *nh = mnl_nlmsg_put_extra_header(h, sizeof(*nh));
	size_t k = 0;
	ip_addr via;

	nh->nh_flags = n->dead ? RTNH_F_DEAD : 0;
	mnl_attr_put_u32(h, NHA_ID, n->id);
	while (k < 4 && n->members[k].id)
		k++;
	if (k)
		mnl_attr_put(h, NHA_GROUP, k * sizeof(n->members[0]), n->members);
	if (n->blackhole)
		mnl_attr_put(h, NHA_BLACKHOLE, 0, NULL);
	if (n->dev)
		mnl_attr_put_u32(h, NHA_OIF, (uint32_t)n->dev);
	if (n->via) {
		via = an_addr(n->via);
		nh->nh_family = via.family;
		mnl_attr_put(h, NHA_GATEWAY, a_bytes(&via), via.bytes);
	}
	m->n = h->nlmsg_len;
}

static inline void message_link(struct message *m, uint16_t type, int dev, unsigned flags)
{
	struct nlmsghdr *h = message_begin(m, type, 0, 0);
	struct ifinfomsg *i = mnl_nlmsg_put_extra_header(h, sizeof(*i));

	i->ifi_index = dev;
	i->ifi_flags = flags;
	m->n = h->nlmsg_len;
}

static inline void message_address(struct message *m, uint16_t type, int family, int dev)
{
	struct nlmsghdr *h = message_begin(m, type, 0, 0);
	struct ifaddrmsg *a = mnl_nlmsg_put_extra_header(h, sizeof(*a));

	a->ifa_family = (uint8_t)family;
	a->ifa_index = (uint32_t)dev;
	m->n = h->nlmsg_len;
}

#endif

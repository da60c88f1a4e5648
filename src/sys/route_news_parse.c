/* SPDX-License-Identifier: MIT */
/* The kernel's messages about routes, next-hop objects, links and addresses, as values. */
#include "sys/route_news.h"

#include "sys/nl.h"
#include "sys/route_digest.h"
#include <linux/if.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <string.h>

#ifndef RTA_NH_ID
#define RTA_NH_ID 30
#endif

/* --- next hops ------------------------------------------------------------------------------ */

struct hop_reader {
	struct kernel_route *route;
	uint64_t digest; /* of all hops, also of those behind the last that there is room for */
};

/* flags: RTNH_F_*; those that a route is known by aren't of the link's state. */
static void reader_take(struct hop_reader *r, const struct route_hop *hop, unsigned flags)
{
	struct kernel_route *route = r->route;

	r->digest = route_digest_u64(r->digest, (uint64_t)hop->ifindex << 16 | hop->weight);
	r->digest = route_digest(r->digest, &hop->via, sizeof(hop->via));
	r->digest = route_digest_u64(r->digest, flags & (RTNH_F_ONLINK | RTNH_F_PERVASIVE));
	if (route->n_hops == ROUTE_HOPS_MAX)
		return;
	if (flags & RTNH_F_DEAD)
		route->dead |= UINT32_C(1) << route->n_hops;
	route->hops[route->n_hops++] = *hop;
}

/* An address whose family its length tells. */
static ip_addr address_of(const struct nlattr *a)
{
	size_t n = mnl_attr_get_payload_len(a);

	if (n != 4 && n != 16)
		return (ip_addr){0};
	return ip_addr_from_bytes(n == 4 ? AF_INET : AF_INET6, mnl_attr_get_payload(a));
}

static ip_addr via_of(const struct nlattr *a)
{
	const struct rtvia *via = mnl_attr_get_payload(a);
	size_t n = mnl_attr_get_payload_len(a);

	if (n < sizeof(*via) || (via->rtvia_family != AF_INET && via->rtvia_family != AF_INET6) ||
		n - sizeof(*via) != ip_family_bits(via->rtvia_family) / 8)
		return (ip_addr){0};
	return ip_addr_from_bytes(via->rtvia_family, via->rtvia_addr);
}

static void gateway_attribute(struct route_hop *hop, const struct nlattr *a)
{
	if (mnl_attr_get_type(a) == RTA_GATEWAY)
		hop->via = address_of(a);
	else if (mnl_attr_get_type(a) == RTA_VIA)
		hop->via = via_of(a);
}

static void hop_attribute(struct hop_reader *r, struct route_hop *hop, const struct nlattr *a)
{
	uint16_t type = mnl_attr_get_type(a);
	bool is_known_by = type == RTA_FLOW || type == RTA_ENCAP || type == RTA_ENCAP_TYPE;

	if (is_known_by && r->route->dst.family == AF_INET)
		r->digest = route_digest(r->digest, a, a->nla_len);
	gateway_attribute(hop, a);
}

static void read_multipath(struct hop_reader *r, const struct nlattr *set)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(set);
	size_t left = mnl_attr_get_payload_len(set);

	while (left >= sizeof(*hop) && hop->rtnh_len >= sizeof(*hop) && hop->rtnh_len <= left) {
		size_t n = NLMSG_ALIGN(hop->rtnh_len);
		struct route_hop one = {.ifindex = hop->rtnh_ifindex,
			.protocol = r->route->protocol,
			.weight = (uint16_t)(hop->rtnh_hops + 1)};

		nl_for_each_between(a, (const void *)(hop + 1), (const char *)hop + hop->rtnh_len)
			hop_attribute(r, &one, a);
		reader_take(r, &one, hop->rtnh_flags);
		left -= n < left ? n : left;
		hop = (const void *)((const char *)hop + n);
	}
}

/* --- routes --------------------------------------------------------------------------------- */

/* What a route's attributes say before it is known what they mean together. */
struct route_reader {
	struct kernel_route *route;
	struct route_hop hop; /* of a single one */
	const struct nlattr *multipath;
	uint64_t digest; /* of what isn't read otherwise */
};

static void number_attribute(uint32_t *ret, const struct nlattr *a)
{
	if (mnl_attr_get_payload_len(a) >= 4)
		*ret = mnl_attr_get_u32(a);
}

static void route_attribute(struct route_reader *r, const struct nlattr *a)
{
	struct kernel_route *route = r->route;
	uint32_t ifindex = 0;

	switch (mnl_attr_get_type(a)) {
	case RTA_DST:
		if (mnl_attr_get_payload_len(a) == ip_family_bits(route->dst.family) / 8)
			memcpy(route->dst.bytes, mnl_attr_get_payload(a),
				mnl_attr_get_payload_len(a));
		break;
	case RTA_TABLE:
		number_attribute(&route->table, a);
		break;
	case RTA_PRIORITY:
		number_attribute(&route->priority, a);
		break;
	case RTA_OIF:
		number_attribute(&ifindex, a);
		r->hop.ifindex = (int)ifindex;
		break;
	case RTA_NH_ID:
		number_attribute(&route->nexthop_id, a);
		break;
	case RTA_MULTIPATH:
		r->multipath = a;
		break;
	case RTA_PREFSRC:
	case RTA_METRICS:
	case RTA_FLOW:
	case RTA_ENCAP:
	case RTA_ENCAP_TYPE:
		/* IPv6 knows no two routes by them, and takes a source away without a word. */
		if (route->dst.family == AF_INET)
			r->digest = route_digest(r->digest, a, a->nla_len);
		break;
	default:
		gateway_attribute(&r->hop, a);
	}
}

/* Next hops, and what makes the route another one than its like. */
static void route_finish(struct route_reader *r, const struct rtmsg *m)
{
	struct kernel_route *route = r->route;
	struct hop_reader hops = {route, r->digest};

	r->hop.protocol = route->protocol;
	r->hop.weight = 1;
	/* Others tell of lo, or of the interface that an address of ours is on. */
	if (route->type == RTN_UNICAST && r->multipath)
		read_multipath(&hops, r->multipath);
	else if (route->type == RTN_UNICAST && (r->hop.ifindex || r->hop.via.family))
		reader_take(&hops, &r->hop, m->rtm_flags);
	/* The object may come to be another under the route. */
	if (route->nexthop_id)
		route->identity = route_digest_u64(r->digest, route->nexthop_id);
	else
		route->identity = route_digest_u64(hops.digest, (uint64_t)route->type << 32);
	route->identity = route_digest_u64(
		route->identity, (uint64_t)m->rtm_scope << 8 | (uint64_t)route->protocol);
}

static bool parse_route(const struct nlmsghdr *h, struct kernel_route *ret)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	struct route_reader r = {.route = ret};

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*m) || (m->rtm_flags & RTM_F_CLONED))
		return false;
	if ((m->rtm_family != AF_INET && m->rtm_family != AF_INET6) || m->rtm_src_len ||
		m->rtm_dst_len > ip_family_bits(m->rtm_family))
		return false;
	ret->dst = (ip_prefix){.family = m->rtm_family, .len = m->rtm_dst_len};
	ret->table = m->rtm_table;
	ret->priority = 0;
	ret->tos = m->rtm_tos;
	ret->protocol = m->rtm_protocol;
	ret->type = m->rtm_type;
	ret->nexthop_id = 0;
	ret->n_hops = 0;
	ret->dead = 0;
	nl_for_each_attr (a, h, sizeof(*m))
		route_attribute(&r, a);
	ret->dst = ip_prefix_masked(&ret->dst);
	route_finish(&r, m);
	return true;
}

static unsigned flags_of(uint16_t flags)
{
	return (flags & NLM_F_REPLACE ? ROUTE_REPLACES : 0) |
	       (flags & NLM_F_APPEND ? ROUTE_APPENDS : 0) |
	       (flags & NLM_F_CREATE ? ROUTE_ANEW : 0) |
	       (flags & NLM_F_CREATE && flags & NLM_F_EXCL ? ROUTE_ALONE : 0);
}

/* --- next-hop objects ----------------------------------------------------------------------- */

/* Since Linux 6.12 the byte behind the weight is its upper half; before, it is 0. Headers have had
 * two names for it, so that it is read by its place. */
static uint16_t member_weight(const struct nexthop_grp *member)
{
	const uint8_t *high = (const uint8_t *)member + offsetof(struct nexthop_grp, weight) + 1;
	unsigned weight = ((unsigned)*high << 8 | member->weight) + 1;

	return weight > UINT16_MAX ? UINT16_MAX : (uint16_t)weight;
}

static void read_group(struct kernel_nexthop *n, const struct nlattr *a)
{
	const char *at = mnl_attr_get_payload(a);
	size_t left = mnl_attr_get_payload_len(a);
	struct nexthop_grp member;

	for (; left >= sizeof(member) && n->n_members < ROUTE_HOPS_MAX; left -= sizeof(member)) {
		memcpy(&member, at, sizeof(member));
		n->members[n->n_members].id = member.id;
		n->members[n->n_members++].weight = member_weight(&member);
		at += sizeof(member);
	}
}

static void nexthop_attribute(struct kernel_nexthop *n, const struct nlattr *a)
{
	uint32_t ifindex = 0;

	switch (mnl_attr_get_type(a)) {
	case NHA_ID:
		number_attribute(&n->id, a);
		break;
	case NHA_GROUP:
		n->is_group = true;
		read_group(n, a);
		break;
	case NHA_BLACKHOLE:
		n->is_blackhole = true;
		break;
	case NHA_OIF:
		number_attribute(&ifindex, a);
		n->hop.ifindex = (int)ifindex;
		break;
	case NHA_GATEWAY:
		n->hop.via = address_of(a);
		break;
	}
}

static bool parse_nexthop(const struct nlmsghdr *h, struct kernel_nexthop *ret)
{
	const struct nhmsg *m = mnl_nlmsg_get_payload(h);

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*m))
		return false;
	memset(ret, 0, sizeof(*ret));
	ret->hop.weight = 1;
	ret->hop.protocol = m->nh_protocol;
	ret->is_dead = m->nh_flags & RTNH_F_DEAD;
	nl_for_each_attr (a, h, sizeof(*m))
		nexthop_attribute(ret, a);
	return ret->id;
}

/* --- links and addresses -------------------------------------------------------------------- */

static bool parse_link(const struct nlmsghdr *h, struct route_news *ret)
{
	const struct ifinfomsg *m = mnl_nlmsg_get_payload(h);

	/* A bridge tells of its ports as of links, too. */
	if (mnl_nlmsg_get_payload_len(h) < sizeof(*m) || m->ifi_family != AF_UNSPEC)
		return false;
	ret->u.link.ifindex = m->ifi_index;
	ret->u.link.flags =
		ret->gone ? 0 : m->ifi_flags & (IFF_UP | IFF_RUNNING | (unsigned)IFF_LOWER_UP);
	return true;
}

/* An IPv4 address that comes wakes hops that slept without one; an IPv6 one changes no route. */
static bool parse_address(const struct nlmsghdr *h, struct route_news *ret)
{
	const struct ifaddrmsg *m = mnl_nlmsg_get_payload(h);

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*m) || (!ret->gone && m->ifa_family != AF_INET))
		return false;
	ret->u.link.ifindex = (int)m->ifa_index;
	ret->u.link.flags = IFF_UP;
	return true;
}

/* False: it isn't understood. */
static bool parse_message(const struct nlmsghdr *h, struct route_news *ret)
{
	ret->gone = false;
	ret->flags = flags_of(h->nlmsg_flags);
	ret->port = h->nlmsg_pid;
	ret->seq = h->nlmsg_seq;
	switch (h->nlmsg_type) {
	case RTM_DELROUTE:
		ret->gone = true;
		__attribute__((fallthrough));
	case RTM_NEWROUTE:
		ret->type = ROUTE_NEWS_ROUTE;
		return parse_route(h, &ret->u.route);
	case RTM_DELNEXTHOP:
		ret->gone = true;
		__attribute__((fallthrough));
	case RTM_NEWNEXTHOP:
		ret->type = ROUTE_NEWS_NEXTHOP;
		return parse_nexthop(h, &ret->u.nexthop);
	case RTM_DELLINK:
		ret->gone = true;
		__attribute__((fallthrough));
	case RTM_NEWLINK:
		ret->type = ROUTE_NEWS_LINK;
		return parse_link(h, ret);
	case RTM_DELADDR:
		ret->gone = true;
		__attribute__((fallthrough));
	case RTM_NEWADDR:
		ret->type = ROUTE_NEWS_ADDRESS;
		return parse_address(h, ret);
	}
	return false;
}

bool route_news_parse(const char *bytes, size_t n, route_news_fn *fn, void *data)
{
	struct nlmsghdr *h = (void *)(uintptr_t)bytes;
	struct route_news news;

	for (; nl_message_ok(h, n); h = nl_message_next(h, &n))
		if (parse_message(h, &news) && !fn(&news, data))
			return false;
	return true;
}

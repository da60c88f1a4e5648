/* SPDX-License-Identifier: MIT */
/*
 * A kernel's answers to what is asked by rtnetlink: the first byte says what is asked, the rest is
 * what the socket receives (datagrams.h). What comes out must be what its users rely on: prefixes
 * within their family, names that end. The monitor reads the same datagrams.
 */
#include "datagrams.h"
#include "sys/rtnl_internal.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_prefix(const ip_prefix *p)
{
	char text[IP_PREFIX_STRLEN];
	ip_prefix again;

	assert(p->family == AF_INET || p->family == AF_INET6);
	assert(p->len <= ip_family_bits(p->family));
	assert(ip_prefix_parse(&again, ip_prefix_format(p, text)) && ip_prefix_eq(p, &again));
}

static void ask_link(struct rtnl *r)
{
	struct rtnl_link link;

	if (rtnl_link_get(r, "wg0", &link))
		return;
	assert(link.index && strnlen(link.name, sizeof(link.name)) < sizeof(link.name));
	assert(strnlen(link.kind, sizeof(link.kind)) < sizeof(link.kind));
}

static void ask_netns(struct rtnl *r)
{
	int id;

	if (!rtnl_netns_id(r, 0, &id))
		assert(id >= 0);
}

static void ask_addresses(struct rtnl *r)
{
	ip_prefix *list;
	size_t n;

	if (rtnl_addr_list(r, 1, &list, &n))
		return;
	for (size_t i = 0; i < n; i++)
		check_prefix(&list[i]);
	free(list);
}

static void check_route(const struct rtnl_route *route)
{
	check_prefix(&route->dst);
	assert(route->table != RT_TABLE_MAIN);
}

static void ask_routes(struct rtnl *r, uint8_t how)
{
	struct rtnl_route only = {.ifindex = how & 1,
		.table = how & 2 ? RT_TABLE_MAIN : 0,
		.protocol = how & 4 ? RTNL_PROTO_SHUNT : 0};
	struct rtnl_route *list;
	size_t n;

	if (rtnl_route_list_where(r, &only, &list, &n))
		return;
	for (size_t i = 0; i < n; i++) {
		check_route(&list[i]);
		assert(!only.ifindex || list[i].ifindex == only.ifindex);
		assert(!only.protocol || list[i].protocol == only.protocol);
	}
	free(list);
}

static void ask_route(struct rtnl *r, uint8_t how)
{
	struct rtnl_route found;
	ip_addr dst;

	assert(ip_addr_parse(&dst, how & 1 ? "10.0.0.1" : "fd00::1"));
	if (!rtnl_route_get(r, &dst, how & 2, &found))
		check_route(&found);
}

static void ask_rules(struct rtnl *r, uint8_t how)
{
	int family = how & 1 ? AF_INET : AF_INET6;
	struct rtnl_rule *list;
	size_t n;

	if (rtnl_rule_list(r, family, &list, &n))
		return;
	for (size_t i = 0; i < n; i++) {
		assert(list[i].family == family && rtnl_rule_is(&list[i], &list[i]));
		assert(strnlen(list[i].iif, sizeof(list[i].iif)) < sizeof(list[i].iif));
		if (list[i].from.family)
			check_prefix(&list[i].from);
	}
	free(list);
}

/* What is there already is looked for, in every way. */
static void add(struct rtnl *r, uint8_t how)
{
	struct rtnl_rule rule = {.family = AF_INET, .suppress_prefixlen = -1};
	struct rtnl_route route = {.ifindex = 1, .protocol = RTNL_PROTO_SHUNT};
	ip_prefix address;

	assert(ip_prefix_parse(&route.dst, how & 1 ? "10.0.0.0/8" : "fd00::/8"));
	assert(ip_prefix_parse(&address, how & 1 ? "10.0.0.1/8" : "fd00::1/8"));
	if (how & 2)
		rtnl_route_add(r, &route);
	else if (how & 4)
		rtnl_addr_add(r, 1, &address);
	else
		rtnl_rule_add(r, &rule);
}

static void ask(struct rtnl *r, uint8_t how)
{
	uint8_t more = how >> 3;

	switch (how & 7) {
	case 0:
		ask_link(r);
		break;
	case 1:
		ask_netns(r);
		break;
	case 2:
		ask_addresses(r);
		break;
	case 3:
		ask_routes(r, more);
		break;
	case 4:
		ask_route(r, more);
		break;
	case 5:
		ask_rules(r, more);
		break;
	default:
		add(r, more);
	}
}

static void monitor(struct datagrams in)
{
	_Alignas(8) char buf[4096];
	size_t n;

	while (datagrams_take(&in, buf, sizeof(buf), &n))
		assert(!(rtnl_monitor_parse(buf, n) & RTNL_OVERRUN));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct datagrams in = {.data = data + 1, .left = size - 1};
	struct rtnl r;

	if (!size)
		return 0;
	monitor(in);
	r.nl = datagrams_nl(&in);
	ask(&r, data[0]);
	nl_close(r.nl);
	return 0;
}

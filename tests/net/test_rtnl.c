/* SPDX-License-Identifier: MIT */
/* sys/rtnl against the running kernel, in a network namespace of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "sys/rtnl.h"
#include <errno.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct rtnl *rt;
static int dummy;

static ip_prefix P(const char *text)
{
	ip_prefix p;

	assert_true(ip_prefix_parse(&p, text));
	return p;
}

static ip_addr A(const char *text)
{
	ip_addr a;

	assert_true(ip_addr_parse(&a, text));
	return a;
}

static void run(const char *command)
{
	assert_int_equal(system(command), 0);
}

static size_t count_routes(uint8_t protocol, const char *dst, struct rtnl_route *ret_last)
{
	AUTO_FREE struct rtnl_route *list = NULL;
	ip_prefix p = P(dst);
	size_t n, hits = 0;

	assert_int_equal(rtnl_route_list(rt, protocol, &list, &n), 0);
	for (size_t i = 0; i < n; i++)
		if (ip_prefix_eq(&list[i].dst, &p)) {
			*ret_last = list[i];
			hits++;
		}
	return hits;
}

/* --- tests ---------------------------------------------------------------------------------- */

static void links(void **state)
{
	struct rtnl_link l;

	assert_int_equal(rtnl_link_get(rt, "nowhere", &l), -ENODEV);
	assert_int_equal(rtnl_link_get(rt, "a-name-that-is-too-long", &l), -ENODEV);
	assert_int_equal(rtnl_link_get(rt, "", &l), -ENODEV);
	assert_int_equal(rtnl_link_add(rt, "a-name-that-is-too-long", "veth"), -EINVAL);
	assert_int_equal(rtnl_link_add(rt, "x0", "no-such-kind"), -EOPNOTSUPP);
	assert_int_equal(rtnl_link_add(rt, "x0", "veth"), 0);
	assert_int_equal(rtnl_link_add(rt, "x0", "veth"), -EEXIST);
	assert_int_equal(rtnl_link_get(rt, "x0", &l), 0);
	assert_string_equal(l.name, "x0");
	assert_string_equal(l.kind, "veth");
	assert_false(l.flags & IFF_UP);
	assert_int_equal(rtnl_link_set(rt, l.index, true, 1420), 0);
	assert_int_equal(rtnl_link_get(rt, "x0", &l), 0);
	assert_true(l.flags & IFF_UP);
	assert_int_equal(l.mtu, 1420);
	assert_int_equal(rtnl_link_set(rt, l.index, true, 0), 0);
	assert_int_equal(rtnl_link_get(rt, "x0", &l), 0);
	assert_int_equal(l.mtu, 1420);
	assert_int_equal(rtnl_link_del(rt, l.index), 0);
	assert_int_equal(rtnl_link_del(rt, l.index), -ENODEV);
	assert_int_equal(rtnl_link_get(rt, "lo", &l), 0);
	assert_string_equal(l.kind, "");
}

static void addresses(void **state)
{
	static const char *const texts[] = {"10.10.0.11/24", "fd10::11/64", "192.0.2.53/32"};
	AUTO_FREE ip_prefix *list = NULL;
	ip_prefix p;
	size_t n;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		p = P(texts[i]);
		assert_int_equal(rtnl_addr_add(rt, dummy, &p), 0);
		assert_int_equal(rtnl_addr_add(rt, dummy, &p), 0);
	}
	/* Without duplicate address detection it is usable at once. */
	run("! ip -6 addr show dev d0 tentative | grep -q fd10");
	p = P("fd10::11/128");
	assert_int_equal(rtnl_addr_add(rt, dummy, &p), -EEXIST);
	assert_int_equal(rtnl_addr_list(rt, dummy, &list, &n), 0);
	assert_int_equal(n, ARRAY_SIZE(texts));
	for (size_t i = 0; i < n; i++) {
		bool found = false;

		for (size_t j = 0; j < n; j++) {
			p = P(texts[j]);
			found |= ip_prefix_eq(&list[i], &p);
		}
		assert_true(found);
	}
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		p = P(texts[i]);
		assert_int_equal(rtnl_addr_del(rt, dummy, &p), 0);
		assert_int_equal(rtnl_addr_del(rt, dummy, &p), 0);
	}
}

static void routes_of(const char *dst, uint32_t table, uint32_t metric)
{
	struct rtnl_route want = {P(dst), dummy, table, RTNL_PROTO_SHUNT, metric}, got;

	assert_int_equal(rtnl_route_add(rt, &want), 0);
	assert_int_equal(rtnl_route_add(rt, &want), 0);
	assert_int_equal(count_routes(RTNL_PROTO_SHUNT, dst, &got), 1);
	assert_int_equal(got.ifindex, dummy);
	assert_int_equal(got.table, table);
	assert_int_equal(got.metric, metric);
	assert_int_equal(got.protocol, RTNL_PROTO_SHUNT);
	assert_int_equal(rtnl_route_del(rt, &want), 0);
	assert_int_equal(rtnl_route_del(rt, &want), 0);
	assert_int_equal(count_routes(0, dst, &got), 0);
}

static void routes(void **state)
{
	static const char *const dsts[] = {
		"10.20.1.0/24", "10.0.0.0/8", "0.0.0.0/0", "fd20:1::/64", "::/0", "192.0.2.53/32"};

	for (size_t i = 0; i < ARRAY_SIZE(dsts); i++) {
		routes_of(dsts[i], 0, 0);
		routes_of(dsts[i], 0, 77);
		routes_of(dsts[i], 51820, 0);
	}
}

/* A question about the first address of a prefix meets the longer one; the answer still is right.
 */
static void nested_routes(void **state)
{
	struct rtnl_route outer = {P("10.20.0.0/16"), dummy, 0, RTNL_PROTO_SHUNT, 0};
	struct rtnl_route inner = {P("10.20.0.0/24"), dummy, 0, RTNL_PROTO_SHUNT, 0};

	assert_int_equal(rtnl_route_add(rt, &inner), 0);
	assert_int_equal(rtnl_route_add(rt, &outer), 0);
	assert_int_equal(rtnl_route_add(rt, &outer), 0);
	assert_int_equal(rtnl_route_del(rt, &outer), 0);
	assert_int_equal(rtnl_route_del(rt, &inner), 0);
}

static void foreign_routes_stay(void **state)
{
	static const char *const dsts[] = {"10.40.0.0/16", "fd40::/48"};
	struct rtnl_route got;

	run("ip route add 10.40.0.0/16 dev d1 proto static");
	run("ip -6 route add fd40::/48 dev d1 proto static");
	for (size_t i = 0; i < ARRAY_SIZE(dsts); i++) {
		struct rtnl_route want = {P(dsts[i]), dummy, 0, RTNL_PROTO_SHUNT, 0};

		assert_int_equal(rtnl_route_add(rt, &want), -EEXIST);
		assert_int_equal(rtnl_route_del(rt, &want), 0);
		assert_int_equal(count_routes(0, dsts[i], &got), 1);
		assert_int_not_equal(got.ifindex, dummy);
		assert_int_equal(got.protocol, 4);
		/* With another metric both stand. */
		want.metric = 50;
		assert_int_equal(rtnl_route_add(rt, &want), 0);
		assert_int_equal(count_routes(0, dsts[i], &got), 2);
		assert_int_equal(rtnl_route_del(rt, &want), 0);
		assert_int_equal(count_routes(0, dsts[i], &got), 1);
	}
	/* The same device, but another's route: not ours either. */
	run("ip route add 10.41.0.0/16 dev d0 proto static");
	struct rtnl_route theirs = {P("10.41.0.0/16"), dummy, 0, RTNL_PROTO_SHUNT, 0};

	assert_int_equal(rtnl_route_add(rt, &theirs), -EEXIST);
	assert_int_equal(rtnl_route_del(rt, &theirs), 0);
	assert_int_equal(count_routes(0, "10.41.0.0/16", &got), 1);
}

static void route_taken(void **state)
{
	struct rtnl_route want = {P("10.50.0.0/16"), dummy, 0, RTNL_PROTO_SHUNT, 0}, got;
	struct rtnl_route marked = {P("0.0.0.0/0"), dummy, 777, RTNL_PROTO_SHUNT, 0};
	ip_addr in = A("10.50.1.2"), out = A("203.0.113.9"), six = A("fd99::1");

	assert_int_equal(rtnl_route_get(rt, &in, 0, &got), -ENETUNREACH);
	assert_int_equal(rtnl_route_get(rt, &six, 0, &got), -ENETUNREACH);
	assert_int_equal(rtnl_route_add(rt, &want), 0);
	assert_int_equal(rtnl_route_get(rt, &in, 0, &got), 0);
	assert_int_equal(got.ifindex, dummy);
	assert_int_equal(got.protocol, RTNL_PROTO_SHUNT);
	assert_true(ip_prefix_eq(&got.dst, &want.dst));
	assert_int_equal(rtnl_route_del(rt, &want), 0);
	run("ip route add blackhole 10.50.0.0/16");
	assert_int_equal(rtnl_route_get(rt, &in, 0, &got), -ENETUNREACH);
	run("ip route del blackhole 10.50.0.0/16");
	run("ip route add unreachable 10.50.0.0/16");
	assert_int_equal(rtnl_route_get(rt, &in, 0, &got), -ENETUNREACH);
	run("ip route replace prohibit 10.50.0.0/16");
	assert_int_equal(rtnl_route_get(rt, &in, 0, &got), -ENETUNREACH);
	run("ip route replace unreachable 10.50.0.0/16");
	run("ip route del unreachable 10.50.0.0/16");
	/* By a mark, through a table of its own. */
	assert_int_equal(rtnl_route_add(rt, &marked), 0);
	run("ip rule add fwmark 9 table 777");
	assert_int_equal(rtnl_route_get(rt, &out, 0, &got), -ENETUNREACH);
	assert_int_equal(rtnl_route_get(rt, &out, 9, &got), 0);
	assert_int_equal(got.table, 777);
	run("ip rule del fwmark 9 table 777");
	assert_int_equal(rtnl_route_del(rt, &marked), 0);
	/* Several next hops: one of them. */
	run("ip route add 10.60.0.0/16 nexthop dev d0 nexthop dev d1");
	in = A("10.60.0.1");
	assert_int_equal(rtnl_route_get(rt, &in, 0, &got), 0);
	assert_int_not_equal(got.ifindex, 0);
	run("ip route del 10.60.0.0/16");
}

static void way_to_an_ipv6_address(void **state)
{
	struct rtnl_route got, want = {P("fd99::/64"), dummy, 0, RTNL_PROTO_SHUNT, 0};
	struct rtnl_route apart = {P("fd99:0:0:1::/64"), dummy, 777, RTNL_PROTO_SHUNT, 0};
	ip_addr six = A("fd99::1"), there = A("fd99:0:0:1::1");

	assert_int_equal(rtnl_route_add(rt, &want), 0);
	assert_int_equal(rtnl_route_get(rt, &six, 0, &got), 0);
	assert_int_equal(got.ifindex, dummy);
	assert_true(ip_prefix_eq(&got.dst, &want.dst));
	assert_int_equal(rtnl_route_del(rt, &want), 0);
	assert_int_equal(rtnl_route_add(rt, &apart), 0);
	run("ip -6 rule add fwmark 9 table 777");
	assert_int_equal(rtnl_route_get(rt, &there, 0, &got), -ENETUNREACH);
	assert_int_equal(rtnl_route_get(rt, &there, 9, &got), 0);
	assert_int_equal(got.table, 777);
	run("ip -6 rule del fwmark 9 table 777");
	assert_int_equal(rtnl_route_del(rt, &apart), 0);
}

static size_t count_where(struct rtnl_route only)
{
	AUTO_FREE struct rtnl_route *list = NULL;
	size_t n;

	assert_int_equal(rtnl_route_list_where(rt, &only, &list, &n), 0);
	return n;
}

static void routes_of_a_table_and_of_a_device(void **state)
{
	struct rtnl_route apart = {P("10.70.0.0/16"), dummy, 778, RTNL_PROTO_SHUNT, 0};
	struct rtnl_route six = {P("fd99:0:0:7::/64"), dummy, 0, RTNL_PROTO_SHUNT, 0};
	struct rtnl_route gone = {.ifindex = dummy + 1000}, *none;
	size_t n, before = count_where((struct rtnl_route){.ifindex = dummy});

	assert_int_equal(count_where((struct rtnl_route){.table = 778}), 0);
	assert_int_equal(rtnl_route_add(rt, &apart), 0);
	assert_int_equal(rtnl_route_add(rt, &six), 0);
	assert_int_equal(count_where((struct rtnl_route){.table = 778}), 1);
	assert_int_equal(count_where((struct rtnl_route){.ifindex = dummy}), before + 2);
	assert_int_equal(count_where((struct rtnl_route){.ifindex = dummy, .table = RT_TABLE_MAIN}),
		before + 1);
	assert_int_equal(rtnl_route_list_where(rt, &gone, &none, &n), -ENODEV);
	assert_int_equal(rtnl_route_del(rt, &apart), 0);
	assert_int_equal(rtnl_route_del(rt, &six), 0);
}

/* It stands behind every other route to the same prefix, and outlives the interface. */
static void routes_that_refuse(void **state)
{
	static const char *const prefixes[] = {"10.75.0.0/16", "fd75::/64"};

	for (size_t i = 0; i < 2; i++) {
		struct rtnl_route r = {
			P(prefixes[i]), 0, 0, RTNL_PROTO_SHUNT, UINT32_MAX, RTN_UNREACHABLE};
		struct rtnl_route to = {P(prefixes[i]), dummy, 0, RTNL_PROTO_SHUNT, 0}, got;
		struct rtnl_route only = {.type = RTN_UNREACHABLE, .protocol = RTNL_PROTO_SHUNT};
		struct rtnl_route any = {.type = RTNL_ANY_TYPE, .protocol = RTNL_PROTO_SHUNT};
		ip_addr in = ip_prefix_addr(&r.dst);
		AUTO_FREE struct rtnl_route *list = NULL;
		size_t n;

		for (int twice = 0; twice < 2; twice++)
			assert_int_equal(rtnl_route_add(rt, &r), 0);
		assert_int_equal(rtnl_route_get(rt, &in, 0, &got), -ENETUNREACH);
		assert_int_equal(rtnl_route_add(rt, &to), 0);
		assert_int_equal(rtnl_route_get(rt, &in, 0, &got), 0);
		assert_int_equal(got.ifindex, dummy);
		assert_int_equal(rtnl_route_list_where(rt, &only, &list, &n), 0);
		assert_int_equal(n, 1);
		assert_true(rtnl_route_refuses(&list[0]) && ip_prefix_eq(&list[0].dst, &r.dst));
		assert_int_equal(list[0].metric, UINT32_MAX);
		assert_int_equal(list[0].ifindex, 0);
		assert_int_equal(count_where(any), 2);
		assert_int_equal(count_where((struct rtnl_route){.protocol = RTNL_PROTO_SHUNT}), 1);
		assert_int_equal(rtnl_route_del(rt, &to), 0);
		assert_int_equal(rtnl_route_get(rt, &in, 0, &got), -ENETUNREACH);
		for (int twice = 0; twice < 2; twice++)
			assert_int_equal(rtnl_route_del(rt, &r), 0);
		assert_int_equal(count_where(any), 0);
	}
	/* Another's of the same metric is in the way, and stays. */
	struct rtnl_route r = {
		P("10.75.0.0/16"), 0, 0, RTNL_PROTO_SHUNT, UINT32_MAX, RTN_UNREACHABLE};

	run("ip route add blackhole 10.75.0.0/16 metric 4294967295");
	assert_int_equal(rtnl_route_add(rt, &r), -EEXIST);
	assert_int_equal(rtnl_route_del(rt, &r), 0);
	run("ip route del blackhole 10.75.0.0/16 metric 4294967295");
}

/* Gateways and next hops are told. */
static void routes_of_others_in_full(void **state)
{
	struct rtnl_route got;

	run("ip route add 10.76.0.0/24 nexthop dev d0 nexthop dev d0");
	assert_int_equal(count_routes(0, "10.76.0.0/24", &got), 1);
	assert_int_equal(got.ifindex, dummy);
	run("ip route del 10.76.0.0/24");
	run("ip route add 10.76.0.0/24 nexthop dev d0 nexthop dev d1");
	assert_int_equal(count_routes(0, "10.76.0.0/24", &got), 1);
	assert_int_equal(got.ifindex, 0);
	run("ip route del 10.76.0.0/24");
	run("ip route add 10.76.0.0/24 via 192.0.2.77 dev d0 onlink");
	assert_int_equal(count_routes(0, "10.76.0.0/24", &got), 1);
	assert_true(ip_addr_eq(&got.via, &(ip_addr){AF_INET, {192, 0, 2, 77}}));
	run("ip route del 10.76.0.0/24");
}

static const struct rtnl_rule *rule_at(
	const struct rtnl_rule *list, size_t n, uint32_t priority, int family)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].priority == priority && list[i].family == family)
			return &list[i];
	fail_msg("no rule %u of %zu", priority, n);
	return NULL;
}

static void rules_of_everybody(void **state)
{
	static const int families[] = {AF_INET, AF_INET6};
	static const struct {
		const char *before, *after; /* the prefix stands between, if there is room */
		bool selective;
	} cases[] = {
		{"to ", " lookup 77", false},
		{"not fwmark 7 lookup 77", NULL, false},
		{"fwmark 7 lookup 77", NULL, true},
		{"not to ", " lookup 77", true},
		{"from ", " lookup 77", true},
		{"iif d0 lookup 77", NULL, true},
		{"oif d0 lookup 77", NULL, true},
		{"ipproto udp dport 5 lookup 77", NULL, true},
		{"to ", " unreachable", false},
		{"to ", " prohibit", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases) * 2; i++) {
		int family = families[i % 2];
		const char *in = i % 2 ? "fd30::/64" : "10.30.0.0/24";
		AUTO_FREE struct rtnl_rule *list = NULL;
		const char *after = cases[i / 2].after;
		char command[160];
		const struct rtnl_rule *r;
		size_t n;

		snprintf(command, sizeof(command), "ip %s rule add priority 99 %s%s%s",
			i % 2 ? "-6" : "", cases[i / 2].before, after ? in : "",
			after ? after : "");
		run(command);
		assert_int_equal(rtnl_rule_list_all(rt, family, &list, &n), 0);
		r = rule_at(list, n, 99, family);
		assert_int_equal(r->selective, cases[i / 2].selective);
		assert_int_not_equal(r->protocol, RTNL_PROTO_SHUNT);
		assert_false(rule_at(list, n, 32766, family)->selective);
		assert_int_equal(list[0].table, RT_TABLE_LOCAL);
		run(i % 2 ? "ip -6 rule del priority 99" : "ip rule del priority 99");
	}
}

/* By where packets go to. */
static void rules_of_destinations(void **state)
{
	static const char *const prefixes[] = {"10.30.0.0/24", "fd30::/64"};

	for (size_t i = 0; i < 2; i++) {
		ip_prefix to = P(prefixes[i]);
		struct rtnl_rule rule = {.family = to.family,
			.table = 779,
			.suppress_prefixlen = -1,
			.priority = 98,
			.to = to};
		AUTO_FREE struct rtnl_rule *list = NULL;
		size_t n;

		for (int twice = 0; twice < 2; twice++)
			assert_int_equal(rtnl_rule_add(rt, &rule), 0);
		assert_int_equal(rtnl_rule_list(rt, to.family, &list, &n), 0);
		assert_int_equal(n, 1);
		assert_true(rtnl_rule_is(&list[0], &rule));
		rule.to.len--;
		assert_false(rtnl_rule_is(&list[0], &rule));
		rule.to.len++;
		assert_int_equal(rtnl_rule_del(rt, &rule), 0);
		assert_int_equal(rtnl_rule_del(rt, &rule), 0);
	}
}

static void rules(void **state)
{
	for (int i = 0; i < 2; i++) {
		int family = i ? AF_INET6 : AF_INET;
		struct rtnl_rule all = {family, 51820, true, 51820, -1, 0};
		struct rtnl_rule main_but_default = {family, 0, false, 254, 0, 0};
		AUTO_FREE struct rtnl_rule *list = NULL, *empty = NULL;
		size_t n;

		for (int j = 0; j < 2; j++) {
			assert_int_equal(rtnl_rule_add(rt, &all), 0);
			assert_int_equal(rtnl_rule_add(rt, &main_but_default), 0);
		}
		assert_int_equal(rtnl_rule_list(rt, family, &list, &n), 0);
		assert_int_equal(n, 2);
		/* The second asked for comes first: the kernel counts down. */
		assert_int_equal(list[0].suppress_prefixlen, 0);
		assert_int_equal(list[0].table, 254);
		assert_true(list[1].invert);
		assert_int_equal(list[1].fwmark, 51820);
		assert_int_equal(list[1].suppress_prefixlen, -1);
		assert_true(list[1].priority > list[0].priority);
		run(i ? "ip -6 rule | grep -q 'not from all fwmark 0xca6c lookup 51820 proto 213'"
		      : "ip rule | grep -q 'not from all fwmark 0xca6c lookup 51820 proto 213'");
		for (int j = 0; j < 2; j++) {
			assert_int_equal(rtnl_rule_del(rt, &all), 0);
			assert_int_equal(rtnl_rule_del(rt, &main_but_default), 0);
		}
		assert_int_equal(rtnl_rule_list(rt, family, &empty, &n), 0);
		assert_int_equal(n, 0);
	}
}

/* What may not enter by a device, with an exception that goes on behind it. */
static void rules_of_sources(void **state)
{
	for (int i = 0; i < 2; i++) {
		int family = i ? AF_INET6 : AF_INET;
		ip_prefix wide = P(i ? "fd30::/16" : "10.30.0.0/16");
		ip_prefix narrow = P(i ? "fd30:5::/32" : "10.30.5.0/24");
		struct rtnl_rule place = {
			family, .suppress_prefixlen = -1, .priority = 900, .action = RTNL_RULE_NOP};
		struct rtnl_rule past = {family, .suppress_prefixlen = -1, .priority = 700,
			.action = RTNL_RULE_GOTO, .target = 900, .from = narrow, .iif = "d0"};
		struct rtnl_rule drop = {family, .suppress_prefixlen = -1, .priority = 800,
			.action = RTNL_RULE_BLACKHOLE, .from = wide, .iif = "not-there"};
		struct rtnl_rule *all[] = {&past, &drop, &place};
		AUTO_FREE struct rtnl_rule *list = NULL, *fewer = NULL;
		struct rtnl_rule other = drop;
		size_t n;

		for (int j = 0; j < 6; j++)
			assert_int_equal(rtnl_rule_add(rt, all[j % 3]), 0);
		assert_int_equal(rtnl_rule_list(rt, family, &list, &n), 0);
		assert_int_equal(n, 3);
		for (int j = 0; j < 3; j++)
			assert_true(rtnl_rule_is(&list[j], all[j]));
		run(i ? "ip -6 rule | grep -q 'from fd30::/16 iif not-there .*blackhole proto 213'"
		      : "ip rule | grep -q 'from 10.30.0.0/16 iif not-there .*blackhole proto "
			"213'");
		run(i ? "ip -6 rule | grep -q 'from fd30:5::/32 iif d0 goto 900 proto 213'"
		      : "ip rule | grep -q 'from 10.30.5.0/24 iif d0 goto 900 proto 213'");
		/* Of another source or another interface: another rule. */
		snprintf(other.iif, sizeof(other.iif), "d0");
		assert_false(rtnl_rule_is(&list[1], &other));
		assert_int_equal(rtnl_rule_del(rt, &other), 0);
		other = drop;
		other.from = narrow;
		assert_false(rtnl_rule_is(&list[1], &other));
		assert_int_equal(rtnl_rule_del(rt, &other), 0);
		run(i ? "ip -6 rule | grep -c 'proto 213' | grep -qx 3"
		      : "ip rule | grep -c 'proto 213' | grep -qx 3");
		for (int j = 0; j < 6; j++)
			assert_int_equal(rtnl_rule_del(rt, all[j % 3]), 0);
		assert_int_equal(rtnl_rule_list(rt, family, &fewer, &n), 0);
		assert_int_equal(n, 0);
	}
}

static int wait_for(struct rtnl_monitor *m, int what)
{
	struct pollfd fd = {rtnl_monitor_fd(m), POLLIN, 0};
	int seen = 0;

	while (!(seen & what) && poll(&fd, 1, 10000) > 0) {
		int r = rtnl_monitor_read(m);

		if (r < 0)
			return r;
		seen |= r;
	}
	return seen;
}

static void monitor(void **state)
{
	struct rtnl_route route = {P("10.20.1.0/24"), dummy, 0, RTNL_PROTO_SHUNT, 0};
	ip_prefix address = P("fd10::12/64");
	struct rtnl_monitor *m;
	int r;

	assert_int_equal(rtnl_monitor_open(&m), 0);
	assert_int_equal(rtnl_monitor_read(m), 0);
	assert_int_equal(rtnl_route_add(rt, &route), 0);
	assert_true(wait_for(m, RTNL_ROUTE) & RTNL_ROUTE);
	assert_int_equal(rtnl_addr_add(rt, dummy, &address), 0);
	assert_true(wait_for(m, RTNL_ADDR) & RTNL_ADDR);
	assert_int_equal(rtnl_link_set(rt, dummy, true, 1300), 0);
	assert_true(wait_for(m, RTNL_LINK) & RTNL_LINK);
	for (int i = 0; i < 2; i++) {
		run(i ? "ip -6 rule add priority 99 lookup 77"
		      : "ip rule add priority 99 lookup 77");
		assert_true(wait_for(m, RTNL_RULE) & RTNL_RULE);
		run(i ? "ip -6 rule del priority 99" : "ip rule del priority 99");
		assert_true(wait_for(m, RTNL_RULE) & RTNL_RULE);
	}
	/* Unread for long enough, it is told so, and goes on. */
	for (int i = 0; i < 4000; i++) {
		assert_int_equal(rtnl_route_del(rt, &route), 0);
		assert_int_equal(rtnl_route_add(rt, &route), 0);
	}
	r = rtnl_monitor_read(m);
	assert_true(r > 0 && r & RTNL_OVERRUN);
	assert_int_equal(rtnl_monitor_read(m), 0);
	assert_int_equal(rtnl_route_del(rt, &route), 0);
	assert_true(wait_for(m, RTNL_ROUTE) & RTNL_ROUTE);
	rtnl_monitor_close(m);
	rtnl_monitor_close(NULL);
}

/* More than one chunk: the kernel's are below 32 KiB. */
static void many_routes(void **state)
{
	AUTO_FREE struct rtnl_route *list = NULL;
	struct rtnl_route want = {P("10.128.0.0/24"), dummy, 0, RTNL_PROTO_SHUNT, 0};
	size_t n;

	for (unsigned i = 0; i < 3000; i++) {
		want.dst.bytes[1] = (uint8_t)(128 + i / 256);
		want.dst.bytes[2] = (uint8_t)i;
		assert_int_equal(rtnl_route_add(rt, &want), 0);
	}
	assert_int_equal(rtnl_route_list(rt, RTNL_PROTO_SHUNT, &list, &n), 0);
	assert_int_equal(n, 3000);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(rtnl_route_del(rt, &list[i]), 0);
}

static int in_a_namespace(void **state)
{
	struct rtnl_link l;

	if (rtnl_open(&rt) < 0)
		return -1;
	run("ip link set lo up && ip link add d1 type veth peer name d2 && ip link set d2 up && ip "
	    "link set d1 up");
	if (rtnl_link_add(rt, "d0", "veth") < 0 || rtnl_link_get(rt, "d0", &l) < 0)
		return -1;
	dummy = l.index;
	return rtnl_link_set(rt, dummy, true, 0);
}

static int leave(void **state)
{
	rtnl_close(rt);
	rtnl_close(NULL);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(links),
		cmocka_unit_test(addresses),
		cmocka_unit_test(routes),
		cmocka_unit_test(nested_routes),
		cmocka_unit_test(foreign_routes_stay),
		cmocka_unit_test(route_taken),
		cmocka_unit_test(way_to_an_ipv6_address),
		cmocka_unit_test(routes_of_a_table_and_of_a_device),
		cmocka_unit_test(routes_that_refuse),
		cmocka_unit_test(routes_of_others_in_full),
		cmocka_unit_test(rules_of_everybody),
		cmocka_unit_test(rules_of_destinations),
		cmocka_unit_test(rules),
		cmocka_unit_test(rules_of_sources),
		cmocka_unit_test(monitor),
		cmocka_unit_test(many_routes),
	};

	if (unshare(CLONE_NEWNET) < 0) {
		fprintf(stderr, "skipped: no right to make a network namespace\n");
		return 77;
	}
	return cmocka_run_group_tests_name("rtnl", tests, in_a_namespace, leave);
}

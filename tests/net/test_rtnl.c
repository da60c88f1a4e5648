/* SPDX-License-Identifier: MIT */
/* sys/rtnl against the running kernel, in a network namespace of the test's own. */
#include "rtnl_fixture.h"

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

/* What a routing engine writes, that is, and nothing else. */
static void monitor_that_ignores(void **state)
{
	static const char *const engine[] = {"ip route add 10.77.0.0/24 dev d0 proto 12",
		"ip route replace 10.77.0.0/24 dev d1 proto 12",
		"ip route del 10.77.0.0/24 proto 12", "ip -6 route add fd77::/64 dev d0 proto 186",
		"ip -6 route del fd77::/64", "ip nexthop add id 7 dev d1 proto 11",
		"ip nexthop del id 7"};
	static const char *const others[] = {"ip route add 10.77.0.0/24 dev d0 proto 13",
		"ip route del 10.77.0.0/24", "ip -6 route add fd77::/64 dev d0 proto 4",
		"ip -6 route del fd77::/64", "ip nexthop add id 7 dev d1", "ip nexthop del id 7"};
	static const uint8_t protocols[] = {12, 186};
	struct rtnl_monitor *m;

	assert_int_equal(rtnl_monitor_open(&m), 0);
	assert_int_equal(rtnl_monitor_ignore(m, NULL, 0), 0); /* nothing is */
	assert_int_equal(rtnl_monitor_ignore(m, protocols, 2), 0);
	for (size_t i = 0; i < ARRAY_SIZE(engine); i++)
		run(engine[i]);
	assert_int_equal(rtnl_monitor_read(m), 0);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		run(others[i]);
		assert_int_equal(rtnl_monitor_read(m), RTNL_ROUTE);
	}
	run("ip rule add priority 99 lookup 77");
	run("ip link set d0 mtu 1310");
	assert_int_equal(rtnl_monitor_read(m), RTNL_RULE | RTNL_LINK);
	run("ip rule del priority 99");
	assert_int_equal(rtnl_monitor_read(m), RTNL_RULE);
	assert_int_equal(rtnl_monitor_ignore(m, protocols + 1, 1), 0);
	run(engine[0]);
	assert_int_equal(rtnl_monitor_read(m), RTNL_ROUTE);
	assert_int_equal(rtnl_monitor_ignore(m, NULL, 0), 0);
	run("ip -6 route add fd77::/64 dev d0 proto 186");
	assert_int_equal(rtnl_monitor_read(m), RTNL_ROUTE);
	run("ip route del 10.77.0.0/24");
	run("ip -6 route del fd77::/64");
	rtnl_monitor_close(m);
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
		cmocka_unit_test(monitor),
		cmocka_unit_test(monitor_that_ignores),
		cmocka_unit_test(many_routes),
	};

	return run_in_a_namespace("rtnl", tests, ARRAY_SIZE(tests));
}

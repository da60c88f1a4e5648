/* SPDX-License-Identifier: MIT */
/* What a node with a routing engine asks of the kernel: next hops on the link, the source of a
 * route, and no address of the kernel's choice. */
#include "rtnl_fixture.h"

static size_t find(const char *dst, uint32_t table, struct rtnl_route *ret)
{
	AUTO_FREE struct rtnl_route *list = NULL;
	ip_prefix p = P(dst);
	size_t n, found = 0;

	assert_int_equal(rtnl_route_list(rt, RTNL_PROTO_SHUNT, &list, &n), 0);
	for (size_t i = 0; i < n; i++)
		if (ip_prefix_eq(&list[i].dst, &p) && list[i].table == table) {
			*ret = list[i];
			found++;
		}
	return found;
}

/* An IPv6 one stands only while main leads to it by the same interface. */
static void a_next_hop_on_the_link(void **state)
{
	static const char *const peers[] = {"10.10.0.1", "fd10::1"};

	run("ip -6 route add fd00::/8 dev d1");
	for (size_t i = 0; i < ARRAY_SIZE(peers); i++) {
		ip_addr peer = A(peers[i]);
		struct rtnl_route in_main = {.dst = ip_prefix_host(&peer),
			.ifindex = dummy,
			.protocol = RTNL_PROTO_SHUNT};
		struct rtnl_route way = in_main, got;

		way.table = 4711;
		way.via = peer;
		assert_int_equal(rtnl_route_add(rt, &way), i ? -EINVAL : 0);
		assert_int_equal(rtnl_route_add(rt, &in_main), 0);
		assert_int_equal(rtnl_route_add(rt, &way), 0);
		assert_int_equal(rtnl_route_add(rt, &way), 0);
		assert_int_equal(find(i ? "fd10::1/128" : "10.10.0.1/32", 4711, &got), 1);
		assert_true(ip_addr_eq(&got.via, &peer));
		assert_int_equal(got.ifindex, dummy);
		/* The one that leads straight there is another. */
		way.via = (ip_addr){0};
		assert_int_equal(rtnl_route_add(rt, &way), -EEXIST);
		assert_int_equal(rtnl_route_del(rt, &way), 0);
		assert_int_equal(find(i ? "fd10::1/128" : "10.10.0.1/32", 4711, &got), 0);
		assert_int_equal(rtnl_route_del(rt, &in_main), 0);
	}
	run("ip -6 route del fd00::/8 dev d1");
}

static void where_packets_come_from(void **state)
{
	ip_prefix first = P("10.9.0.7/32"), second = P("10.10.0.11/32");
	struct rtnl_route way = {.dst = P("10.10.0.0/24"),
		.ifindex = dummy,
		.table = 4711,
		.protocol = RTNL_PROTO_SHUNT,
		.src = A("10.10.0.11")};
	struct rtnl_route got;

	assert_int_equal(rtnl_addr_add(rt, dummy, &first), 0);
	assert_int_equal(rtnl_route_add(rt, &way), -EINVAL);
	assert_int_equal(rtnl_addr_add(rt, dummy, &second), 0);
	assert_int_equal(rtnl_route_add(rt, &way), 0);
	assert_int_equal(find("10.10.0.0/24", 4711, &got), 1);
	assert_true(ip_addr_eq(&got.src, &way.src));
	run("ip rule add to 10.10.0.0/24 lookup 4711 && ip route get 10.10.0.1 | grep -q 'src "
	    "10.10.0.11' && ip rule del to 10.10.0.0/24");
	assert_int_equal(rtnl_route_del(rt, &way), 0);
	assert_int_equal(rtnl_addr_del(rt, dummy, &first), 0);
	assert_int_equal(rtnl_addr_del(rt, dummy, &second), 0);
}

static void no_address_of_the_kernels_choice(void **state)
{
	AUTO_FREE ip_prefix *list = NULL;
	ip_prefix fixed = P("fe80::11/64");
	struct rtnl_link l;
	size_t n;

	run("ip link add t0 type veth peer name t1 && ip link set t1 up && ip link set t0 up && "
	    "ip -6 address show dev t0 | grep -q fe80");
	assert_int_equal(rtnl_link_get(rt, "t0", &l), 0);
	assert_true(l.makes_link_local);
	assert_int_equal(rtnl_addr_add(rt, l.index, &fixed), 0);
	assert_int_equal(rtnl_link_quiet(rt, l.index), 0);
	assert_int_equal(rtnl_addr_list(rt, l.index, &list, &n), 0);
	assert_int_equal(n, 1);
	assert_true(ip_prefix_eq(&list[0], &fixed));
	run("test $(ip -6 address show dev t0 | grep -c fe80) = 1");
	/* Nor when it comes up anew. */
	run("ip link set t0 down && ip link set t0 up && ! ip -6 address show dev t0 | grep fe80 | "
	    "grep -v fe80::11");
	assert_int_equal(rtnl_link_get(rt, "t0", &l), 0);
	assert_false(l.makes_link_local);
	assert_int_equal(rtnl_link_quiet(rt, l.index), 0);
	run("ip link del t0");
	assert_int_equal(rtnl_link_quiet(rt, l.index), -ENODEV);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_next_hop_on_the_link),
		cmocka_unit_test(where_packets_come_from),
		cmocka_unit_test(no_address_of_the_kernels_choice),
	};

	return run_in_a_namespace("rtnl_engine", tests, ARRAY_SIZE(tests));
}

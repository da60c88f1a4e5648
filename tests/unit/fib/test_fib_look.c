/* SPDX-License-Identifier: MIT */
/* What a look reads, of a kernel that is a few lists: each thing as it is, or nothing at all. */
#include "fib/look.h"

#include "../unit.h"
#include "base/mem.h"
#include "base/secret.h"
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#define WG 5
#define FIRST 100u
#define LAST 103u
#define N_ROUTES 6

static struct {
	struct fib_io io;
	struct rtnl_route routes[N_ROUTES];
	size_t n_routes;
	uint16_t port, taken;
	unsigned asked; /* for ports */
	int rules6, mark;
	int fail_in; /* calls until the one that fails; negative: none */
} world;

static bool fails(void)
{
	return world.fail_in >= 0 && world.fail_in-- == 0;
}

static int link_get(struct fib_io *io, const char *ifname, struct rtnl_link *ret)
{
	assert_string_equal(ifname, "wg0");
	*ret = (struct rtnl_link){.index = WG, .flags = IFF_UP, .mtu = 1420};
	return fails() ? -ENODEV : 0;
}

static int addr_list(struct fib_io *io, int ifindex, ip_prefix **ret, size_t *ret_n)
{
	if (fails())
		return -EIO;
	*ret = mem_zalloc(2, sizeof(**ret));
	ip_prefix_parse(&(*ret)[0], "fd00::1/64");
	ip_prefix_parse(&(*ret)[1], "10.0.0.1/24");
	*ret_n = 2;
	return 0;
}

static bool matches(const struct rtnl_route *r, const struct rtnl_route *only)
{
	return (!only->ifindex || only->ifindex == r->ifindex) &&
	       (!only->table || only->table == r->table) &&
	       (!only->protocol || only->protocol == r->protocol) &&
	       (only->type == RTNL_ANY_TYPE || only->type == r->type);
}

static int route_list(
	struct fib_io *io, const struct rtnl_route *only, struct rtnl_route **ret, size_t *ret_n)
{
	if (fails())
		return -EIO;
	*ret = mem_zalloc(N_ROUTES, sizeof(**ret));
	*ret_n = 0;
	for (size_t i = 0; i < world.n_routes; i++)
		if (matches(&world.routes[i], only))
			(*ret)[(*ret_n)++] = world.routes[i];
	return 0;
}

static int rule_list(struct fib_io *io, int family, struct rtnl_rule **ret, size_t *ret_n)
{
	if (fails())
		return -EIO;
	if (family == AF_INET6 && world.rules6)
		return world.rules6;
	*ret = mem_zalloc(1, sizeof(**ret));
	(*ret)->family = family;
	*ret_n = 1;
	return 0;
}

static int get(struct fib_io *io, struct device_state *ret)
{
	if (fails())
		return -ENODEV;
	*ret = (struct device_state){.listen_port = world.port, .n_peers = 1};
	ret->peers = secret_zalloc(1, sizeof(*ret->peers));
	return 0;
}

static int mark_get(struct fib_io *io, const char *table, struct nft_mark *ret)
{
	assert_string_equal(table, "shunt-wg0");
	return world.mark;
}

static int sysctl_get(struct fib_io *io, const char *path, int *ret)
{
	*ret = 7;
	return strcmp(path, "net/there") ? -ENOENT : 0;
}

static bool port_is_taken(struct fib_io *io, uint16_t port)
{
	world.asked++;
	return port == world.taken;
}

static const struct fib_io_ops ops = {
	.link_get = link_get,
	.addr_list = addr_list,
	.route_list = route_list,
	.rule_list = rule_list,
	.device_get = get,
	.mark_get = mark_get,
	.sysctl_get = sysctl_get,
	.port_is_taken = port_is_taken,
};

static int begin(void **state)
{
	memset(&world, 0, sizeof(world));
	world.io.ops = &ops;
	world.fail_in = -1;
	world.port = 51820;
	return 0;
}

static void add_route(const char *dst, int ifindex, uint32_t table, uint8_t protocol, uint8_t type)
{
	struct rtnl_route *r = &world.routes[world.n_routes++];

	*r = (struct rtnl_route){
		.ifindex = ifindex, .table = table, .protocol = protocol, .type = type};
	assert_true(ip_prefix_parse(&r->dst, dst));
}

static struct fib_question question(uint16_t port)
{
	static const char *const paths[] = {"net/absent", "net/there"};
	struct fib_question q = {.ifname = "wg0", .port = port};

	for (size_t i = 0; i < 2; i++) {
		struct fib_sysctl s = {.value = 1, .is_needed = true};

		snprintf(s.path, sizeof(s.path), "%s", paths[i]);
		vec_push(&q.sysctls, s);
	}
	return q;
}

static void each_thing_as_it_is(void **state)
{
	struct fib_question q = question(0);
	struct fib_state is = {0};
	const struct fib_device *d;

	add_route("fd01::/64", WG, 0, RTPROT_STATIC, 0);
	add_route("10.1.0.0/16", WG, 0, RTNL_PROTO_SHUNT, 0);
	add_route("10.1.0.0/16", 0, 0, RTNL_PROTO_SHUNT, RTN_UNREACHABLE);
	add_route("10.2.0.0/16", 0, 0, RTPROT_STATIC, RTN_UNREACHABLE);
	add_route("10.3.0.0/16", 9, 0, RTPROT_STATIC, 0);
	world.mark = -EPROTONOSUPPORT;
	assert_int_equal(fib_look(&world.io, &q, &is), 0);
	d = &is.devices.items[0];
	assert_true(d->up && d->ifindex == WG && d->mtu == 1420 && !strcmp(d->name, "wg0"));
	assert_int_equal(d->addresses.n, 2);
	assert_int_equal(d->addresses.items[0].family, AF_INET);
	assert_int_equal(d->mark_error, -EPROTONOSUPPORT);
	assert_int_equal(d->wg.n_peers, 1);
	assert_int_equal(is.routes.n, 3);
	assert_int_equal(is.rules.n, 2);
	assert_int_equal(is.sysctls.items[0].value, -1);
	assert_int_equal(is.sysctls.items[1].value, 7);
	assert_false(d->port_is_taken);
	assert_int_equal(world.asked, 0);
	fib_state_done(&is);
	fib_question_done(&q);
}

static void without_ipv6(void **state)
{
	struct fib_question q = question(0);
	struct fib_state is = {0};

	world.rules6 = -EAFNOSUPPORT;
	assert_int_equal(fib_look(&world.io, &q, &is), 0);
	assert_int_equal(is.rules.n, 1);
	assert_true(!is.no_rules[0] && is.no_rules[1]);
	world.rules6 = -EOPNOTSUPP; /* a kernel without them */
	assert_int_equal(fib_look(&world.io, &q, &is), 0);
	assert_true(!is.no_rules[0] && is.no_rules[1]);
	world.rules6 = -ENOBUFS;
	assert_int_equal(fib_look(&world.io, &q, &is), -ENOBUFS);
	fib_state_done(&is);
	fib_question_done(&q);
}

/* Nor is the port asked for that the device has, as the device itself has it. */
static void a_port_is_tried_once(void **state)
{
	static const struct {
		uint16_t want, taken;
		bool is;
		unsigned asked;
	} cases[] = {{51820, 51820, false, 0}, {0, 51820, false, 0}, {51821, 51820, false, 1},
		{51821, 51821, true, 1}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fib_question q = question(cases[i].want);
		struct fib_state is = {0};

		world.taken = cases[i].taken;
		world.asked = 0;
		assert_int_equal(fib_look(&world.io, &q, &is), 0);
		assert_int_equal(is.devices.items[0].port_is_taken, cases[i].is);
		assert_int_equal(world.asked, cases[i].asked);
		fib_state_done(&is);
		fib_question_done(&q);
	}
}

/* Whatever can't be read: what was known before stays, and no part of it is new. */
static void nothing_in_part(void **state)
{
	struct fib_question q = question(0);
	int fail, err = -1;

	for (fail = 0; err; fail++) {
		struct fib_state is = {.free_table = 4711};

		assert_true(fail < 100);
		world.fail_in = fail;
		err = fib_look(&world.io, &q, &is);
		assert_true(!err || (is.free_table == 4711 && !is.devices.n && !is.rules.n));
		fib_state_done(&is);
	}
	assert_int_equal(fail - 1, 7); /* link, addresses, device, routes and rules twice */
	fib_question_done(&q);
}

/* --- a table --- */

static int look_table(uint32_t *ret, uint32_t a, uint32_t b)
{
	struct fib_table_question q = {.first = FIRST, .last = LAST, .ifindex = WG};
	int err;

	vec_push(&q.ours, a);
	vec_push(&q.ours, b);
	*ret = 4711;
	err = fib_look_table(&world.io, &q, ret);
	fib_table_question_done(&q);
	return err;
}

static void an_earlier_table_of_ours(void **state)
{
	uint32_t t;

	/* What we left in it doesn't matter, with the device or without it ... */
	add_route("::/0", WG, 102, RTNL_PROTO_SHUNT, 0);
	add_route("0.0.0.0/0", 0, 102, RTNL_PROTO_SHUNT, RTN_UNREACHABLE);
	assert_int_equal(look_table(&t, 99, 102), 0);
	assert_int_equal(t, 102);
	/* ... nor does one that isn't ours to choose; what others have there does. */
	add_route("fd02::/64", 9, 102, RTPROT_STATIC, 0);
	assert_int_equal(look_table(&t, 102, 101), 0);
	assert_int_equal(t, 101);
	add_route("10.0.0.0/8", 9, 101, RTNL_PROTO_SHUNT, 0); /* another daemon's */
	assert_int_equal(look_table(&t, 102, 101), 0);
	assert_int_equal(t, 100);
}

static void the_first_empty_table(void **state)
{
	uint32_t t;

	add_route("::/0", WG, 100, RTNL_PROTO_SHUNT, 0);
	add_route("0.0.0.0/0", 0, 101, RTNL_PROTO_SHUNT, RTN_UNREACHABLE);
	assert_int_equal(look_table(&t, 1, 2), 0);
	assert_int_equal(t, 102);
	add_route("0.0.0.0/0", 9, 102, RTPROT_STATIC, 0);
	add_route("0.0.0.0/0", 9, 103, RTPROT_STATIC, 0);
	assert_int_equal(look_table(&t, 1, 2), -ENOSPC);
	assert_int_equal(t, 4711);
	for (int i = 0; i < 4; i++) {
		world.fail_in = i;
		assert_int_equal(look_table(&t, 1, 2), -EIO);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(each_thing_as_it_is, begin),
		cmocka_unit_test_setup(without_ipv6, begin),
		cmocka_unit_test_setup(a_port_is_tried_once, begin),
		cmocka_unit_test_setup(nothing_in_part, begin),
		cmocka_unit_test_setup(an_earlier_table_of_ours, begin),
		cmocka_unit_test_setup(the_first_empty_table, begin),
	};

	return cmocka_run_group_tests_name("look", tests, NULL, NULL);
}

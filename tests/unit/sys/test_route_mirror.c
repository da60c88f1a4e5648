/* SPDX-License-Identifier: MIT */
/* What the mirror makes of changes that the kernel tells of. */
#include "mirror_fixture.h"

#define A "10.20.1.0/24"
#define A6 "fd20:1::/64"

static struct bench b;

static int start(void **state)
{
	(void)state;
	bench_start(&b);
	return 0;
}

static int end(void **state)
{
	(void)state;
	bench_end(&b);
	return 0;
}

/* --- IPv4 ----------------------------------------------------------------------------------- */

static void ipv4_changes(void **state)
{
	ADDED(&b, .dst = A, .metric = 32, .hops = {{"10.10.0.1", 5}});
	assert_changes(&b, A ": 10.10.0.1%5");
	REPLACED(&b, .dst = A, .metric = 32, .hops = {{"10.10.0.1", 5}, {"10.10.0.2", 5, 3}});
	assert_changes(&b, A ": 10.10.0.1%5 10.10.0.2%5x3");
	DELETED(&b, .dst = A, .metric = 32, .hops = {{"10.10.0.1", 5}, {"10.10.0.2", 5, 3}});
	assert_changes(&b, A ": withdrawn");
	assert_view(&b, A, "nothing");
	assert_changes(&b, "");
	assert_false(route_mirror_wants_dump(b.mirror));
}

/* Routes of their own: the first carries, and without a gateway the first goes. */
static void ipv4_appended_and_prepended(void **state)
{
	ADDED(&b, .dst = A, .hops = {{"10.10.0.1", 5}});
	APPENDED(&b, .dst = A, .hops = {{"10.10.0.2", 5}});
	assert_view(&b, A, "10.10.0.1%5");
	PREPENDED(&b, .dst = A, .hops = {{"10.10.0.3", 5}});
	assert_view(&b, A, "10.10.0.3%5");
	DELETED(&b, .dst = A, .hops = {{"10.10.0.3", 5}}); /* as the kernel names it */
	assert_view(&b, A, "10.10.0.1%5");
	DELETED(&b, .dst = A, .hops = {{"10.10.0.2", 5}});
	assert_view(&b, A, "10.10.0.1%5");
	DELETED(&b, .dst = A, .hops = {{"10.10.0.1", 5}});
	assert_view(&b, A, "withdrawn");
}

/* It takes the place of the first, whoever wrote that. */
static void ipv4_replaced_first(void **state)
{
	ADDED(&b, .dst = A, .proto = STATIC, .port = OTHER, .hops = {{"192.0.2.1", 2}});
	APPENDED(&b, .dst = A, .hops = {{"10.10.0.1", 5}});
	assert_view(&b, A, "10.10.0.1%5");
	REPLACED(&b, .dst = A, .hops = {{"10.10.0.2", 5}});
	assert_view(&b, A, "10.10.0.2%5");
	REPLACED(&b, .dst = A, .proto = STATIC, .port = OTHER, .hops = {{"192.0.2.1", 2}});
	assert_view(&b, A, "10.10.0.1%5");
	DELETED(&b, .dst = A, .proto = STATIC, .port = OTHER, .hops = {{"192.0.2.1", 2}});
	DELETED(&b, .dst = A, .hops = {{"10.10.0.1", 5}});
	assert_view(&b, A, "withdrawn");
}

/* Two that differ in their source alone are two. */
static void ipv4_two_of_one_next_hop(void **state)
{
	ADDED(&b, .dst = A, .src = "10.20.9.1", .hops = {{"10.10.0.1", 5}});
	APPENDED(&b, .dst = A, .src = "10.20.9.2", .hops = {{"10.10.0.1", 5}});
	DELETED(&b, .dst = A, .src = "10.20.9.1", .hops = {{"10.10.0.1", 5}});
	assert_view(&b, A, "10.10.0.1%5");
	DELETED(&b, .dst = A, .src = "10.20.9.2", .hops = {{"10.10.0.1", 5}});
	assert_view(&b, A, "withdrawn");
}

/* Or in that it is on the link alone. */
static void ipv4_two_of_one_gateway(void **state)
{
	ADDED(&b, .dst = A, .hops = {{"10.10.0.1", 5}});
	APPENDED(&b, .dst = A, .hops = {{"10.10.0.1", 5, 0, RTNH_F_ONLINK}});
	DELETED(&b, .dst = A, .hops = {{"10.10.0.1", 5, 0, RTNH_F_ONLINK | RTNH_F_LINKDOWN}});
	assert_view(&b, A, "10.10.0.1%5");
	DELETED(&b, .dst = A, .hops = {{"10.10.0.1", 5}});
	assert_view(&b, A, "withdrawn");
}

/* "There were none" means that what is held went without a word. */
static void ipv4_added_anew(void **state)
{
	ADDED(&b, .dst = A, .hops = {{"10.10.0.1", 5}});
	APPENDED(&b, .dst = A, .hops = {{"10.10.0.2", 5}});
	ADDED(&b, .dst = A, .hops = {{"10.10.0.3", 5}});
	DELETED(&b, .dst = A, .hops = {{"10.10.0.3", 5}});
	assert_view(&b, A, "withdrawn");
}

static void metrics_and_tos(void **state)
{
	ADDED(&b, .dst = A, .metric = 32, .hops = {{"10.10.0.1", 5}});
	ADDED(&b, .dst = A, .metric = 20, .proto = BGP, .hops = {{"10.10.0.2", 5}});
	assert_view(&b, A, "10.10.0.2%5");
	ADDED(&b, .dst = A, .metric = 0, .tos = 8, .hops = {{"10.10.0.3", 5}});
	assert_view(&b, A, "10.10.0.2%5");
	DELETED(&b, .dst = A, .metric = 20, .proto = BGP, .hops = {{"10.10.0.2", 5}});
	assert_view(&b, A, "10.10.0.1%5");
	DELETED(&b, .dst = A, .metric = 32, .hops = {{"10.10.0.1", 5}});
	assert_view(&b, A, "withdrawn");
	assert_changes(&b, A ": withdrawn");
	DELETED(&b, .dst = A, .metric = 0, .tos = 8, .hops = {{"10.10.0.3", 5}});
	assert_changes(&b, "");
}

/* A route of others, even if it carries, hides none of an engine's. */
static void foreign_protocols(void **state)
{
	ADDED(&b, .dst = A, .metric = 0, .proto = STATIC, .hops = {{"192.0.2.1", 2}});
	assert_view(&b, A, "nothing");
	assert_changes(&b, "");
	ADDED(&b, .dst = A, .metric = 32, .hops = {{"10.10.0.1", 5}});
	assert_changes(&b, A ": 10.10.0.1%5");
	DELETED(&b, .dst = A, .metric = 32, .hops = {{"10.10.0.1", 5}});
	assert_changes(&b, A ": withdrawn");
	assert_view(&b, A, "nothing");
	assert_int_equal(route_mirror_count(b.mirror), 0);
}

static void tables_in_order(void **state)
{
	ADDED(&b, .dst = A, .table = 100, .hops = {{"10.10.0.1", 5}});
	assert_view(&b, A, "10.10.0.1%5");
	ADDED(&b, .dst = A, .metric = 900, .hops = {{"10.10.0.2", 5}});
	assert_view(&b, A, "10.10.0.2%5");
	ADDED(&b, .dst = A, .table = 77, .hops = {{"10.10.0.3", 5}});
	assert_view(&b, A, "10.10.0.2%5");
	ADDED(&b, .dst = A, .metric = 1, .type = RTN_THROW);
	assert_view(&b, A, "10.10.0.1%5");
	DELETED(&b, .dst = A, .metric = 1, .type = RTN_THROW);
	assert_view(&b, A, "10.10.0.2%5");
}

static void refusals(void **state)
{
	static const uint8_t types[] = {RTN_UNREACHABLE, RTN_BLACKHOLE, RTN_PROHIBIT};

	ADDED(&b, .dst = A, .hops = {{"10.10.0.1", 5}});
	assert_changes(&b, A ": 10.10.0.1%5");
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		REPLACED(&b, .dst = A, .type = types[i]);
		assert_view(&b, A, "refused");
	}
	assert_changes(&b, A ": refused");
	REPLACED(&b, .dst = A, .hops = {{"10.10.0.2", 5}});
	assert_changes(&b, A ": 10.10.0.2%5");
	REPLACED(&b, .dst = A, .type = RTN_UNREACHABLE);
	DELETED(&b, .dst = A, .type = RTN_UNREACHABLE);
	assert_changes(&b, A ": withdrawn");
}

/* --- IPv6 ----------------------------------------------------------------------------------- */

static void ipv6_sets(void **state)
{
	ADDED(&b, .dst = A6, .metric = 20, .hops = {{"fd10::1", 5}});
	APPENDED(&b, .dst = A6, .metric = 20, .hops = {{"fd10::1", 5}, {"fd10::2", 5}});
	assert_view(&b, A6, "fd10::1%5 fd10::2%5");
	PREPENDED(&b, .dst = A6, .metric = 20,
		.hops = {{"fd10::3", 5}, {"fd10::1", 5}, {"fd10::2", 5}});
	assert_view(&b, A6, "fd10::1%5 fd10::2%5 fd10::3%5");
	DELETED(&b, .dst = A6, .metric = 20, .hops = {{"fd10::1", 5}});
	assert_view(&b, A6, "fd10::2%5 fd10::3%5");
	REPLACED(&b, .dst = A6, .metric = 20, .hops = {{"fd10::4", 6}});
	assert_view(&b, A6, "fd10::4%6");
	REPLACED(&b, .dst = A6, .metric = 20, .hops = {{"fd10::5", 6}, {"fd10::6", 6, 2}});
	assert_view(&b, A6, "fd10::5%6 fd10::6%6x2");
	DELETED(&b, .dst = A6, .metric = 20, .hops = {{"fd10::5", 6}, {"fd10::6", 6, 2}});
	assert_view(&b, A6, "withdrawn");
	assert_false(route_mirror_wants_dump(b.mirror));
}

/* FRR: deletion and addition in a row. Nobody hears of it if nothing is other. */
static void ipv6_replaced_by_two(void **state)
{
	ADDED(&b, .dst = A6, .metric = 20, .hops = {{"fd10::1", 5}});
	assert_changes(&b, A6 ": fd10::1%5");
	DELETED(&b, .dst = A6, .metric = 20, .hops = {{"fd10::1", 5}});
	ADDED(&b, .dst = A6, .metric = 20, .hops = {{"fd10::2", 5}});
	assert_changes(&b, A6 ": fd10::2%5");
	DELETED(&b, .dst = A6, .metric = 20, .hops = {{"fd10::2", 5}});
	ADDED(&b, .dst = A6, .metric = 20, .hops = {{"fd10::2", 5}});
	assert_changes(&b, "");
}

/* What has no gateway stands beside the set. */
static void ipv6_beside_a_set(void **state)
{
	ADDED(&b, .dst = A6, .metric = 20, .hops = {{NULL, 7}});
	APPENDED(&b, .dst = A6, .metric = 20, .hops = {{"fd10::1", 5}});
	assert_view(&b, A6, "%7");
	APPENDED(&b, .dst = A6, .metric = 20, .hops = {{"fd10::1", 5}, {"fd10::2", 5}});
	REPLACED(&b, .dst = A6, .metric = 20, .hops = {{"fd10::3", 5}}); /* its like: the set */
	DELETED(&b, .dst = A6, .metric = 20, .hops = {{NULL, 7}});
	assert_view(&b, A6, "fd10::3%5");
	REPLACED(&b, .dst = A6, .metric = 20, .type = RTN_UNREACHABLE, .hops = {{NULL, 1}});
	assert_view(&b, A6, "refused");
	DELETED(&b, .dst = A6, .metric = 20, .type = RTN_UNREACHABLE, .hops = {{NULL, 1}});
	assert_view(&b, A6, "withdrawn");
	assert_false(route_mirror_wants_dump(b.mirror));
}

/* A set is its oldest hop's, as the kernel tells it. */
static void ipv6_set_of_two_protocols(void **state)
{
	ADDED(&b, .dst = A6, .hops = {{"fd10::1", 5}});
	APPENDED(&b, .dst = A6, .proto = STATIC, .port = OTHER,
		.hops = {{"fd10::2", 5}, {"fd10::1", 5}});
	assert_changes(&b, A6 ": fd10::1%5 fd10::2%5");
	DELETED(&b, .dst = A6, .hops = {{"fd10::1", 5}});
	assert_view(&b, A6, "swept");
	assert_changes(&b, A6 ": swept");
	APPENDED(&b, .dst = A6, .hops = {{"fd10::1", 5}, {"fd10::2", 5}});
	assert_view(&b, A6, "nothing");
	DELETED(&b, .dst = A6, .proto = STATIC, .port = OTHER, .hops = {{"fd10::2", 5}});
	assert_view(&b, A6, "fd10::1%5");
}

/* It takes the first's place whatever stands behind that: maybe another one of the same. */
static void ipv6_twins(void **state)
{
	ADDED(&b, .dst = A6, .metric = 20, .proto = STATIC, .port = OTHER, .type = RTN_PROHIBIT);
	APPENDED(&b, .dst = A6, .metric = 20, .hops = {{NULL, 7}});
	REPLACED(&b, .dst = A6, .metric = 20, .hops = {{NULL, 7}});
	DELETED(&b, .dst = A6, .metric = 20, .hops = {{NULL, 7}});
	assert_view(&b, A6, "%7");
	DELETED(&b, .dst = A6, .metric = 20, .hops = {{NULL, 7}});
	assert_view(&b, A6, "withdrawn");
	assert_false(route_mirror_wants_dump(b.mirror));
}

/* What refuses likewise; of the twins the first is replaced, or the set by a set. */
static void ipv6_twins_that_refuse(void **state)
{
	ADDED(&b, .dst = A6, .hops = {{NULL, 7}});
	APPENDED(&b, .dst = A6, .type = RTN_BLACKHOLE);
	APPENDED(&b, .dst = A6, .hops = {{"fd10::1", 5}});
	REPLACED(&b, .dst = A6, .type = RTN_BLACKHOLE);
	assert_view(&b, A6, "refused");
	REPLACED(&b, .dst = A6, .hops = {{"fd10::2", 5}});
	REPLACED(&b, .dst = A6, .hops = {{NULL, 8}});
	assert_view(&b, A6, "%8");
	DELETED(&b, .dst = A6, .hops = {{NULL, 8}});
	assert_view(&b, A6, "refused");
	DELETED(&b, .dst = A6, .type = RTN_BLACKHOLE);
	assert_view(&b, A6, "fd10::2%5");
	assert_false(route_mirror_wants_dump(b.mirror));
}

/* Another metric, table or protocol makes no twin; and one that is added has none. */
static void ipv6_no_twins(void **state)
{
	ADDED(&b, .dst = A6, .metric = 20, .type = RTN_BLACKHOLE);
	ADDED(&b, .dst = A6, .metric = 32, .hops = {{NULL, 7}});
	REPLACED(&b, .dst = A6, .metric = 20, .hops = {{NULL, 7}});
	REPLACED(&b, .dst = A6, .metric = 20, .hops = {{NULL, 7}}); /* itself */
	DELETED(&b, .dst = A6, .metric = 20, .hops = {{NULL, 7}});
	DELETED(&b, .dst = A6, .metric = 32, .hops = {{NULL, 7}});
	assert_view(&b, A6, "withdrawn");
	ADDED(&b, .dst = A6, .type = RTN_BLACKHOLE);
	APPENDED(&b, .dst = A6, .hops = {{NULL, 7}});
	REPLACED(&b, .dst = A6, .hops = {{NULL, 7}});
	APPENDED(&b, .dst = A6, .hops = {{NULL, 7}}); /* both had gone without a word */
	DELETED(&b, .dst = A6, .hops = {{NULL, 7}});
	assert_view(&b, A6, "withdrawn");
}

/* --- next-hop objects ------------------------------------------------------------------------ */

/* An IPv6 route on an object is told again for the object's sake, or replaces the first. */
static void objects_of_twins(void **state)
{
	OBJECT(&b, .id = 7, .via = "fd10::1", .dev = 5);
	ADDED(&b, .dst = A6, .proto = BGP, .hops = {{NULL, 7}});
	APPENDED(&b, .dst = A6, .proto = BGP, .nhid = 7, .hops = {{"fd10::1", 5}});
	OBJECT(&b, .id = 7, .flags = NLM_F_REPLACE, .via = "fd10::2", .dev = 5);
	TOLD_ALONG(&b, .dst = A6, .proto = BGP, .nhid = 7, .hops = {{"fd10::2", 5}});
	assert_view(&b, A6, "%7");
	REPLACED(&b, .dst = A6, .proto = BGP, .nhid = 7, .hops = {{"fd10::2", 5}});
	assert_view(&b, A6, "fd10::2%5");
	DELETED(&b, .dst = A6, .proto = BGP, .nhid = 7, .hops = {{"fd10::2", 5}});
	assert_view(&b, A6, "fd10::2%5");
	OBJECT(&b, .id = 7, .flags = NLM_F_REPLACE, .via = "fd10::3", .dev = 5);
	assert_view(&b, A6, "fd10::3%5");
	OBJECT_GONE(&b, .id = 7);
	assert_view(&b, A6, "withdrawn");
}

static void objects_in_place(void **state)
{
	OBJECT(&b, .id = 7, .via = "10.10.0.1", .dev = 5);
	OBJECT(&b, .id = 8, .via = "10.10.0.2", .dev = 5);
	OBJECT(&b, .id = 9, .members = {{7, 0, 0, 0}, {8, 4, 0, 0}});
	ADDED(&b, .dst = A, .proto = BGP, .nhid = 9); /* nexthop_compat_mode 0: nothing along */
	ADDED(&b, .dst = "10.20.2.0/24", .proto = BGP, .nhid = 7);
	assert_changes(&b, A ": 10.10.0.1%5 10.10.0.2%5x5; 10.20.2.0/24: 10.10.0.1%5");
	OBJECT(&b, .id = 7, .flags = NLM_F_REPLACE, .via = "10.10.0.3", .dev = 6);
	assert_changes(&b, "10.20.2.0/24: 10.10.0.3%6; " A ": 10.10.0.2%5x5 10.10.0.3%6");
	OBJECT(&b, .id = 9, .flags = NLM_F_REPLACE, .members = {{8, 0, 0, 0}});
	assert_changes(&b, A ": 10.10.0.2%5");
	OBJECT(&b, .id = 8, .flags = NLM_F_REPLACE, .blackhole = true);
	assert_changes(&b, A ": refused");
	assert_false(route_mirror_wants_dump(b.mirror));
}

/* nexthop_compat_mode 1: routes are told again, each where it stands. */
static void objects_told_along(void **state)
{
	OBJECT(&b, .id = 7, .via = "10.10.0.1", .dev = 5);
	ADDED(&b, .dst = A, .proto = BGP, .hops = {{"10.10.0.9", 5}});
	APPENDED(&b, .dst = A, .proto = BGP, .nhid = 7, .hops = {{"10.10.0.1", 5}});
	OBJECT(&b, .id = 7, .flags = NLM_F_REPLACE, .via = "10.10.0.2", .dev = 5);
	TOLD_ALONG(&b, .dst = A, .proto = BGP, .nhid = 7, .hops = {{"10.10.0.2", 5}});
	assert_view(&b, A, "10.10.0.9%5");
	DELETED(&b, .dst = A, .proto = BGP, .hops = {{"10.10.0.9", 5}});
	assert_view(&b, A, "10.10.0.2%5");
	DELETED(&b, .dst = A, .proto = BGP, .nhid = 7, .hops = {{"10.10.0.2", 5}});
	assert_view(&b, A, "withdrawn");
}

/* Of an object that nobody told of, what came along counts; and else nothing is known. */
static void objects_unknown(void **state)
{
	ADDED(&b, .dst = A, .proto = BGP, .nhid = 7, .hops = {{"10.10.0.1", 5}});
	assert_view(&b, A, "10.10.0.1%5");
	ADDED(&b, .dst = A6, .proto = BGP, .nhid = 8);
	assert_view(&b, A6, "swept");
	OBJECT(&b, .id = 8, .via = "fd10::1", .dev = 5);
	assert_view(&b, A6, "fd10::1%5");
}

static void objects_gone(void **state)
{
	OBJECT(&b, .id = 7, .via = "10.10.0.1", .dev = 5);
	OBJECT(&b, .id = 8, .via = "10.10.0.2", .dev = 5);
	OBJECT(&b, .id = 9, .members = {{7, 0, 0, 0}, {8, 0, 0, 0}});
	OBJECT(&b, .id = 10, .members = {{8, 0, 0, 0}});
	ADDED(&b, .dst = A, .proto = BGP, .nhid = 9);
	ADDED(&b, .dst = "10.20.2.0/24", .proto = BGP, .nhid = 8);
	ADDED(&b, .dst = "10.20.3.0/24", .proto = BGP, .nhid = 10);
	assert_view(&b, A, "10.10.0.1%5 10.10.0.2%5");
	OBJECT_GONE(&b, .id = 8, .port = OTHER);
	assert_view(&b, A, "10.10.0.1%5");
	assert_view(&b, "10.20.2.0/24", "swept"); /* without RTM_DELROUTE */
	assert_view(&b, "10.20.3.0/24", "swept"); /* the group's last member */
	assert_true(route_mirror_wants_dump(b.mirror));
	OBJECT_GONE(&b, .id = 7);
	assert_view(&b, A, "withdrawn");
}

/* An engine deletes what it uses no more: that is no reason to ask for all. */
static void objects_unused(void **state)
{
	OBJECT(&b, .id = 7, .via = "10.10.0.1", .dev = 5);
	OBJECT(&b, .id = 8, .via = "10.10.0.2", .dev = 5);
	ADDED(&b, .dst = A, .proto = BGP, .nhid = 7);
	REPLACED(&b, .dst = A, .proto = BGP, .nhid = 8);
	OBJECT_GONE(&b, .id = 7);
	OBJECT_GONE(&b, .id = 99);
	assert_view(&b, A, "10.10.0.2%5");
	assert_false(route_mirror_wants_dump(b.mirror));
}

/* --- who it was ------------------------------------------------------------------------------ */

static void writers(void **state)
{
	ADDED(&b, .dst = A, .hops = {{"10.10.0.1", 5}});
	DELETED(&b, .dst = A, .port = OTHER, .hops = {{"10.10.0.1", 5}});
	assert_changes(&b, A ": swept");
	ADDED(&b, .dst = A, .port = NOBODY, .hops = {{"10.10.0.1", 5}}); /* by whom isn't known */
	DELETED(&b, .dst = A, .port = OTHER, .hops = {{"10.10.0.1", 5}});
	assert_changes(&b, A ": swept");
}

/* An engine that starts writes a route and sweeps what its forerunner left; when it has written for
 * a while it is the one who withdraws. */
static void writers_forerunner(void **state)
{
	ADDED(&b, .dst = A, .hops = {{"10.10.0.1", 5}});
	ADDED(&b, .dst = "10.20.2.0/24", .hops = {{"10.10.0.1", 5}});
	b.now = instant_add(b.now, 100 * NS_PER_S);
	ADDED(&b, .dst = "10.20.3.0/24", .port = OTHER, .hops = {{"10.10.0.1", 5}});
	DELETED(&b, .dst = A, .port = OTHER, .hops = {{"10.10.0.1", 5}});
	assert_view(&b, A, "swept");
	b.now = instant_add(b.now, 11 * NS_PER_S);
	DELETED(&b, .dst = "10.20.2.0/24", .port = OTHER, .hops = {{"10.10.0.1", 5}});
	assert_view(&b, "10.20.2.0/24", "withdrawn");
	DELETED(&b, .dst = "10.20.3.0/24", .port = OTHER, .hops = {{"10.10.0.1", 5}});
	assert_view(&b, "10.20.3.0/24", "withdrawn");
}

static int64_t writes_since(void)
{
	ip_prefix p;
	struct route_view v;

	assert_true(ip_prefix_parse(&p, A));
	assert_true(route_mirror_view(b.mirror, &p, &v));
	return v.writes_since.ns;
}

static void writers_begin(void **state)
{
	instant first = b.now;

	ADDED(&b, .dst = A, .hops = {{"10.10.0.1", 5}, {"10.10.0.2", 5}});
	b.now = instant_add(b.now, 100 * NS_PER_S);
	REPLACED(&b, .dst = A, .hops = {{"10.10.0.1", 5}});
	assert_int_equal(writes_since(), first.ns);
	ADDED(&b, .dst = "10.20.3.0/24", .port = OTHER, .hops = {{"10.10.0.1", 5}});
	assert_int_equal(writes_since(), 0); /* of the one before */
	REPLACED(&b, .dst = A, .port = OTHER, .hops = {{"10.10.0.2", 5}});
	assert_int_equal(writes_since(), b.now.ns);
}

/* Told again for somebody else's sake, a route stays its writer's. */
static void writers_told_again(void **state)
{
	OBJECT(&b, .id = 7, .via = "10.10.0.1", .dev = 5);
	ADDED(&b, .dst = A, .proto = BGP, .nhid = 7, .hops = {{"10.10.0.1", 5}});
	OBJECT(&b, .id = 7, .flags = NLM_F_REPLACE, .port = OTHER, .via = "10.10.0.2", .dev = 5);
	TOLD_ALONG(
		&b, .dst = A, .proto = BGP, .nhid = 7, .port = OTHER, .hops = {{"10.10.0.2", 5}});
	DELETED(&b, .dst = A, .proto = BGP, .nhid = 7, .hops = {{"10.10.0.2", 5}});
	assert_view(&b, A, "withdrawn");
}

static void replaced_by_others(void **state)
{
	ADDED(&b, .dst = A, .hops = {{"10.10.0.1", 5}});
	REPLACED(&b, .dst = A, .proto = STATIC, .port = OTHER, .hops = {{"192.0.2.1", 2}});
	assert_view(&b, A, "swept");
}

/* --- changes -------------------------------------------------------------------------------- */

static void one_change(const struct route_view *v, void *data)
{
	*(enum route_state *)data = v->state;
}

/* What stands first, then what went; as many as are wanted. */
static void additions_first(void **state)
{
	enum route_state s;

	ADDED(&b, .dst = A, .hops = {{"10.10.0.1", 5}});
	ADDED(&b, .dst = "10.20.2.0/24", .hops = {{"10.10.0.1", 5}});
	assert_changes(&b, A ": 10.10.0.1%5; 10.20.2.0/24: 10.10.0.1%5");
	DELETED(&b, .dst = A, .hops = {{"10.10.0.1", 5}});
	REPLACED(&b, .dst = "10.20.2.0/24", .type = RTN_UNREACHABLE);
	ADDED(&b, .dst = A6, .hops = {{"fd10::1", 5}});
	assert_int_equal(route_mirror_take_changes(b.mirror, 1, one_change, &s), 2);
	assert_int_equal(s, ROUTE_STANDS);
	assert_int_equal(route_mirror_count(b.mirror), 1);
	assert_changes(&b, A ": withdrawn; 10.20.2.0/24: refused");
	assert_view(&b, "10.20.2.0/24", "refused");
}

/* A set's order is nobody's business. */
static void equal_views(void **state)
{
	ADDED(&b, .dst = A6, .hops = {{"fd10::1", 5}, {"fd10::2", 5}});
	assert_changes(&b, A6 ": fd10::1%5 fd10::2%5");
	REPLACED(&b, .dst = A6, .hops = {{"fd10::2", 5}, {"fd10::1", 5}});
	assert_changes(&b, "");
}

/* What a link has of its own isn't held. */
static void links_own(void **state)
{
	ADDED(&b, .dst = "fe80::/64", .proto = BIRD, .hops = {{NULL, 5}});
	ADDED(&b, .dst = "ff00::/8", .proto = BIRD, .hops = {{NULL, 5}});
	assert_changes(&b, "");
	ADDED(&b, .dst = "::/0", .hops = {{"fe80::1", 5}});
	ADDED(&b, .dst = "fc00::/6", .hops = {{"fe80::1", 5}});
	assert_changes(&b, "::/0: fe80::1%5; fc00::/6: fe80::1%5");
}

#define T(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(ipv4_changes),
		T(ipv4_appended_and_prepended),
		T(ipv4_replaced_first),
		T(ipv4_two_of_one_next_hop),
		T(ipv4_two_of_one_gateway),
		T(ipv4_added_anew),
		T(metrics_and_tos),
		T(foreign_protocols),
		T(tables_in_order),
		T(refusals),
		T(ipv6_sets),
		T(ipv6_replaced_by_two),
		T(ipv6_beside_a_set),
		T(ipv6_set_of_two_protocols),
		T(ipv6_twins),
		T(ipv6_twins_that_refuse),
		T(ipv6_no_twins),
		T(objects_of_twins),
		T(objects_in_place),
		T(objects_told_along),
		T(objects_unknown),
		T(objects_gone),
		T(objects_unused),
		T(writers),
		T(writers_forerunner),
		T(writers_begin),
		T(writers_told_again),
		T(replaced_by_others),
		T(additions_first),
		T(equal_views),
		T(links_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

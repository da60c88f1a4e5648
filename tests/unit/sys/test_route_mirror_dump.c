/* SPDX-License-Identifier: MIT */
/* When the mirror asks for all, and what it makes of the answer beside the news. */
#include "mirror_fixture.h"
#ifndef IFF_LOWER_UP
#define IFF_LOWER_UP (1U << 16)
#endif

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

static void begin(void)
{
	assert_true(route_mirror_wants_dump(b.mirror));
	route_mirror_dump_begins(b.mirror);
	assert_false(route_mirror_wants_dump(b.mirror));
}

static void whole(void)
{
	route_mirror_dump_ends(b.mirror, true, b.now);
}

static void wants(bool want)
{
	assert_int_equal(route_mirror_wants_dump(b.mirror), want);
}

/* --- when ------------------------------------------------------------------------------------ */

static void at_first(void **state)
{
	static const uint32_t tables[] = {RT_TABLE_MAIN};
	static const uint8_t protocols[] = {BIRD};
	struct route_mirror_config c = {tables, 1, protocols, 1};

	bench_end(&b);
	b.mirror = route_mirror_new(&c);
	assert_false(route_mirror_is_filled(b.mirror));
	begin();
	DUMPED(&b, .dst = A, .hops = {{"10.10.0.1", 5}});
	assert_view(&b, A, "nothing"); /* until it is whole */
	route_mirror_dump_ends(b.mirror, false, b.now);
	assert_false(route_mirror_is_filled(b.mirror));
	assert_view(&b, A, "nothing");
	begin();
	DUMPED(&b, .dst = A, .hops = {{"10.10.0.1", 5}});
	DUMPED(&b, .dst = A6, .hops = {{"fd10::1", 5}, {"fd10::2", 5}});
	DUMPED(&b, .dst = "10.20.2.0/24", .proto = STATIC, .hops = {{"10.10.0.1", 5}});
	whole();
	assert_true(route_mirror_is_filled(b.mirror));
	assert_view(&b, A, "10.10.0.1%5");
	assert_view(&b, A6, "fd10::1%5 fd10::2%5");
	assert_int_equal(route_mirror_count(b.mirror), 2);
	wants(false);
}

static void links(void **state)
{
	told_link(&b, RTM_NEWLINK, 5, IS_UP);
	told_link(&b, RTM_NEWLINK, 6, IS_UP);
	ADDED(&b, .dst = A, .hops = {{"10.10.0.1", 5}});
	told_link(&b, RTM_NEWLINK, 5, IS_UP);
	told_link(&b, RTM_NEWLINK, 6, 0); /* nothing stands on it */
	told_link(&b, RTM_DELLINK, 6, 0);
	told_address(&b, RTM_DELADDR, AF_INET, 6);
	wants(false);
	told_link(&b, RTM_NEWLINK, 5, IFF_UP | IFF_LOWER_UP); /* what shows of it may come late */
	wants(true);
	begin();
	DUMPED(&b, .dst = A, .hops = {{"10.10.0.1", 5}});
	whole();
	told_link(&b, RTM_NEWLINK, 5, IFF_UP); /* without a carrier objects go */
	wants(true);
	begin();
	DUMPED(&b, .dst = A, .hops = {{"10.10.0.1", 5}});
	whole();
	wants(false);
	told_link(&b, RTM_NEWLINK, 5, 0);
	begin();
	whole();
	assert_view(&b, A, "swept");
	ADDED(&b, .dst = A, .hops = {{"10.10.0.1", 5}});
	told_link(&b, RTM_NEWLINK, 5, IS_UP); /* hops that slept carry again */
	wants(true);
	begin();
	DUMPED(&b, .dst = A, .hops = {{"10.10.0.1", 5}});
	whole();
	told_address(&b, RTM_DELADDR, AF_INET, 5);
	wants(true);
	begin();
	DUMPED(&b, .dst = A, .hops = {{"10.10.0.1", 5}});
	whole();
	told_link(&b, RTM_DELLINK, 5, 0);
	wants(true);
}

/* A link that was never told of may have been down. */
static void link_first_seen(void **state)
{
	ADDED(&b, .dst = A, .hops = {{"10.10.0.1", 5}});
	told_link(&b, RTM_NEWLINK, 5, IS_UP);
	wants(true);
}

/* Objects stand on links, too, and routes may not tell. */
static void link_of_an_object(void **state)
{
	OBJECT(&b, .id = 7, .via = "10.10.0.1", .dev = 5);
	told_link(&b, RTM_NEWLINK, 5, 0);
	wants(true);
}

/* --- what it means --------------------------------------------------------------------------- */

static void gone_with_a_link(void **state)
{
	told_link(&b, RTM_NEWLINK, 5, IS_UP);
	ADDED(&b, .dst = A, .hops = {{"10.10.0.1", 5}});
	ADDED(&b, .dst = "10.20.2.0/24", .hops = {{"10.10.0.1", 5}, {"10.11.0.1", 6}});
	assert_changes(&b, A ": 10.10.0.1%5; 10.20.2.0/24: 10.10.0.1%5 10.11.0.1%6");
	told_link(&b, RTM_NEWLINK, 5, 0);
	begin();
	assert_view(&b, A, "10.10.0.1%5"); /* no owner is lost meanwhile */
	DUMPED(&b, .dst = "10.20.2.0/24",
		.hops = {{"10.10.0.1", 5, 0, RTNH_F_DEAD}, {"10.11.0.1", 6}});
	whole();
	assert_changes(&b, "10.20.2.0/24: 10.11.0.1%6; " A ": swept");
	wants(false);
}

static void gone_in_an_overrun(void **state)
{
	ADDED(&b, .dst = A, .hops = {{"10.10.0.1", 5}});
	ADDED(&b, .dst = A6, .hops = {{"fd10::1", 5}, {"fd10::2", 5}});
	assert_changes(&b, A ": 10.10.0.1%5; " A6 ": fd10::1%5 fd10::2%5");
	route_mirror_overrun(b.mirror);
	begin();
	DUMPED(&b, .dst = "10.20.3.0/24", .hops = {{"10.10.0.3", 5}});
	DUMPED(&b, .dst = A6, .hops = {{"fd10::2", 5}, {"fd10::3", 5}});
	whole();
	assert_view(&b, "10.20.3.0/24", "10.10.0.3%5");
	assert_view(&b, A6, "fd10::2%5 fd10::3%5");
	assert_view(&b, A, "withdrawn");
	/* Links may be other than they were told. */
	told_link(&b, RTM_NEWLINK, 5, IS_UP);
	wants(true);
}

static void gone_in_both(void **state)
{
	ADDED(&b, .dst = A, .hops = {{"10.10.0.1", 5}});
	route_mirror_overrun(b.mirror);
	told_link(&b, RTM_NEWLINK, 5, 0);
	begin();
	whole();
	assert_view(&b, A, "swept");
}

/* --- beside the news ------------------------------------------------------------------------- */

static void added_meanwhile(void **state)
{
	route_mirror_overrun(b.mirror);
	begin();
	ADDED(&b, .dst = A, .hops = {{"10.10.0.1", 5}}); /* the dump was past it */
	whole();
	assert_view(&b, A, "10.10.0.1%5");
}

static void deleted_meanwhile(void **state)
{
	ADDED(&b, .dst = A, .hops = {{"10.10.0.1", 5}});
	ADDED(&b, .dst = A6, .hops = {{"fd10::1", 5}, {"fd10::2", 5}});
	route_mirror_overrun(b.mirror);
	begin();
	DELETED(&b, .dst = A, .hops = {{"10.10.0.1", 5}});
	DELETED(&b, .dst = A6, .hops = {{"fd10::1", 5}});
	DUMPED(&b, .dst = A, .hops = {{"10.10.0.1", 5}}); /* it had passed it before */
	DUMPED(&b, .dst = A6, .hops = {{"fd10::1", 5}, {"fd10::2", 5}});
	assert_view(&b, A, "withdrawn");
	whole();
	assert_view(&b, A, "withdrawn");
	assert_view(&b, A6, "fd10::2%5");
}

/* What only the dump told of goes by news that came behind it. */
static void dumped_then_deleted(void **state)
{
	route_mirror_overrun(b.mirror);
	begin();
	DUMPED(&b, .dst = A, .hops = {{"10.10.0.1", 5}});
	DUMPED(&b, .dst = A6, .hops = {{"fd10::1", 5}, {"fd10::2", 5}});
	DUMPED(&b, .dst = "10.20.2.0/24", .hops = {{"10.10.0.1", 5}});
	DUMPED(&b, .dst = "10.20.3.0/24", .proto = BGP, .nhid = 7, .hops = {{"10.10.0.1", 5}});
	DELETED(&b, .dst = A, .hops = {{"10.10.0.1", 5}});
	DELETED(&b, .dst = A6, .hops = {{"fd10::1", 5}});
	REPLACED(&b, .dst = "10.20.2.0/24", .hops = {{"10.10.0.2", 5}});
	OBJECT_GONE(&b, .id = 7);
	whole();
	assert_view(&b, A, "nothing");
	assert_view(&b, A6, "fd10::2%5");
	assert_view(&b, "10.20.2.0/24", "10.10.0.2%5");
	assert_view(&b, "10.20.3.0/24", "nothing");
	/* What was replaced was known from the dump alone: another one looks whether that was it.
	 */
	wants(true);
}

static void replaced_meanwhile(void **state)
{
	ADDED(&b, .dst = A, .hops = {{"10.10.0.1", 5}});
	route_mirror_overrun(b.mirror);
	begin();
	REPLACED(&b, .dst = A, .hops = {{"10.10.0.2", 5}});
	DUMPED(&b, .dst = A, .hops = {{"10.10.0.1", 5}});
	whole();
	assert_view(&b, A, "10.10.0.2%5");
	DELETED(&b, .dst = A, .hops = {{"10.10.0.2", 5}});
	assert_view(&b, A, "withdrawn");
}

/* The first carries: so the order counts, which an overrun may have lost. */
static void order_of_the_dump(void **state)
{
	ADDED(&b, .dst = A, .hops = {{"10.10.0.1", 5}});
	APPENDED(&b, .dst = A, .hops = {{"10.10.0.2", 5}});
	route_mirror_overrun(b.mirror);
	begin();
	DUMPED(&b, .dst = A, .hops = {{"10.10.0.3", 5}});
	DUMPED(&b, .dst = A, .hops = {{"10.10.0.2", 5}});
	DUMPED(&b, .dst = A, .hops = {{"10.10.0.1", 5}});
	whole();
	assert_view(&b, A, "10.10.0.3%5");
	DELETED(&b, .dst = A, .hops = {{"10.10.0.3", 5}});
	assert_view(&b, A, "10.10.0.2%5");
}

/* While routes go, a dump may pass by others: two in a row must miss one. */
static void missed_by_a_dump(void **state)
{
	ADDED(&b, .dst = A6, .hops = {{"fd10::1", 5}});
	ADDED(&b, .dst = "fd20:2::/64", .hops = {{"fd10::1", 5}});
	route_mirror_overrun(b.mirror);
	begin();
	DELETED(&b, .dst = "fd20:2::/64", .hops = {{"fd10::1", 5}});
	whole();
	assert_view(&b, A6, "fd10::1%5");
	begin();
	DUMPED(&b, .dst = A6, .hops = {{"fd10::1", 5}});
	whole();
	assert_view(&b, A6, "fd10::1%5");
	wants(false);
	for (int i = 0; i < 2; i++) {
		route_mirror_overrun(b.mirror);
		begin();
		DELETED(&b, .dst = "fd20:3::/64", .hops = {{"fd10::1", 5}});
		whole();
	}
	assert_view(&b, A6, "withdrawn");
	wants(false);
}

/* The kernel's dump passes by what stands between the hops of an IPv6 set. But where news were
 * lost, the set may have taken its place: engines replace "unreachable" by a set. */
static void hidden_by_a_set(void **state)
{
	for (int lost = 0; lost < 2; lost++) {
		ADDED(&b, .dst = A6, .hops = {{"fd10::1", 5}});
		APPENDED(&b, .dst = A6, .type = RTN_UNREACHABLE);
		APPENDED(&b, .dst = A6, .hops = {{"fd10::1", 5}, {"fd10::2", 5}});
		if (lost)
			route_mirror_overrun(b.mirror);
		else
			told_address(&b, RTM_DELADDR, AF_INET, 5);
		begin();
		DUMPED(&b, .dst = A6, .hops = {{"fd10::1", 5}, {"fd10::2", 5}});
		whole();
		assert_view(&b, A6, "fd10::1%5 fd10::2%5");
		DELETED(&b, .dst = A6, .hops = {{"fd10::1", 5}, {"fd10::2", 5}});
		assert_view(&b, A6, lost ? "withdrawn" : "refused");
		DELETED(&b, .dst = A6, .type = RTN_UNREACHABLE);
	}
}

/* What a set hides stands before what comes behind it. */
static void order_of_the_hidden(void **state)
{
	ADDED(&b, .dst = A6, .hops = {{"fd10::1", 5}});
	APPENDED(&b, .dst = A6, .hops = {{NULL, 7}});
	APPENDED(&b, .dst = A6, .hops = {{"fd10::1", 5}, {"fd10::2", 5}});
	APPENDED(&b, .dst = A6, .type = RTN_UNREACHABLE);
	told_address(&b, RTM_DELADDR, AF_INET, 5);
	begin();
	DUMPED(&b, .dst = A6, .hops = {{"fd10::1", 5}, {"fd10::2", 5}});
	DUMPED(&b, .dst = A6, .type = RTN_UNREACHABLE);
	whole();
	DELETED(&b, .dst = A6, .hops = {{"fd10::1", 5}, {"fd10::2", 5}});
	assert_view(&b, A6, "%7");
	wants(false);
}

/* What news were lost of shows when the set goes, or isn't several hops any more. */
static void shown_when_a_set_goes(void **state)
{
	for (int shrinks = 0; shrinks < 2; shrinks++) {
		route_mirror_overrun(b.mirror);
		begin();
		DUMPED(&b, .dst = A6, .hops = {{"fd10::1", 5}, {"fd10::2", 5}});
		whole();
		REPLACED(&b, .dst = A6, .hops = {{"fd10::3", 5}, {"fd10::4", 5}});
		APPENDED(&b, .dst = A6, .hops = {{"fd10::3", 5}, {"fd10::4", 5}, {"fd10::5", 5}});
		wants(false); /* it still hides them */
		if (shrinks)
			DELETED(&b, .dst = A6, .hops = {{"fd10::3", 5}, {"fd10::4", 5}});
		else
			REPLACED(&b, .dst = A6, .hops = {{"fd10::5", 5}});
		begin();
		DUMPED(&b, .dst = A6, .hops = {{"fd10::5", 5}});
		DUMPED(&b, .dst = A6, .type = RTN_UNREACHABLE);
		whole();
		DELETED(&b, .dst = A6, .hops = {{"fd10::5", 5}});
		assert_view(&b, A6, "refused");
		wants(false);
		DELETED(&b, .dst = A6, .type = RTN_UNREACHABLE);
	}
	ADDED(&b, .dst = A6, .hops = {{"fd10::1", 5}, {"fd10::2", 5}});
	DELETED(&b, .dst = A6, .hops = {{"fd10::1", 5}, {"fd10::2", 5}});
	wants(false); /* of what was added since, all is known */
}

/* What one part of a dump has twice is two; what two parts have the kernel's walk may have passed
 * twice. */
static void twins(void **state)
{
	for (int again = 0; again < 2; again++) {
		route_mirror_overrun(b.mirror);
		begin();
		for (int i = 0; i < 2; i++) {
			dumped_part(&b);
			DUMPED(&b, .dst = A6, .hops = {{NULL, 7}});
			DUMPED(&b, .dst = A6, .hops = {{NULL, 7}});
			DUMPED(&b, .dst = A6, .type = RTN_BLACKHOLE);
		}
		whole();
	}
	DELETED(&b, .dst = A6, .hops = {{NULL, 7}});
	assert_view(&b, A6, "%7");
	DELETED(&b, .dst = A6, .hops = {{NULL, 7}});
	assert_view(&b, A6, "refused");
	DELETED(&b, .dst = A6, .type = RTN_BLACKHOLE);
	assert_view(&b, A6, "swept");
	wants(false);
}

static void twin_gone_in_an_overrun(void **state)
{
	ADDED(&b, .dst = A6, .type = RTN_BLACKHOLE);
	APPENDED(&b, .dst = A6, .hops = {{NULL, 7}});
	REPLACED(&b, .dst = A6, .hops = {{NULL, 7}});
	route_mirror_overrun(b.mirror);
	begin();
	DUMPED(&b, .dst = A6, .hops = {{NULL, 7}});
	whole();
	assert_view(&b, A6, "%7");
	DELETED(&b, .dst = A6, .hops = {{NULL, 7}});
	assert_view(&b, A6, "withdrawn");
}

/* One of two went, and the dump may have been past them before. */
static void twin_deleted_meanwhile(void **state)
{
	ADDED(&b, .dst = A6, .type = RTN_BLACKHOLE);
	APPENDED(&b, .dst = A6, .hops = {{NULL, 7}});
	REPLACED(&b, .dst = A6, .hops = {{NULL, 7}});
	route_mirror_overrun(b.mirror);
	begin();
	DELETED(&b, .dst = A6, .hops = {{NULL, 7}});
	DUMPED(&b, .dst = A6, .hops = {{NULL, 7}});
	DUMPED(&b, .dst = A6, .hops = {{NULL, 7}});
	whole();
	DELETED(&b, .dst = A6, .hops = {{NULL, 7}});
	assert_view(&b, A6, "withdrawn");
}

/* A route that only the dump told of is told again for its object's sake: it replaces none. */
static void told_along_meanwhile(void **state)
{
	ADDED(&b, .dst = A, .proto = BGP, .hops = {{"10.10.0.9", 5}});
	ADDED(&b, .dst = A6, .proto = BGP, .hops = {{NULL, 7}});
	route_mirror_overrun(b.mirror);
	begin();
	DUMPED(&b, .dst = A, .proto = BGP, .hops = {{"10.10.0.9", 5}});
	DUMPED(&b, .dst = A, .proto = BGP, .nhid = 7, .hops = {{"10.10.0.1", 5}});
	DUMPED(&b, .dst = A6, .proto = BGP, .hops = {{NULL, 7}});
	DUMPED(&b, .dst = A6, .proto = BGP, .nhid = 7, .hops = {{"10.10.0.1", 5}});
	OBJECT(&b, .id = 7, .flags = NLM_F_REPLACE, .via = "10.10.0.2", .dev = 5);
	TOLD_ALONG(&b, .dst = A, .proto = BGP, .nhid = 7, .hops = {{"10.10.0.2", 5}});
	TOLD_ALONG(&b, .dst = A6, .proto = BGP, .nhid = 7, .hops = {{"10.10.0.2", 5}});
	whole();
	assert_view(&b, A, "10.10.0.9%5");
	assert_view(&b, A6, "%7");
	DELETED(&b, .dst = A, .proto = BGP, .hops = {{"10.10.0.9", 5}});
	DELETED(&b, .dst = A6, .proto = BGP, .hops = {{NULL, 7}});
	assert_view(&b, A, "10.10.0.2%5");
	assert_view(&b, A6, "10.10.0.2%5");
}

/* A set stands where its oldest hop does; where that is without it a dump tells. */
static void set_without_its_oldest(void **state)
{
	ADDED(&b, .dst = A6, .hops = {{"fd10::1", 5}});
	APPENDED(&b, .dst = A6, .type = RTN_UNREACHABLE);
	APPENDED(&b, .dst = A6, .hops = {{"fd10::1", 5}, {"fd10::2", 5}});
	DELETED(&b, .dst = A6, .hops = {{"fd10::1", 5}});
	begin();
	DUMPED(&b, .dst = A6, .type = RTN_UNREACHABLE);
	DUMPED(&b, .dst = A6, .hops = {{"fd10::2", 5}});
	whole();
	assert_view(&b, A6, "refused");
	wants(false);
}

/* What goes while a dump is under way is another's business. */
static void doubt_meanwhile(void **state)
{
	told_link(&b, RTM_NEWLINK, 5, IS_UP);
	ADDED(&b, .dst = A, .hops = {{"10.10.0.1", 5}});
	route_mirror_overrun(b.mirror);
	begin();
	DUMPED(&b, .dst = A, .hops = {{"10.10.0.1", 5}});
	told_link(&b, RTM_NEWLINK, 5, 0);
	wants(false);
	whole();
	wants(true);
	begin();
	whole();
	assert_view(&b, A, "swept");
}

static void failed(void **state)
{
	ADDED(&b, .dst = A, .hops = {{"10.10.0.1", 5}});
	route_mirror_overrun(b.mirror);
	begin();
	DUMPED(&b, .dst = "10.20.2.0/24", .hops = {{"10.10.0.1", 5}});
	route_mirror_dump_ends(b.mirror, false, b.now);
	assert_view(&b, A, "10.10.0.1%5");
	assert_view(&b, "10.20.2.0/24", "nothing");
	wants(true);
}

static void dump_object(const struct a_nexthop *n)
{
	b.is_dump = true;
	told_nexthop(&b, RTM_NEWNEXTHOP, n);
	b.is_dump = false;
}

static void objects(void **state)
{
	OBJECT(&b, .id = 7, .via = "10.10.0.1", .dev = 5);
	OBJECT(&b, .id = 8, .via = "10.10.0.2", .dev = 5);
	OBJECT(&b, .id = 9, .via = "10.10.0.3", .dev = 5);
	OBJECT(&b, .id = 10, .members = {{7, 0, 0, 0}, {8, 0, 0, 0}, {9, 0, 0, 0}, {11, 0, 0, 0}});
	ADDED(&b, .dst = A, .proto = BGP, .nhid = 10);
	route_mirror_overrun(b.mirror);
	begin();
	OBJECT_GONE(&b, .id = 9);
	OBJECT(&b, .id = 8, .via = "10.10.0.6", .dev = 5);
	dump_object(&(struct a_nexthop){.id = 8, .via = "10.10.0.5", .dev = 5});
	dump_object(&(struct a_nexthop){.id = 9, .via = "10.10.0.3", .dev = 5});
	dump_object(&(struct a_nexthop){.id = 11, .via = "10.10.0.4", .dev = 6});
	dump_object(&(struct a_nexthop){
		.id = 10, .members = {{7, 0, 0, 0}, {8, 0, 0, 0}, {11, 0, 0, 0}}});
	DUMPED(&b, .dst = A, .proto = BGP, .nhid = 10);
	whole();
	assert_view(&b, A, "10.10.0.4%6 10.10.0.6%5");
}

#define T(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(at_first),
		T(links),
		T(link_first_seen),
		T(link_of_an_object),
		T(gone_with_a_link),
		T(gone_in_an_overrun),
		T(gone_in_both),
		T(added_meanwhile),
		T(deleted_meanwhile),
		T(dumped_then_deleted),
		T(replaced_meanwhile),
		T(order_of_the_dump),
		T(missed_by_a_dump),
		T(hidden_by_a_set),
		T(order_of_the_hidden),
		T(shown_when_a_set_goes),
		T(twins),
		T(twin_gone_in_an_overrun),
		T(twin_deleted_meanwhile),
		T(told_along_meanwhile),
		T(set_without_its_oldest),
		T(doubt_meanwhile),
		T(failed),
		T(objects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Who sends by way of this node, of packets that were seen. */
#include "daemon/transit.h"
#include "unit.h"

static instant at(double s)
{
	return (instant){(int64_t)(s * 1e9)};
}

static struct transit_use use_of(uint32_t from, const char *source, const char *prefix)
{
	struct transit_use u = {.from = from, .to = 9};

	assert_true(ip_addr_parse(&u.source, source));
	assert_true(ip_prefix_parse(&u.prefix, prefix));
	return u;
}

static void see(struct transit *t, uint32_t from, const char *prefix, double s)
{
	struct transit_use u = use_of(from, "10.20.1.1", prefix);

	transit_see(t, &u, at(s));
}

static size_t count(struct transit *t, double s)
{
	size_t n;

	transit_list(t, at(s), &n);
	return n;
}

static void nothing_is_known_before_it_was_watched(void **state)
{
	struct transit *t = transit_new();

	assert_false(transit_is_known(t, at(100)));
	assert_false(transit_is_idle(t, at(100), NS_PER_S));
	transit_begin(t, at(100));
	assert_false(transit_is_known(t, at(102.9)));
	assert_true(transit_is_known(t, at(103)));
	assert_false(transit_is_idle(t, at(100.9), NS_PER_S));
	assert_true(transit_is_idle(t, at(101), NS_PER_S));
	transit_begin(t, INSTANT_NEVER);
	assert_false(transit_is_known(t, at(200)));
	transit_free(t);
}

static void each_is_known_for_a_while(void **state)
{
	struct transit *t = transit_new();
	const struct transit_use *list;
	size_t n;

	transit_begin(t, at(100));
	see(t, 2, "10.20.3.0/24", 100);
	see(t, 1, "10.20.3.0/24", 101);
	see(t, 1, "10.20.2.0/24", 101.5);
	see(t, 1, "10.20.2.0/24", 102);
	list = transit_list(t, at(102), &n);
	assert_int_equal(n, 3);
	assert_int_equal(list[0].prefix.bytes[2], 2);
	assert_int_equal(list[0].last.ns, at(102).ns);
	assert_int_equal(list[1].from, 1);
	assert_int_equal(list[2].from, 2);
	assert_int_equal(count(t, 103), 2);
	assert_int_equal(count(t, 104), 1);
	assert_false(transit_is_idle(t, at(102.9), NS_PER_S));
	assert_true(transit_is_idle(t, at(103), NS_PER_S));
	assert_int_equal(count(t, 105), 0);
	transit_begin(t, at(106)); /* anew */
	assert_false(transit_is_known(t, at(107)));
	transit_free(t);
}

static void strangers_are_told_apart_by_address(void **state)
{
	struct transit *t = transit_new();
	struct transit_use a = use_of(TRANSIT_NOBODY, "192.0.2.1", "fd20::/64");
	struct transit_use b = use_of(TRANSIT_NOBODY, "192.0.2.2", "fd20::/64");

	transit_begin(t, at(1));
	transit_see(t, &a, at(1));
	transit_see(t, &b, at(1));
	transit_see(t, &a, at(1));
	assert_int_equal(count(t, 1), 2);
	see(t, 1, "fd20::/64", 1); /* of whom the address plays no part */
	a.from = 1;
	transit_see(t, &a, at(1));
	assert_int_equal(count(t, 1), 3);
	transit_free(t);
}

/* However many there are; who is forgotten makes room. */
static void it_is_bounded(void **state)
{
	struct transit *t = transit_new();

	transit_begin(t, at(1));
	for (uint32_t i = 0; i < 3 * TRANSIT_MAX; i++)
		see(t, i, "10.20.2.0/24", 1);
	assert_int_equal(count(t, 1), TRANSIT_MAX);
	see(t, 4 * TRANSIT_MAX, "10.20.2.0/24", 5);
	assert_int_equal(count(t, 5), 1);
	transit_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_known_before_it_was_watched),
		cmocka_unit_test(each_is_known_for_a_while),
		cmocka_unit_test(strangers_are_told_apart_by_address),
		cmocka_unit_test(it_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

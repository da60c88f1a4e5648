/* SPDX-License-Identifier: MIT */
#include "base/mem.h"
#include "base/time.h"
#include "unit.h"

static void durations_parse(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
	} cases[] = {
		{"0s", 0},
		{"0ns", 0},
		{"7ns", 7},
		{"250us", 250 * NS_PER_US},
		{"100ms", 100 * NS_PER_MS},
		{"5s", 5 * NS_PER_S},
		{"005s", 5 * NS_PER_S},
		{"2m", 120 * NS_PER_S},
		{"1h", 3600 * NS_PER_S},
		{"9223372036854775807ns", INT64_MAX},
		{"9223372036s", 9223372036 * NS_PER_S},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t ns = -1;

		assert_true(duration_parse(&ns, cases[i].text));
		assert_int_equal(ns, cases[i].ns);
	}
}

static void durations_refused(void **state)
{
	static const char *const cases[] = {"", "5", "s", "-5s", "+5s", " 5s", "5 s", "5s ", "1.5s",
		"1h30m", "5S", "5sec", "5d", "0x5s", "9223372037s", "9223372036854775808ns",
		"99999999999999999999999ns", "2562048h"};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t ns = -1;

		if (duration_parse(&ns, cases[i]))
			fail_msg("taken: \"%s\"", cases[i]);
		assert_int_equal(ns, -1);
	}
}

static void days_parse(void **state)
{
	static const char *const refused[] = {"", "d", "-1d", "1.5d", "1d2h", "1D", "106752d",
		"000000000000000000000000000000001d"};
	int64_t ns = -1;

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		assert_false(duration_parse_days(&ns, refused[i]));
	assert_int_equal(ns, -1);
	assert_true(duration_parse_days(&ns, "2d") && ns == 2 * 24 * 3600 * NS_PER_S);
	assert_true(duration_parse_days(&ns, "106751d"));
	assert_true(duration_parse_days(&ns, "90s") && ns == 90 * NS_PER_S);
}

static void durations_format(void **state)
{
	static const struct {
		int64_t ns;
		const char *text;
	} cases[] = {
		{0, "0s"},
		{1, "1ns"},
		{1500, "1500ns"},
		{1000, "1us"},
		{250 * NS_PER_US, "250us"},
		{NS_PER_S, "1s"},
		{1500 * NS_PER_MS, "1500ms"},
		{60 * NS_PER_S, "1m"},
		{90 * NS_PER_S, "90s"},
		{5400 * NS_PER_S, "90m"},
		{7200 * NS_PER_S, "2h"},
		{INT64_MAX, "9223372036854775807ns"},
		{-5 * NS_PER_S, "-5s"},
		{INT64_MIN, "-9223372036854775808ns"},
	};
	char buf[32];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_ptr_equal(duration_format(cases[i].ns, buf), buf);
		assert_string_equal(buf, cases[i].text);
	}
}

static void durations_round_trip(void **state)
{
	struct chance c = chance_start("durations");
	char buf[32];

	for (int i = 0; i < 10000; i++) {
		int64_t ns = (int64_t)(chance_u64(&c) >> (1 + chance_below(&c, 63))), back;

		if (chance_below(&c, 2))
			ns = ns / NS_PER_MS * NS_PER_MS;
		assert_true(duration_parse(&back, duration_format(ns, buf)));
		assert_int_equal(back, ns);
	}
}

static void instants(void **state)
{
	const instant a = {1000}, b = {2500};

	assert_int_equal(instant_add(a, 1500).ns, b.ns);
	assert_int_equal(instant_diff(b, a), 1500);
	assert_int_equal(instant_diff(a, b), -1500);
	assert_true(instant_before(a, b));
	assert_false(instant_before(b, a));
	assert_false(instant_before(a, a));
	assert_int_equal(instant_min(a, b).ns, a.ns);
	assert_int_equal(instant_min(b, a).ns, a.ns);
	assert_int_equal(instant_min(a, INSTANT_NEVER).ns, a.ns);
	assert_false(instant_is_never(a));
}

static void never_is_later_than_all(void **state)
{
	assert_true(instant_is_never(INSTANT_NEVER));
	assert_true(instant_is_never(instant_add(INSTANT_NEVER, -5)));
	assert_true(instant_is_never(instant_add((instant){5}, INT64_MAX)));
	assert_true(instant_before((instant){INT64_MAX - 1}, INSTANT_NEVER));
	assert_int_equal(instant_add((instant){INT64_MIN + 1}, -5).ns, INT64_MIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations_parse),
		cmocka_unit_test(durations_refused),
		cmocka_unit_test(days_parse),
		cmocka_unit_test(durations_format),
		cmocka_unit_test(durations_round_trip),
		cmocka_unit_test(instants),
		cmocka_unit_test(never_is_later_than_all),
	};

	return cmocka_run_group_tests_name("time", tests, NULL, NULL);
}

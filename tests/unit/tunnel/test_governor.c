/* SPDX-License-Identifier: MIT */
/* When workers help, in virtual time: samples of a tenth of a second. */
#include "unit.h"

#include "tunnel/governor.h"

#define MS INT64_C(1000000)

/* Shares of the sample in percent; mbytes a second. */
static bool step(struct governor *g, int busy, int idle, uint64_t mbytes)
{
	struct governor_sample s = {100 * MS, busy * MS, idle * MS, mbytes * 100000};

	return governor_step(g, &s);
}

static void saturate(struct governor *g)
{
	governor_init(g);
	assert_false(step(g, 97, 90, 500));
	assert_true(step(g, 97, 90, 500));
}

/* Samples until it changes its mind, at most max. */
static unsigned until(
	struct governor *g, bool wanted, int busy, int idle, uint64_t mbytes, unsigned max)
{
	for (unsigned n = 1; n <= max; n++)
		if (step(g, busy, idle, mbytes) == wanted)
			return n;
	fail_msg("not within %u samples", max);
	return 0;
}

static void idle_direction_stays_alone(void **state)
{
	struct governor g;

	governor_init(&g);
	for (unsigned i = 0; i < 100; i++)
		assert_false(step(&g, 60, 140, 300));
}

static void no_idle_core_no_help(void **state)
{
	struct governor g;

	governor_init(&g);
	for (unsigned i = 0; i < 100; i++)
		assert_false(step(&g, 99, 20, 500));
}

static void one_busy_sample_is_not_enough(void **state)
{
	struct governor g;

	governor_init(&g);
	for (unsigned i = 0; i < 100; i++)
		assert_false(step(&g, i % 2 ? 99 : 50, 90, 500));
}

static void help_that_helps_stays(void **state)
{
	struct governor g;

	saturate(&g);
	/* No core is idle any more, and the thread itself is: that is what help looks like. */
	for (unsigned i = 0; i < 1000; i++)
		assert_true(step(&g, 55, 3, 800));
}

static void help_that_does_not_help_ends(void **state)
{
	struct governor g;

	saturate(&g);
	assert_int_equal(until(&g, false, 97, 20, 510, 10), 4);
}

static void trials_become_rarer(void **state)
{
	struct governor g;
	unsigned last = 0, n = 0;

	saturate(&g);
	for (unsigned i = 0; i < 10; i++) {
		until(&g, false, 97, 90, 500, 10);
		n = until(&g, true, 97, 90, 500, 700);
		assert_true(n >= last);
		assert_in_range(n, 10, 602);
		last = n;
	}
	assert_in_range(n, 599, 602);
	/* It helps at last: the next time is tried soon again. */
	for (unsigned i = 0; i < 20; i++)
		assert_true(step(&g, 60, 0, 900));
	until(&g, false, 20, 150, 100, 10);
	until(&g, true, 97, 90, 500, 4);
	until(&g, false, 97, 90, 500, 10);
	assert_in_range(until(&g, true, 97, 90, 500, 700), 10, 12);
}

static void help_ends_with_the_load(void **state)
{
	struct governor g;

	saturate(&g);
	for (unsigned i = 0; i < 20; i++)
		assert_true(step(&g, 55, 3, 800));
	assert_true(step(&g, 30, 100, 300)); /* a pause */
	assert_true(step(&g, 55, 3, 800));
	assert_int_equal(until(&g, false, 10, 150, 90, 10), 3);
}

static void samples_of_any_length(void **state)
{
	struct governor g;
	struct governor_sample busy = {250 * MS, 245 * MS, 200 * MS, 125000000},
			       none = {0, 0, 0, 0};

	governor_init(&g);
	for (unsigned i = 0; i < 5; i++)
		assert_false(governor_step(&g, &none));
	assert_false(governor_step(&g, &busy));
	assert_true(governor_step(&g, &busy));
	assert_in_range(g.rate_alone, 499999000, 500001000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(idle_direction_stays_alone),
		cmocka_unit_test(no_idle_core_no_help),
		cmocka_unit_test(one_busy_sample_is_not_enough),
		cmocka_unit_test(help_that_helps_stays),
		cmocka_unit_test(help_that_does_not_help_ends),
		cmocka_unit_test(trials_become_rarer),
		cmocka_unit_test(help_ends_with_the_load),
		cmocka_unit_test(samples_of_any_length),
	};

	return cmocka_run_group_tests_name("governor", tests, NULL, NULL);
}

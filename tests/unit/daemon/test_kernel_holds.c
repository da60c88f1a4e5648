/* SPDX-License-Identifier: MIT */
/* How long what the kernel's routes said counts. */
#include "kernel_bench.h"

/* --- what goes -----------------------------------------------------------------------------------
 */

static void test_a_withdrawal_counts_when_nothing_is_left_unread(void **state)
{
	struct bench *b = *state;

	stands(b, "10.20.2.0/24", "10.9.0.1");
	stands(b, "fd20:2::/48", "fd09::1");
	kernel_words_done(&b->words);
	goes(b, "10.20.2.0/24", ROUTE_WITHDRAWN);
	goes(b, "fd20:2::/48", ROUTE_WITHDRAWN);
	kernel_source_settle(b->source, b->now, &b->words);
	assert_int_equal(kernel_source_deadline(b->source).ns, b->now.ns + KERNEL_SOURCE_LEAVES);
	says(b, "");
	stands(b, "fd20:2::/48", "fd09::2"); /* FRR replaces by DEL and NEW */
	says(b, "fd20:2::/48 hub-b>site-2 hub-a>site-2~\n");
	settles(b);
	says(b, "10.20.2.0/24\n");
	passes(b, 10);
	says(b, "fd20:2::/48 hub-b>site-2\n");
	goes(b, "10.20.2.0/24", ROUTE_WITHDRAWN); /* never was */
	goes(b, "10.77.0.0/24", ROUTE_SWEPT);
	goes(b, "10.78.0.0/24", ROUTE_REFUSED);
	settles(b);
	says(b, "");
	assert_true(instant_is_never(kernel_source_deadline(b->source)));
}

static void test_what_was_swept_stays_while_a_next_hop_lives(void **state)
{
	struct bench *b = *state;

	stands(b, "10.20.2.0/24", "10.9.0.1 10.9.0.2");
	stands(b, "10.30.0.0/24", "10.9.0.1");
	stands(b, "10.20.3.0/24", "10.9.0.5");
	kernel_words_done(&b->words);
	goes(b, "10.20.2.0/24", ROUTE_SWEPT);
	goes(b, "10.30.0.0/24", ROUTE_SWEPT);
	dies(b, SITE_3);
	goes(b, "10.20.3.0/24", ROUTE_SWEPT); /* nobody is left who would carry it */
	settles(b);
	says(b, "10.20.3.0/24\n");
	refuses(b, "swept 2 10.20.2.0/24\n");
	passes(b, 2);
	goes(b, "10.20.2.0/24", ROUTE_SWEPT); /* a dump says so again */
	dies(b, HUB_A);
	says(b, "10.30.0.0/24\n");
	lives(b, HUB_A);
	stands(b, "10.20.2.0/24", "10.9.0.1 10.9.0.2"); /* the engine is back */
	says(b, "");
	refuses(b, "");
	passes(b, 100);
	says(b, "");
}

static void test_what_was_swept_stays_a_minute_at_most(void **state)
{
	struct bench *b = *state;

	stands(b, "10.20.2.0/24", "10.9.0.1");
	kernel_words_done(&b->words);
	goes(b, "10.20.2.0/24", ROUTE_SWEPT);
	settles(b);
	passes(b, 30);
	goes(b, "10.20.2.0/24", ROUTE_SWEPT);
	assert_int_equal(kernel_source_deadline(b->source).ns, at(1060).ns);
	passes(b, 29.9);
	says(b, "");
	passes(b, 0.1);
	says(b, "10.20.2.0/24\n");
	refuses(b, "");
	assert_int_equal(kernel_source_count(b->source), 0);
	/* Its writer withdraws what is held. */
	stands(b, "10.20.2.0/24", "10.9.0.1");
	goes(b, "10.20.2.0/24", ROUTE_SWEPT);
	goes(b, "10.20.2.0/24", ROUTE_WITHDRAWN);
	kernel_words_done(&b->words);
	settles(b);
	says(b, "10.20.2.0/24\n");
}

static void test_unreachable_is_no_owner_yet(void **state)
{
	struct bench *b = *state;

	stands(b, "10.20.2.0/24", "10.9.0.1");
	stands(b, "10.30.0.0/24", "10.9.0.1");
	stands(b, "10.20.3.0/24", "10.9.0.5");
	kernel_words_done(&b->words);
	goes(b, "10.20.2.0/24", ROUTE_REFUSED);
	goes(b, "10.30.0.0/24", ROUTE_REFUSED);
	goes(b, "10.20.3.0/24", ROUTE_REFUSED);
	settles(b);
	passes(b, 0.3);
	stands(b, "10.20.2.0/24", "10.9.0.2"); /* BIRD has found another path */
	says(b, "10.20.2.0/24 hub-b>site-2 hub-a>site-2~\n");
	goes(b, "10.30.0.0/24", ROUTE_WITHDRAWN); /* none */
	settles(b);
	says(b, "10.30.0.0/24\n");
	goes(b, "10.20.3.0/24", ROUTE_SWEPT); /* a short hold isn't made a long one */
	passes(b, 0.69);
	says(b, "");
	passes(b, 0.01);
	says(b, "10.20.3.0/24\n");
	/* An engine that is back from a sweep and refuses knows what it says. */
	stands(b, "10.20.3.0/24", "10.9.0.5");
	goes(b, "10.20.3.0/24", ROUTE_SWEPT);
	passes(b, 5);
	goes(b, "10.20.3.0/24", ROUTE_REFUSED);
	kernel_words_done(&b->words);
	refuses(b, "");
	passes(b, 1);
	says(b, "10.20.3.0/24\n");
}

/* --- next hops that leave ------------------------------------------------------------------------
 */

static void test_a_next_hop_that_leaves_a_set_lingers(void **state)
{
	struct bench *b = *state;

	stands(b, "10.20.2.0/24", "10.9.0.1 10.9.0.2");
	stands(b, "fd20:2::/48", "fd09::1 fd09::2");
	kernel_words_done(&b->words);
	passes(b, 100);
	stands(b, "10.20.2.0/24", "10.9.0.2");
	stands(b, "fd20:2::/48", "fd09::2");
	says(b, "10.20.2.0/24 hub-b>site-2 hub-a>site-2~\n"
		"fd20:2::/48 hub-b>site-2 hub-a>site-2~\n");
	assert_int_equal(kernel_source_deadline(b->source).ns, at(1110).ns);
	passes(b, 1);
	stands(b, "fd20:2::/48", "fd09::1 fd09::2"); /* it is back */
	says(b, "fd20:2::/48 hub-a>site-2 hub-b>site-2\n");
	stands(b, "10.20.2.0/24", "10.9.0.2*3"); /* what is said again makes it no longer */
	says(b, "10.20.2.0/24 hub-b>site-2*3 hub-a>site-2~\n");
	settles(b);
	passes(b, 8.9);
	says(b, "");
	passes(b, 0.1);
	says(b, "10.20.2.0/24 hub-b>site-2*3\n");
	assert_true(instant_is_never(kernel_source_deadline(b->source)));
	refuses(b, "");
}

static void test_what_an_engine_that_starts_leaves_out_is_kept(void **state)
{
	struct bench *b = *state;

	stands(b, "10.20.2.0/24", "10.9.0.1 10.9.0.2");
	stands(b, "10.40.1.0/24", "10.9.0.5");
	kernel_words_done(&b->words);
	passes(b, 100);
	starts(b);
	passes(b, 1);
	stands(b, "10.20.2.0/24", "10.9.0.2"); /* it has heard of one only */
	stands(b, "10.40.1.0/24", "10.9.0.2");
	says(b, "10.20.2.0/24 hub-b>site-2 hub-a>site-2\n10.40.1.0/24 hub-b>site-3 site-3\n");
	stands(b, "10.20.2.0/24", "10.9.0.1 10.9.0.2");
	says(b, "10.20.2.0/24 hub-a>site-2 hub-b>site-2\n");
	passes(b, 10);
	says(b, "10.40.1.0/24 hub-b>site-3\n");
	stands(b, "10.20.2.0/24", "10.9.0.1"); /* by now it knows */
	says(b, "10.20.2.0/24 hub-a>site-2 hub-b>site-2~\n");
}

static void test_who_is_down_or_may_not_does_not_linger(void **state)
{
	struct bench *b = *state;

	stands(b, "10.20.2.0/24", "10.9.0.1 10.9.0.2");
	stands(b, "10.40.1.0/24", "10.9.0.1 10.9.0.5");
	stands(b, "10.40.2.0/24", "10.9.0.1 10.9.0.5");
	kernel_words_done(&b->words);
	dies(b, HUB_A);
	stands(b, "10.20.2.0/24", "10.9.0.2");
	says(b, "10.20.2.0/24 hub-b>site-2\n");
	lives(b, HUB_A);
	stands(b, "10.40.1.0/24", "10.9.0.1");
	stands(b, "10.40.2.0/24", "10.9.0.1");
	kernel_words_done(&b->words);
	bench_inventory(b)->nodes.items[SITE_3].n_may_announce = 0;
	bench_may_announce(b->build, SITE_3, "10.40.1.0/24");
	bench_may_announce(b->build, HUB_A, "10.40.0.0/16");
	bench_take(b);
	stands(b, "10.20.2.0/24", "10.9.0.2");
	stands(b, "10.40.1.0/24", "10.9.0.1");
	stands(b, "10.40.2.0/24", "10.9.0.1");
	settles(b);
	says(b, "10.40.2.0/24 hub-a\n"); /* the other one lingers on */
	passes(b, 10);
	says(b, "10.40.1.0/24 hub-a>site-3\n");
}

static void test_what_lingers_goes_with_the_route(void **state)
{
	struct bench *b = *state;

	stands(b, "10.20.2.0/24", "10.9.0.1 10.9.0.2");
	stands(b, "10.20.2.0/24", "10.9.0.2");
	stands(b, "10.40.1.0/24", "10.9.0.1 10.9.0.2");
	stands(b, "10.40.1.0/24", "10.9.0.1");
	kernel_words_done(&b->words);
	goes(b, "10.20.2.0/24", ROUTE_WITHDRAWN);
	goes(b, "10.40.1.0/24", ROUTE_SWEPT);
	settles(b);
	says(b, "10.20.2.0/24\n");
	refuses(b, "swept 1 10.40.1.0/24\n");
	passes(b, 20); /* held as it was */
	says(b, "");
	stands(b, "10.40.1.0/24", "10.9.0.1");
	passes(b, 10);
	says(b, "10.40.1.0/24 hub-a>site-3\n");
	assert_true(instant_is_never(kernel_source_deadline(b->source)));
}

/* --- other facts ---------------------------------------------------------------------------------
 */

static void test_another_generation_says_what_differs(void **state)
{
	struct bench *b = *state;

	stands(b, "10.20.2.0/24", "10.9.0.1");
	stands(b, "10.40.7.0/24", "10.9.0.1");
	stands(b, "10.40.8.0/24", "10.9.0.5");
	stands(b, "10.40.9.0/24", "10.9.0.5");
	kernel_words_done(&b->words);
	goes(b, "10.40.8.0/24", ROUTE_SWEPT);
	goes(b, "10.40.9.0/24", ROUTE_SWEPT);
	bench_inventory(b);
	bench_take(b);
	stands(b, "10.20.2.0/24", "10.9.0.1");
	stands(b, "10.40.7.0/24", "10.9.0.1");
	settles(b);
	says(b, "");
	refuses(b, "swept 2 10.40.8.0/24\n");
	bench_inventory(b)->nodes.items[SITE_3].n_may_announce = 0;
	bench_may_announce(b->build, SITE_3, "10.40.9.0/24");
	b->build->nodes.items[HUB_A].weight = 4;
	bench_take(b);
	stands(b, "10.20.2.0/24", "10.9.0.1");
	stands(b, "10.40.7.0/24", "10.9.0.1");
	settles(b);
	says(b, "10.20.2.0/24 hub-a>site-2*4\n10.40.7.0/24\n10.40.8.0/24\n");
	refuses(b, "may-not 1 10.40.7.0/24 hub-a\nswept 1 10.40.9.0/24\n");
	passes(b, 60);
	says(b, "10.40.9.0/24\n");
}

static void test_what_is_not_given_again_went(void **state)
{
	struct bench *b = *state;

	stands(b, "10.20.2.0/24", "10.9.0.1");
	stands(b, "10.20.3.0/24", "dev");
	kernel_words_done(&b->words);
	kernel_source_set(b->source, &b->facts);
	says(b, "");
	settles(b);
	says(b, "10.20.2.0/24\n");
	refuses(b, "");
}

static void test_a_peer_that_is_none_any_more(void **state)
{
	struct bench *b = *state;

	stands(b, "10.20.3.0/24", "10.9.0.5");
	stands(b, "10.40.1.0/24", "10.9.0.5 10.9.0.1");
	stands(b, "10.40.2.0/24", "10.9.0.5 10.9.0.1");
	kernel_words_done(&b->words);
	goes(b, "10.20.3.0/24", ROUTE_SWEPT);
	goes(b, "10.40.1.0/24", ROUTE_SWEPT);
	bench_inventory(b)->links.n = 0;
	bench_take(b);
	stands(b, "10.40.2.0/24", "10.9.0.5 10.9.0.1");
	settles(b);
	says(b, "10.40.2.0/24 hub-a>site-3\n10.20.3.0/24\n10.40.1.0/24 hub-a>site-3\n");
	refuses(b, "unknown-hop 1 10.40.2.0/24\nswept 1 10.40.1.0/24\n");
}

static void unsay(struct bench *b, const char *prefix)
{
	ip_prefix p = mesh_build_prefix(prefix);

	kernel_source_unsay(b->source, &p);
}

static void test_what_nobody_heard_is_said_anew(void **state)
{
	struct bench *b = *state;

	stands(b, "10.20.2.0/24", "10.9.0.1");
	stands(b, "10.40.1.0/24", "10.9.0.1");
	stands(b, "10.40.2.0/24", "10.9.0.1");
	goes(b, "10.40.1.0/24", ROUTE_SWEPT);
	goes(b, "10.40.2.0/24", ROUTE_WITHDRAWN);
	settles(b);
	kernel_words_done(&b->words);
	unsay(b, "10.20.2.0/24");
	unsay(b, "10.40.1.0/24"); /* held */
	unsay(b, "10.40.2.0/24"); /* its end */
	unsay(b, "10.40.3.0/24"); /* of which nothing is known any more */
	stands(b, "10.20.2.0/24", "10.9.0.1");
	says(b, "10.20.2.0/24 hub-a>site-2\n");
	settles(b);
	says(b, "10.40.1.0/24 hub-a>site-3\n10.40.2.0/24\n10.40.3.0/24\n");
	settles(b);
	says(b, "");
	unsay(b, "10.20.2.0/24"); /* and refused by now */
	stands(b, "10.20.2.0/24", "dev");
	settles(b);
	says(b, "10.20.2.0/24\n");
	refuses(b, "no-gateway 1 10.20.2.0/24\nswept 1 10.40.1.0/24\n");
}

/* --- many ----------------------------------------------------------------------------------------
 */

#define MANY 100000

static ip_prefix nth(unsigned i)
{
	ip_prefix p = mesh_build_prefix("10.40.0.0/32");

	p.bytes[1] = (uint8_t)(40 + (i >> 16));
	p.bytes[2] = (uint8_t)(i >> 8);
	p.bytes[3] = (uint8_t)i;
	return p;
}

static void tell_many(struct bench *b, enum route_state state, const char *hops)
{
	struct route_hop list[ROUTE_HOPS_MAX];
	struct route_view v = {.state = state, .protocol = 12, .hops = list};

	v.n_hops = bench_hops(hops, list);
	for (unsigned i = 0; i < MANY; i++) {
		v.prefix = nth(i);
		kernel_source_take(b->source, &v, b->now, &b->words);
	}
}

static size_t words_of(struct bench *b)
{
	size_t n = b->words.events.n;

	kernel_words_done(&b->words);
	return n;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void test_a_hundred_thousand(void **state)
{
	struct bench *b = *state;
	double from = seconds();
	kernel_troubles troubles = {0};

	bench_inventory(b);
	bench_may_announce(b->build, SITE_3, "10.41.0.0/16");
	bench_take(b);
	tell_many(b, ROUTE_STANDS, "10.9.0.1 10.9.0.2");
	assert_int_equal(words_of(b), MANY);
	tell_many(b, ROUTE_STANDS, "10.9.0.2 10.9.0.1");
	tell_many(b, ROUTE_STANDS, "10.9.0.1 10.9.0.2");
	assert_int_equal(words_of(b), 2 * MANY);
	tell_many(b, ROUTE_SWEPT, "");
	settles(b);
	assert_int_equal(words_of(b), 0);
	kernel_source_troubles(b->source, &troubles);
	assert_int_equal(troubles.n, 1);
	assert_int_equal(troubles.items[0].n, MANY);
	vec_done(&troubles);
	dies(b, HUB_A);
	assert_int_equal(words_of(b), 0);
	tell_many(b, ROUTE_STANDS, "10.9.0.1 10.9.0.2");
	assert_int_equal(words_of(b), 0);
	kernel_source_set(b->source, &b->facts);
	tell_many(b, ROUTE_STANDS, "10.9.0.1 10.9.0.2");
	settles(b);
	assert_int_equal(words_of(b), 0);
	tell_many(b, ROUTE_WITHDRAWN, "");
	settles(b);
	assert_int_equal(words_of(b), MANY);
	assert_int_equal(kernel_source_count(b->source), 0);
	print_message("8 times %d prefixes: %.2f s\n", MANY, seconds() - from);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BENCH_TEST(test_a_withdrawal_counts_when_nothing_is_left_unread),
		BENCH_TEST(test_what_was_swept_stays_while_a_next_hop_lives),
		BENCH_TEST(test_what_was_swept_stays_a_minute_at_most),
		BENCH_TEST(test_unreachable_is_no_owner_yet),
		BENCH_TEST(test_a_next_hop_that_leaves_a_set_lingers),
		BENCH_TEST(test_what_an_engine_that_starts_leaves_out_is_kept),
		BENCH_TEST(test_who_is_down_or_may_not_does_not_linger),
		BENCH_TEST(test_what_lingers_goes_with_the_route),
		BENCH_TEST(test_another_generation_says_what_differs),
		BENCH_TEST(test_what_is_not_given_again_went),
		BENCH_TEST(test_a_peer_that_is_none_any_more),
		BENCH_TEST(test_what_nobody_heard_is_said_anew),
		BENCH_TEST(test_a_hundred_thousand),
	};

	return cmocka_run_group_tests_name("kernel_holds", tests, NULL, NULL);
}

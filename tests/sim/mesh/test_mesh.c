/* SPDX-License-Identifier: MIT */
/*
 * Whole meshes in virtual time (world.h). Fixed seeds first, then fresh ones for as long as
 * SHUNT_TEST_SECONDS says; SHUNT_TEST_SEED plays that one story alone. A failure prints the seed
 * and the trace of the shortest version of its story.
 */
#include "story.h"
#include "story_mesh.h"

#include <inttypes.h>

/* Sanitized, a story takes four times as long. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIXED_SEEDS 20
#define FIXED_WITH_ENGINES 12
#endif
#endif
#ifndef FIXED_SEEDS
#define FIXED_SEEDS 60
#define FIXED_WITH_ENGINES 30
#endif
#define INCIDENTS 30

/* Stories that went wrong once. */
static const uint64_t found[] = {2721562830067772489, 9382338568958263828U, 12375796275222541635U,
	11591480612564014050U, 7303097600114283813, 12236641730254136323U, 2224993830782508862,
	4611686018427387985, 4611686018427388007, 4802297952529632885, 2343704686581230855,
	11554620660992269776U, 575465487133791612, 15584265325854856621U, 10822568302545915495U,
	5691868179735087877, 5209067289661696214, 6201849979797756141, 5091472223112123743,
	7290220892853750580, 8037593373769334673, 9989289496605232786U, 12110696577428217276U,
	3341706052285203768};

static void play_one(uint64_t seed, struct story_figures *f)
{
	AUTO_BUF trace = {0};

	if (story_play(seed, INCIDENTS, f, &trace))
		return;
	fprintf(stderr, "SHUNT_TEST_SEED=%" PRIu64 " fails:\n%s", seed, buf_str(&trace));
	fail();
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void test_stories(void **state)
{
	const char *text = getenv("SHUNT_TEST_SECONDS");
	double end = seconds() + (text ? strtod(text, NULL) : 5);
	struct story_figures f = {0};
	uint64_t stories = 0;
	struct chance c;

	if (getenv("SHUNT_TEST_SEED")) {
		c = chance_start("mesh");
		play_one(c.state, &f);
		return;
	}
	c = chance_start("mesh");
	for (size_t i = 0; i < sizeof(found) / sizeof(found[0]); i++)
		play_one(found[i], &f);
	for (uint64_t seed = 1; seed <= FIXED_SEEDS; seed++)
		play_one(seed, &f);
	for (uint64_t seed = 4; seed <= FIXED_WITH_ENGINES; seed++)
		play_one(seed | STORY_WITH_ENGINES, &f);
	for (; seconds() < end; stories++)
		play_one(chance_u64(&c), &f);
	print_message("%" PRIu64 " incidents in %" PRIu64 " stories, %" PRIu64 " packets, %" PRIu64
		      " flows judged, %.1f hours simulated\n",
		f.incidents, FIXED_SEEDS + FIXED_WITH_ENGINES + stories, f.packets, f.flows,
		(double)f.simulated_ns / 3.6e12);
	assert_true(f.flows > 1000); /* or nothing was judged */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

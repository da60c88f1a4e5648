/* SPDX-License-Identifier: MIT */
/*
 * Whole meshes in virtual time for as long as it is told: `bench/years` runs it. One line of JSON
 * at the end; a story that fails is printed, shortened, and ends it with 1.
 *
 *	years SECONDS [FIRST-SEED [none|only]]
 *
 * none, only: of stories in which routing engines run; else one in eight is.
 */
#include "story.h"
#include "story_mesh.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#define INCIDENTS 30

static double seconds_of(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int fail_with(uint64_t seed, const struct buf *trace)
{
	printf("%s", buf_str(trace));
	fprintf(stderr, "years: SHUNT_TEST_SEED=%" PRIu64 " fails\n", seed);
	return 1;
}

static void report(const struct story_figures *f, uint64_t stories, double cpu)
{
	printf("{\"stories\": %" PRIu64 ", \"incidents\": %" PRIu64 ", \"packets\": %" PRIu64
	       ", \"operations\": %" PRIu64 ", \"flows\": %" PRIu64
	       ", \"simulated_hours\": %.1f, \"cpu_seconds\": %.1f, "
	       "\"incidents_per_cpu_hour\": %.0f}\n",
		stories, f->incidents, f->packets, f->operations, f->flows,
		(double)f->simulated_ns / 3.6e12, cpu, (double)f->incidents / cpu * 3600);
}

/* The next story; any, or as the word says. */
static uint64_t next_seed(struct chance *c, const char *engines)
{
	uint64_t seed = chance_u64(c);

	if (engines && !strcmp(engines, "only"))
		return (seed >> 3) | STORY_WITH_ENGINES;
	while (engines && story_has_engines(seed))
		seed = chance_u64(c);
	return seed;
}

int main(int argc, char **argv)
{
	double end = seconds_of(CLOCK_MONOTONIC) + (argc > 1 ? strtod(argv[1], NULL) : 0);
	struct chance c = {argc > 2 ? strtoull(argv[2], NULL, 0) : (uint64_t)time(NULL)};
	struct story_figures f = {0};
	uint64_t stories = 0;
	const char *engines = argc > 3 ? argv[3] : NULL;

	if (argc < 2 || argc > 4 ||
		(engines && strcmp(engines, "none") && strcmp(engines, "only"))) {
		fputs("usage: years SECONDS [FIRST-SEED [none|only]]\n", stderr);
		return 2;
	}
	for (; seconds_of(CLOCK_MONOTONIC) < end; stories++) {
		AUTO_BUF trace = {0};
		uint64_t seed = next_seed(&c, engines);

		if (!story_play(seed, INCIDENTS, &f, &trace))
			return fail_with(seed, &trace);
	}
	report(&f, stories, seconds_of(CLOCK_PROCESS_CPUTIME_ID));
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Poor lines, in a star of two hubs and two sites: one line loses packets, one way or both, evenly
 * or in bursts; who calls it poor, how soon, for how long, and what the other end says. And what
 * looks like loss and isn't: a thread that sleeps, a restart, a cut.
 */
#include "base/mem.h"
#include "live_world.h"

#define MS NS_PER_MS
#define S NS_PER_S
#define SEEDS 8

enum { HUB_A, HUB_B, SITE_1, SITE_2, NODES };

static void begin(struct world *w, uint64_t seed, int64_t interval_ns, unsigned multiplier)
{
	static const char *const names[] = {"hub-a", "hub-b", "site-1", "site-2"};

	world_init(w, seed);
	w->is_loud = getenv("SHUNT_TEST_TRACE") != NULL;
	w->is_star = true;
	w->interval_ns = interval_ns;
	w->multiplier = multiplier;
	for (unsigned i = 0; i < NODES; i++) {
		world_add(w, i, names[i], LIVE_PROBE_BFD, true);
		w->nodes[i].is_transit = i <= HUB_B;
	}
	for (unsigned i = 0; i < NODES; i++)
		world_start(w, i, false, false);
	world_run(w, 5 * S);
}

static bool is_poor(const struct world *w, unsigned node, unsigned peer)
{
	return w->nodes[node].verdicts[peer].cause == LIVE_CAUSE_POOR_LINE;
}

static bool is_last(const struct world *w, unsigned node, unsigned peer)
{
	return w->nodes[node].verdicts[peer].state == LIVE_LAST_RESORT;
}

static bool is_up(const struct world *w, unsigned node, unsigned peer)
{
	return w->nodes[node].verdicts[peer].state == LIVE_UP;
}

/* What was seen in a while, at the two ends of the line between hub-a and site-1. */
struct tally {
	int64_t first_ms;	   /* one end took it for poor; -1: never */
	int64_t hub_ms, site_ms;   /* so long each did */
	int64_t last_ms, split_ms; /* both took the other for last resort; one alone, and
				    * the other for up */
	int64_t others_ms;	   /* any other line was called poor */
};

static void look(const struct world *w, struct tally *t, int64_t ms)
{
	bool hub = is_poor(w, HUB_A, SITE_1), site = is_poor(w, SITE_1, HUB_A);
	bool hub_last = is_last(w, HUB_A, SITE_1), site_last = is_last(w, SITE_1, HUB_A);

	if ((hub || site) && t->first_ms < 0)
		t->first_ms = ms;
	t->hub_ms += hub ? 10 : 0;
	t->site_ms += site ? 10 : 0;
	t->last_ms += hub_last && site_last ? 10 : 0;
	t->split_ms +=
		(hub_last && is_up(w, SITE_1, HUB_A)) || (site_last && is_up(w, HUB_A, SITE_1)) ? 10
												: 0;
	for (unsigned a = 0; a < NODES; a++)
		for (unsigned b = 0; b < NODES; b++)
			if (is_poor(w, a, b) && a + b != HUB_A + SITE_1)
				t->others_ms += 10;
}

static struct tally watch(struct world *w, int64_t seconds)
{
	struct tally t = {.first_ms = -1};

	for (int64_t ms = 0; ms < seconds * 1000; ms += 10) {
		world_run(w, 10 * MS);
		look(w, &t, ms);
	}
	return t;
}

static void lose(struct world *w, bool to_hub, bool to_site, unsigned permille)
{
	world_say(w, "(%u of 1000 are lost%s%s)", permille, to_hub ? " to hub-a" : "",
		to_site ? " to site-1" : "");
	w->lossy[SITE_1][HUB_A] = to_hub ? permille : 0;
	w->lossy[HUB_A][SITE_1] = to_site ? permille : 0;
}

static const struct {
	unsigned permille;
	bool to_hub, to_site;
	int64_t within_s; /* poor; 0: never */
} losses[] = {
	{50, true, false, 0},
	{50, true, true, 0},
	{200, true, false, 40},
	{200, false, true, 40},
	{200, true, true, 30},
	{400, true, false, 20},
	{400, false, true, 20},
	{400, true, true, 20},
};

static void begin_losing(struct world *w, uint64_t seed, size_t i)
{
	begin(w, seed, 100 * MS, 3);
	lose(w, losses[i].to_hub, losses[i].to_site, losses[i].permille);
}

/* About once a day the session of a line that loses a twentieth both ways runs out three times in a
 * minute, and the line is poor for that. */
static void check_left_alone(struct chance *c, size_t i)
{
	int n_poor = 0;

	for (int k = 0; k < SEEDS; k++) {
		struct world w;
		struct tally t;

		begin_losing(&w, chance_u64(c), i);
		t = watch(&w, 120);
		assert_int_equal(t.others_ms, 0);
		n_poor += t.first_ms >= 0;
		world_done(&w);
	}
	assert_in_range(n_poor, 0, 1);
}

static void check_poor(uint64_t seed, size_t i)
{
	struct world w;
	struct tally t;

	begin_losing(&w, seed, i);
	t = watch(&w, 120);
	assert_int_equal(t.others_ms, 0);
	assert_in_range(t.first_ms, 1000, losses[i].within_s * 1000);
	/* Where sessions run out it may be down for a while. */
	assert_true(t.last_ms > (120000 - t.first_ms) * (losses[i].permille < 400 ? 70 : 40) / 100);
	assert_true(t.split_ms < 120000 / 50);
	lose(&w, true, true, 0);
	world_run(&w, 65 * S);
	assert_int_equal(w.nodes[HUB_A].verdicts[SITE_1].state, LIVE_UP);
	assert_int_equal(w.nodes[SITE_1].verdicts[HUB_A].state, LIVE_UP);
	world_done(&w);
}

/* What is lost shows at the end that it leads to, and both ends move. */
static void test_losses(void **state)
{
	struct chance c = chance_start("losses");

	for (size_t i = 0; i < ARRAY_SIZE(losses); i++) {
		if (!losses[i].within_s)
			check_left_alone(&c, i);
		for (int k = 0; losses[i].within_s && k < SEEDS; k++)
			check_poor(chance_u64(&c), i);
	}
}

/* One that comes and goes is held longer each time. */
static void test_again_and_again(void **state)
{
	int64_t before = 0;
	struct world w;

	begin(&w, 5, 100 * MS, 3);
	for (int i = 0; i < 3; i++) {
		struct tally t;

		lose(&w, true, false, 300);
		world_run(&w, 30 * S);
		assert_true(is_poor(&w, HUB_A, SITE_1));
		lose(&w, true, false, 0);
		t = watch(&w, 70);
		assert_true(t.hub_ms > before + 3000);
		assert_false(is_poor(&w, HUB_A, SITE_1));
		before = t.hub_ms;
	}
	world_done(&w);
}

/* Less than a fiftieth is never called poor, on all lines, in hours. */
static void test_never(void **state)
{
	struct chance c = chance_start("never");

	for (int k = 0; k < 4; k++) {
		struct world w;

		begin(&w, chance_u64(&c), k % 2 ? 30 * MS : 100 * MS, 3);
		w.loss_permille = 20;
		for (int i = 0; i < 3600; i++) {
			world_run(&w, 1 * S);
			for (unsigned a = 0; a < NODES; a++)
				for (unsigned b = 0; b < NODES; b++)
					assert_false(is_poor(&w, a, b));
		}
		world_done(&w);
	}
}

static void blink(struct world *w, int64_t every_ms, int64_t for_ms, int times)
{
	for (int i = 0; i < times; i++) {
		world_cut(w, SITE_1, HUB_A, true);
		world_run(w, for_ms * MS);
		world_cut(w, SITE_1, HUB_A, false);
		world_run(w, (every_ms - for_ms) * MS);
	}
}

/* Bursts count by what they take, not by how often they come. */
static void test_bursts(void **state)
{
	struct world w;

	begin(&w, 6, 100 * MS, 3);
	blink(&w, 8000, 150, 60);
	assert_false(is_poor(&w, HUB_A, SITE_1));
	blink(&w, 1000, 150, 60);
	assert_true(is_poor(&w, HUB_A, SITE_1));
	assert_false(is_poor(&w, SITE_1, HUB_A));
	assert_true(is_last(&w, SITE_1, HUB_A));
	world_done(&w);
}

/* Several lines of one hub lose at once: when one is called poor so are the others, if they look
 * like it at all. */
static void test_together(void **state)
{
	struct chance c = chance_start("together");
	int64_t apart_ms = 0;

	for (int k = 0; k < SEEDS; k++) {
		struct world w;

		begin(&w, chance_u64(&c), 100 * MS, 3);
		for (unsigned i = HUB_B; i < NODES; i++)
			w.lossy[i][HUB_A] = 200;
		for (int64_t ms = 0; ms < 60000; ms += 10) {
			world_run(&w, 10 * MS);
			if (is_up(&w, SITE_1, HUB_A) != is_up(&w, SITE_2, HUB_A))
				apart_ms += 10;
		}
		assert_false(is_up(&w, SITE_1, HUB_A) || is_up(&w, SITE_2, HUB_A));
		world_done(&w);
	}
	print_message("the sites were apart for %lld ms a minute\n", (long long)apart_ms / SEEDS);
	assert_true(apart_ms / SEEDS < 6000);
}

/* The hub's thread sleeps again and again. Words gather meanwhile, and some are too many when it
 * wakes: its own fault. */
static void test_asleep(void **state)
{
	struct world w;

	begin(&w, 7, 100 * MS, 60);
	for (int i = 0; i < 40; i++) {
		world_sleep(&w, HUB_A, 4 * S);
		world_run(&w, 5 * S);
		for (unsigned b = 0; b < NODES; b++) {
			assert_false(is_poor(&w, HUB_A, b));
			assert_false(is_poor(&w, b, HUB_A));
		}
	}
	world_done(&w);
}

/* Restarts and cuts, one after the other, are neither. */
static void test_accidents(void **state)
{
	struct world w;

	begin(&w, 8, 100 * MS, 3);
	for (int i = 0; i < 6; i++) {
		world_kill(&w, SITE_1);
		world_run(&w, 1 * S);
		world_start(&w, SITE_1, false, true);
		world_run(&w, 10 * S);
		world_cut_both(&w, HUB_A, SITE_1, true);
		world_run(&w, 12 * S);
		world_cut_both(&w, HUB_A, SITE_1, false);
		world_run(&w, 10 * S);
		assert_false(is_poor(&w, HUB_A, SITE_1));
		assert_false(is_poor(&w, SITE_1, HUB_A));
	}
	world_done(&w);
}

/* The site's daemon dies while the hub finds the line poor: nothing shows that it is clean, and the
 * site's device stays as it is, until the daemon is back. */
static void test_silent(void **state)
{
	struct world w;

	begin(&w, 9, 100 * MS, 3);
	lose(&w, true, false, 400);
	while (!is_poor(&w, HUB_A, SITE_1))
		world_run(&w, 10 * MS);
	lose(&w, true, false, 0);
	world_run(&w, 500 * MS);
	world_kill(&w, SITE_1);
	for (int i = 0; i < 900; i++) {
		world_run(&w, 100 * MS);
		assert_true(is_poor(&w, HUB_A, SITE_1));
		assert_false(is_poor(&w, HUB_B, SITE_1));
	}
	world_start(&w, SITE_1, false, true);
	world_run(&w, 20 * S);
	assert_true(is_up(&w, HUB_A, SITE_1) && is_up(&w, SITE_1, HUB_A));
	world_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_losses),
		cmocka_unit_test(test_again_and_again),
		cmocka_unit_test(test_never),
		cmocka_unit_test(test_bursts),
		cmocka_unit_test(test_together),
		cmocka_unit_test(test_asleep),
		cmocka_unit_test(test_accidents),
		cmocka_unit_test(test_silent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

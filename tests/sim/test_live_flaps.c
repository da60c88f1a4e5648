/* SPDX-License-Identifier: MIT */
/*
 * Lines that lose packets, in a star of two hubs and three sites: whose fault it is, who holds, and
 * whether both ends of every line say the same. Random, over many seeds; SHUNT_TEST_TRACE=1 prints
 * what happens.
 */
#include "base/mem.h"
#include "live/flaps.h"
#include "live_world.h"

#define MS NS_PER_MS
#define S NS_PER_S
#define SEEDS 12
#define MINUTES 2

enum { HUB_A, HUB_B, SITE_1, SITE_2, SITE_3, NODES };

static void begin(struct world *w, uint64_t seed)
{
	static const char *const names[] = {"hub-a", "hub-b", "site-1", "site-2", "site-3"};

	world_init(w, seed);
	w->is_loud = getenv("SHUNT_TEST_TRACE") != NULL;
	w->is_star = true;
	for (unsigned i = 0; i < NODES; i++) {
		world_add(w, i, names[i], LIVE_PROBE_BFD, true);
		w->nodes[i].is_transit = i <= HUB_B;
	}
	for (unsigned i = 0; i < NODES; i++)
		world_start(w, i, false, false);
	world_run(w, 5 * S);
}

static void lose(struct world *w, unsigned from, unsigned to, unsigned permille)
{
	world_say(
		w, "(%s -> %s loses %u of 1000)", w->nodes[from].name, w->nodes[to].name, permille);
	w->lossy[from][to] = permille;
}

static void lose_around(struct world *w, unsigned node, bool in, bool out, unsigned permille)
{
	for (unsigned i = 0; i < NODES; i++) {
		if (in && i != node)
			lose(w, i, node, permille);
		if (out && i != node)
			lose(w, node, i, permille);
	}
}

/* Milliseconds out of MINUTES in which sites count the hub as up, summed over the sites, and in
 * which one site does while another takes it for last resort. */
struct tally {
	int64_t up_ms, split_ms;
};

static struct tally watch(struct world *w, unsigned hub)
{
	struct tally t = {0};

	for (int64_t ms = 0; ms < MINUTES * 60000; ms += 10) {
		bool is_up = false, is_last = false;

		world_run(w, 10 * MS);
		for (unsigned i = SITE_1; i <= SITE_3; i++) {
			enum live_state s = w->nodes[i].verdicts[hub].state;

			t.up_ms += s == LIVE_UP ? 10 : 0;
			is_up |= s == LIVE_UP;
			is_last |= s == LIVE_LAST_RESORT;
		}
		t.split_ms += is_up && is_last ? 10 : 0;
	}
	return t;
}

static const struct {
	const char *what;
	bool in, out;
	unsigned permille;
} losses[] = {
	{"a fifth on its input", true, false, 200},
	{"a fifth on its output", false, true, 200},
	{"a third on its input", true, false, 333},
	{"a third on its output", false, true, 333},
	{"a fifth both ways", true, true, 200},
};

static void test_lossy_hub(void **state)
{
	struct chance c = chance_start("lossy hub");

	for (size_t i = 0; i < ARRAY_SIZE(losses); i++) {
		struct tally sum = {0};
		const int64_t all = SEEDS * MINUTES * 60000;

		for (int k = 0; k < SEEDS; k++) {
			struct world w;
			struct tally t;

			begin(&w, chance_u64(&c));
			lose_around(&w, HUB_A, losses[i].in, losses[i].out, losses[i].permille);
			t = watch(&w, HUB_A);
			sum.up_ms += t.up_ms;
			sum.split_ms += t.split_ms;
			/* Or it was cut off from all at once, again and again, and held for
			 * that. */
			assert_true(w.nodes[HUB_A].was_flapping ||
				    t.up_ms < 3 * MINUTES * 60000 * 5 / 100);
			assert_false(w.nodes[HUB_B].was_flapping);
			/* All is well again, and stays so. */
			lose_around(&w, HUB_A, losses[i].in, losses[i].out, 0);
			world_run(&w, 65 * S);
			for (unsigned s = SITE_1; s <= SITE_3; s++)
				assert_int_equal(w.nodes[s].verdicts[HUB_A].state, LIVE_UP);
			assert_false(live_is_flapping(w.nodes[HUB_A].live));
			world_done(&w);
		}
		print_message("%s: up for %lld %%, the sites split for %lld %%\n", losses[i].what,
			(long long)(sum.up_ms * 100 / 3 / all),
			(long long)(sum.split_ms * 100 / all));
		assert_true(sum.up_ms / 3 < all * 40 / 100);
		assert_true(sum.split_ms < all * 5 / 100);
	}
}

/* One site's own line is bad: no hub holds for that, the site itself does. */
static void test_lossy_site(void **state)
{
	struct chance c = chance_start("lossy site");
	unsigned held = 0;

	for (int k = 0; k < SEEDS; k++) {
		struct world w;

		begin(&w, chance_u64(&c));
		lose_around(&w, SITE_1, true, k % 2, 333);
		watch(&w, HUB_A);
		held += w.nodes[SITE_1].was_flapping;
		for (unsigned i = 0; i < NODES; i++)
			assert_true(i == SITE_1 || !w.nodes[i].was_flapping);
		for (unsigned i = SITE_2; i <= SITE_3; i++)
			assert_int_equal(w.nodes[i].verdicts[HUB_A].state, LIVE_UP);
		world_done(&w);
	}
	print_message("of %d sites %u held\n", SEEDS, held);
	/* Where it lost both hubs at once it was cut off, which makes it hold, too. */
	assert_true(held >= SEEDS / 4);
}

static void blink(struct world *w, unsigned a, unsigned b, int64_t off, int64_t on)
{
	world_cut_both(w, a, b, true);
	world_run(w, off);
	world_cut_both(w, a, b, false);
	world_run(w, on);
}

static void assert_poor(const struct world *w)
{
	assert_int_equal(w->nodes[HUB_A].verdicts[SITE_1].cause, LIVE_CAUSE_POOR_LINE);
	assert_int_equal(w->nodes[SITE_1].verdicts[HUB_A].cause, LIVE_CAUSE_POOR_LINE);
}

/* One line alone blinks: nobody knows whose fault it is. Both ends take it for last resort, and
 * nobody holds for all. */
static void test_one_line(void **state)
{
	struct world w;

	begin(&w, 1);
	for (int i = 0; i < FLAPS_MANY - 1; i++) {
		blink(&w, HUB_A, SITE_1, 600 * MS, 6 * S);
		assert_int_equal(w.nodes[HUB_A].verdicts[SITE_1].state, LIVE_UP);
		assert_int_equal(w.nodes[SITE_1].verdicts[HUB_A].state, LIVE_UP);
	}
	blink(&w, HUB_A, SITE_1, 600 * MS, 4 * S);
	assert_poor(&w);
	/* The settings that stand are set again by a reload. */
	world_set_peer(&w, HUB_A, SITE_1, false);
	assert_poor(&w);
	world_run(&w, 20 * S);
	assert_int_equal(w.nodes[HUB_A].verdicts[SITE_1].state, LIVE_UP);
	assert_int_equal(w.nodes[SITE_1].verdicts[HUB_A].state, LIVE_UP);
	for (unsigned i = 0; i < NODES; i++)
		assert_false(w.nodes[i].was_flapping);
	world_done(&w);
}

static void expect_calm(struct world *w)
{
	world_run(w, 20 * S);
	for (unsigned i = 0; i < NODES; i++)
		assert_false(w->nodes[i].was_flapping);
	for (unsigned i = SITE_1; i <= SITE_3; i++)
		assert_int_equal(w->nodes[i].verdicts[HUB_A].state, LIVE_UP);
}

/* What happens once, or to all at once, is no flapping. */
static void test_accidents(void **state)
{
	struct world w;

	begin(&w, 2);
	world_say(&w, "# The uplink is gone for a moment, but not for hub-b");
	for (unsigned i = SITE_1; i <= SITE_3; i++)
		world_cut_both(&w, HUB_A, i, true);
	world_run(&w, 500 * MS);
	for (unsigned i = SITE_1; i <= SITE_3; i++)
		world_cut_both(&w, HUB_A, i, false);
	expect_calm(&w);
	world_say(&w, "# For all, twice");
	for (int k = 0; k < 2; k++) {
		world_isolate(&w, HUB_A, true);
		world_run(&w, 1 * S);
		world_isolate(&w, HUB_A, false);
		world_run(&w, 3 * S);
	}
	expect_calm(&w);
	world_say(&w, "# Sites are rebooted in turn");
	for (unsigned i = SITE_1; i <= SITE_3; i++) {
		world_power(&w, i, false);
		world_run(&w, 12 * S);
		world_power(&w, i, true);
		world_start(&w, i, true, false);
	}
	expect_calm(&w);
	world_say(&w, "# Daemons start anew in turn");
	for (unsigned i = 0; i < NODES; i++) {
		world_kill(&w, i);
		world_run(&w, 1 * S);
		world_start(&w, i, false, true);
		world_run(&w, 3 * S);
	}
	expect_calm(&w);
	world_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lossy_hub),
		cmocka_unit_test(test_lossy_site),
		cmocka_unit_test(test_one_line),
		cmocka_unit_test(test_accidents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "unit.h"
#include "wg/replay.h"

#include <string.h>

#define USABLE UINT64_C(8128) /* as in the kernel; not the header's, which this pins */
#define LIMIT (UINT64_MAX - USABLE - 1)

static void starts_anywhere(void **state)
{
	static const uint64_t firsts[] = {0, 1, 63, 64, 8127, 8128, 8191, 8192, 8193,
		UINT64_C(1) << 32, UINT64_C(1) << 60, LIMIT - 1};

	for (size_t i = 0; i < sizeof(firsts) / sizeof(firsts[0]); i++) {
		struct replay r = {0};

		assert_true(replay_accept(&r, firsts[i]));
		assert_false(replay_accept(&r, firsts[i]));
		assert_int_equal(r.next, firsts[i] + 1);
	}
}

static void in_order(void **state)
{
	struct replay r = {0};

	for (uint64_t c = 0; c < 3 * WG_REPLAY_BITS; c++) {
		assert_true(replay_accept(&r, c));
		assert_false(replay_accept(&r, c));
		assert_false(replay_accept(&r, c / 2));
	}
}

/* Exactly USABLE behind the greatest is taken, one more isn't; wherever the greatest stands in its
 * word. */
static void both_edges(void **state)
{
	for (uint64_t greatest = 100000; greatest < 100000 + 130; greatest++) {
		struct replay r = {0};

		assert_true(replay_accept(&r, greatest));
		assert_false(replay_accept(&r, greatest - USABLE - 1));
		assert_true(replay_accept(&r, greatest - USABLE));
		assert_false(replay_accept(&r, greatest - USABLE));
		assert_true(replay_accept(&r, greatest - USABLE + 1));
		assert_false(replay_accept(&r, 0));
	}
}

static void whole_window_backwards(void **state)
{
	const uint64_t greatest = 20000;
	struct replay r = {0};

	for (uint64_t back = 0; back <= USABLE; back++)
		assert_true(replay_accept(&r, greatest - back));
	for (uint64_t back = 0; back <= USABLE + 200; back++)
		assert_false(replay_accept(&r, greatest - back));
}

/* Moving on forgets nothing that is still in the window, and leaves nothing of the last round. */
static void moves_on(void **state)
{
	static const uint64_t steps[] = {1, 63, 64, 65, 127, 128, 4000, 8063, 8064, 8127, 8128,
		8129, 8191, 8192, 8193, 8256, 100000};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct replay r = {0};
		const uint64_t old = 50000, new = old + steps[i];

		for (uint64_t c = old - USABLE; c <= old; c++)
			assert_true(replay_accept(&r, c));
		assert_true(replay_accept(&r, new));
		for (uint64_t c = new - USABLE; c < new; c++)
			assert_int_equal(replay_accept(&r, c), c > old);
	}
}

static void limit(void **state)
{
	struct replay r = {0}, before;

	assert_int_equal(WG_REJECT_AFTER_MESSAGES, LIMIT);
	assert_true(replay_accept(&r, LIMIT - 3));
	assert_true(replay_accept(&r, LIMIT - 1));
	before = r;
	assert_false(replay_accept(&r, LIMIT));
	assert_false(replay_accept(&r, LIMIT + 1));
	assert_false(replay_accept(&r, UINT64_MAX - 1));
	assert_false(replay_accept(&r, UINT64_MAX));
	assert_memory_equal(&r, &before, sizeof(r));
	assert_true(replay_accept(&r, LIMIT - 2));
	assert_true(replay_accept(&r, LIMIT - 1 - USABLE));
	assert_false(replay_accept(&r, LIMIT - 2 - USABLE));
	assert_false(replay_accept(&r, 0));
}

static void refusal_changes_nothing(void **state)
{
	struct replay r = {0}, before;

	assert_true(replay_accept(&r, 10000));
	assert_true(replay_accept(&r, 9000));
	before = r;
	assert_false(replay_accept(&r, 9000));
	assert_false(replay_accept(&r, 10000));
	assert_false(replay_accept(&r, 1871));
	assert_memory_equal(&r, &before, sizeof(r));
}

/* A set that remembers everything, and the rule in words. */
#define SPAN 200000

struct naive {
	bool seen[SPAN];
	uint64_t greatest, base;
	bool any;
};

static bool naive_accept(struct naive *n, uint64_t counter)
{
	if (counter >= LIMIT)
		return false;
	if (n->any && counter < n->greatest && n->greatest - counter > USABLE)
		return false;
	if (n->seen[counter - n->base])
		return false;
	n->seen[counter - n->base] = true;
	if (!n->any || counter > n->greatest)
		n->greatest = counter;
	n->any = true;
	return true;
}

static void against_naive(void **state)
{
	static const uint64_t bases[] = {
		0, (UINT64_C(1) << 32) - SPAN / 2, (UINT64_C(1) << 60) + 17, LIMIT - SPAN + 100};
	struct chance c = chance_start("replay");
	struct naive *n = malloc(sizeof(*n));

	for (unsigned round = 0; round < 40; round++) {
		struct replay r = {0};
		uint64_t at = chance_below(&c, 1000);

		memset(n, 0, sizeof(*n));
		n->base = bases[round % 4];
		for (unsigned i = 0; i < 20000; i++) {
			unsigned what = chance_below(&c, 1000);
			uint64_t counter, back;

			at += what < 2	   ? chance_below(&c, 12000)
			      : what < 700 ? chance_below(&c, 8)
					   : 0;
			if (at >= SPAN)
				break;
			back = what % 10 == 0 ? chance_below(&c, 9000) : chance_below(&c, 40);
			counter = n->base + (back > at ? 0 : at - back);
			assert_int_equal(replay_accept(&r, counter), naive_accept(n, counter));
		}
	}
	free(n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_anywhere),
		cmocka_unit_test(in_order),
		cmocka_unit_test(both_edges),
		cmocka_unit_test(whole_window_backwards),
		cmocka_unit_test(moves_on),
		cmocka_unit_test(limit),
		cmocka_unit_test(refusal_changes_nothing),
		cmocka_unit_test(against_naive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

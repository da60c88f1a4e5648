/* SPDX-License-Identifier: MIT */
/* The score of a line, word by word. */
#include "base/mem.h"
#include "live/line.h"
#include "live/live.h"
#include "unit.h"
#include <string.h>

#define MS NS_PER_MS
#define HOLD (5 * NS_PER_S)

struct fixture {
	struct line line;
	instant now;
	uint32_t number;
};

static void begin(struct fixture *f)
{
	*f = (struct fixture){.now = {1000 * NS_PER_S}, .number = UINT32_MAX - 20};
	line_init(&f->line);
}

/* A word for each letter: '.' comes, 'x' is lost. */
static void words(struct fixture *f, const char *pattern, int times)
{
	for (; times > 0; times--)
		for (const char *p = pattern; *p; p++) {
			f->number++;
			f->now = instant_add(f->now, 100 * MS);
			if (*p == '.')
				line_word(&f->line, f->number, 3, f->now);
			line_step(&f->line, HOLD, f->now);
		}
}

static bool is_bad(const struct fixture *f)
{
	return line_is_bad(&f->line, false, f->now);
}

static void test_rates(void **state)
{
	struct fixture f;

	/* One in ten stands still, one in eleven shrinks, one in five grows; numbers wrap. */
	begin(&f);
	words(&f, ".........x", 500);
	assert_false(is_bad(&f));
	words(&f, "..........x", 500);
	assert_false(is_bad(&f));
	begin(&f);
	words(&f, "....x", 18);
	assert_false(is_bad(&f));
	words(&f, "....x", 4);
	assert_true(is_bad(&f));
}

/* Few words prove nothing, nor does a moment; a long silence is one loss. */
static void test_few(void **state)
{
	struct fixture f;

	begin(&f);
	words(&f, ".xx.xx.xx", 1);
	assert_false(is_bad(&f));
	begin(&f);
	words(&f, "....xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.......................", 5);
	assert_false(is_bad(&f));
	/* Much in less than two seconds. */
	begin(&f);
	for (int i = 0; i < 40; i++)
		line_word(&f.line, f.number += 2, 3, f.now);
	assert_false(is_bad(&f));
	f.now = instant_add(f.now, LINE_WHILE);
	assert_true(is_bad(&f));
}

static void test_forgotten(void **state)
{
	struct fixture f;

	begin(&f);
	for (int i = 0; i < 1000; i++) {
		words(&f, "...xxx", 1);
		line_forget(&f.line);
	}
	assert_int_equal(f.line.score, 0);
	/* The end of a session is silence, once; with nothing known there is none. */
	words(&f, ".", 1);
	line_silence(&f.line, 3, f.now);
	line_silence(&f.line, 3, f.now);
	assert_int_equal(f.line.score, 3 * LINE_LOST);
	words(&f, "xxx.", 1);
	assert_int_equal(f.line.score, 3 * LINE_LOST - 1);
}

/* It ends when it was clean for a hold, which grows; a fresh loss begins it anew. */
static void test_hold(void **state)
{
	struct fixture f;
	int64_t hold = HOLD;

	begin(&f);
	for (int i = 0; i < 6; i++) {
		int64_t took;
		instant clean;

		words(&f, "..x", 100);
		assert_true(is_bad(&f));
		line_condemn(&f.line, HOLD, f.now);
		words(&f, "..x", 1000);
		assert_true(f.line.is_poor);
		clean = f.now;
		while (f.line.is_poor)
			words(&f, ".", 1);
		took = instant_diff(f.now, clean);
		assert_true(took >= hold && took <= hold + 15 * NS_PER_S);
		assert_false(is_bad(&f));
		hold = hold * 2 > LIVE_HOLD_MAX ? LIVE_HOLD_MAX : hold * 2;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_few),
		cmocka_unit_test(test_forgotten),
		cmocka_unit_test(test_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

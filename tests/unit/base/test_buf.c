/* SPDX-License-Identifier: MIT */
#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "unit.h"
#include <stdalign.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* What becomes of memory: the linker puts __wrap_free in free's place. */
static struct {
	const char *memory;
	size_t n;
	int freed;
	bool was_wiped;
} watch;

void __real_free(void *p);
void __wrap_free(void *p);

static bool is_zero(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

void __wrap_free(void *p)
{
	if (p && p == watch.memory) {
		watch.freed++;
		watch.was_wiped = is_zero(p, watch.n);
		watch.memory = NULL;
	}
	__real_free(p);
}

static void watch_memory(const struct buf *b)
{
	watch.memory = b->data;
	watch.n = b->cap;
	watch.freed = 0;
	watch.was_wiped = false;
}

static void buf_starts_empty(void **state)
{
	struct buf b = {0};

	assert_string_equal(buf_str(&b), "");
	buf_reset(&b);
	buf_drop(&b, 0);
	buf_wipe(&b);
	buf_done(&b);
	buf_puts(&b, "");
	buf_add(&b, NULL, 0);
	assert_string_equal(buf_str(&b), "");
	assert_int_equal(b.n, 0);
	buf_done(&b);
	assert_null(b.data);
}

static void buf_adds(void **state)
{
	AUTO_BUF b = {0};

	buf_puts(&b, "ab");
	buf_putc(&b, 'c');
	buf_add(&b, "d\0e", 3);
	buf_printf(&b, "%s-%d", "x", 7);
	assert_int_equal(b.n, 9);
	assert_memory_equal(b.data, "abcd\0ex-7", 10);
}

/* printf at every distance from the end of the memory, so that it has to grow at some. */
static void buf_printf_grows(void **state)
{
	for (size_t before = 0; before < 200; before++) {
		AUTO_BUF b = {0};

		for (size_t i = 0; i < before; i++)
			buf_putc(&b, '.');
		buf_printf(&b, "%040d", 7);
		buf_printf(&b, "%s", "");
		assert_int_equal(b.n, before + 40);
		assert_int_equal(strlen(buf_str(&b)), before + 40);
		assert_int_equal(buf_str(&b)[b.n - 1], '7');
	}
}

static void buf_room_is_followed_by_zero(void **state)
{
	AUTO_BUF b = {0};
	char *room;

	buf_puts(&b, "0123456789");
	buf_reset(&b);
	room = buf_room(&b, 1000);
	assert_ptr_equal(room, b.data);
	memcpy(room, "abc", 3);
	b.n += 3;
	assert_string_equal(buf_str(&b), "abc");
	memset(buf_room(&b, 5000), 'x', 5000);
	b.n += 5000;
	assert_int_equal(strlen(buf_str(&b)), 5003);
}

static void buf_room_overwrites_what_was_there(void **state)
{
	AUTO_BUF b = {0};

	for (int i = 0; i < 100; i++)
		buf_putc(&b, 'x');
	buf_reset(&b);
	memset(buf_room(&b, 50), 'y', 50);
	b.n += 50;
	assert_int_equal(strlen(buf_str(&b)), 50);
}

/* A long text of many small parts is copied a few times only. */
static void buf_grows_by_factors(void **state)
{
	AUTO_BUF b = {0};
	int moves = 0;

	for (size_t i = 0, cap = 0; i < 1000000; i++) {
		buf_putc(&b, 'x');
		moves += b.cap != cap;
		cap = b.cap;
	}
	assert_int_equal(b.n, 1000000);
	assert_true(moves < 32);
}

static void buf_wipes(void **state)
{
	struct buf b = {0};

	buf_puts(&b, "secret");
	buf_wipe(&b);
	assert_null(b.data);
	assert_int_equal(b.n, 0);
	assert_int_equal(b.cap, 0);
}

static void buf_wipes_what_growing_leaves(void **state)
{
	struct buf b = {.is_secret = true};
	size_t n = 0;

	buf_putc(&b, 's');
	for (int growths = 0; growths < 5;) {
		const char *before = b.data;

		watch_memory(&b);
		buf_add(&b, "secret", 6);
		n += 6;
		if (b.data == before)
			continue;
		growths++;
		assert_int_equal(watch.freed, 1);
		assert_true(watch.was_wiped);
	}
	assert_int_equal(b.n, n + 1);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(b.data[i + 1], "secret"[i % 6]);
	assert_int_equal(b.data[b.n], '\0');
	watch_memory(&b);
	buf_wipe(&b);
	assert_int_equal(watch.freed, 1);
	assert_true(watch.was_wiped);
}

/* The other ways to grow: a format that doesn't fit, and room that is asked for. */
static void buf_wipes_however_it_grows(void **state)
{
	struct buf b = {.is_secret = true};

	buf_puts(&b, "secret");
	watch_memory(&b);
	buf_printf(&b, "%0500d", 7);
	assert_int_equal(watch.freed, 1);
	assert_true(watch.was_wiped);
	watch_memory(&b);
	buf_room(&b, 5000);
	assert_int_equal(watch.freed, 1);
	assert_true(watch.was_wiped);
	assert_memory_equal(b.data, "secret0", 7);
	buf_wipe(&b);
}

static void buf_drops(void **state)
{
	AUTO_BUF b = {0};

	buf_puts(&b, "line one\nrest");
	buf_drop(&b, 9);
	assert_string_equal(buf_str(&b), "rest");
	buf_drop(&b, 4);
	assert_string_equal(buf_str(&b), "");
	assert_int_equal(b.n, 0);
}

static void buf_reset_keeps_memory(void **state)
{
	AUTO_BUF b = {0};
	const char *data;

	buf_puts(&b, "hello");
	data = b.data;
	buf_reset(&b);
	assert_string_equal(buf_str(&b), "");
	buf_puts(&b, "again");
	assert_ptr_equal(b.data, data);
	assert_string_equal(buf_str(&b), "again");
}

static void buf_steals(void **state)
{
	struct buf b = {0};
	char *s;

	buf_puts(&b, "mine");
	s = buf_steal(&b);
	assert_string_equal(s, "mine");
	free(s);
	assert_null(b.data);
	assert_int_equal(b.n, 0);
	s = buf_steal(&b);
	assert_string_equal(s, "");
	free(s);
}

static void arena_is_zeroed_and_aligned(void **state)
{
	struct chance c = chance_start("arena");
	struct arena a = {0};
	struct {
		char *p;
		size_t n;
	} parts[2000];

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		size_t n = chance_below(&c, 50) ? chance_below(&c, 100) : chance_below(&c, 300000);
		char *p = arena_alloc(&a, n);

		assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
		assert_true(is_zero(p, n));
		memset(p, (int)(i % 255 + 1), n);
		parts[i].p = p;
		parts[i].n = n;
	}
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		for (size_t j = 0; j < parts[i].n; j++)
			if ((unsigned char)parts[i].p[j] != i % 255 + 1)
				fail_msg("part %zu was overwritten", i);
	arena_done(&a);
}

static void arena_parts_are_distinct(void **state)
{
	struct arena a = {0};
	char *p = arena_alloc(&a, 0), *q = arena_alloc(&a, 0);
	int *numbers = arena_array(&a, int, 10), *one = arena_new(&a, int);

	assert_ptr_not_equal(p, q);
	numbers[9] = 1;
	*one = 2;
	assert_int_equal(numbers[9], 1);
	arena_done(&a);
}

static void arena_strings(void **state)
{
	struct arena a = {0};
	const char unterminated[3] = {'a', 'b', 'c'};
	char wide[6000];

	memset(wide, 'w', sizeof(wide) - 1);
	wide[sizeof(wide) - 1] = '\0';
	assert_string_equal(arena_strdup(&a, "hello"), "hello");
	assert_string_equal(arena_strdup(&a, ""), "");
	assert_string_equal(arena_strndup(&a, unterminated, 3), "abc");
	assert_string_equal(arena_strndup(&a, "abc", 2), "ab");
	assert_string_equal(arena_strndup(&a, "abc", 9), "abc");
	assert_string_equal(arena_printf(&a, "%s/%u", "10.0.0.0", 8U), "10.0.0.0/8");
	assert_string_equal(arena_printf(&a, "%s", wide), wide);
	arena_done(&a);
}

/* Texts of every length keep their end while others are put behind them. */
static void arena_strings_stay(void **state)
{
	char letters[65] = {0};
	char *texts[3][65];
	struct arena a = {0};

	memset(letters, 'x', 64);
	for (int n = 0; n <= 64; n++) {
		texts[0][n] = arena_strdup(&a, letters + 64 - n);
		texts[1][n] = arena_strndup(&a, letters, (size_t)n);
		texts[2][n] = arena_printf(&a, "%.*s", n, letters);
	}
	for (size_t n = 0; n <= 64; n++)
		for (size_t i = 0; i < 3; i++)
			assert_int_equal(strlen(texts[i][n]), n);
	arena_done(&a);
}

static void arena_is_ready_again(void **state)
{
	struct arena a = {0};

	arena_done(&a);
	for (int i = 0; i < 3; i++) {
		assert_string_equal(arena_strdup(&a, "x"), "x");
		arena_done(&a);
		assert_null(a.chunk);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buf_starts_empty),
		cmocka_unit_test(buf_adds),
		cmocka_unit_test(buf_printf_grows),
		cmocka_unit_test(buf_room_is_followed_by_zero),
		cmocka_unit_test(buf_room_overwrites_what_was_there),
		cmocka_unit_test(buf_grows_by_factors),
		cmocka_unit_test(buf_wipes),
		cmocka_unit_test(buf_wipes_what_growing_leaves),
		cmocka_unit_test(buf_wipes_however_it_grows),
		cmocka_unit_test(buf_drops),
		cmocka_unit_test(buf_reset_keeps_memory),
		cmocka_unit_test(buf_steals),
		cmocka_unit_test(arena_is_zeroed_and_aligned),
		cmocka_unit_test(arena_parts_are_distinct),
		cmocka_unit_test(arena_strings),
		cmocka_unit_test(arena_strings_stay),
		cmocka_unit_test(arena_is_ready_again),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}

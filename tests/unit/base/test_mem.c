/* SPDX-License-Identifier: MIT */
/* Also the containers that live in headers only: vec and list. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/vec.h"
#include "unit.h"
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Under the address sanitizer an impossible size is to fail as it does without. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

static void take_too_much(void)
{
	mem_alloc(PTRDIFF_MAX);
}

static void zero_too_much(void)
{
	mem_zalloc(1, PTRDIFF_MAX);
}

static void resize_too_much(void)
{
	char *p = mem_alloc(1);

	free(mem_realloc(p, 1, PTRDIFF_MAX));
}

/* The products that follow wrap to a few bytes. */
static void zero_overflow(void)
{
	mem_zalloc(SIZE_MAX / 2 + 2, 2);
}

static void resize_overflow(void)
{
	char *p = mem_alloc(1);

	free(mem_realloc(p, SIZE_MAX / 2 + 2, 2));
}

static void overflow_arena(void)
{
	struct arena a = {0};

	arena_alloc(&a, SIZE_MAX - 3);
}

static void overflow_arena_array(void)
{
	struct arena a = {0};

	(void)arena_array(&a, int, SIZE_MAX / 4 + 2);
}

static void overflow_buf(void)
{
	struct buf b = {0};

	buf_puts(&b, "x");
	buf_room(&b, SIZE_MAX - 1);
}

/* The status of a child that does what can't be done; ret gets its standard error. */
static int run_in_child(void (*fn)(void), char *ret, size_t size)
{
	int fds[2], status;
	ssize_t n;
	pid_t child;

	assert_int_equal(pipe(fds), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		dup2(fds[1], STDERR_FILENO);
		fn();
		_exit(0);
	}
	close(fds[1]);
	for (size_t at = 0; (n = read(fds[0], ret + at, size - 1 - at)) > 0; at += (size_t)n)
		ret[at + (size_t)n] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void out_of_memory_ends_the_program(void **state)
{
	static void (*const cases[])(void) = {take_too_much, zero_too_much, zero_overflow,
		resize_too_much, resize_overflow, overflow_arena, overflow_arena_array,
		overflow_buf};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[4096] = "", *last;
		int status = run_in_child(cases[i], text, sizeof(text));

		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), EXIT_FAILURE);
		/* The sanitizer may have its say before. */
		last = strstr(text, ": out of memory\n");
		assert_non_null(last);
		assert_string_equal(last, ": out of memory\n");
	}
}

static void allocates(void **state)
{
	AUTO_FREE char *copy = mem_strdup("copy");
	AUTO_FREE char *text = mem_printf("%s-%03d", "x", 7);
	AUTO_FREE char *nothing = NULL;
	AUTO_FREE int *numbers = mem_zalloc(100, sizeof(int));

	assert_string_equal(copy, "copy");
	assert_string_equal(text, "x-007");
	assert_null(nothing);
	for (int i = 0; i < 100; i++)
		assert_int_equal(numbers[i], 0);
	numbers[99] = 5;
	numbers = mem_realloc(numbers, 1000, sizeof(int));
	assert_int_equal(numbers[99], 5);
}

static void nothing_is_something(void **state)
{
	free(mem_alloc(0));
	free(mem_zalloc(0, 8));
	free(mem_zalloc(8, 0));
	free(mem_realloc(NULL, 0, 8));
	free(mem_realloc(mem_alloc(8), 0, 8));
}

static void vec_grows(void **state)
{
	struct pair {
		int a, b;
	};
	VEC(struct pair) pairs = {0};

	for (int i = 0; i < 1000; i++)
		vec_push(&pairs, (struct pair){i, -i});
	assert_int_equal(pairs.n, 1000);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(pairs.items[i].b, -i);
	vec_reserve(&pairs, 5000);
	assert_true(pairs.cap >= 5000);
	vec_done(&pairs);
	assert_null(pairs.items);
	assert_int_equal(pairs.n, 0);
}

struct item {
	int number;
	struct list link;
};

static int digits(struct list *head)
{
	int n = 0;

	list_for_each (l, head)
		n = n * 10 + container_of(l, struct item, link)->number;
	return n;
}

static void list_keeps_order(void **state)
{
	struct item items[5];
	struct list head;

	list_init(&head);
	assert_true(list_is_empty(&head));
	for (int i = 0; i < 5; i++) {
		items[i].number = i + 1;
		list_append(&head, &items[i].link);
	}
	assert_int_equal(digits(&head), 12345);
	list_for_each (l, &head)
		if (container_of(l, struct item, link)->number % 2)
			list_remove(l);
	assert_int_equal(digits(&head), 24);
	list_remove(&items[0].link);
	assert_true(list_is_empty(&items[0].link));
	assert_int_equal(digits(&head), 24);
	list_for_each (l, &head)
		list_remove(l);
	assert_true(list_is_empty(&head));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(out_of_memory_ends_the_program),
		cmocka_unit_test(allocates),
		cmocka_unit_test(nothing_is_something),
		cmocka_unit_test(vec_grows),
		cmocka_unit_test(list_keeps_order),
	};

	return cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}

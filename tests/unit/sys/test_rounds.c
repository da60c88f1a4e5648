/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "sys/process.h"
#include "sys/rounds.h"
#include <linux/capability.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NAP_US 1000
#define LOOKS 20000 /* of a millisecond: a slow machine's patience */

/* proc(5), stat's "priority": below 0 for who runs as a real-time thread, lent or its own. */
static long priority(void)
{
	char path[64], line[1024], *at;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%ld/stat", (long)syscall(SYS_gettid));
	f = fopen(path, "re");
	assert_non_null(f);
	n = fread(line, 1, sizeof(line) - 1, f);
	fclose(f);
	line[n] = '\0';
	at = strrchr(line, ')');
	assert_non_null(at);
	for (int field = 2; field < 18; field++)
		at = strchr(at + 1, ' ');
	return strtol(at, NULL, 10);
}

/* Until it is so, with a slow machine's patience. */
static bool comes_to_run_first(void)
{
	for (int i = 0; i < LOOKS; i++) {
		if (priority() < 0)
			return true;
		usleep(NAP_US);
	}
	return false;
}

static const char *a_long_round(struct rounds *r)
{
	return comes_to_run_first() ? NULL : "a long round isn't urged";
}

static const char *the_next_round(struct rounds *r)
{
	for (unsigned round = 0; round < 3; round++) {
		int looks = 0;

		if (!comes_to_run_first())
			return "a long round isn't urged";
		/* The guard may be back before the look: some rounds are short enough. */
		do {
			rounds_next(r);
			if (++looks > LOOKS)
				return "what was lent is never given back";
		} while (priority() < 0);
	}
	return NULL;
}

static const char *many_short_rounds(struct rounds *r)
{
	for (unsigned i = 0; i < 200000; i++)
		rounds_next(r);
	return NULL;
}

/* In a thread that ends with the test, as a niceness is. */
struct trial {
	const char *(*body)(struct rounds *);
	const char *fault;
	bool was_guarded, ends_as_usual;
};

static void *try(void *data)
{
	struct trial *trial = data;
	struct rounds *r = rounds_begin();

	trial->was_guarded = r;
	if (r)
		trial->fault = trial->body(r);
	rounds_end(r);
	trial->ends_as_usual = priority() >= 0;
	return NULL;
}

static void test_of(const char *(*body)(struct rounds *))
{
	struct trial trial = {.body = body};
	pthread_t thread;

	if (!process_has_cap(CAP_SYS_NICE))
		skip();
	assert_int_equal(setpriority(PRIO_PROCESS, 0, -1), 0);
	assert_int_equal(pthread_create(&thread, NULL, try, &trial), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(trial.was_guarded);
	if (trial.fault)
		fail_msg("%s", trial.fault);
	assert_true(trial.ends_as_usual);
}

static void a_long_round_is_urged(void **state)
{
	test_of(a_long_round);
}

static void what_was_lent_ends_with_the_round(void **state)
{
	test_of(the_next_round);
}

static void many_short_rounds_end(void **state)
{
	test_of(many_short_rounds);
}

static void who_isn_t_asked_to_go_first_has_no_guard(void **state)
{
	assert_int_equal(setpriority(PRIO_PROCESS, 0, 0), 0);
	assert_null(rounds_begin());
}

static void without_a_guard_nothing_is_asked(void **state)
{
	rounds_next(NULL);
	rounds_end(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_long_round_is_urged),
		cmocka_unit_test(what_was_lent_ends_with_the_round),
		cmocka_unit_test(many_short_rounds_end),
		cmocka_unit_test(who_isn_t_asked_to_go_first_has_no_guard),
		cmocka_unit_test(without_a_guard_nothing_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

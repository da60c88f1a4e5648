/* SPDX-License-Identifier: MIT */
/* Where keys live: locked, left out of core dumps, wiped; and that a refused lock is no error. */
#include "unit.h"

#include "base/secret.h"
#include "wg/pool.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* The VmFlags line of the mapping that holds p. */
static void flags_of(const void *p, char *ret, size_t size)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	bool found = false;
	char line[512];

	ret[0] = '\0';
	while (fgets(line, sizeof(line), f)) {
		uintptr_t from, to;

		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &from, &to) == 2)
			found = (uintptr_t)p >= from && (uintptr_t)p < to;
		else if (found && !strncmp(line, "VmFlags:", 8))
			snprintf(ret, size, "%s", line + 8);
	}
	fclose(f);
}

static void check_area(const void *p)
{
	char flags[512];

	flags_of(p, flags, sizeof(flags));
	assert_non_null(strstr(flags, " dd")); /* not dumped */
	if (!secret_lock_was_refused())
		assert_non_null(strstr(flags, " lo"));
}

static void small_and_large(void **state)
{
	static const size_t sizes[] = {1, 64, 1000, 4096, 4097, 100000};
	char flags[512];

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		unsigned char *p = secret_alloc(sizes[i]);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 64, 0);
		for (size_t at = 0; at < sizes[i]; at++)
			assert_int_equal(p[at], 0);
		memset(p, 0xee, sizes[i]);
		check_area(p);
		secret_free(p, sizes[i]);
	}
	secret_free(NULL, 5);
	/* Ordinary memory is dumped: the test can fail. */
	flags_of(sizes, flags, sizeof(flags));
	assert_null(strstr(flags, " dd"));
}

/* What is given back is wiped at once, and comes zeroed the next time. */
static void wiped(void **state)
{
	unsigned char *p = secret_alloc(200), *q;

	memset(p, 0xee, 200);
	secret_free(p, 200);
	for (size_t i = sizeof(void *); i < 200; i++)
		assert_int_equal(p[i], 0);
	q = secret_alloc(200);
	assert_ptr_equal(p, q);
	for (size_t i = 0; i < 200; i++)
		assert_int_equal(q[i], 0);
	secret_free(q, 200);
}

static void pools(void **state)
{
	struct pool *pool = pool_new(1216, true);
	void *piece;

	pool_set_size(pool, 4);
	piece = pool_take(pool);
	memset(piece, 0xee, 1216);
	check_area(piece);
	pool_give(pool, piece);
	pool_free(pool);
}

/* In a process that may lock nothing: it goes on, and says so when asked. */
static int without_locks(void)
{
	static const struct rlimit none = {0, 0};
	char flags[512];
	void *p;

	if (setrlimit(RLIMIT_MEMLOCK, &none))
		return 1;
	/* Root may lock as much as it likes, whatever the limit. */
	if (!geteuid() && (setgid(65534) || setuid(65534)))
		return 2;
	p = secret_alloc(1 << 16);
	if (!p)
		return 3;
	memset(p, 1, 1 << 16);
	if (!secret_lock_was_refused())
		return 4;
	/* A process that changed its user may not look at its own maps. */
	if (!access("/proc/self/smaps", R_OK)) {
		flags_of(p, flags, sizeof(flags));
		if (!strstr(flags, " dd"))
			return 5;
	}
	secret_free(p, 1 << 16);
	return 0;
}

static void refused(void **state)
{
	pid_t child = fork();
	int status;

	if (!child)
		_exit(without_locks());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused),
		cmocka_unit_test(small_and_large),
		cmocka_unit_test(wiped),
		cmocka_unit_test(pools),
	};

	return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}

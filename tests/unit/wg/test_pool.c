/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "wg/pool.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void empty_has_nothing(void **state)
{
	struct pool *p = pool_new(100, false);

	assert_int_equal(pool_piece(p), 128);
	assert_null(pool_take(p));
	assert_int_equal(pool_set_size(p, 1), 0);
	assert_non_null(pool_take(p));
	assert_null(pool_take(p));
	assert_int_equal(pool_n_out(p), 1);
	pool_free(p);
	pool_free(NULL);
}

static void pieces_are_apart(void **state)
{
	enum { N = 5000 };
	static unsigned char *pieces[N];
	struct pool *p = pool_new(1000, true);

	assert_int_equal(pool_set_size(p, N), 0);
	for (int i = 0; i < N; i++) {
		pieces[i] = pool_take(p);
		assert_non_null(pieces[i]);
		assert_int_equal((uintptr_t)pieces[i] % 64, 0);
		memset(pieces[i], i & 255, 1000);
	}
	assert_null(pool_take(p));
	for (int i = 0; i < N; i++)
		for (int at = 0; at < 1000; at += 333)
			assert_int_equal(pieces[i][at], i & 255);
	for (int i = 0; i < N; i++)
		pool_give(p, pieces[i]);
	pool_give(p, NULL);
	assert_int_equal(pool_n_out(p), 0);
	pool_free(p);
}

/* What came back goes out next, so that what was never needed stays out of memory; and it was
 * wiped. */
static void last_back_first_out(void **state)
{
	static const unsigned char zero[256];
	struct pool *p = pool_new(256, true);
	unsigned char *a, *b;

	pool_set_size(p, 100);
	a = pool_take(p);
	b = pool_take(p);
	memset(a, 7, 256);
	pool_give(p, a);
	assert_ptr_equal(pool_take(p), a);
	assert_memory_equal(a + sizeof(void *), zero, 256 - sizeof(void *));
	pool_give(p, b);
	pool_give(p, a);
	pool_free(p);
}

static void smaller(void **state)
{
	struct pool *p = pool_new(65536, false);
	void *pieces[100];

	pool_set_size(p, 100);
	for (int i = 0; i < 100; i++)
		pieces[i] = pool_take(p);
	/* What is out stays usable; nothing new until enough came back. */
	assert_int_equal(pool_set_size(p, 10), 0);
	for (int i = 0; i < 91; i++) {
		assert_null(pool_take(p));
		memset(pieces[i], 1, 65536);
		pool_give(p, pieces[i]);
	}
	pieces[0] = pool_take(p);
	assert_non_null(pieces[0]);
	pool_give(p, pieces[0]);
	for (int i = 91; i < 100; i++)
		pool_give(p, pieces[i]);
	/* And larger again. */
	assert_int_equal(pool_set_size(p, 50), 0);
	for (int i = 0; i < 50; i++) {
		pieces[i] = pool_take(p);
		assert_non_null(pieces[i]);
		memset(pieces[i], 2, 65536);
	}
	for (int i = 0; i < 50; i++)
		pool_give(p, pieces[i]);
	assert_int_equal(pool_set_size(p, 0), 0);
	assert_null(pool_take(p));
	pool_free(p);
}

static long resident_pages(void)
{
	unsigned long all, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	assert_int_equal(fscanf(f, "%lu %lu", &all, &resident), 2);
	fclose(f);
	return (long)resident;
}

/* Room alone costs nothing. */
static void resident_only_when_taken(void **state)
{
	struct pool *p = pool_new(4096, false);
	long before = resident_pages(), after;
	char *piece;

	pool_set_size(p, 20000); /* 80 MB */
	after = resident_pages();
	assert_true(after - before < 1000);
	for (int i = 0; i < 100; i++) {
		piece = pool_take(p);
		*piece = 1;
		pool_give(p, piece);
	}
	assert_true(resident_pages() - after < 100);
	pool_free(p);
}

static void *take_and_give(void *pool)
{
	for (int i = 0; i < 20000; i++) {
		int *piece = pool_take(pool);

		if (!piece)
			continue;
		*piece = i;
		pool_give(pool, piece);
	}
	return NULL;
}

static void by_threads(void **state)
{
	struct pool *p = pool_new(64, true);
	pthread_t threads[3];

	pool_set_size(p, 2);
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, take_and_give, p);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(pool_n_out(p), 0);
	pool_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_has_nothing),
		cmocka_unit_test(pieces_are_apart),
		cmocka_unit_test(last_back_first_out),
		cmocka_unit_test(smaller),
		cmocka_unit_test(resident_only_when_taken),
		cmocka_unit_test(by_threads),
	};

	return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "base/map.h"
#include "base/mem.h"
#include "unit.h"
#include <stdbool.h>
#include <string.h>

static int values[8];

static void empty(void **state)
{
	struct map *m = map_new();
	size_t cursor = 0;

	assert_null(map_get(m, "a", 1));
	assert_null(map_remove(m, "a", 1));
	assert_int_equal(map_count(m), 0);
	assert_false(map_next(m, &cursor, NULL, NULL, NULL));
	map_free(m);
	map_free(NULL);
}

static void put_replaces_value_and_keeps_key(void **state)
{
	struct map *m = map_new();
	char first[] = "name", second[] = "name";
	const void *key;
	size_t cursor = 0, len;
	void *value;

	assert_null(map_put_str(m, first, &values[0]));
	assert_ptr_equal(map_put_str(m, second, &values[1]), &values[0]);
	assert_int_equal(map_count(m), 1);
	assert_ptr_equal(map_get_str(m, "name"), &values[1]);
	assert_true(map_next(m, &cursor, &key, &len, &value));
	assert_ptr_equal(key, first);
	assert_int_equal(len, 4);
	assert_ptr_equal(value, &values[1]);
	assert_false(map_next(m, &cursor, &key, &len, &value));
	map_free(m);
}

static void keys_are_bytes(void **state)
{
	struct map *m = map_new();
	static const struct {
		const char *bytes;
		size_t len;
	} keys[] = {{"", 0}, {"\0", 1}, {"\0\0", 2}, {"a", 1}, {"a\0", 2}, {"a\0b", 3}, {"ab", 2}};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		assert_null(map_put(m, keys[i].bytes, keys[i].len, &values[i]));
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		assert_ptr_equal(map_get(m, keys[i].bytes, keys[i].len), &values[i]);
	assert_ptr_equal(map_get(m, NULL, 0), &values[0]);
	assert_ptr_equal(map_get_str(m, ""), &values[0]);
	map_free(m);
}

#define NAMES 600

struct naive {
	char name[NAMES][12];
	void *value[NAMES];
	size_t n;
};

static void check_iteration(const struct map *m, const struct naive *naive)
{
	bool seen[NAMES] = {false};
	size_t cursor = 0, len, n = 0;
	const void *key;
	void *value;

	for (; map_next(m, &cursor, &key, &len, &value); n++) {
		size_t i = ((uintptr_t)key - (uintptr_t)naive->name) / sizeof(naive->name[0]);

		assert_true(i < NAMES && !seen[i]);
		assert_int_equal(len, strlen(naive->name[i]));
		assert_ptr_equal(value, naive->value[i]);
		seen[i] = true;
	}
	assert_int_equal(n, naive->n);
}

static void step(struct chance *c, struct map *m, struct naive *naive, unsigned names)
{
	unsigned i = chance_below(c, names), what = chance_below(c, 5);
	const char *name = naive->name[i];
	void *value = &values[chance_below(c, ARRAY_SIZE(values))];

	if (what < 2) {
		assert_ptr_equal(map_put_str(m, name, value), naive->value[i]);
		naive->n += !naive->value[i];
		naive->value[i] = value;
	} else if (what < 4) {
		assert_ptr_equal(map_remove(m, name, strlen(name)), naive->value[i]);
		naive->n -= !!naive->value[i];
		naive->value[i] = NULL;
	} else {
		assert_ptr_equal(map_get_str(m, name), naive->value[i]);
	}
	assert_int_equal(map_count(m), naive->n);
}

/* Many small tables, each under its own key: removals across the end of the array are common. */
static void random_against_naive(void **state)
{
	struct chance c = chance_start("map");
	struct naive naive;

	for (int round = 0; round < 200; round++) {
		struct map *m = map_new();
		unsigned names = 1 + chance_below(&c, round % 10 ? 14 : NAMES);

		memset(&naive, 0, sizeof(naive));
		for (int i = 0; i < NAMES; i++)
			snprintf(naive.name[i], sizeof(naive.name[i]), "node-%d", i);
		for (int i = 0; i < 2000; i++)
			step(&c, m, &naive, names);
		check_iteration(m, &naive);
		for (unsigned i = 0; i < names; i++)
			assert_ptr_equal(map_get_str(m, naive.name[i]), naive.value[i]);
		map_free(m);
	}
}

/* The order of iteration shows the hash: the same keys must fall differently in every table. */
static void every_table_has_its_own_secret(void **state)
{
	static const char zeros[64];
	size_t cursor[2] = {0}, len[2], same = 0;
	struct map *m[2] = {map_new(), map_new()};

	for (size_t i = 0; i < 64; i++)
		for (size_t j = 0; j < 2; j++)
			map_put(m[j], zeros, i, &values[0]);
	while (map_next(m[0], &cursor[0], NULL, &len[0], NULL) &&
		map_next(m[1], &cursor[1], NULL, &len[1], NULL))
		same += len[0] == len[1];
	assert_true(same < 64);
	map_free(m[0]);
	map_free(m[1]);
}

static void large(void **state)
{
	const uint32_t n = 200000;
	uint32_t *keys = mem_zalloc(n, sizeof(*keys));
	struct map *m = map_new();

	for (uint32_t i = 0; i < n; i++) {
		keys[i] = i;
		assert_null(map_put(m, &keys[i], sizeof(keys[i]), &keys[i]));
	}
	for (uint32_t i = 0; i < n; i += 2)
		assert_ptr_equal(map_remove(m, &i, sizeof(i)), &keys[i]);
	assert_int_equal(map_count(m), n / 2);
	for (uint32_t i = 0; i < n; i++)
		assert_ptr_equal(map_get(m, &i, sizeof(i)), i % 2 ? &keys[i] : NULL);
	map_free(m);
	free(keys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty),
		cmocka_unit_test(put_replaces_value_and_keeps_key),
		cmocka_unit_test(keys_are_bytes),
		cmocka_unit_test(random_against_naive),
		cmocka_unit_test(every_table_has_its_own_secret),
		cmocka_unit_test(large),
	};

	return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}

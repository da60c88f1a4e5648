/* SPDX-License-Identifier: MIT */
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/table.h"
#include "unit.h"
#include <string.h>

static void nearest_names(void **state)
{
	static const char *const names[] = {"check", "render", "status", "drain", "undrain"};
	static const struct {
		const char *typed, *want;
	} cases[] = {
		{"check", "check"},
		{"chekc", "check"},
		{"rendr", "render"},
		{"stats", "status"},
		{"dain", "drain"},
		{"Darin", "drain"},
		{"", NULL},
		{"x", NULL},
		{"delete", NULL},
		{"a-word-that-is-longer-than-any-name-could-be", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *got = cli_nearest(cases[i].typed, names, ARRAY_SIZE(names));

		if (cases[i].want)
			assert_string_equal(got, cases[i].want);
		else
			assert_null(got);
	}
	assert_null(cli_nearest("check", names, 0));
}

static char *print(const struct table *t)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	table_print(t, f);
	fclose(f);
	return text;
}

static void tables_are_aligned(void **state)
{
	static const struct table_column columns[] = {
		{"PEER", 0}, {"AGE", TABLE_RIGHT}, {"WHY", TABLE_FOLD}};
	struct table *t = table_new(columns, ARRAY_SIZE(columns), TABLE_ANY_WIDTH);
	AUTO_FREE char *empty = print(t);

	assert_string_equal(empty, "");
	table_cell(t, TERM_PLAIN, "%s", "hub-a");
	table_cell(t, TERM_RED, "%d", 7);
	table_cell(t, TERM_PLAIN, "up");
	table_cell(t, TERM_PLAIN, "x");
	table_cell(t, TERM_PLAIN, "12345");
	table_cell(t, TERM_PLAIN, "%s", "");
	table_cell(t, TERM_PLAIN, "a row that isn't complete");
	AUTO_FREE char *got = print(t);
	assert_string_equal(got, "PEER     AGE  WHY\n"
				 "hub-a      7  up\n"
				 "x      12345  -\n");
	table_free(t);
	table_free(NULL);
}

/* Nothing is wider than it may be: names are cut, sentences go on below, between words. */
static void tables_fit(void **state)
{
	static const struct table_column columns[] = {
		{"PEER", TABLE_TRUNCATE}, {"WHY", TABLE_FOLD}};
	struct table *t = table_new(columns, ARRAY_SIZE(columns), 40);

	table_cell(t, TERM_PLAIN, "site-1");
	table_cell(t, TERM_PLAIN, "nothing comes from it and echoes stay unanswered");
	AUTO_FREE char *folded = print(t);
	assert_string_equal(folded, "PEER    WHY\n"
				    "site-1  nothing comes from it and echoes\n"
				    "        stay unanswered\n");
	table_cell(t, TERM_PLAIN, "a-name-that-is-wider-than-the-whole-table-may-ever-be");
	table_cell(t, TERM_PLAIN, "up");
	AUTO_FREE char *cut = print(t);
	for (char *save, *l = strtok_r(cut, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		assert_true(strlen(l) <= 40);
	table_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nearest_names),
		cmocka_unit_test(tables_are_aligned),
		cmocka_unit_test(tables_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

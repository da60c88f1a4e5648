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
	static const char *const headings[] = {"PEER", ">AGE", "WHY", NULL};
	struct table *t = table_new(headings);
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
	assert_string_equal(got, "PEER"
				 "                         AGE  WHY\n"
				 "hub-a                          7  up\n"
				 "x                          12345  -\n");
	table_free(t);
	table_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nearest_names),
		cmocka_unit_test(tables_are_aligned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

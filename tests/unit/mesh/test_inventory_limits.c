/* SPDX-License-Identifier: MIT */
/* Files that are no inventory: hostile ones, too large ones, ones that can't be read. */
#include "inventory_wrong.h"

/* What would cost the parser much, whatever is in it. */
static void test_hostile(void **state)
{
	static const struct {
		const char *before, *unit;
		size_t times;
		const char *error;
	} table[] = {
		{"%YAML 1.2\n", "", 0,
			"1:1: directives (lines that begin with `%`) can't be used in an "
			"inventory\n"},
		{"mesh: |", "\n \r\n\t\n", 100, "259:1: too many empty lines in a row\n"},
		{"mesh: !a", "%41", 257, "1:778: too much in one line; break it into several\n"},
		{"", "[", 1048577, "1:1048578: too much in one line; break it into several\n"},
		{"mesh: \"", "\\n", 2200000,
			"1:1: what begins after this place is too long for an inventory\n"},
		{"", "- ", 1000, "1:33: nested deeper than any inventory is\n"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct buf text = {0};

		buf_puts(&text, table[i].before);
		for (size_t n = 0; n < table[i].times; n++)
			buf_puts(&text, table[i].unit);
		assert_errors("", &(struct wrong){buf_str(&text), table[i].error});
		buf_done(&text);
	}
}

/* A text that is too large isn't even looked at. */
static void test_size(void **state)
{
	struct mesh_inventory *inv = NULL;
	struct mesh_errors errors = {0};

	assert_int_equal(
		mesh_inventory_parse("t.yaml", "", ((size_t)64 << 20) + 1, &inv, &errors), -EINVAL);
	assert_int_equal(errors.n, 1);
	assert_string_equal(errors.items[0].message, "larger than 64 MiB, which no inventory is");
	mesh_errors_done(&errors);
}

/* However bad a file is, it doesn't fill the memory with words. */
static void test_many_errors(void **state)
{
	struct mesh_inventory *inv = NULL;
	struct mesh_errors errors = {0};
	struct buf text = {0};

	for (int i = 0; i < 5000; i++)
		buf_printf(&text, "key-%d: x\n", i);
	assert_int_equal(mesh_inventory_parse("t.yaml", text.data, text.n, &inv, &errors), -EINVAL);
	assert_int_equal(errors.n, 1001);
	assert_int_equal(errors.items[0].pos.line, 1);
	assert_int_equal(errors.items[999].pos.line, 1000);
	assert_int_equal(errors.items[1000].pos.line, 0);
	assert_string_equal(
		errors.items[1000].message, "more than 1000 errors; the others aren't shown");
	mesh_errors_done(&errors);
	buf_done(&text);
}

static void test_unreadable(void **state)
{
	struct mesh_inventory *inv = NULL;
	struct mesh_errors errors = {0};

	assert_int_equal(mesh_inventory_read("/nonexistent/i.yaml", &inv, &errors), -ENOENT);
	assert_int_equal(mesh_inventory_read("/", &inv, &errors), -EISDIR);
	assert_null(inv);
	assert_int_equal(errors.n, 2);
	assert_int_equal(errors.items[0].pos.line, 0);
	assert_string_equal(errors.items[0].message, "can't be read: No such file or directory");
	assert_string_equal(errors.items[1].message, "can't be read: Is a directory");
	mesh_errors_done(&errors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_many_errors),
		cmocka_unit_test(test_unreadable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

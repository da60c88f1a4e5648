/* SPDX-License-Identifier: MIT */
#include "mesh/text.h"
#include "unit.h"
#include <string.h>

static void test_utf8(void **state)
{
	static const struct {
		const char *text;
		size_t n, want;
	} table[] = {
		{"a", 1, 1},
		{"", 0, 0},
		{"\0", 1, 1},
		{"\xc3\xa4", 2, 2},
		{"\xc3\xa4", 1, 0},
		{"\xc3(", 2, 0},
		{"\x80", 1, 0},
		{"\xc0\x80", 2, 0},	    /* too long for what it says */
		{"\xc1\xbf", 2, 0},	    /* too long for what it says */
		{"\xe0\x9f\xbf", 3, 0},	    /* too long for what it says */
		{"\xe0\xa0\x80", 3, 3},	    /* U+0800 */
		{"\xed\x9f\xbf", 3, 3},	    /* U+D7FF */
		{"\xed\xa0\x80", 3, 0},	    /* half a surrogate pair */
		{"\xee\x80\x80", 3, 3},	    /* U+E000 */
		{"\xf0\x8f\xbf\xbf", 4, 0}, /* too long for what it says */
		{"\xf0\x90\x80\x80", 4, 4}, /* U+10000 */
		{"\xf4\x8f\xbf\xbf", 4, 4}, /* U+10FFFF */
		{"\xf4\x90\x80\x80", 4, 0}, /* behind the last */
		{"\xff", 1, 0},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		assert_int_equal(text_utf8_len(table[i].text, table[i].n), table[i].want);
	assert_int_equal(text_utf8_count("a\xc3\xa4\xff\xe2\x82\xac", 7), 4);
}

static void test_printable(void **state)
{
	assert_true(text_is_printable("M\xc3\xbcnchen 2", 10));
	assert_true(text_is_printable("", 0));
	assert_false(text_is_printable("a\nb", 3));
	assert_false(text_is_printable("a\0b", 3));
	assert_false(text_is_printable("\x7f", 1));
	assert_false(text_is_printable("\xc2\x9b[m", 4)); /* a terminal's CSI */
	assert_true(text_is_printable("\xc2\xa0", 2));
	assert_false(text_is_printable("\xff", 1));
}

static void test_quote(void **state)
{
	struct arena a = {0};
	char longer[100];

	memset(longer, 'x', sizeof(longer));
	assert_string_equal(text_quote(&a, "site-1", 6), "`site-1`");
	assert_string_equal(text_quote(&a, "", 0), "``");
	assert_string_equal(
		text_quote(&a, "\x1b[m\xc3\xa4\xc2\x9b", 7), "`\\x1b[m\xc3\xa4\\xc2\\x9b`");
	assert_int_equal(strlen(text_quote(&a, longer, sizeof(longer))), 1 + 63 + 4);
	arena_done(&a);
}

static void test_closer(void **state)
{
	static const struct {
		const char *got, *want;
		bool close;
	} table[] = {
		{"keepalve", "keepalive", true},
		{"keepailve", "keepalive", true},
		{"keep-alive", "keepalive", true},
		{"KEEPALIVE", "keepalive", true},
		{"mut", "mtu", true},
		{"role", "rule", true},
		{"mesh", "nodes", false},
		{"a", "b", false},
		{"", "mtu", false},
		{"x", "keepalive", false},
		{"liveliness", "liveness", true},
	};
	unsigned best = TEXT_NO_GUESS;

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		unsigned fresh = TEXT_NO_GUESS;

		assert_int_equal(
			text_is_closer(table[i].got, table[i].want, &fresh), table[i].close);
	}
	assert_true(text_is_closer("site-11", "site-22", &best));
	assert_true(text_is_closer("site-11", "site-12", &best));
	assert_false(text_is_closer("site-11", "site-13", &best));
	assert_int_equal(best, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_printable),
		cmocka_unit_test(test_quote),
		cmocka_unit_test(test_closer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* What the verbose log is made of: a peer's short name, the limit of lines. */
#include "unit.h"

#include "tunnel/events.h"

static void a_peer_is_named_by_both_ends_of_its_key(void **state)
{
	char name[EVENT_PEER_STRLEN];
	wg_key key;

	assert_true(wg_key_from_base64(&key, "VRoqrPk2TXRrY8juRZ8+Clsc6zvg1rFQVcfsbB6w+GA="));
	assert_string_equal(event_peer_name(&key, name), "peer(VRoq…w+GA)");
}

static void a_flood_is_cut_and_counted(void **state)
{
	struct event_limit l = {.since = {0}};
	instant now = {5 * NS_PER_S};
	unsigned left_out = 0;

	for (unsigned i = 0; i < EVENT_LINES_PER_S; i++)
		assert_true(event_limit_allow(&l, now, &left_out));
	assert_int_equal(left_out, 0);
	for (unsigned i = 0; i < 7; i++)
		assert_false(event_limit_allow(&l, instant_add(now, NS_PER_S - 1), &left_out));
	assert_true(event_limit_allow(&l, instant_add(now, NS_PER_S), &left_out));
	assert_int_equal(left_out, 7);
	left_out = 0;
	assert_true(event_limit_allow(&l, instant_add(now, NS_PER_S), &left_out));
	assert_int_equal(left_out, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_peer_is_named_by_both_ends_of_its_key),
		cmocka_unit_test(a_flood_is_cut_and_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* When the table that marks what comes in is set, left and removed. */
#include "daemon/kernel_mark.h"

#include "unit.h"

static void table(void **state)
{
	static const struct {
		struct nft_mark have;
		uint16_t port;
		uint32_t mark;
		enum mark_step step;
	} cases[] = {
		{{0, 0}, 51820, 0, MARK_KEEP},
		{{0, 0}, 0, 0, MARK_KEEP},
		{{0, 0}, 51820, 51821, MARK_SET},
		{{51820, 51821}, 51820, 51821, MARK_KEEP},
		{{51820, 51821}, 51999, 51821, MARK_SET},
		{{51820, 51821}, 51820, 51822, MARK_SET},
		/* A device that has no port now gets one again. */
		{{51820, 51821}, 0, 51821, MARK_KEEP},
		{{0, 0}, 0, 51821, MARK_KEEP},
		{{51820, 51821}, 51820, 0, MARK_REMOVE},
		{{51820, 51821}, 0, 0, MARK_REMOVE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(kernel_mark_decide(&cases[i].have, cases[i].port, cases[i].mark),
			cases[i].step);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(table)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Every device that a node may state, with and without a word on the command line. */
#include "base/mem.h"
#include "daemon/device_choice.h"
#include "unit.h"
#include <string.h>

static const struct {
	enum mesh_device stated;
	enum device_kind option;
	const char *program; /* on the command line */
	enum device_kind kind;
	bool adopts_any;
	const char *userspace;
} rows[] = {
	{MESH_DEVICE_UNKNOWN, DEVICE_AUTO, NULL, DEVICE_AUTO, true, "usual"},
	{MESH_DEVICE_KERNEL, DEVICE_AUTO, NULL, DEVICE_KERNEL, true, "usual"},
	{MESH_DEVICE_SHUNT_WG, DEVICE_AUTO, NULL, DEVICE_UAPI, true, "./shunt-wg"},
	{MESH_DEVICE_OTHER, DEVICE_AUTO, NULL, DEVICE_UAPI, true, "other"},
	{MESH_DEVICE_UNKNOWN, DEVICE_UAPI, NULL, DEVICE_UAPI, false, "usual"},
	{MESH_DEVICE_KERNEL, DEVICE_UAPI, NULL, DEVICE_UAPI, false, "usual"},
	{MESH_DEVICE_OTHER, DEVICE_UAPI, NULL, DEVICE_UAPI, false, "other"},
	{MESH_DEVICE_SHUNT_WG, DEVICE_KERNEL, NULL, DEVICE_KERNEL, false, "./shunt-wg"},
	{MESH_DEVICE_OTHER, DEVICE_AUTO, "mine", DEVICE_UAPI, true, "mine"},
	{MESH_DEVICE_SHUNT_WG, DEVICE_UAPI, "mine", DEVICE_UAPI, false, "mine"},
};

static void the_command_line_comes_before_the_inventory(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct device_programs programs = {rows[i].program, "usual", "./shunt-wg", "other"};
		struct mesh_node node = {.device = rows[i].stated, .interface = "wg7"};
		struct device_options o = device_choice(rows[i].option, &programs, &node);

		assert_int_equal(o.kind, rows[i].kind);
		assert_int_equal(o.adopts_any, rows[i].adopts_any);
		assert_string_equal(o.userspace, rows[i].userspace);
		assert_string_equal(o.ifname, "wg7");
	}
}

static void another_device_than_is_stated(void **state)
{
	static const struct {
		enum mesh_device stated;
		bool kernel, one, many; /* whether these differ: the kernel's, a program's of one
					   owner, of many */
	} want[] = {
		{MESH_DEVICE_UNKNOWN, false, false, false},
		{MESH_DEVICE_KERNEL, false, true, true},
		{MESH_DEVICE_SHUNT_WG, true, true, false},
		{MESH_DEVICE_OTHER, true, false, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		struct mesh_node node = {.device = want[i].stated};

		assert_int_equal(device_choice_differs(&node, DEVICE_KERNEL, 1), want[i].kernel);
		assert_int_equal(device_choice_differs(&node, DEVICE_UAPI, 1), want[i].one);
		assert_int_equal(device_choice_differs(&node, DEVICE_UAPI, 16), want[i].many);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_command_line_comes_before_the_inventory),
		cmocka_unit_test(another_device_than_is_stated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

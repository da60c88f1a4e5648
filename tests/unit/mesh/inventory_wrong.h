/* SPDX-License-Identifier: MIT */
/* Inventories that are wrong, and what is said about them. */
#ifndef SHUNT_TESTS_INVENTORY_WRONG_H
#define SHUNT_TESTS_INVENTORY_WRONG_H

#include "base/buf.h"
#include "base/mem.h"
#include "mesh/inventory.h"
#include "unit.h"
#include <errno.h>
#include <string.h>

#define KEY "s8TAR9VtnZl5kiLE509N8DHQNz1c1hjxBNOfZWizMhk="
#define KEY_2 "xWO0e+spgCse2UwkCN7PP1zLG1gdnJbuEncGqye62g4="
#define KEY_3 "HhNgR47TQAGLqNMGKIfERsQ2YEbAwM2Yg/UqIzcvQEE="

struct wrong {
	const char *text;
	const char *errors; /* "line:column: message\n" each */
};

/* `before` is what a table's inventories begin with. */
static inline void assert_errors(const char *before, const struct wrong *w)
{
	char *text = mem_printf("%s%s", before, w->text);
	struct mesh_inventory *inv = NULL;
	struct mesh_errors errors = {0};
	struct buf got = {0};

	assert_int_equal(
		mesh_inventory_parse("t.yaml", text, strlen(text), &inv, &errors), -EINVAL);
	assert_null(inv);
	for (size_t i = 0; i < errors.n; i++)
		buf_printf(&got, "%u:%u: %s\n", errors.items[i].pos.line,
			errors.items[i].pos.column, errors.items[i].message);
	if (strcmp(buf_str(&got), w->errors))
		print_message("in the inventory:\n%.1000s\n", text);
	assert_string_equal(buf_str(&got), w->errors);
	buf_done(&got);
	mesh_errors_done(&errors);
	free(text);
}

#define assert_all(before, table)                                        \
	for (size_t i_ = 0; i_ < sizeof(table) / sizeof(*(table)); i_++) \
	assert_errors(before, &(table)[i_])

#endif

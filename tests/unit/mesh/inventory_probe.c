/* SPDX-License-Identifier: MIT */
/*
 * Reads inventories from standard input, each ended by a zero byte, and answers each with a line:
 * "ok", or its first error. For tests that ask the reader many small questions.
 */
#include "base/buf.h"
#include "mesh/inventory.h"
#include <stdio.h>
#include <string.h>

static void answer(const char *text, size_t n)
{
	struct mesh_inventory *inv = NULL;
	struct mesh_errors errors = {0};

	if (!mesh_inventory_parse("probe.yaml", text, n, &inv, &errors))
		puts("ok");
	else
		printf("%u:%u: %s\n", errors.items[0].pos.line, errors.items[0].pos.column,
			errors.items[0].message);
	mesh_errors_done(&errors);
	mesh_inventory_free(inv);
}

int main(void)
{
	AUTO_BUF text = {0};
	int c;

	while ((c = getchar()) != EOF) {
		if (c) {
			buf_putc(&text, (char)c);
			continue;
		}
		answer(buf_str(&text), text.n);
		buf_reset(&text);
	}
	return 0;
}

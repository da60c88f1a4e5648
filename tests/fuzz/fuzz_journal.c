/* SPDX-License-Identifier: MIT */
/*
 * A journal as a crash, a hand or another version may have left it: what is read and written again
 * says the same, in whatever order its lines stand, and a second writing changes no byte.
 */
#include "daemon/journal.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The lines from last to first. */
static void turn(const char *text, size_t n, struct buf *out)
{
	while (n) {
		size_t from = n;

		while (from && text[from - 1] != '\n')
			from--;
		buf_add(out, text + from, n - from);
		buf_putc(out, '\n');
		n = from ? from - 1 : 0;
	}
}

static void rewrite(const char *text, size_t n, struct buf *out)
{
	struct journal j;

	journal_init(&j);
	journal_read(&j, text, n);
	journal_write(&j, out);
	journal_done(&j);
}

static void check_same(const struct buf *a, const struct buf *b)
{
	assert(a->n == b->n && !memcmp(buf_str(a), buf_str(b), a->n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_BUF once = {0}, twice = {0}, turned = {0}, of_turned = {0};

	rewrite((const char *)data, size, &once);
	rewrite(buf_str(&once), once.n, &twice);
	check_same(&once, &twice);
	turn((const char *)data, size, &turned);
	rewrite(buf_str(&turned), turned.n, &of_turned);
	check_same(&once, &of_turned);
	return 0;
}

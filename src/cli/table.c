/* SPDX-License-Identifier: MIT */
#include "cli/table.h"
#include "base/vec.h"
#include <stdarg.h>
#include <string.h>

struct cell {
	char *text;
	enum term_style style;
};

struct column {
	const char *heading;
	bool right;
	size_t width;
};

struct table {
	VEC(struct column) columns;
	VEC(struct cell) cells; /* row by row */
};

struct table *table_new(const char *const *headings)
{
	struct table *t = mem_zalloc(1, sizeof(*t));
	for (; *headings; headings++) {
		bool right = **headings == '>';
		const char *heading = *headings + right;
		vec_push(&t->columns, (struct column){heading, right, strlen(heading)});
	}
	return t;
}

void table_free(struct table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->cells.n; i++)
		free(t->cells.items[i].text);
	vec_done(&t->cells);
	vec_done(&t->columns);
	free(t);
}

void table_cell(struct table *t, enum term_style style, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = mem_strdup("?");
	va_end(ap);
	if (!*text) {
		free(text);
		text = mem_strdup("-");
	}
	struct column *c = &t->columns.items[t->cells.n % t->columns.n];
	if (strlen(text) > c->width)
		c->width = strlen(text);
	vec_push(&t->cells, (struct cell){text, style});
}

static void print_cell(
	const struct table *t, size_t column, const char *text, enum term_style style, FILE *f)
{
	const struct column *c = &t->columns.items[column];
	bool last = column + 1 == t->columns.n;
	int pad = (int)(c->width - strlen(text));
	fprintf(f, "%*s%s%s%s%*s", c->right ? pad : 0, "", term_begin(f, style), text,
		term_end(f, style), last ? 0 : (c->right ? 2 : pad + 2), "");
	if (last)
		fputc('\n', f);
}

void table_print(const struct table *t, FILE *f)
{
	size_t n = t->columns.n;
	size_t n_cells = t->cells.n - t->cells.n % n;
	if (n_cells == 0)
		return;
	for (size_t i = 0; i < n; i++)
		print_cell(t, i, t->columns.items[i].heading, TERM_BOLD, f);
	for (size_t i = 0; i < n_cells; i++)
		print_cell(t, i % n, t->cells.items[i].text, t->cells.items[i].style, f);
}

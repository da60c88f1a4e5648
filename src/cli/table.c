/* SPDX-License-Identifier: MIT */
#include "cli/table.h"
#include "base/buf.h"
#include "base/vec.h"
#include <assert.h>
#include <libsmartcols.h>
#include <stdarg.h>
#include <string.h>

#define MOST_TO_SPARE 18 /* columns for what may be folded as well */
#define LEAST_TO_FOLD 16 /* columns; in fewer a sentence would be a tower */

struct cell {
	char *text;
	enum term_style style;
};

struct table {
	struct table_column columns[TABLE_MAX_COLUMNS];
	size_t n;
	unsigned width;
	VEC(struct cell) cells; /* row by row */
};

struct table *table_new(const struct table_column *columns, size_t n, unsigned width)
{
	struct table *t = mem_zalloc(1, sizeof(*t));

	assert(n <= TABLE_MAX_COLUMNS);
	memcpy(t->columns, columns, n * sizeof(*columns));
	t->n = n;
	t->width = width;
	return t;
}

void table_free(struct table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->cells.n; i++)
		free(t->cells.items[i].text);
	vec_done(&t->cells);
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
	vec_push(&t->cells, (struct cell){text, style});
}

static size_t widest_of(const struct table *t, size_t c)
{
	size_t widest = strlen(t->columns[c].heading);

	for (size_t i = c; i < t->cells.n; i += t->n)
		if (strlen(t->cells.items[i].text) > widest)
			widest = strlen(t->cells.items[i].text);
	return widest;
}

/* Beside the last column those are folded that would leave it too little. */
static bool is_folded(const struct table *t, size_t c)
{
	return t->width && (t->columns[c].flags & TABLE_FOLD) &&
	       (c + 1 == t->n || widest_of(t, c) > MOST_TO_SPARE);
}

/* What the other columns leave to the last one. */
static size_t room_for_last(const struct table *t)
{
	size_t taken = 0;

	for (size_t c = 0; c + 1 < t->n; c++)
		taken += 2 + (is_folded(t, c) ? MOST_TO_SPARE : widest_of(t, c));
	return taken + LEAST_TO_FOLD < t->width ? t->width - taken : LEAST_TO_FOLD;
}

/* The text with newlines for the blanks where a line of so many columns is full. */
static void break_between_words(char *text, size_t room)
{
	char *line = text, *blank = NULL;

	for (char *p = text; *p; p++) {
		if (*p == ' ')
			blank = p;
		if (blank && (size_t)(p - line) >= room) {
			*blank = '\n';
			line = blank + 1;
			blank = NULL;
		}
	}
}

/* What libsmartcols is given of a style: a sequence, or NULL. */
static const char *sequence_of(FILE *f, enum term_style style)
{
	const char *s = term_begin(f, style);

	return *s ? s : NULL;
}

static void add_columns(const struct table *t, struct libscols_table *to, FILE *f)
{
	for (size_t c = 0; c < t->n; c++) {
		int flags = t->columns[c].flags;
		bool folds = is_folded(t, c);
		struct libscols_column *column = scols_table_new_column(to, t->columns[c].heading,
			0,
			(flags & TABLE_RIGHT ? SCOLS_FL_RIGHT : 0) |
				((flags & TABLE_TRUNCATE) && t->width ? SCOLS_FL_TRUNC : 0) |
				(folds ? SCOLS_FL_WRAP : 0));

		if (folds && c + 1 == t->n) {
			scols_column_set_safechars(column, "\n");
			scols_column_set_wrapfunc(
				column, scols_wrapnl_chunksize, scols_wrapnl_nextchunk, NULL);
		}
		scols_cell_set_color(scols_column_get_header(column), sequence_of(f, TERM_BOLD));
	}
}

static void add_rows(const struct table *t, struct libscols_table *to, FILE *f)
{
	bool folds = t->width && (t->columns[t->n - 1].flags & TABLE_FOLD);
	size_t room = folds ? room_for_last(t) : 0;

	for (size_t i = 0; i + t->n <= t->cells.n; i += t->n) {
		struct libscols_line *line = scols_table_new_line(to, NULL);

		for (size_t c = 0; c < t->n; c++) {
			const struct cell *cell = &t->cells.items[i + c];
			AUTO_FREE char *text = mem_strdup(cell->text);

			if (folds && c + 1 == t->n)
				break_between_words(text, room);
			scols_line_set_data(line, c, text);
			scols_cell_set_color(
				scols_line_get_cell(line, c), sequence_of(f, cell->style));
		}
	}
}

/* The lines without the blanks at their ends. */
static void print_trimmed(const char *text, FILE *f)
{
	while (*text) {
		size_t n = strcspn(text, "\n"), shown = n;

		while (shown && text[shown - 1] == ' ')
			shown--;
		fprintf(f, "%.*s\n", (int)shown, text);
		text += n + (text[n] == '\n');
	}
}

void table_print(const struct table *t, FILE *f)
{
	struct libscols_table *to;
	char *text = NULL;

	if (t->cells.n < t->n)
		return;
	to = scols_new_table();
	scols_table_set_column_separator(to, "  ");
	scols_table_enable_colors(to, term_has_colour(f));
	scols_table_set_termforce(to, SCOLS_TERMFORCE_ALWAYS);
	scols_table_set_termwidth(to, t->width ? t->width : 10000);
	add_columns(t, to, f);
	add_rows(t, to, f);
	if (scols_print_table_to_string(to, &text) == 0)
		print_trimmed(text, f);
	free(text);
	scols_unref_table(to);
}

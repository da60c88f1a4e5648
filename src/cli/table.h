/* SPDX-License-Identifier: MIT */
/*
 * Text tables with headings, laid out by libsmartcols: two blanks between columns, no trailing
 * blanks, and no line wider than it may be. Cells are filled from left to right; a row is complete
 * when its last cell is.
 */
#ifndef SHUNT_CLI_TABLE_H
#define SHUNT_CLI_TABLE_H

#include "cli/term.h"

#define TABLE_ANY_WIDTH 0
#define TABLE_MAX_COLUMNS 16

enum table_flag {
	TABLE_LEFT = 0,
	TABLE_RIGHT = 1,    /* aligned there */
	TABLE_TRUNCATE = 2, /* is cut where there is no room */
	TABLE_FOLD = 4,	    /* goes on in the next line: the last column between words, others
			       anywhere */
};

struct table_column {
	const char *heading;
	int flags; /* enum table_flag */
};

struct table;

/* No line is wider than width; TABLE_ANY_WIDTH: as wide as need be, nothing cut or folded. */
struct table *table_new(const struct table_column *columns, size_t n, unsigned width);
/* Accepts NULL. */
void table_free(struct table *t);
/* The next cell. Text is copied; an empty one is shown as "-". */
void table_cell(struct table *t, enum term_style style, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Headings and all complete rows; nothing at all if there is no row. */
void table_print(const struct table *t, FILE *f);

#endif

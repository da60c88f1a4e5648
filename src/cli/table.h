/* SPDX-License-Identifier: MIT */
/*
 * Text tables with headings: columns as wide as their widest cell, two blanks between them, no
 * trailing blanks. Cells are filled from left to right; a row is complete when its last cell is.
 */
#ifndef SHUNT_CLI_TABLE_H
#define SHUNT_CLI_TABLE_H

#include "cli/term.h"

struct table;

/* Headings by column, ended by NULL. A heading that begins with '>' (not shown) makes its column
 * right-aligned. */
struct table *table_new(const char *const *headings);
/* Accepts NULL. */
void table_free(struct table *t);
/* The next cell. Text is copied; an empty one is shown as "-". */
void table_cell(struct table *t, enum term_style style, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Headings and all complete rows; nothing at all if there is no row. */
void table_print(const struct table *t, FILE *f);

#endif

/* SPDX-License-Identifier: MIT */
/* What is for a person's eyes only: colour and progress, both absent unless a terminal is there. */
#ifndef SHUNT_CLI_TERM_H
#define SHUNT_CLI_TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum term_style { TERM_PLAIN, TERM_BOLD, TERM_DIM, TERM_RED, TERM_GREEN, TERM_YELLOW };

/* True if f is a terminal that shows colour and nobody asked for none (NO_COLOR, TERM=dumb). */
bool term_has_colour(FILE *f);
/* Columns to print in: COLUMNS where it is set, else the terminal's; 0: as many as need be, since
 * whoever reads a pipe looks for whole lines. */
unsigned term_width(FILE *f);
/* The sequences that begin and end a style; "" where there is no colour. */
const char *term_begin(FILE *f, enum term_style style);
const char *term_end(FILE *f, enum term_style style);

/*
 * A line on standard error that counts long work, if standard error is a terminal. It appears only
 * once the work has lasted long enough to wonder, and is gone when the work is done.
 */
struct term_progress {
	const char *what;
	size_t total;
	long long next_ms; /* when to draw again; 0: never */
	bool drawn;
};

void term_progress_start(struct term_progress *p, const char *what, size_t total);
void term_progress_at(struct term_progress *p, size_t done);
/* Wipes the line. */
void term_progress_end(struct term_progress *p);

#endif

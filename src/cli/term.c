/* SPDX-License-Identifier: MIT */
#include "cli/term.h"
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define PROGRESS_PATIENCE_MS 500 /* work shorter than this shows nothing */
#define PROGRESS_EVERY_MS 100

bool term_has_colour(FILE *f)
{
	const char *no_colour = getenv("NO_COLOR");
	const char *term = getenv("TERM");
	if ((no_colour && *no_colour) || (term && !strcmp(term, "dumb")))
		return false;
	return isatty(fileno(f));
}

unsigned term_width(FILE *f)
{
	const char *told = getenv("COLUMNS");
	unsigned long columns = told ? strtoul(told, NULL, 10) : 0;
	struct winsize size;

	if (columns >= 20 && columns <= 10000)
		return (unsigned)columns;
	if (isatty(fileno(f)) && ioctl(fileno(f), TIOCGWINSZ, &size) == 0 && size.ws_col >= 20)
		return size.ws_col;
	return isatty(fileno(f)) ? 80 : 0;
}

const char *term_begin(FILE *f, enum term_style style)
{
	static const char *const codes[] = {
		[TERM_PLAIN] = "",
		[TERM_BOLD] = "\033[1m",
		[TERM_DIM] = "\033[2m",
		[TERM_RED] = "\033[31m",
		[TERM_GREEN] = "\033[32m",
		[TERM_YELLOW] = "\033[33m",
	};
	return term_has_colour(f) ? codes[style] : "";
}

const char *term_end(FILE *f, enum term_style style)
{
	return style != TERM_PLAIN && term_has_colour(f) ? "\033[0m" : "";
}

static long long now_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void term_progress_start(struct term_progress *p, const char *what, size_t total)
{
	bool shown = isatty(STDERR_FILENO) && !(getenv("TERM") && !strcmp(getenv("TERM"), "dumb"));
	*p = (struct term_progress){
		.what = what,
		.total = total,
		.next_ms = shown ? now_ms() + PROGRESS_PATIENCE_MS : 0,
	};
}

void term_progress_at(struct term_progress *p, size_t done)
{
	if (!p->next_ms || now_ms() < p->next_ms)
		return;
	fprintf(stderr, "\r%s %zu/%zu\033[K", p->what, done, p->total);
	p->drawn = true;
	p->next_ms = now_ms() + PROGRESS_EVERY_MS;
}

void term_progress_end(struct term_progress *p)
{
	if (p->drawn)
		fputs("\r\033[K", stderr);
	*p = (struct term_progress){0};
}

/* SPDX-License-Identifier: MIT */
/* What the verbs share: complaints in one form, and the end that notices a full disk. */
#include "cli/cli.h"
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

void cli_error(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fputs("shunt: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
}

int cli_usage_error(const struct cli_verb *verb, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fprintf(stderr, "shunt %s: ", verb->name);
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "\nUsage: shunt %s %s\n", verb->name, verb->usage);
	va_end(ap);
	return CLI_USAGE;
}

int cli_option_error(const struct cli_verb *verb, int answer, char **argv)
{
	const char *word = argv[optind - 1];
	char letter[3] = {'-', (char)optopt, 0};
	/* A cluster of short options is named by its letter, a long option by what was typed. */
	if (optopt > 0 && optopt < 256 && strncmp(word, "--", 2) != 0)
		word = letter;
	return cli_usage_error(
		verb, answer == ':' ? "%s needs a value" : "%s is unknown or misplaced", word);
}

int cli_finish(int code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	if (errno != EPIPE)
		cli_error("standard output: %s", strerror(errno));
	return code == CLI_OK ? CLI_FAILED : code;
}

#define NEAREST_MAX 32

/* Levenshtein's distance by rows; both texts shorter than NEAREST_MAX. */
static size_t distance(const char *a, const char *b)
{
	size_t row[NEAREST_MAX + 1];
	size_t n = strlen(b);
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = row[j];
			row[j] = best;
		}
	}
	return row[n];
}

const char *cli_nearest(const char *typed, const char *const *names, size_t n)
{
	const char *best = NULL;
	size_t best_distance = SIZE_MAX;
	if (strlen(typed) >= NEAREST_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		if (strlen(names[i]) >= NEAREST_MAX)
			continue;
		size_t d = distance(typed, names[i]);
		if (d < best_distance) {
			best = names[i];
			best_distance = d;
		}
	}
	return best && best_distance <= (strlen(best) + 2) / 3 ? best : NULL;
}

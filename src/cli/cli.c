/* SPDX-License-Identifier: MIT */
/* What the verbs share: complaints in one form, and the end that notices a full disk. */
#include "cli/cli.h"
#include "mesh/text.h"
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
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

const char *cli_nearest(const char *typed, const char *const *names, size_t n)
{
	const char *meant = NULL;
	unsigned best = TEXT_NO_GUESS;
	for (size_t i = 0; i < n; i++)
		if (text_is_closer(typed, names[i], &best))
			meant = names[i];
	return meant;
}

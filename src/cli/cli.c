/* SPDX-License-Identifier: MIT */
/* What the verbs share: complaints in one form, and the end that notices a full disk. */
#include "cli/cli.h"
#include "cli/declared.h"
#include "mesh/text.h"
#include <errno.h>
#include <stdarg.h>
#include <string.h>

static struct buf *diverted;

void cli_divert_errors(struct buf *to)
{
	diverted = to;
}

void cli_error(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	if (diverted) {
		buf_puts(diverted, diverted->n ? "; " : "");
		buf_vprintf(diverted, fmt, ap);
		va_end(ap);
		return;
	}
	fputs("shunt: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
}

int cli_usage_error(const struct command_verb *verb, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fprintf(stderr, "shunt %s: ", verb->name);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	command_print_usage(&cli_command, verb, stderr);
	return CLI_USAGE;
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

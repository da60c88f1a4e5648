/* SPDX-License-Identifier: MIT */
/*
 * The frame of the command line. A verb is one file with one exported `const struct cli_verb
 * cli_<name>`, listed in main.c. Answers go to standard output, everything else (complaints,
 * progress, hints) to standard error, so that an answer can be piped while the rest is seen.
 */
#ifndef SHUNT_CLI_CLI_H
#define SHUNT_CLI_CLI_H

#include <stddef.h>
#include <stdio.h>

/* The exit codes of every verb, documented in docs/exit-codes.md. */
enum cli_exit {
	CLI_OK = 0,
	CLI_REFUSED = 1, /* understood, and the answer is no: findings, refused by the daemon */
	CLI_USAGE = 2,	 /* wrong command line, or input that can't be read as what it should be */
	CLI_FAILED = 3,	 /* the system stood in the way: no space, no permission, no daemon */
};

struct cli_verb {
	const char *name;
	const char *usage;   /* what follows "shunt name ", one line */
	const char *summary; /* one line, lower case, no full stop */
	const char *help;    /* options and explanation, lines of 80 columns at most */
	/* argv[0] is the verb's name, so getopt_long works as it is. Returns an exit code. --help
	 * never gets here. */
	int (*run)(int argc, char **argv);
};

extern const struct cli_verb cli_check;
extern const struct cli_verb cli_render;
extern const struct cli_verb cli_key;
extern const struct cli_verb cli_status;
extern const struct cli_verb cli_routes;
extern const struct cli_verb cli_drain;
extern const struct cli_verb cli_undrain;
extern const struct cli_verb cli_reload;

/* Prints "shunt: <message>" to standard error. */
void cli_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Says what is wrong with the command line and where help is; returns CLI_USAGE. */
int cli_usage_error(const struct cli_verb *verb, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The same where getopt_long answered '?' (unknown) or ':' (a value is missing; the short options
 * must begin with ':'). */
int cli_option_error(const struct cli_verb *verb, int answer, char **argv);
/* Flushes standard output; an exit code worse than code if that failed. The last thing a verb
 * does. */
int cli_finish(int code);
/* The one of n names that is nearest to what was typed, or NULL if none is near enough to be meant.
 */
const char *cli_nearest(const char *typed, const char *const *names, size_t n);

#endif

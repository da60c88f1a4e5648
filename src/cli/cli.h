/* SPDX-License-Identifier: MIT */
/*
 * The frame of the command line. A verb is declared in declared.c, done by a function verb_<name>
 * in a file of its own, and listed in main.c. Answers go to standard output, everything else
 * (complaints, progress, hints) to standard error, so that an answer can be piped while the rest is
 * seen.
 */
#ifndef SHUNT_CLI_CLI_H
#define SHUNT_CLI_CLI_H

#include "base/buf.h"
#include "sys/command.h"
#include <stddef.h>
#include <stdio.h>

/* The exit codes of every verb, documented in docs/exit-codes.md. */
enum cli_exit {
	CLI_OK = 0,
	CLI_REFUSED = 1, /* understood, and the answer is no: findings, refused by the daemon */
	CLI_USAGE = 2,	 /* wrong command line, or input that can't be read as what it should be */
	CLI_FAILED = 3,	 /* the system stood in the way: no space, no permission, no daemon */
};

/* What a verb does with its words, which were judged by its declaration; an exit code. */
typedef int cli_verb_fn(const struct command_line *line);

cli_verb_fn verb_check;
cli_verb_fn verb_render;
cli_verb_fn verb_key;
cli_verb_fn verb_client;
cli_verb_fn verb_revoke;
cli_verb_fn verb_hosts;
cli_verb_fn verb_status;
cli_verb_fn verb_routes;
cli_verb_fn verb_drain;
cli_verb_fn verb_undrain;
cli_verb_fn verb_reload;
cli_verb_fn verb_events;
cli_verb_fn verb_help;

/* Prints "shunt: <message>" to standard error, or adds the message to where errors are diverted to.
 */
void cli_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Errors go there from now on; NULL: to standard error again. */
void cli_divert_errors(struct buf *to);
/* Says what is wrong with the command line and how it is used; returns CLI_USAGE. */
int cli_usage_error(const struct command_verb *verb, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* All verbs, a line each. */
void help_print_verbs(FILE *f);
/* Complains of a word that is no verb; returns CLI_USAGE. */
int help_unknown_verb(const char *name);
/* Flushes standard output; an exit code worse than code if that failed. The last thing a verb
 * does. */
int cli_finish(int code);
/* The one of n names that is nearest to what was typed, or NULL if none is near enough to be meant.
 */
const char *cli_nearest(const char *typed, const char *const *names, size_t n);

#endif

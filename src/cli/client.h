/* SPDX-License-Identifier: MIT */
/* A verb's way to a running shuntd: finds its control socket, asks one question, hands back the
 * answer. */
#ifndef SHUNT_CLI_CLIENT_H
#define SHUNT_CLI_CLIENT_H

#include "cli/cli.h"
#include <jansson.h>
#include <stdbool.h>

struct client_options {
	const char *node;    /* --node; NULL: the only daemon there is */
	const char *run_dir; /* --run-dir; NULL: /run/shunt/<node> */
	bool json;	     /* --json */
};

/* Of a verb that declares these options. CLI_OK or CLI_USAGE (told). */
int client_options_of(const struct command_line *line, struct client_options *ret);

/*
 * Asks {"op": op, "query": query} (query may be NULL) and returns the answer if its ok is true,
 * without ok; the caller releases it. NULL and *ret_code otherwise, with the reason told:
 * CLI_FAILED if no daemon can be asked, CLI_REFUSED if it says no.
 */
json_t *client_ask(
	const struct client_options *o, const char *op, const char *query, int *ret_code);
/* The same with another argument than "query", by its name; text may be NULL. */
json_t *client_ask_with(const struct client_options *o, const char *op, const char *argument,
	const char *text, int *ret_code);

/* The same of any request, which is taken over (NULL: its words aren't UTF-8). */
json_t *client_request(const struct client_options *o, json_t *request, int *ret_code);

/* In steps, for who gets more than one line (client_stream.h). */

/* A stream to the daemon; negative with the reason told. */
int client_connect(const struct client_options *o);
/* Negative errno. Takes the request over. */
int client_send(int fd, json_t *request);
/* As client_ask gives it, of the text of an answer. */
json_t *client_parse(const char *text, size_t n, int *ret_code);

/* The answer as the verb's JSON, indented. */
void client_print_json(const json_t *answer);
/* A member as text, "-" where it is null or absent. Borrowed from the answer. */
const char *client_text(const json_t *object, const char *member);
/* 0.35 -> "350ms", 75 -> "1m15s", 90000 -> "1d1h": at most two units. */
char *client_duration(double seconds, char buf[static 32]);

#endif

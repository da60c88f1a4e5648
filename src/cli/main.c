/* SPDX-License-Identifier: MIT */
/* shunt: finds the verb, answers for help and version, and hands over. */
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/declared.h"
#include <assert.h>
#include <signal.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

static const struct {
	const char *name;
	cli_verb_fn *run;
} verbs[] = {
	{"check", verb_check},
	{"render", verb_render},
	{"key", verb_key},
	{"client", verb_client},
	{"revoke", verb_revoke},
	{"hosts", verb_hosts},
	{"status", verb_status},
	{"routes", verb_routes},
	{"drain", verb_drain},
	{"undrain", verb_undrain},
	{"reload", verb_reload},
	{"events", verb_events},
	{"help", verb_help},
};

/* To monitoring a wrong command line is something unknown, and 2 would be an alarm. */
static bool is_probe(const struct command_line *line)
{
	return !strcmp(line->verb->name, "status") && command_has(line, "check");
}

static int run(const struct command_verb *verb, int argc, char **argv)
{
	struct command_line line;

	if (command_parse(verb, argc, argv, &line)) {
		cli_usage_error(verb, "%s", line.wrong);
		return is_probe(&line) ? CLI_FAILED : CLI_USAGE;
	}
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(verbs[i].name, verb->name))
			return verbs[i].run(&line);
	assert(!"a verb that is declared");
	return CLI_FAILED;
}

static bool is_help(const char *arg)
{
	return !strcmp(arg, "--help") || !strcmp(arg, "-h");
}

static bool asks_for_help(char **argv)
{
	for (char **arg = argv + 1; *arg && strcmp(*arg, "--"); arg++)
		if (is_help(*arg))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	const struct command_verb *verb;

	assert(ARRAY_SIZE(verbs) == cli_command.n_verbs);
	if (sodium_init() < 0)
		return CLI_FAILED;
	/* A reader who has seen enough (shunt ... | head) ends us by a failed write, not a signal.
	 */
	signal(SIGPIPE, SIG_IGN);
	if (argc < 2) {
		help_print_verbs(stderr);
		return CLI_USAGE;
	}
	if (is_help(argv[1])) {
		help_print_verbs(stdout);
		return cli_finish(CLI_OK);
	}
	if (!strcmp(argv[1], "--version")) {
		puts("shunt " SHUNT_VERSION);
		return cli_finish(CLI_OK);
	}
	verb = command_find(&cli_command, argv[1]);
	if (!verb)
		return help_unknown_verb(argv[1]);
	if (asks_for_help(argv + 1)) {
		command_print_help(&cli_command, verb, stdout);
		return cli_finish(CLI_OK);
	}
	return cli_finish(run(verb, argc - 1, argv + 1));
}

/* SPDX-License-Identifier: MIT */
/* shunt: finds the verb, answers for help and version, and hands over. */
#include "base/mem.h"
#include "cli/cli.h"
#include <getopt.h>
#include <signal.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

static const struct cli_verb *const verbs[] = {
	&cli_check,
	&cli_render,
	&cli_key,
	&cli_status,
	&cli_routes,
	&cli_drain,
	&cli_undrain,
	&cli_reload,
};

static void print_help(FILE *f)
{
	fputs("Usage: shunt VERB ...\n\n", f);
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		fprintf(f, "  %-9s %s\n", verbs[i]->name, verbs[i]->summary);
	fputs("\n"
	      "shunt VERB --help explains a verb, shunt --version names this one.\n"
	      "Exit code: 0 done, 1 the answer is no, 2 wrong command line or unreadable\n"
	      "input, 3 the system stood in the way.\n",
		f);
}

static void print_verb_help(const struct cli_verb *verb)
{
	printf("Usage: shunt %s %s\n%c%s.\n\n%s", verb->name, verb->usage,
		verb->summary[0] & ~('a' ^ 'A'), verb->summary + 1, verb->help);
}

static const struct cli_verb *find_verb(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(verbs[i]->name, name))
			return verbs[i];
	return NULL;
}

static int unknown_verb(const char *name)
{
	const char *names[ARRAY_SIZE(verbs) + 1];
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		names[i] = verbs[i]->name;
	const char *near = cli_nearest(name, names, ARRAY_SIZE(verbs));
	cli_error("there is no verb \"%s\"%s%s%s; shunt --help lists them", name,
		near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	return CLI_USAGE;
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
	/* A reader who has seen enough (shunt ... | head) ends us by a failed write, not a signal.
	 */
	if (sodium_init() < 0)
		return CLI_FAILED;
	signal(SIGPIPE, SIG_IGN);
	opterr = 0;
	if (argc < 2) {
		print_help(stderr);
		return CLI_USAGE;
	}
	bool help = is_help(argv[1]) || !strcmp(argv[1], "help");
	if (help && argc == 2) {
		print_help(stdout);
		return cli_finish(CLI_OK);
	}
	if (!strcmp(argv[1], "--version")) {
		puts("shunt " SHUNT_VERSION);
		return cli_finish(CLI_OK);
	}
	argv += help ? 2 : 1;
	argc -= help ? 2 : 1;
	const struct cli_verb *verb = find_verb(argv[0]);
	if (!verb)
		return unknown_verb(argv[0]);
	if (help || asks_for_help(argv)) {
		print_verb_help(verb);
		return cli_finish(CLI_OK);
	}
	return cli_finish(verb->run(argc, argv));
}

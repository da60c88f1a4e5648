/* SPDX-License-Identifier: MIT */
/*
 * shunt help: verbs by their declarations, and findings by what docs/findings.md says of them,
 * which a build makes finding_texts of (finding_texts.py).
 */
#include "base/mem.h"
#include "base/vec.h"
#include "cli/cli.h"
#include "cli/declared.h"
#include "cli/finding_texts.h"
#include "cli/term.h"
#include <string.h>

void help_print_verbs(FILE *f)
{
	fputs("Usage: shunt VERB ...\n\n", f);
	for (size_t i = 0; i < cli_command.n_verbs; i++)
		fprintf(f, "  %-9s %s\n", cli_command.verbs[i].name, cli_command.verbs[i].summary);
	fputs("\n"
	      "shunt VERB --help explains a verb, shunt help CODE a finding, shunt --version\n"
	      "names this one. Exit code: 0 done, 1 the answer is no, 2 wrong command line or\n"
	      "unreadable input, 3 the system stood in the way.\n",
		f);
}

/* The verb or, with codes, the code that was probably meant; NULL: none is near. */
static const char *meant(const char *typed, bool codes)
{
	VEC(const char *) names = {0};
	const char *near;

	for (size_t i = 0; i < cli_command.n_verbs; i++)
		vec_push(&names, cli_command.verbs[i].name);
	for (size_t i = 0; codes && i < n_finding_texts; i++)
		vec_push(&names, finding_texts[i].code);
	near = cli_nearest(typed, names.items, names.n);
	vec_done(&names);
	return near;
}

int help_unknown_verb(const char *name)
{
	const char *near = meant(name, false);

	cli_error("there is no verb \"%s\"%s%s%s; shunt --help lists them", name,
		near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	return CLI_USAGE;
}

static int unknown_topic(const char *name)
{
	const char *near = meant(name, true);

	cli_error("\"%s\" is no verb and no code of a finding%s%s%s", name,
		near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	return CLI_USAGE;
}

static void print_finding_text(const struct finding_text *t)
{
	enum term_style style = strcmp(t->severity, "error") ? TERM_YELLOW : TERM_RED;

	printf("%s%s%s: %s%s%s\n", term_begin(stdout, style), t->severity, term_end(stdout, style),
		term_begin(stdout, TERM_BOLD), t->code, term_end(stdout, TERM_BOLD));
	for (size_t i = 0; i < t->n_blocks; i++) {
		putchar('\n');
		if (t->blocks[i].is_verbatim)
			fputs(t->blocks[i].text, stdout);
		else
			command_fill(stdout, t->blocks[i].text, COMMAND_WIDTH, 0, 0);
	}
}

int verb_help(const struct command_line *line)
{
	const char *topic = line->operands[0];
	const struct command_verb *verb = topic ? command_find(&cli_command, topic) : NULL;

	if (!topic)
		help_print_verbs(stdout);
	else if (verb)
		command_print_help(&cli_command, verb, stdout);
	if (!topic || verb)
		return CLI_OK;
	for (size_t i = 0; i < n_finding_texts; i++) {
		if (!strcmp(finding_texts[i].code, topic)) {
			print_finding_text(&finding_texts[i]);
			return CLI_OK;
		}
	}
	return unknown_topic(topic);
}

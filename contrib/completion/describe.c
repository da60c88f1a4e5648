/* SPDX-License-Identifier: MIT */
/*
 * What the three programs declare of their command lines, a row a line, fields with a tab between,
 * for generate.py. It runs where it is built, also when the programs are built for another machine.
 */
#include "cli/declared.h"
#include "daemon/declared.h"
#include "tunnel/declared.h"

static const char *const kinds[] = {
	[COMMAND_TEXT] = "text",
	[COMMAND_FILE] = "file",
	[COMMAND_FOLDER] = "folder",
	[COMMAND_NODE] = "node",
	[COMMAND_DAEMON] = "daemon",
	[COMMAND_INTERFACE] = "interface",
	[COMMAND_TOPIC] = "topic",
};

static void tell_verb(const struct command_verb *v)
{
	printf("verb\t%s\t%s\n", v->name ? v->name : "", v->summary);
	for (int i = 0; i < COMMAND_MAX_OPERANDS && v->operands[i].name; i++)
		printf("operand\t%s\t%s\n", v->operands[i].name, kinds[v->operands[i].kind]);
	for (int i = 0; i < COMMAND_MAX_OPTIONS && v->options[i].name; i++) {
		const struct command_option *o = &v->options[i];
		char letter[2] = {o->letter, 0};

		printf("option\t%s\t%s\t%s\t%s\t%s\t%s\n", o->name, letter,
			o->value ? o->value : "", kinds[o->kind], o->words ? o->words : "",
			o->help);
	}
}

int main(void)
{
	const struct command *const programs[] = {&cli_command, &daemon_command, &tunnel_command};

	for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++) {
		printf("program\t%s\n", programs[i]->name);
		for (size_t k = 0; k < programs[i]->n_verbs; k++)
			tell_verb(&programs[i]->verbs[k]);
	}
	return ferror(stdout) || fflush(stdout) ? 1 : 0;
}

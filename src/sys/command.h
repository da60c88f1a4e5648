/* SPDX-License-Identifier: MIT */
/*
 * A program's command line, declared once: verbs, options and operands as rows of constant data.
 * What getopt_long is told, --help and the complaints follow from them here; completion for shells
 * is made of them at build time, and tests hold the manuals against them. A declaration has no
 * pointers to code, so that a program of the build machine's can read it as well.
 */
#ifndef SHUNT_SYS_COMMAND_H
#define SHUNT_SYS_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define COMMAND_MAX_OPTIONS 24 /* of a verb */
#define COMMAND_MAX_OPERANDS 3
#define COMMAND_WIDTH 80 /* of what --help prints */

/* What a value is, so that a shell can complete it. */
enum command_kind {
	COMMAND_TEXT, /* nothing to offer */
	COMMAND_FILE,
	COMMAND_FOLDER,
	COMMAND_NODE,	   /* of the inventory on the line */
	COMMAND_DAEMON,	   /* a node whose daemon runs on this machine */
	COMMAND_INTERFACE, /* of a device in userspace that runs on this machine */
	COMMAND_TOPIC,	   /* what `help` explains: verbs, codes of findings */
};

struct command_option {
	const char *name;   /* long, without its dashes */
	char letter;	    /* short; 0: none */
	const char *value;  /* what its value is called; NULL: it takes none */
	const char *help;   /* half a sentence */
	const char *needed; /* the complaint where it is missing; NULL: it may be */
	enum command_kind kind;
	const char *words; /* the only values there are, with blanks between; NULL: others are */
};

struct command_operand {
	const char *name;
	enum command_kind kind;
	bool may_be_missing;
};

struct command_verb {
	const char *name;    /* NULL: the program has no verbs, and this is all it does */
	const char *summary; /* half a sentence, lower case, no full stop */
	const char *usage;   /* forms, what follows the name, a line each; NULL: made of the rows */
	const char *help;    /* paragraphs with an empty line between; one that begins with a blank
				keeps its lines */
	const char *complaint; /* where the number of operands is another */
	struct command_operand operands[COMMAND_MAX_OPERANDS];	/* ended by one without name */
	struct command_option options[COMMAND_MAX_OPTIONS + 1]; /* likewise */
};

struct command {
	const char *name;
	const struct command_verb *verbs;
	size_t n_verbs;
};

/* A verb's words as they were given; what it points at is argv's. */
struct command_line {
	const struct command_verb *verb;
	const char *values[COMMAND_MAX_OPTIONS]; /* by option; "" of one without a value */
	const char *operands[COMMAND_MAX_OPERANDS];
	char wrong[160]; /* the complaint, a sentence without full stop; "": none */
};

/* The verb of that name, NULL: none. */
const struct command_verb *command_find(const struct command *c, const char *name);

/* Takes argv[1..], options before and behind operands as getopt_long does; the last of several
 * counts. 0, or -EINVAL with the complaint. Changes getopt's variables and the order of argv. */
int command_parse(const struct command_verb *verb, int argc, char **argv, struct command_line *ret);
/* Of an option that is declared: whether it was given, and its value (NULL: it wasn't). */
bool command_has(const struct command_line *line, const char *option);
const char *command_value(const struct command_line *line, const char *option);

/* "Usage: shunt check FILE [--json]", wrapped. */
void command_print_usage(const struct command *c, const struct command_verb *verb, FILE *f);
/* The same, the summary, each option, and the explanation. */
void command_print_help(const struct command *c, const struct command_verb *verb, FILE *f);
/* Words of a text, at most width columns wide (0: any), ended by a newline: the first line goes on
 * at the column at, the others begin at indent. */
void command_fill(FILE *f, const char *text, size_t width, size_t at, size_t indent);

#endif

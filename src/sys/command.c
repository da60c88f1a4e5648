/* SPDX-License-Identifier: MIT */
#include "sys/command.h"

#include "base/mem.h"
#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <string.h>

#define WIDEST_LABEL 30 /* of options; the text of a wider one begins on the next line */

const struct command_verb *command_find(const struct command *c, const char *name)
{
	for (size_t i = 0; i < c->n_verbs; i++)
		if (c->verbs[i].name && !strcmp(c->verbs[i].name, name))
			return &c->verbs[i];
	return NULL;
}

static size_t count_options(const struct command_verb *verb)
{
	size_t n = 0;

	while (n < COMMAND_MAX_OPTIONS && verb->options[n].name)
		n++;
	return n;
}

static size_t index_of(const struct command_verb *verb, const char *name)
{
	for (size_t i = 0; i < count_options(verb); i++)
		if (!strcmp(verb->options[i].name, name))
			return i;
	assert(!"an option that is declared");
	return 0;
}

bool command_has(const struct command_line *line, const char *option)
{
	return command_value(line, option);
}

const char *command_value(const struct command_line *line, const char *option)
{
	return line->values[index_of(line->verb, option)];
}

/* --- what was given ------------------------------------------------------------------------------
 */

struct getopt_words {
	struct option options[COMMAND_MAX_OPTIONS + 1]; /* val: 256 and the option's place */
	char letters[2 * COMMAND_MAX_OPTIONS + 2];
};

static void words_of(const struct command_verb *verb, struct getopt_words *ret)
{
	char *letter = ret->letters;

	memset(ret, 0, sizeof(*ret));
	*letter++ = ':';
	for (size_t i = 0; i < count_options(verb); i++) {
		const struct command_option *o = &verb->options[i];

		ret->options[i] = (struct option){
			o->name, o->value ? required_argument : no_argument, NULL, 256 + (int)i};
		if (!o->letter)
			continue;
		*letter++ = o->letter;
		if (o->value)
			*letter++ = ':';
	}
}

static size_t index_of_answer(const struct command_verb *verb, int answer)
{
	size_t i = 0;

	if (answer >= 256)
		return (size_t)answer - 256;
	while (verb->options[i].letter != (char)answer)
		i++;
	return i;
}

__attribute__((format(printf, 2, 3))) static int complain(
	struct command_line *line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line->wrong, sizeof(line->wrong), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* getopt_long answered '?' (unknown) or ':' (a value is missing). A cluster of short options is
 * named by its letter, a long option by what was typed. */
static int complain_of_option(struct command_line *line, int answer, char **argv)
{
	const char *word = argv[optind - 1];
	char letter[3] = {'-', (char)optopt, 0};

	if (optopt > 0 && optopt < 256 && strncmp(word, "--", 2) != 0)
		word = letter;
	return complain(line,
		answer == ':' ? "%.100s needs a value" : "%.100s is unknown or misplaced", word);
}

static int take_operands(struct command_line *line, int n, char **operands)
{
	const struct command_operand *declared = line->verb->operands;
	int most = 0, least = 0;

	for (; most < COMMAND_MAX_OPERANDS && declared[most].name; most++)
		least += !declared[most].may_be_missing;
	if (n < least || n > most)
		return complain(line, "%s",
			line->verb->complaint ? line->verb->complaint : "it takes no operand");
	for (int i = 0; i < n; i++)
		line->operands[i] = operands[i];
	return 0;
}

static bool is_word(const char *words, const char *value)
{
	size_t n = strlen(value);

	for (const char *at = words; n && (at = strstr(at, value)); at += n)
		if ((at == words || at[-1] == ' ') && (!at[n] || at[n] == ' '))
			return true;
	return false;
}

static int judge_options(struct command_line *line)
{
	for (size_t i = 0; i < count_options(line->verb); i++) {
		const struct command_option *o = &line->verb->options[i];
		const char *value = line->values[i];

		if (o->needed && !value)
			return complain(line, "%s", o->needed);
		if (value && o->words && !is_word(o->words, value))
			return complain(
				line, "--%s is one of %s, not %.60s", o->name, o->words, value);
	}
	return 0;
}

int command_parse(const struct command_verb *verb, int argc, char **argv, struct command_line *ret)
{
	struct getopt_words words;
	int c, err;

	memset(ret, 0, sizeof(*ret));
	ret->verb = verb;
	words_of(verb, &words);
	opterr = 0;
	optind = 0; /* begins anew */
	while ((c = getopt_long(argc, argv, words.letters, words.options, NULL)) != -1) {
		if (c == '?' || c == ':')
			return complain_of_option(ret, c, argv);
		ret->values[index_of_answer(verb, c)] = optarg ? optarg : "";
	}
	err = take_operands(ret, argc - optind, argv + optind);
	return err ? err : judge_options(ret);
}

/* --- what is told --------------------------------------------------------------------------------
 */

static void pad(FILE *f, size_t n)
{
	fprintf(f, "%*s", (int)n, "");
}

void command_fill(FILE *f, const char *text, size_t width, size_t at, size_t indent)
{
	bool is_first = true;

	for (;;) {
		size_t n;

		text += strspn(text, " \n");
		n = strcspn(text, " \n");
		if (!n)
			break;
		if (!is_first && width && at + 1 + n > width) {
			fputc('\n', f);
			pad(f, indent);
			at = indent;
		} else if (!is_first) {
			fputc(' ', f);
			at++;
		}
		fwrite(text, 1, n, f);
		at += n;
		text += n;
		is_first = false;
	}
	fputc('\n', f);
}

/* A unit of a usage line, not to be broken; a line ends before it if it doesn't fit. */
static void put_form(FILE *f, const char *form, size_t *at, size_t indent)
{
	if (*at + 1 + strlen(form) > COMMAND_WIDTH) {
		fputc('\n', f);
		pad(f, indent);
		*at = indent;
	}
	*at += (size_t)fprintf(f, " %s", form);
}

static void put_operand(FILE *f, const struct command_operand *o, size_t *at, size_t indent)
{
	AUTO_FREE char *form = mem_printf(o->may_be_missing ? "[%s]" : "%s", o->name);

	put_form(f, form, at, indent);
}

static void put_option(FILE *f, const struct command_option *o, size_t *at, size_t indent)
{
	AUTO_FREE char *form = mem_printf("%s--%s%s%s%s", o->needed ? "" : "[", o->name,
		o->value ? " " : "", o->value ? o->value : "", o->needed ? "" : "]");

	put_form(f, form, at, indent);
}

/* "Usage: shunt check", or what stands below it; returns the column. */
static size_t put_name(
	const struct command *c, const struct command_verb *verb, bool is_first, FILE *f)
{
	return (size_t)fprintf(f, "%s %s%s%s", is_first ? "Usage:" : "      ", c->name,
		verb->name ? " " : "", verb->name ? verb->name : "");
}

static void print_stated_usage(const struct command *c, const struct command_verb *verb, FILE *f)
{
	const char *form = verb->usage;

	while (*form) {
		size_t n = strcspn(form, "\n");

		put_name(c, verb, form == verb->usage, f);
		fprintf(f, " %.*s\n", (int)n, form);
		form += n + (form[n] == '\n');
	}
}

void command_print_usage(const struct command *c, const struct command_verb *verb, FILE *f)
{
	size_t at, indent;

	if (verb->usage) {
		print_stated_usage(c, verb, f);
		return;
	}
	at = indent = put_name(c, verb, true, f);
	for (size_t i = 0; i < COMMAND_MAX_OPERANDS && verb->operands[i].name; i++)
		put_operand(f, &verb->operands[i], &at, indent);
	for (size_t i = 0; i < count_options(verb); i++)
		put_option(f, &verb->options[i], &at, indent);
	fputc('\n', f);
}

/* "  -n, --node NAME", malloc'd. */
static char *label_of(const struct command_option *o)
{
	char letter[] = {'-', o->letter, ',', 0};

	return mem_printf("  %s --%s%s%s", o->letter ? letter : "   ", o->name, o->value ? " " : "",
		o->value ? o->value : "");
}

static size_t width_of_labels(const struct command_verb *verb)
{
	size_t width = 0;

	for (size_t i = 0; i < count_options(verb); i++) {
		AUTO_FREE char *label = label_of(&verb->options[i]);
		size_t n = strlen(label);

		if (n > width && n <= WIDEST_LABEL)
			width = n;
	}
	return width;
}

static void print_options(const struct command_verb *verb, FILE *f)
{
	size_t indent = width_of_labels(verb) + 2;

	for (size_t i = 0; i < count_options(verb); i++) {
		AUTO_FREE char *label = label_of(&verb->options[i]);
		size_t n = strlen(label);

		fputs(label, f);
		if (n + 2 > indent)
			fputc('\n', f);
		pad(f, n + 2 > indent ? indent : indent - n);
		command_fill(f, verb->options[i].help, COMMAND_WIDTH, indent, indent);
	}
}

static void print_paragraphs(const char *text, FILE *f)
{
	while (*text) {
		const char *end = strstr(text, "\n\n");
		size_t n = end ? (size_t)(end - text) : strlen(text);
		AUTO_FREE char *paragraph = mem_printf("%.*s", (int)n, text);

		fputc('\n', f);
		if (*paragraph == ' ')
			fprintf(f, "%s\n", paragraph);
		else
			command_fill(f, paragraph, COMMAND_WIDTH, 0, 0);
		text += n + (end ? 2 : 0);
	}
}

void command_print_help(const struct command *c, const struct command_verb *verb, FILE *f)
{
	AUTO_FREE char *summary = mem_printf("%s.", verb->summary);

	command_print_usage(c, verb, f);
	summary[0] = (char)(summary[0] & ~('a' ^ 'A'));
	command_fill(f, summary, COMMAND_WIDTH, 0, 0);
	if (count_options(verb)) {
		fputc('\n', f);
		print_options(verb, f);
	}
	if (verb->help)
		print_paragraphs(verb->help, f);
}

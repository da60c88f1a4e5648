/* SPDX-License-Identifier: MIT */
#include "mesh/yaml.h"

#include "mesh/errors.h"
#include "mesh/text.h"
#include <string.h>

/*
 * What libfyaml needs quadratic time or much memory for, and nobody an inventory. Brackets, commas
 * and colons in one line: 10,000 nodes pass as one line of JSON. Percent signs in one line. Empty
 * lines in a row.
 */
#define INDICATORS_MAX (1u << 20)
#define PERCENTS_MAX 256
#define EMPTY_LINES_MAX 256

struct scan {
	struct mesh_pos pos;
	size_t indicators, percents; /* in this line */
	size_t empty_lines;	     /* just before this one */
	bool empty;		     /* this line, so far */
};

static bool is_indicator(unsigned char c)
{
	return c == '[' || c == '{' || c == ',' || c == ':';
}

static bool is_control(unsigned char c)
{
	return (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;
}

/* False and an error if the character of n bytes (0: not UTF-8) can't stand in an inventory. */
static bool check_character(
	struct mesh_errors *errors, struct mesh_pos pos, unsigned char first, size_t n)
{
	if (!n)
		mesh_errors_add(errors, pos,
			"byte 0x%02x isn't UTF-8; an inventory is a UTF-8 text", first);
	else if (is_control(first))
		mesh_errors_add(
			errors, pos, "control character 0x%02x; an inventory is a text", first);
	else if (first == '%' && pos.column == 1)
		mesh_errors_add(errors, pos,
			"directives (lines that begin with `%%`) can't be used in an inventory");
	else
		return true;
	return false;
}

static bool check_amounts(struct mesh_errors *errors, const struct scan *s)
{
	if (s->indicators > INDICATORS_MAX || s->percents > PERCENTS_MAX)
		mesh_errors_add(errors, s->pos, "too much in one line; break it into several");
	else if (s->empty_lines > EMPTY_LINES_MAX)
		mesh_errors_add(errors, s->pos, "too many empty lines in a row");
	else
		return true;
	return false;
}

static void count_character(struct scan *s, unsigned char c, bool ends_line)
{
	s->indicators += is_indicator(c);
	s->percents += c == '%';
	s->empty &= c == ' ' || c == '\t' || c == '\r' || c == '\n';
	s->pos.column++;
	if (!ends_line)
		return;
	s->empty_lines = s->empty ? s->empty_lines + 1 : 0;
	s->pos = (struct mesh_pos){s->pos.line + 1, 1};
	s->indicators = s->percents = 0;
	s->empty = true;
}

bool yaml_check_bytes(const char *text, size_t len, struct mesh_errors *errors)
{
	struct scan s = {.pos = {1, 1}, .empty = true};

	for (size_t i = 0, n; i < len; i += n) {
		unsigned char c = (unsigned char)text[i];
		bool before_feed = i + 1 < len && text[i + 1] == '\n';

		n = text_utf8_len(text + i, len - i);
		if (!check_character(errors, s.pos, c, n))
			return false;
		count_character(&s, c, c == '\n' || (c == '\r' && !before_feed));
		if (!check_amounts(errors, &s))
			return false;
	}
	return true;
}

static const char *skip_digits(const char *s)
{
	return s + strspn(s, "0123456789");
}

static bool is_one_of(const char *s, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(s, *words))
			return true;
	return false;
}

/* Everything from the sign on, of a decimal integer or a float. */
static enum yaml_type number_type(const char *s)
{
	const char *end, *digits = s + (*s == '-' || *s == '+');
	bool is_float = false, has_digits;

	if (is_one_of(digits, (const char *const[]){".inf", ".Inf", ".INF", NULL}))
		return YAML_FLOAT;
	end = skip_digits(digits);
	has_digits = end != digits;
	if (*end == '.') {
		is_float = true;
		digits = end + 1;
		end = skip_digits(digits);
		has_digits |= end != digits;
	}
	if (has_digits && (*end == 'e' || *end == 'E')) {
		is_float = true;
		digits = end + 1 + (end[1] == '-' || end[1] == '+');
		end = skip_digits(digits);
		has_digits = end != digits;
	}
	if (*end || !has_digits)
		return YAML_TEXT;
	return is_float ? YAML_FLOAT : YAML_INTEGER;
}

enum yaml_type yaml_type_of(const struct yaml_node *scalar)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
	static const char *const bools[] = {
		"true", "True", "TRUE", "false", "False", "FALSE", NULL};
	static const char *const nans[] = {".nan", ".NaN", ".NAN", NULL};
	const char *s = scalar->text;

	if (!scalar->plain)
		return YAML_TEXT;
	if (is_one_of(s, nulls))
		return YAML_NULL;
	if (is_one_of(s, bools))
		return YAML_BOOL;
	if (is_one_of(s, nans))
		return YAML_FLOAT;
	if (!strncmp(s, "0x", 2) && s[2] && !s[2 + strspn(s + 2, "0123456789abcdefABCDEF")])
		return YAML_INTEGER;
	if (!strncmp(s, "0o", 2) && s[2] && !s[2 + strspn(s + 2, "01234567")])
		return YAML_INTEGER;
	return number_type(s);
}

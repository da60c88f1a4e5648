/* SPDX-License-Identifier: MIT */
#include "mesh/edit_place.h"

#include "mesh/errors.h"
#include "mesh/text.h"
#include <errno.h>
#include <string.h>

static size_t give_up(struct edit_source *s)
{
	s->unsure = true;
	return 0;
}

static bool is_break(char c)
{
	return c == '\n' || c == '\r';
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

/* Lines end with LF, CR LF or CR (YAML 1.2.2 section 5.4). */
static void index_lines(struct edit_source *s)
{
	size_t i = s->len >= 3 && !memcmp(s->text, "\xef\xbb\xbf", 3) ? 3 : 0;

	vec_push(&s->lines, i);
	s->newline = "\n";
	for (; i < s->len; i++) {
		if (!is_break(s->text[i]))
			continue;
		if (s->text[i] == '\r' && i + 1 < s->len && s->text[i + 1] == '\n') {
			i++;
			if (s->lines.n == 1)
				s->newline = "\r\n";
		}
		vec_push(&s->lines, i + 1);
	}
}

int edit_source_init(struct edit_source *s, const char *text, size_t len)
{
	struct mesh_errors errors = {0};

	*s = (struct edit_source){.text = text, .len = len};
	s->root = yaml_parse(&s->arena, text, len, &errors);
	bool ok = s->root && errors.n == 0;

	mesh_errors_done(&errors);
	index_lines(s);
	return ok ? 0 : -EINVAL;
}

void edit_source_done(struct edit_source *s)
{
	arena_done(&s->arena);
	vec_done(&s->lines);
}

const struct yaml_node *edit_child(const struct yaml_node *map, const char *key)
{
	if (!map || map->kind != YAML_MAP)
		return NULL;
	for (const struct yaml_node *v = map->first; v; v = v->next)
		if (!strcmp(v->key->text, key))
			return v;
	return NULL;
}

/* Columns are characters. */
static size_t offset_of(struct edit_source *s, struct mesh_pos pos)
{
	if (!pos.line || pos.line > s->lines.n || !pos.column)
		return give_up(s);
	size_t at = s->lines.items[pos.line - 1];

	for (uint32_t i = 1; i < pos.column; i++) {
		size_t n = at < s->len ? text_utf8_len(s->text + at, s->len - at) : 0;

		if (!n || is_break(s->text[at]))
			return give_up(s);
		at += n;
	}
	return at < s->len ? at : give_up(s);
}

/* Whether the text of the file at that place is what the parser made of it. */
static bool stands_at(const struct edit_source *s, const struct yaml_node *n, size_t at)
{
	if (n->kind != YAML_SCALAR)
		return true;
	if (!n->plain)
		return s->text[at] == '"' || s->text[at] == '\'';
	return n->n && n->n <= s->len - at && !memcmp(s->text + at, n->text, n->n);
}

size_t edit_begin(struct edit_source *s, const struct yaml_node *n)
{
	size_t at = offset_of(s, n->pos);

	return s->unsure || !stands_at(s, n, at) ? give_up(s) : at;
}

static size_t quoted_end(struct edit_source *s, size_t at)
{
	char quote = s->text[at++];

	for (; at < s->len; at++) {
		if (s->text[at] == '\\' && quote == '"')
			at++;
		else if (s->text[at] == quote && at + 1 < s->len && s->text[at + 1] == quote &&
			 quote == '\'')
			at++;
		else if (s->text[at] == quote)
			return at + 1;
	}
	return give_up(s);
}

/* Behind blanks, and where lines may end behind line ends, comments and commas too. */
static size_t skip(const struct edit_source *s, size_t at, bool lines)
{
	for (; at < s->len; at++) {
		char c = s->text[at];

		if (lines && c == '#')
			while (at + 1 < s->len && !is_break(s->text[at + 1]))
				at++;
		else if (!is_space(c) && !(lines && (is_break(c) || c == ',')))
			break;
	}
	return at;
}

static bool is_left_empty(const struct yaml_node *n)
{
	return n->kind == YAML_SCALAR && n->plain && !n->n;
}

static size_t empty_end(struct edit_source *s, const struct yaml_node *n)
{
	if (n->is_item || !n->key || is_left_empty(n->key))
		return give_up(s);
	size_t at = skip(s, edit_end(s, n->key), false);

	return !s->unsure && at < s->len && s->text[at] == ':' ? at + 1 : give_up(s);
}

static size_t container_end(struct edit_source *s, const struct yaml_node *n)
{
	const struct yaml_node *last = n->first;
	bool flow = edit_is_flow(s, n);

	while (last && last->next)
		last = last->next;
	if (!last && !flow)
		return give_up(s);
	size_t at = last ? edit_end(s, last) : edit_begin(s, n) + 1;

	if (s->unsure || !flow)
		return at;
	at = skip(s, at, true);
	return at < s->len && s->text[at] == (n->kind == YAML_MAP ? '}' : ']') ? at + 1
									       : give_up(s);
}

size_t edit_end(struct edit_source *s, const struct yaml_node *n)
{
	if (n->kind == YAML_BAD)
		return give_up(s);
	if (is_left_empty(n))
		return empty_end(s, n);
	if (n->kind != YAML_SCALAR)
		return container_end(s, n);
	size_t at = edit_begin(s, n);

	if (s->unsure)
		return 0;
	return n->plain ? at + n->n : quoted_end(s, at);
}

bool edit_is_flow(struct edit_source *s, const struct yaml_node *container)
{
	size_t at = offset_of(s, container->pos);

	return !s->unsure && (s->text[at] == '{' || s->text[at] == '[');
}

size_t edit_line_begin(const struct edit_source *s, size_t at)
{
	size_t first = s->lines.items[0];

	while (at > first && !is_break(s->text[at - 1]))
		at--;
	return at;
}

size_t edit_line_end(const struct edit_source *s, size_t at)
{
	while (at < s->len && !is_break(s->text[at]))
		at++;
	if (at + 1 < s->len && s->text[at] == '\r' && s->text[at + 1] == '\n')
		at++;
	return at < s->len ? at + 1 : at;
}

bool edit_is_blank(const struct edit_source *s, size_t from, size_t to)
{
	while (from < to && (is_space(s->text[from]) || is_break(s->text[from])))
		from++;
	return from >= to;
}

size_t edit_lines_end(struct edit_source *s, size_t end, size_t column)
{
	size_t at = skip(s, end, false), to = edit_line_end(s, end);

	if (at < s->len && !is_break(s->text[at]) && (s->text[at] != '#' || at == end))
		return give_up(s);
	while (to < s->len) {
		at = skip(s, to, false);
		if (at >= s->len || s->text[at] != '#' || at - to <= column)
			break;
		to = edit_line_end(s, at);
	}
	return to;
}

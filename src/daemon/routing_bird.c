/* SPDX-License-Identifier: MIT */
/*
 * BIRD 2's control socket. A line is "NNNN-text", or " text" with the number of the line before; an
 * answer's last one is "NNNN text". `show protocols all` tells of a protocol with a line of 1002
 * (name, kind, table, state, since, info) and lines of 1006, indented by what they belong to. The
 * greeting, which comes without a question, is 0001.
 */
#include "daemon/routing_talk.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX_LEN 5 /* of a line: its number and what stands behind it */
#define GREETING 1
#define PROTOCOL 1002
#define DETAIL 1006
#define FIRST_ERROR 8000

struct text {
	const char *at;
	size_t n;
};

/* False: the line doesn't begin with a number. */
static bool number_of(const struct text *line, unsigned *ret)
{
	unsigned number = 0;

	if (line->n < PREFIX_LEN || (line->at[4] != '-' && line->at[4] != ' '))
		return false;
	for (size_t i = 0; i < 4; i++) {
		if (line->at[i] < '0' || line->at[i] > '9')
			return false;
		number = number * 10 + (unsigned)(line->at[i] - '0');
	}
	*ret = number;
	return true;
}

static bool is_last(const struct text *line)
{
	unsigned number;

	return number_of(line, &number) && line->at[4] == ' ' && number != GREETING;
}

/* The line at *at without its end, which *at is moved behind; false: it isn't whole. */
static bool take_line(const char *bytes, size_t n, size_t *at, struct text *ret)
{
	const char *end = *at < n ? memchr(bytes + *at, '\n', n - *at) : NULL;

	if (!end)
		return false;
	*ret = (struct text){bytes + *at, (size_t)(end - bytes) - *at};
	*at += ret->n + 1;
	return true;
}

static size_t whole(const char *bytes, size_t n, size_t *at)
{
	struct text line;

	while (take_line(bytes, n, at, &line))
		if (is_last(&line))
			return *at;
	return 0;
}

static struct text trimmed(struct text t)
{
	for (; t.n && isspace((unsigned char)t.at[0]); t.at++)
		t.n--;
	while (t.n && isspace((unsigned char)t.at[t.n - 1]))
		t.n--;
	return t;
}

/* A protocol as far as it was told. */
struct telling {
	routing_sessions *to;
	struct routing_session session;
	bool is_bgp, has_neighbor;
	bool is_too_much;
};

static void finish(struct telling *t)
{
	if (t->is_bgp && t->has_neighbor && !routing_add(t->to, &t->session))
		t->is_too_much = true;
	t->is_bgp = t->has_neighbor = false;
	t->session = (struct routing_session){.for_ns = -1};
}

/* The second word is its kind. */
static void begin(struct telling *t, struct text line)
{
	size_t i = 0;

	finish(t);
	line = trimmed(line);
	while (i < line.n && !isspace((unsigned char)line.at[i]))
		i++;
	while (i < line.n && isspace((unsigned char)line.at[i]))
		i++;
	t->is_bgp = line.n - i > 4 && !memcmp(line.at + i, "BGP ", 4);
}

/* True for "KEY: value", whose value is what remains of the line. */
static bool is_of(struct text *line, const char *key)
{
	size_t len = strlen(key);

	if (line->n <= len || memcmp(line->at, key, len) != 0 || line->at[len] != ':')
		return false;
	*line = trimmed((struct text){line->at + len + 1, line->n - len - 1});
	return true;
}

/* A link-local one has its interface behind it. */
static void take_neighbor(struct telling *t, const struct text *value)
{
	const char *zone = memchr(value->at, '%', value->n);
	size_t n = zone ? (size_t)(zone - value->at) : value->n;
	char text[IP_ADDR_STRLEN];

	if (n >= sizeof(text))
		return;
	memcpy(text, value->at, n);
	text[n] = 0;
	t->has_neighbor = ip_addr_parse(&t->session.neighbor, text);
}

/* "12 imported, 3 exported, ...", of one channel. */
static void take_routes(struct telling *t, const struct text *value)
{
	uint64_t n = t->session.routes;
	uint64_t more = 0;

	for (size_t i = 0; i < value->n && isdigit((unsigned char)value->at[i]); i++)
		if (more <= UINT32_MAX)
			more = more * 10 + (unsigned)(value->at[i] - '0');
	n += more;
	t->session.routes = n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

static void take_error(struct telling *t, const struct text *value)
{
	size_t n = value->n < ROUTING_ERROR_LEN ? value->n : ROUTING_ERROR_LEN - 1;

	for (size_t i = 0; i < n; i++)
		t->session.error[i] = isprint((unsigned char)value->at[i]) ? value->at[i] : '?';
	t->session.error[n] = 0;
}

static void take_detail(struct telling *t, struct text line)
{
	line = trimmed(line);
	if (is_of(&line, "BGP state"))
		t->session.state = routing_state_of(line.at, line.n);
	else if (is_of(&line, "Neighbor address"))
		take_neighbor(t, &line);
	else if (is_of(&line, "Routes"))
		take_routes(t, &line);
	else if (is_of(&line, "Last error"))
		take_error(t, &line);
}

/* *number: of the line before, and of this one. False for a refusal. */
static bool take(struct telling *t, struct text line, unsigned *number)
{
	if (number_of(&line, number))
		line = (struct text){line.at + PREFIX_LEN, line.n - PREFIX_LEN};
	if (*number >= FIRST_ERROR)
		return false;
	if (*number == PROTOCOL)
		begin(t, line);
	else if (*number == DETAIL && t->is_bgp)
		take_detail(t, line);
	return true;
}

static int parse(const char *bytes, size_t n, routing_sessions *ret)
{
	struct telling t = {.to = ret};
	unsigned number = 0;
	struct text line;
	size_t at = 0;

	ret->n = 0;
	while (take_line(bytes, n, &at, &line))
		if (!take(&t, line, &number))
			return -EPROTO;
	finish(&t);
	routing_settle(ret);
	return t.is_too_much ? -EMSGSIZE : 0;
}

#define QUESTION "show protocols all\n"

const struct routing_talk routing_talk_bird = {
	.socket = "/run/bird/bird.ctl",
	.question = QUESTION,
	.len = sizeof(QUESTION) - 1,
	.whole = whole,
	.parse = parse,
};

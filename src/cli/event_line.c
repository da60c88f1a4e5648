/* SPDX-License-Identifier: MIT */
#include "cli/event_line.h"

#include "base/mem.h"
#include "cli/client.h"
#include "cli/term.h"
#include <string.h>
#include <time.h>

#define CUT "…"

/* "2026-11-28T07:04:31.123Z" in local time; false: it is something else. */
static bool parse_time(const char *text, struct tm *ret, const char **ret_rest)
{
	struct tm utc = {0};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &utc);
	time_t t = rest ? timegm(&utc) : 0;

	*ret_rest = rest;
	return rest && localtime_r(&t, ret);
}

static bool is_today(const struct tm *tm, int64_t now)
{
	time_t t = (time_t)now;
	struct tm today;

	return localtime_r(&t, &today) && today.tm_year == tm->tm_year &&
	       today.tm_yday == tm->tm_yday;
}

/* "07:04:31.123" of today, "Nov 27 07:04" of another day: as wide as each other. */
static void put_time(const char *at, bool is_wide, int64_t now, char *ret, size_t size)
{
	struct tm tm;
	const char *rest;
	size_t n;

	if (!parse_time(at, &tm, &rest)) {
		snprintf(ret, size, "%s", at);
	} else if (!is_wide && !is_today(&tm, now)) {
		strftime(ret, size, "%b %e %H:%M", &tm);
	} else {
		n = strftime(ret, size, is_wide ? "%Y-%m-%d %H:%M:%S" : "%H:%M:%S", &tm);
		snprintf(ret + n, size - n, "%.4s", rest);
	}
}

static enum term_style style_of(const json_t *event)
{
	static const struct {
		const char *state;
		enum term_style style;
	} styles[] = {
		{"up", TERM_GREEN},
		{"over", TERM_GREEN},
		{"last-resort", TERM_YELLOW},
		{"drained", TERM_YELLOW},
		{"holding", TERM_YELLOW},
		{"down", TERM_RED},
		{"begins", TERM_RED},
		{"refused", TERM_RED},
		{"failed", TERM_RED},
	};

	for (size_t i = 0; i < ARRAY_SIZE(styles); i++)
		if (!strcmp(client_text(event, "state"), styles[i].state))
			return styles[i].style;
	return TERM_PLAIN;
}

/* So many bytes have n characters of UTF-8, or fewer if that is all. */
static size_t bytes_of(const char *text, size_t n)
{
	size_t i = 0;

	while (text[i] && n) {
		for (i++; (text[i] & 0xc0) == 0x80; i++)
			;
		n--;
	}
	return i;
}

/* What begins and what is over says so: the text is the same. */
static char *words_of(const json_t *event)
{
	const char *text = client_text(event, "text");

	if (strcmp(client_text(event, "kind"), "problem") != 0)
		return mem_strdup(text);
	return mem_printf(
		"%s%s", strcmp(client_text(event, "state"), "over") ? "" : "over: ", text);
}

void event_line_print(FILE *f, const json_t *event, unsigned width, bool is_wide, int64_t now)
{
	AUTO_FREE char *words = words_of(event);
	enum term_style style = style_of(event);
	const char *kind = client_text(event, "kind");
	char time[64];
	size_t head, room, n;

	put_time(client_text(event, "at"), is_wide, now, time, sizeof(time));
	head = strlen(time) + 2 + 8 + 2;
	room = width > head ? width - head : 1;
	n = bytes_of(words, room);
	fprintf(f, "%s%s%s  %s%-8s%s  ", term_begin(f, TERM_DIM), time, term_end(f, TERM_DIM),
		term_begin(f, style), kind, term_end(f, style));
	if (width && !is_wide && words[n])
		fprintf(f, "%.*s" CUT "\n", (int)bytes_of(words, room - 1), words);
	else
		fprintf(f, "%s\n", words);
}

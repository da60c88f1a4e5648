/* SPDX-License-Identifier: MIT */
/* shunt events: what happened, the eldest first. */
#include "base/mem.h"
#include "cli/client.h"
#include "cli/client_stream.h"
#include "cli/event_line.h"
#include "cli/term.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LAST_MAX 1000000
#define RETRY_MS 300

struct wanted {
	struct client_options daemon;
	const char *peer, *kind;
	json_int_t last; /* negative: as many as usual */
	bool is_wide;
};

/* The last event that was seen, and of which life of the daemon. */
struct place {
	char *started; /* NULL: none was */
	json_int_t event;
};

static void print_event(const json_t *event, const struct wanted *w)
{
	if (w->daemon.json) {
		json_dumpf(event, stdout, JSON_COMPACT | JSON_REAL_PRECISION(10));
		putchar('\n');
	} else {
		event_line_print(
			stdout, event, w->is_wide ? 0 : term_width(stdout), w->is_wide, time(NULL));
	}
}

static json_t *request(const char *op, const struct wanted *w, json_int_t last)
{
	json_t *r = json_pack("{s:s, s:s*, s:s*}", "op", op, "peer", w->peer, "kind", w->kind);

	if (r && last >= 0)
		json_object_set_new(r, "last", json_integer(last));
	return r;
}

static int show_last(const struct wanted *w)
{
	int code;
	json_t *answer = client_request(&w->daemon, request("events", w, w->last), &code), *event;
	size_t i;

	if (!answer)
		return code;
	json_array_foreach(json_object_get(answer, "events"), i, event) print_event(event, w);
	json_decref(answer);
	return CLI_OK;
}

/* --- as they come --------------------------------------------------------------------------------
 */

static json_t *subscription(const struct wanted *w, const struct place *p)
{
	json_t *r;

	if (!p->started)
		return request("subscribe", w, w->last < 0 ? 20 : w->last);
	r = request("subscribe", w, -1);
	json_object_set_new(r, "started", json_string(p->started));
	json_object_set_new(r, "after", json_integer(p->event));
	return r;
}

/* Of another life of the daemon no event was seen yet; what was before the first look is none that
 * is missed. */
static void take_answer(struct place *p, const json_t *answer)
{
	const char *started = client_text(answer, "started");
	bool is_first = !p->started;

	if (!is_first && !strcmp(p->started, started))
		return;
	free(p->started);
	p->started = mem_strdup(started);
	p->event = is_first ? json_integer_value(json_object_get(answer, "last")) : 0;
}

static bool open_stream(
	struct client_stream *s, const struct wanted *w, struct place *p, int *ret_code)
{
	json_t *answer = client_stream_open(s, &w->daemon, subscription(w, p), ret_code);

	if (!answer)
		return false;
	take_answer(p, answer);
	json_decref(answer);
	return true;
}

/* Until the daemon ends, or the reader. */
static enum client_stream_end pass_on(
	struct client_stream *s, const struct wanted *w, struct place *p)
{
	for (;;) {
		json_t *event;
		enum client_stream_end end = client_stream_next(s, &event);

		if (end != CLIENT_STREAM_GOES_ON)
			return end;
		print_event(event, w);
		p->event = json_integer_value(json_object_get(event, "event"));
		json_decref(event);
		if (fflush(stdout))
			return CLIENT_STREAM_READER_GONE;
	}
}

/* Why it can't be reached is of no interest while it is away. */
static bool come_back(struct client_stream *s, const struct wanted *w, struct place *p)
{
	AUTO_BUF why = {0};
	bool is_open;
	int code;

	cli_divert_errors(&why);
	is_open = open_stream(s, w, p, &code);
	cli_divert_errors(NULL);
	return is_open;
}

/* False: nobody reads standard output any more. */
static bool await_daemon(struct client_stream *s, const struct wanted *w, struct place *p)
{
	AUTO_FREE char *before = mem_strdup(p->started);
	struct pollfd out = {STDOUT_FILENO, 0, 0};

	cli_error("the daemon is gone; waiting for it");
	while (!come_back(s, w, p))
		if (poll(&out, 1, RETRY_MS) > 0)
			return false;
	cli_error("the daemon is back%s", strcmp(before, p->started) ? ": it was restarted" : "");
	return true;
}

/* Never ends well: there is always more to come. */
static int follow(const struct wanted *w)
{
	struct place p = {0};
	struct client_stream s;
	bool goes_on;
	int code;

	if (!open_stream(&s, w, &p, &code))
		return code;
	do {
		goes_on = pass_on(&s, w, &p) == CLIENT_STREAM_DAEMON_GONE;
		client_stream_close(&s);
	} while (goes_on && await_daemon(&s, w, &p));
	client_stream_close(&s);
	free(p.started);
	return CLI_FAILED;
}

static bool parse_last(const char *text, json_int_t *ret)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (errno || end == text || *end || n < 0 || n > LAST_MAX)
		return false;
	*ret = n;
	return true;
}

int verb_events(const struct command_line *line)
{
	struct wanted w = {.peer = command_value(line, "peer"),
		.kind = command_value(line, "kind"),
		.last = -1,
		.is_wide = command_has(line, "wide")};
	const char *last = command_value(line, "last");
	int code = client_options_of(line, &w.daemon);

	if (code)
		return code;
	if (last && !parse_last(last, &w.last))
		return cli_usage_error(
			line->verb, "--last is a number of events, and %s is none", last);
	return command_has(line, "follow") ? follow(&w) : show_last(&w);
}

/* SPDX-License-Identifier: MIT */
#include "control/streams.h"

#include "base/list.h"
#include "control/versions.h"
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* On the way to a reader at once: so many events that pass, of so many that are looked at. */
#define LINES_MAX 32
#define LOOKED_AT_MAX 512

struct streams {
	struct events *events;
	struct list all; /* stream.link */
	uv_idle_t idle;	 /* while there may be something to send */
};

struct stream {
	struct list link;
	struct streams *of;
	struct control_follower *follower;
	struct event_filter filter;
	uint64_t next;
	bool takes;
};

static void put_line(struct buf *text, const struct event *e, const char *node)
{
	if (text->n)
		buf_putc(text, '\n');
	pieces_put(text, event_json(e, node), true);
}

/* --- the last ones -------------------------------------------------------------------------------
 */

struct last_job {
	const struct events *events;
	struct event_filter filter;
	uint64_t next, until; /* including */
	bool has_head, is_first;
};

static void put_head(const struct last_job *j, struct buf *text)
{
	json_t *head = json_pack("{s:b, s:i, s:s, s:s, s:I}", "ok", 1, "answer_version",
		(int)CONTROL_EVENTS_VERSION, "node", events_node(j->events), "started",
		events_started(j->events), "last", (json_int_t)j->until);

	pieces_put(text, head, true);
	text->n--; /* the closing brace comes behind the events */
	buf_puts(text, ",\"events\":[");
}

/* What the ring lost meanwhile is passed over. */
static bool next_piece(struct buf *text, void *data)
{
	struct last_job *j = data;
	uint64_t first = events_first(j->events);

	if (!j->has_head)
		put_head(j, text);
	j->has_head = true;
	j->next = j->next < first ? first : j->next;
	for (unsigned n = 0; n < LINES_MAX && j->next <= j->until; j->next++, n++) {
		const struct event *e = events_at(j->events, j->next);

		if (!event_passes(e, &j->filter))
			continue;
		pieces_put(text, event_json(e, events_node(j->events)), j->is_first);
		j->is_first = false;
	}
	if (j->next <= j->until)
		return true;
	buf_puts(text, "]}");
	return false;
}

static void last_job_free(void *data)
{
	struct last_job *j = data;

	free(j->filter.peer);
	free(j);
}

void streams_answer_last(
	struct streams *s, struct pieces *p, struct control_call *call, struct streams_wish *wish)
{
	struct last_job *j = mem_zalloc(1, sizeof(*j));

	j->events = s->events;
	j->filter = wish->filter;
	j->next = events_tail(s->events, &j->filter, wish->last);
	j->until = events_last(s->events);
	j->is_first = true;
	pieces_add(p, call, next_piece, last_job_free, j);
}

/* --- each as it comes ----------------------------------------------------------------------------
 */

static void put_lost(struct stream *st, struct buf *text, uint64_t first)
{
	uint64_t n = first - st->next;
	AUTO_FREE char *words = mem_printf(
		"%" PRIu64 " event%s lost: read too slowly, or too late", n, n == 1 ? "" : "s");
	struct event e = {.number = first - 1,
		.kind = EVENT_LOST,
		.wall_ns = events_at(st->of->events, first)->wall_ns,
		.gap_ns = -1,
		.lost = n,
		.text = words};

	put_line(text, &e, events_node(st->of->events));
	st->next = first;
}

/* The next text; nothing if nothing passes. True: there is more to be looked at. */
static bool next_lines(struct stream *st, struct buf *text)
{
	const struct events *events = st->of->events;
	unsigned lines = 0, looked_at = 0;

	if (st->next < events_first(events))
		put_lost(st, text, events_first(events));
	while (st->next <= events_last(events) && lines < LINES_MAX &&
		looked_at++ < LOOKED_AT_MAX) {
		const struct event *e = events_at(events, st->next++);

		if (!event_passes(e, &st->filter))
			continue;
		put_line(text, e, events_node(events));
		lines++;
	}
	return st->next <= events_last(events);
}

/* True: it wants another turn. */
static bool pump(struct stream *st)
{
	AUTO_BUF text = {0};
	bool more;

	if (!st->takes)
		return false;
	more = next_lines(st, &text);
	if (!text.n)
		return more;
	st->takes = false;
	buf_str(&text);
	control_follower_send(st->follower, buf_steal(&text));
	return false;
}

static void on_turn(uv_idle_t *idle)
{
	struct streams *s = container_of(idle, struct streams, idle);
	bool more = false;

	list_for_each (pos, &s->all)
		more |= pump(container_of(pos, struct stream, link));
	if (!more)
		uv_idle_stop(idle);
}

void streams_flush(struct streams *s)
{
	list_for_each (pos, &s->all)
		pump(container_of(pos, struct stream, link));
}

static void wake(void *data)
{
	struct streams *s = data;

	if (!list_is_empty(&s->all))
		uv_idle_start(&s->idle, on_turn);
}

static void on_takes(void *data)
{
	struct stream *st = data;

	st->takes = true;
	wake(st->of);
}

static void on_gone(void *data)
{
	struct stream *st = data;

	list_remove(&st->link);
	free(st->filter.peer);
	free(st);
}

static uint64_t first_of(const struct events *events, const struct streams_wish *wish)
{
	if (!wish->started)
		return events_tail(events, &wish->filter, wish->last);
	/* Of another life it has seen nothing. */
	if (strcmp(wish->started, events_started(events)) || wish->after > events_last(events))
		return 1;
	return wish->after + 1;
}

void streams_begin(struct streams *s, struct control_call *call, struct streams_wish *wish)
{
	struct stream *st = mem_zalloc(1, sizeof(*st));

	*st = (struct stream){.of = s, .filter = wish->filter, .next = first_of(s->events, wish)};
	list_init(&st->link);
	st->follower = control_follow(call, &(struct control_follow){on_takes, on_gone, st});
	if (!st->follower) {
		on_gone(st);
		control_reply(call, control_error("as many follow the events as may (%d at most)",
					    CONTROL_FOLLOWERS_MAX));
		return;
	}
	list_append(&s->all, &st->link);
	control_reply(call,
		json_pack("{s:b, s:i, s:s, s:s, s:I}", "ok", 1, "answer_version",
			(int)CONTROL_EVENTS_VERSION, "node", events_node(s->events), "started",
			events_started(s->events), "last", (json_int_t)events_last(s->events)));
}

/* --- begun and ended -----------------------------------------------------------------------------
 */

struct streams *streams_new(uv_loop_t *loop, struct events *events)
{
	struct streams *s = mem_zalloc(1, sizeof(*s));

	s->events = events;
	list_init(&s->all);
	uv_idle_init(loop, &s->idle);
	events_listen(events, wake, s);
	return s;
}

static void on_closed(uv_handle_t *h)
{
	free(container_of(h, struct streams, idle));
}

void streams_free(struct streams *s)
{
	if (!s)
		return;
	assert(list_is_empty(&s->all));
	events_listen(s->events, NULL, NULL);
	uv_close((uv_handle_t *)&s->idle, on_closed);
}

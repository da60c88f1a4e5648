/* SPDX-License-Identifier: MIT */
#include "daemon/routing_asker.h"

#include "base/buf.h"
#include "sys/clock.h"
#include "sys/process.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define PORTION 65536

/* It closes by itself once nobody owns it. */
struct conn {
	uv_pipe_t pipe;
	uv_connect_t connect;
	uv_write_t write;
	struct routing_asker *owner; /* NULL: given up */
	bool is_open;
};

/* An answer on its way through a thread: nothing that others have. */
struct reading {
	uv_work_t req;
	struct routing_asker *owner;
	const struct routing_talk *talk;
	uint64_t of; /* asker's set */
	struct buf text;
	routing_sessions found;
	int err;
};

struct routing_asker {
	uv_loop_t *loop; /* NULL: it goes once nothing is read any more */
	const struct routing_talk *talk;
	char socket[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	uint64_t set; /* counts what was set */
	struct conn *conn;
	bool is_asking, is_reading;
	instant asked_at;
	struct buf text; /* of the answer, as far as it has come */
	size_t at;	 /* in it (routing_talk.h) */
	uint64_t n;
	int err;
	instant since;
	routing_sessions sessions;
};

/* --- outcomes ------------------------------------------------------------------------------------
 */

static void note(struct routing_asker *a, int err)
{
	if (!a->n || (a->err != 0) != (err != 0))
		a->since = sys_now();
	a->err = err;
	a->n++;
	if (err)
		a->sessions.n = 0;
}

static void on_closed(uv_handle_t *h)
{
	free(container_of((uv_pipe_t *)h, struct conn, pipe));
}

static void hang_up(struct routing_asker *a)
{
	if (!a->conn)
		return;
	a->conn->owner = NULL;
	uv_close((uv_handle_t *)&a->conn->pipe, on_closed);
	a->conn = NULL;
}

/* The question has no answer; the next one goes over a new connection. */
static void fail(struct routing_asker *a, int err)
{
	hang_up(a);
	if (a->is_asking)
		note(a, err);
	a->is_asking = false;
}

/* --- an answer -----------------------------------------------------------------------------------
 */

/* How long each stands as it does, as far as we know. */
static void date(const routing_sessions *before, routing_sessions *now, instant at)
{
	for (size_t i = 0; i < now->n; i++) {
		struct routing_session *s = &now->items[i];
		const struct routing_session *was = routing_session_with(before, &s->neighbor);

		s->since = was && was->state == s->state ? was->since : at;
		if (s->for_ns >= 0)
			s->since = instant_add(at, -s->for_ns);
	}
}

static void reading_free(struct reading *r)
{
	buf_done(&r->text);
	vec_done(&r->found);
	free(r);
}

static void read_it(uv_work_t *req)
{
	struct reading *r = container_of(req, struct reading, req);

	process_set_nice(PROCESS_NICE_BULK);
	r->err = r->talk->parse(buf_str(&r->text), r->text.n, &r->found);
}

static void take(struct routing_asker *a, struct reading *r)
{
	routing_sessions old = a->sessions;

	note(a, r->err);
	if (r->err)
		return;
	date(&old, &r->found, sys_now());
	a->sessions = r->found;
	r->found = old;
}

static void on_read(uv_work_t *req, int status)
{
	struct reading *r = container_of(req, struct reading, req);
	struct routing_asker *a = r->owner;

	a->is_reading = false;
	if (!a->loop)
		free(a);
	else if (!status && r->of == a->set)
		take(a, r);
	reading_free(r);
}

static void begin_reading(struct routing_asker *a)
{
	struct reading *r = mem_zalloc(1, sizeof(*r));

	r->owner = a;
	r->talk = a->talk;
	r->of = a->set;
	r->text = a->text;
	a->text = (struct buf){0};
	a->is_asking = false;
	a->is_reading = true;
	if (uv_queue_work(a->loop, &r->req, read_it, on_read)) {
		a->is_reading = false;
		reading_free(r);
	}
}

/* --- the connection ------------------------------------------------------------------------------
 */

static void on_alloc(uv_handle_t *h, size_t size, uv_buf_t *ret)
{
	struct routing_asker *a = container_of((uv_pipe_t *)h, struct conn, pipe)->owner;

	ret->base = buf_room(&a->text, PORTION);
	ret->len = PORTION;
}

static void on_bytes(uv_stream_t *stream, ssize_t n, const uv_buf_t *room)
{
	struct routing_asker *a = container_of((uv_pipe_t *)stream, struct conn, pipe)->owner;

	if (!n)
		return;
	if (n < 0) {
		fail(a, n == UV_EOF ? -ECONNRESET : (int)n);
		return;
	}
	if (!a->is_asking) /* BIRD's greeting to a question that was given up, or worse */
		return;
	a->text.n += (size_t)n;
	if (a->talk->whole(buf_str(&a->text), a->text.n, &a->at))
		begin_reading(a);
	else if (a->text.n > ROUTING_ANSWER_MAX)
		fail(a, -EMSGSIZE);
}

static void on_written(uv_write_t *w, int status)
{
	struct conn *c = container_of(w, struct conn, write);

	if (status < 0 && c->owner)
		fail(c->owner, status);
}

static void send_question(struct routing_asker *a)
{
	uv_buf_t text = {.base = (char *)(uintptr_t)a->talk->question, .len = a->talk->len};
	int err;

	buf_reset(&a->text);
	a->at = 0;
	err = uv_write(&a->conn->write, (uv_stream_t *)&a->conn->pipe, &text, 1, on_written);
	if (err)
		fail(a, err);
}

static void on_connected(uv_connect_t *req, int status)
{
	struct conn *c = container_of(req, struct conn, connect);

	if (!c->owner)
		return;
	if (!status)
		status = uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_bytes);
	if (status) {
		fail(c->owner, status);
		return;
	}
	c->is_open = true;
	send_question(c->owner);
}

static void call(struct routing_asker *a)
{
	struct conn *c = mem_zalloc(1, sizeof(*c));

	if (uv_pipe_init(a->loop, &c->pipe, false)) {
		free(c);
		fail(a, -ENOMEM);
		return;
	}
	c->owner = a;
	a->conn = c;
	uv_pipe_connect(&c->connect, &c->pipe, a->socket, on_connected);
}

static void ask(struct routing_asker *a, instant now)
{
	a->is_asking = true;
	a->asked_at = now;
	if (a->conn && a->conn->is_open)
		send_question(a);
	else
		call(a);
}

/* --- who is asked --------------------------------------------------------------------------------
 */

struct routing_asker *routing_asker_new(uv_loop_t *loop)
{
	struct routing_asker *a = mem_zalloc(1, sizeof(*a));

	a->loop = loop;
	a->asked_at = (instant){INT64_MIN / 2};
	return a;
}

void routing_asker_free(struct routing_asker *a)
{
	if (!a)
		return;
	hang_up(a);
	vec_done(&a->sessions);
	buf_done(&a->text);
	a->loop = NULL;
	if (!a->is_reading) /* else on_read() frees it */
		free(a);
}

static const char *socket_of(const struct mesh_routing *r, const struct routing_talk *talk)
{
	if (!talk)
		return "";
	return r->socket ? r->socket : talk->socket;
}

void routing_asker_set(struct routing_asker *a, const struct mesh_routing *r)
{
	const struct routing_talk *talk = routing_talk_of(r->engine);
	const char *path = socket_of(r, talk);

	if (talk == a->talk && !strcmp(path, a->socket))
		return;
	hang_up(a);
	a->set++;
	a->talk = strlen(path) < sizeof(a->socket) ? talk : NULL;
	strcpy(a->socket, a->talk ? path : "");
	a->is_asking = false;
	a->n = 0;
	a->err = 0;
	a->sessions.n = 0;
	a->asked_at = (instant){INT64_MIN / 2};
}

void routing_asker_step(struct routing_asker *a, instant now)
{
	if (!a->talk || a->is_reading)
		return;
	if (a->is_asking && instant_diff(now, a->asked_at) >= ROUTING_ASK_PATIENCE)
		fail(a, -ETIMEDOUT);
	if (!a->is_asking && instant_diff(now, a->asked_at) >= ROUTING_ASK_PERIOD)
		ask(a, now);
}

void routing_asker_look(const struct routing_asker *a, struct routing_said *ret)
{
	*ret = (struct routing_said){.talk = a->talk,
		.socket = a->socket,
		.n = a->n,
		.err = a->err,
		.since = a->since,
		.sessions = &a->sessions};
}

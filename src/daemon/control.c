/* SPDX-License-Identifier: MIT */
#include "daemon/control.h"

#include "base/list.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_REQUEST (64 * 1024)
#define MAX_CLIENTS 256

struct control {
	uv_pipe_t listener;
	char *path;
	control_fn *answer;
	void *data;
	struct list clients; /* those that said something lately are the last */
	unsigned n_clients;
};

struct client {
	struct list link;
	uv_pipe_t pipe;
	struct control *control; /* NULL: closing */
	bool waits;		 /* for it to read what it asked for; nothing is read meanwhile */
	struct buf in;
};

struct answer {
	uv_write_t req;
	struct client *client;
	char *text;
};

json_t *control_error(const char *fmt, ...)
{
	char text[2048];
	va_list ap;
	json_t *answer = json_object();

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_object_set_new(answer, "ok", json_false());
	/* Text from outside may be cut within a character; then it is left out. */
	if (json_object_set_new(answer, "error", json_string(text)))
		json_object_set_new(
			answer, "error", json_string("the error can't be shown as UTF-8"));
	return answer;
}

char *control_answer_line(const char *line, size_t n, control_fn *answer, void *data)
{
	json_error_t error;
	json_t *request = json_loadb(line, n, JSON_REJECT_DUPLICATES, &error);
	json_t *reply;
	char *text;

	if (!request)
		reply = control_error("the request is no JSON: %s", error.text);
	else if (!json_is_object(request))
		reply = control_error("the request is no JSON object");
	else
		reply = answer(request, data);
	text = json_dumps(reply, JSON_COMPACT);
	json_decref(reply);
	json_decref(request);
	return text ? text : mem_strdup("{\"ok\":false,\"error\":\"the answer can't be shown\"}");
}

static void client_closed(uv_handle_t *h)
{
	struct client *c = container_of(h, struct client, pipe);

	buf_done(&c->in);
	free(c);
}

static void client_close(struct client *c)
{
	if (!c->control)
		return;
	c->control->n_clients--;
	c->control = NULL;
	list_remove(&c->link);
	uv_close((uv_handle_t *)&c->pipe, client_closed);
}

static void written(uv_write_t *req, int status);

static void client_answer(struct client *c, const char *line, size_t n)
{
	struct answer *a = mem_zalloc(1, sizeof(*a));
	struct buf text = {0};
	char *reply = control_answer_line(line, n, c->control->answer, c->control->data);
	uv_buf_t out;

	buf_puts(&text, reply);
	buf_putc(&text, '\n');
	free(reply);
	out = uv_buf_init(NULL, 0);
	out.len = text.n;
	out.base = a->text = buf_steal(&text);
	a->client = c;
	if (uv_write(&a->req, (uv_stream_t *)&c->pipe, &out, 1, written)) {
		free(a->text);
		free(a);
		client_close(c);
		return;
	}
	if (uv_stream_get_write_queue_size((uv_stream_t *)&c->pipe)) {
		c->waits = true;
		uv_read_stop((uv_stream_t *)&c->pipe);
	}
}

static void take_lines(struct client *c)
{
	char *end;

	while (c->control && !c->waits && c->in.n && (end = memchr(c->in.data, '\n', c->in.n))) {
		size_t n = (size_t)(end - c->in.data);

		if (n)
			client_answer(c, c->in.data, n);
		buf_drop(&c->in, n + 1);
	}
	if (c->control && !c->waits && c->in.n > MAX_REQUEST)
		client_close(c);
}

static void give_room(uv_handle_t *h, size_t suggested, uv_buf_t *ret)
{
	struct client *c = container_of(h, struct client, pipe);

	*ret = uv_buf_init(buf_room(&c->in, 4096), 4096);
}

static void got_bytes(uv_stream_t *stream, ssize_t n, const uv_buf_t *room)
{
	struct client *c = container_of(stream, struct client, pipe);

	if (n < 0) {
		client_close(c);
		return;
	}
	c->in.n += (size_t)n;
	list_remove(&c->link);
	list_append(&c->control->clients, &c->link);
	take_lines(c);
}

static void written(uv_write_t *req, int status)
{
	struct answer *a = container_of(req, struct answer, req);
	struct client *c = a->client;

	free(a->text);
	free(a);
	if (!c->control || !c->waits)
		return;
	c->waits = false;
	take_lines(c);
	if (c->control && !c->waits && uv_read_start((uv_stream_t *)&c->pipe, give_room, got_bytes))
		client_close(c);
}

/* Idle ones must not keep an operator out. */
static void close_most_idle(struct control *control)
{
	list_for_each (pos, &control->clients) {
		client_close(container_of(pos, struct client, link));
		return;
	}
}

static void connected(uv_stream_t *listener, int status)
{
	struct control *control = container_of(listener, struct control, listener);
	struct client *c;

	if (status < 0)
		return;
	if (control->n_clients >= MAX_CLIENTS)
		close_most_idle(control);
	c = mem_zalloc(1, sizeof(*c));
	list_init(&c->link);
	uv_pipe_init(listener->loop, &c->pipe, 0);
	c->control = control;
	list_append(&control->clients, &c->link);
	control->n_clients++;
	if (uv_accept(listener, (uv_stream_t *)&c->pipe) ||
		uv_read_start((uv_stream_t *)&c->pipe, give_room, got_bytes))
		client_close(c);
}

static void listener_closed(uv_handle_t *h)
{
	struct control *c = container_of(h, struct control, listener);

	free(c->path);
	free(c);
}

int control_open(uv_loop_t *loop, const char *path, control_fn *answer, void *data,
	struct control **ret, struct buf *why)
{
	struct control *c = mem_zalloc(1, sizeof(*c));
	mode_t mask;
	int err;

	c->path = mem_strdup(path);
	c->answer = answer;
	c->data = data;
	list_init(&c->clients);
	uv_pipe_init(loop, &c->listener, 0);
	unlink(path); /* the run directory's lock is ours, so nobody listens there */
	mask = umask(0177);
	err = strlen(path) >= 108 ? -ENAMETOOLONG : uv_pipe_bind(&c->listener, path);
	umask(mask);
	if (!err)
		err = uv_listen((uv_stream_t *)&c->listener, 128, connected);
	if (err) {
		buf_printf(why, "can't listen on %s: %s", path, strerror(-err));
		uv_close((uv_handle_t *)&c->listener, listener_closed);
		return err;
	}
	*ret = c;
	return 0;
}

void control_close(struct control *c)
{
	if (!c)
		return;
	list_for_each (pos, &c->clients)
		client_close(container_of(pos, struct client, link));
	unlink(c->path);
	uv_close((uv_handle_t *)&c->listener, listener_closed);
}

/* SPDX-License-Identifier: MIT */
#include "control/control.h"

#include "base/list.h"
#include "sys/listener.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_REQUEST (64 * 1024)
/* Of all answers that wait to be read. */
#define MAX_UNREAD ((size_t)64 << 20)
#define MAX_ACCEPTED 16 /* at once; other events have their turn */

struct control {
	uv_loop_t *loop;
	struct listener *listener;
	unsigned references; /* who is open, and each answer that isn't written */
	unsigned max_clients;
	size_t unread; /* bytes of answers that aren't written */
	char *path;
	control_fn *answer;
	void *data;
	struct list clients; /* client.link; those that said something lately are the last */
	unsigned n_clients;
	unsigned n_followers; /* of them */
};

struct control_follower {
	bool is_on;
	struct control_follow calls;
};

struct client {
	struct list link;
	struct control_follower follower;
	uv_pipe_t pipe;
	struct control *control; /* NULL: closing */
	/* For its answer, or for it to read that; nothing is read meanwhile. */
	bool waits;
	bool takes_lines;	   /* one after another, in a loop and not in a recursion */
	struct control_call *call; /* that isn't answered yet; NULL: none */
	struct buf in;
};

struct control_call {
	control_done_fn *done; /* NULL: nobody waits */
	void *data;
	struct client *client; /* of the socket; NULL: data is something else */
};

struct answer {
	uv_write_t req;
	struct client *client;	 /* outlives it too: libuv's handle is in there */
	struct control *control; /* a reference */
	char *text;
	size_t n;
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

struct control_call *control_call_new(control_done_fn *done, void *data)
{
	struct control_call *call = mem_zalloc(1, sizeof(*call));

	call->done = done;
	call->data = data;
	return call;
}

bool control_call_is_wanted(const struct control_call *call)
{
	return call->done;
}

void control_reply_text(struct control_call *call, char *text)
{
	if (call->done)
		call->done(text, call->data);
	else
		free(text);
	free(call);
}

void control_reply(struct control_call *call, json_t *answer)
{
	char *text = call->done ? json_dumps(answer, JSON_COMPACT) : NULL;

	json_decref(answer);
	control_reply_text(call,
		text ? text : mem_strdup("{\"ok\":false,\"error\":\"the answer can't be shown\"}"));
}

void control_take_line(
	const char *line, size_t n, struct control_call *call, control_fn *answer, void *data)
{
	json_error_t error;
	json_t *request = json_loadb(line, n, JSON_REJECT_DUPLICATES, &error);

	if (!request)
		control_reply(call, control_error("the request is no JSON: %s", error.text));
	else if (!json_is_object(request))
		control_reply(call, control_error("the request is no JSON object"));
	else
		answer(request, call, data);
	json_decref(request);
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
	c->control->n_followers -= c->follower.is_on;
	c->control = NULL;
	if (c->call)
		c->call->done = NULL;
	c->call = NULL;
	list_remove(&c->link);
	uv_close((uv_handle_t *)&c->pipe, client_closed);
	if (c->follower.is_on)
		c->follower.calls.gone(c->follower.calls.data);
	c->follower.is_on = false;
}

static void written(uv_write_t *req, int status);

/* Who asks for much and reads nothing of it makes room for others who ask. Who follows has little
 * to read: one text at a time. */
static void make_room(struct control *control, const struct client *for_whom, size_t n)
{
	list_for_each (pos, &control->clients) {
		struct client *c = container_of(pos, struct client, link);

		if (control->unread + n <= MAX_UNREAD)
			return;
		if (c->waits && !c->call && !c->follower.is_on && c != for_whom)
			client_close(c);
	}
}

/* libuv hands back what isn't written at the end last of all. */
static void control_put(struct control *c)
{
	if (--c->references)
		return;
	assert(!c->unread && !c->n_clients);
	free(c->path);
	free(c);
}

static void answer_free(struct answer *a)
{
	a->control->unread -= a->n;
	control_put(a->control);
	free(a->text);
	free(a);
}

static void client_send(struct client *c, char *reply)
{
	struct answer *a = mem_zalloc(1, sizeof(*a));
	size_t n = strlen(reply);
	uv_buf_t out;

	reply = mem_realloc(reply, n + 1, 1);
	reply[n++] = '\n';
	out = uv_buf_init(NULL, 0);
	out.len = a->n = n;
	out.base = a->text = reply;
	a->client = c;
	a->control = c->control;
	a->control->references++;
	make_room(c->control, c, a->n);
	a->control->unread += a->n;
	if (uv_write(&a->req, (uv_stream_t *)&c->pipe, &out, 1, written)) {
		answer_free(a);
		client_close(c);
		return;
	}
	if (uv_stream_get_write_queue_size((uv_stream_t *)&c->pipe)) {
		c->waits = true;
		uv_read_stop((uv_stream_t *)&c->pipe);
	}
}

static void take_lines(struct client *c);
static void read_on(struct client *c);

static void on_answer(char *text, void *data)
{
	struct client *c = data;

	c->call = NULL;
	c->waits = false;
	client_send(c, text);
	if (!c->takes_lines) {
		take_lines(c);
		read_on(c);
	}
}

struct control_follower *control_follow(
	struct control_call *call, const struct control_follow *follow)
{
	struct client *c = call->done ? call->client : NULL;

	if (!c || c->follower.is_on || c->control->n_followers >= c->control->max_clients / 2 ||
		c->control->n_followers >= CONTROL_FOLLOWERS_MAX)
		return NULL;
	c->control->n_followers++;
	c->follower = (struct control_follower){true, *follow};
	return &c->follower;
}

void control_follower_send(struct control_follower *follower, char *text)
{
	struct client *c = container_of(follower, struct client, follower);

	assert(follower->is_on && !c->call);
	client_send(c, text);
}

static void client_ask(struct client *c, const char *line, size_t n)
{
	struct control *control = c->control;

	c->call = control_call_new(on_answer, c);
	c->call->client = c;
	c->waits = true;
	control_take_line(line, n, c->call, control->answer, control->data);
	if (c->call)
		uv_read_stop((uv_stream_t *)&c->pipe);
}

static void take_lines(struct client *c)
{
	char *end;

	c->takes_lines = true;
	while (c->control && !c->waits && !c->follower.is_on && c->in.n &&
		(end = memchr(c->in.data, '\n', c->in.n))) {
		size_t n = (size_t)(end - c->in.data);

		if (n)
			client_ask(c, c->in.data, n);
		buf_drop(&c->in, n + 1);
	}
	c->takes_lines = false;
	if (c->follower.is_on) /* and says nothing more that counts */
		buf_reset(&c->in);
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

/* Does nothing to one that is read already. */
static void read_on(struct client *c)
{
	int err;

	if (!c->control || c->waits)
		return;
	err = uv_read_start((uv_stream_t *)&c->pipe, give_room, got_bytes);
	if (err && err != UV_EALREADY)
		client_close(c);
}

static void written(uv_write_t *req, int status)
{
	struct answer *a = container_of(req, struct answer, req);
	struct client *c = a->client;

	answer_free(a);
	if (!c->control || c->call || (!c->waits && !c->follower.is_on))
		return;
	c->waits = false;
	take_lines(c);
	read_on(c);
	if (c->control && c->follower.is_on &&
		!uv_stream_get_write_queue_size((uv_stream_t *)&c->pipe))
		c->follower.calls.takes(c->follower.calls.data);
}

/* Idle ones must not keep an operator out, but who follows is idle by nature. False: nobody is. */
static bool close_most_idle(struct control *control)
{
	list_for_each (pos, &control->clients) {
		struct client *c = container_of(pos, struct client, link);

		if (c->follower.is_on)
			continue;
		client_close(c);
		return true;
	}
	return false;
}

static void let_in(int fd, void *data)
{
	struct control *control = data;
	struct client *c = mem_zalloc(1, sizeof(*c));

	if (control->n_clients >= control->max_clients)
		close_most_idle(control);
	list_init(&c->link);
	uv_pipe_init(control->loop, &c->pipe, 0);
	c->control = control;
	list_append(&control->clients, &c->link);
	control->n_clients++;
	if (uv_pipe_open(&c->pipe, fd)) {
		close(fd);
		client_close(c);
	} else if (uv_read_start((uv_stream_t *)&c->pipe, give_room, got_bytes)) {
		client_close(c);
	}
}

/* The machine has no file for one more: a client that sits there gives its own. */
static bool on_want_of_files(void *data)
{
	return close_most_idle(data);
}

/* A listening socket of mode 0600 in the place of whatever has that name; or negative errno. */
static int listen_at(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	mode_t mask;
	int fd, err = 0;

	if (strlen(path) >= sizeof(at.sun_path))
		return -ENAMETOOLONG;
	memcpy(at.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	unlink(path); /* the run directory's lock is ours, so nobody listens there */
	mask = umask(0177);
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		err = -errno;
	umask(mask);
	if (!err && listen(fd, SOMAXCONN) < 0)
		err = -errno;
	if (err)
		close(fd);
	return err ? err : fd;
}

static struct control *control_new(uv_loop_t *loop, const struct control_options *o)
{
	struct control *c = mem_zalloc(1, sizeof(*c));

	c->loop = loop;
	c->references = 1;
	c->path = mem_strdup(o->path);
	c->answer = o->answer;
	c->data = o->data;
	c->max_clients = o->max_clients;
	list_init(&c->clients);
	return c;
}

int control_open(
	uv_loop_t *loop, const struct control_options *o, struct control **ret, struct buf *why)
{
	struct listener_calls calls = {
		.accepted = let_in, .starved = on_want_of_files, .most = MAX_ACCEPTED};
	struct control *c;
	int fd = listen_at(o->path), err;

	if (fd < 0) {
		buf_printf(why, "can't listen on %s: %s", o->path, strerror(-fd));
		return fd;
	}
	c = control_new(loop, o);
	calls.data = c;
	err = listener_start(loop, fd, &calls, &c->listener);
	if (err) {
		buf_printf(why, "can't listen on %s: %s", o->path, strerror(-err));
		close(fd);
		control_put(c);
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
	listener_stop(c->listener);
	control_put(c);
}

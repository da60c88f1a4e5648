/* SPDX-License-Identifier: MIT */
#include "tunnel/uapi_server.h"

#include "base/list.h"
#include "sys/listener.h"
#include "tunnel/uapi.h"
#include "tunnel/uapi_get.h"
#include "tunnel/uapi_socket.h"
#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_REQUEST ((size_t)256 << 20) /* a million peers, and an end to it */
#define STALL_MS 15000
/* Of a long answer, sent at once: to grow and to wipe more takes its time. */
#define PART 65536

struct uapi_server {
	uv_loop_t *loop;
	struct listener *listener;
	uv_timer_t stall_timer;
	uv_idle_t maker;    /* of long answers, a piece in each round of the loop */
	unsigned n_handles; /* of the two, not closed yet */
	struct tunnel *tunnel;
	struct list clients; /* client.link; who was heard of last is last */
	unsigned n_clients, max_clients;
};

/*
 * One request at a time: nothing more is read from a client until it has taken its answer, so it
 * can't make us hold more than one.
 */
struct client {
	struct list link;
	uv_pipe_t pipe;
	struct uapi_server *server; /* NULL: closing */
	struct buf in;
	size_t searched;      /* of in, for the empty line */
	struct uapi_get *get; /* what of its answer isn't made yet; NULL: nothing */
	uv_write_t write;
	struct buf out;
	bool is_writing, is_reading;
	size_t left; /* of out, when the timer looked last */
};

/* --- clients -------------------------------------------------------------------------------------
 */

static void client_closed(uv_handle_t *h)
{
	struct client *c = container_of(h, struct client, pipe);

	uapi_get_free(c->get);
	buf_wipe(&c->in);
	buf_wipe(&c->out);
	free(c);
}

static void client_close(struct client *c)
{
	if (!c->server)
		return;
	c->server->n_clients--;
	c->server = NULL;
	list_remove(&c->link);
	uv_close((uv_handle_t *)&c->pipe, client_closed);
}

static void heard_of(struct client *c)
{
	list_remove(&c->link);
	list_append(&c->server->clients, &c->link);
}

static void take_requests(struct client *c);
static void make_on(uv_idle_t *maker);

static void written(uv_write_t *req, int status)
{
	struct client *c = container_of(req, struct client, write);

	c->is_writing = false;
	buf_wipe(&c->out);
	c->out.is_secret = true;
	if (!c->server)
		return;
	if (status < 0) {
		client_close(c);
		return;
	}
	heard_of(c);
	if (c->get)
		uv_idle_start(&c->server->maker, make_on);
	else
		take_requests(c);
}

/* Whoever doesn't take any of its answer for so long is gone, or might as well be. */
static void look_for_stalled(uv_timer_t *timer)
{
	struct uapi_server *s = container_of(timer, struct uapi_server, stall_timer);
	bool any = false;

	list_for_each (at, &s->clients) {
		struct client *c = container_of(at, struct client, link);
		size_t left = uv_stream_get_write_queue_size((uv_stream_t *)&c->pipe);

		if (!c->is_writing)
			continue;
		if (left == c->left) {
			client_close(c);
			continue;
		}
		c->left = left;
		any = true;
	}
	if (!any)
		uv_timer_stop(timer);
}

static void send_answer(struct client *c)
{
	struct uapi_server *s = c->server;
	uv_buf_t out;

	out = uv_buf_init(c->out.data, 0);
	out.len = c->out.n;
	c->is_writing = true;
	c->left = SIZE_MAX;
	if (uv_write(&c->write, (uv_stream_t *)&c->pipe, &out, 1, written)) {
		client_close(c);
		return;
	}
	if (!uv_is_active((uv_handle_t *)&s->stall_timer))
		uv_timer_start(&s->stall_timer, look_for_stalled, STALL_MS, STALL_MS);
}

/* Others have their turn between two pieces. */
static void make_answer(struct client *c)
{
	bool is_whole = !uapi_get_more(c->get, &c->out);

	if (is_whole) {
		uapi_get_free(c->get);
		c->get = NULL;
	}
	if (is_whole || c->out.n >= PART)
		send_answer(c);
	else
		uv_idle_start(&c->server->maker, make_on);
}

static void make_on(uv_idle_t *maker)
{
	struct uapi_server *s = container_of(maker, struct uapi_server, maker);

	list_for_each (at, &s->clients) {
		struct client *c = container_of(at, struct client, link);

		if (!c->get || c->is_writing)
			continue;
		make_answer(c);
		return;
	}
	uv_idle_stop(maker);
}

static void answer(struct client *c, const char *text, size_t len)
{
	struct tunnel *t = c->server->tunnel;

	c->get = uapi_get_begin(t, text, len);
	if (c->get)
		make_answer(c);
	else if (uapi_answer(t, text, len, &c->out))
		send_answer(c);
	else
		client_close(c);
}

/* Where the request ends, its empty line included; 0: not yet. */
static size_t request_len(struct client *c)
{
	char *end;

	if (c->in.n < 2)
		return 0;
	end = memmem(c->in.data + c->searched, c->in.n - c->searched, "\n\n", 2);
	if (end)
		return (size_t)(end - c->in.data) + 2;
	c->searched = c->in.n - 1;
	return 0;
}

/* What begins otherwise won't become a request, however much of it comes. */
static bool may_become_request(const struct buf *in)
{
	const char *text = buf_str(in);
	size_t n = in->n < 6 ? in->n : 6;

	return in->n <= MAX_REQUEST && (!memcmp(text, "get=1\n", n) || !memcmp(text, "set=1\n", n));
}

static void give_room(uv_handle_t *h, size_t suggested, uv_buf_t *ret)
{
	struct client *c = container_of(h, struct client, pipe);

	*ret = uv_buf_init(buf_room(&c->in, 65536), 65536);
}

static void got_bytes(uv_stream_t *stream, ssize_t n, const uv_buf_t *room)
{
	struct client *c = container_of(stream, struct client, pipe);

	if (n < 0) {
		client_close(c);
		return;
	}
	c->in.n += (size_t)n;
	heard_of(c);
	take_requests(c);
}

static void read_on(struct client *c)
{
	if (!c->is_reading && uv_read_start((uv_stream_t *)&c->pipe, give_room, got_bytes))
		client_close(c);
	c->is_reading = true;
}

/* The next request, if it is there; otherwise reads on. */
static void take_requests(struct client *c)
{
	size_t len = request_len(c);

	if (len) {
		uv_read_stop((uv_stream_t *)&c->pipe);
		c->is_reading = false;
		answer(c, c->in.data, len);
		sodium_memzero(c->in.data, len);
		buf_drop(&c->in, len);
		c->searched = 0;
	} else if (may_become_request(&c->in)) {
		read_on(c);
	} else {
		client_close(c);
	}
}

static void close_oldest(struct uapi_server *s)
{
	if (!list_is_empty(&s->clients))
		client_close(container_of(s->clients.next, struct client, link));
}

/* Idle ones don't keep out who has something to say. */
static void take_client(int fd, void *server)
{
	struct uapi_server *s = server;
	struct client *c = mem_zalloc(1, sizeof(*c));

	if (s->n_clients == s->max_clients)
		close_oldest(s);
	c->in.is_secret = c->out.is_secret = true;
	if (uv_pipe_init(s->loop, &c->pipe, 0)) {
		close(fd);
		free(c);
		return;
	}
	c->server = s;
	list_append(&s->clients, &c->link);
	s->n_clients++;
	if (uv_pipe_open(&c->pipe, fd)) {
		close(fd);
		client_close(c);
	} else {
		take_requests(c);
	}
}

/* Never at once: who goes on asking would close one client after the other. */
static bool on_want_of_files(void *server)
{
	close_oldest(server);
	return false;
}

/* --- the server ----------------------------------------------------------------------------------
 */

static void handle_closed(uv_handle_t *h)
{
	struct uapi_server *s = h->data;

	if (!--s->n_handles)
		free(s);
}

int uapi_serve(
	uv_loop_t *loop, int fd, struct tunnel *t, unsigned max_clients, struct uapi_server **ret)
{
	struct uapi_server *s = mem_zalloc(1, sizeof(*s));
	/* One in a turn: what is handed in meanwhile is heard in between. */
	const struct listener_calls calls = {take_client, on_want_of_files, s, 1};
	int err;

	assert(max_clients > 0);
	s->loop = loop;
	s->tunnel = t;
	s->max_clients = max_clients < UAPI_MAX_CLIENTS ? max_clients : UAPI_MAX_CLIENTS;
	list_init(&s->clients);
	err = listen(fd, UAPI_BACKLOG) ? -errno : listener_start(loop, fd, &calls, &s->listener);
	if (err) {
		free(s);
		return err; /* the caller ends */
	}
	uv_timer_init(loop, &s->stall_timer);
	uv_idle_init(loop, &s->maker);
	s->stall_timer.data = s->maker.data = s;
	s->n_handles = 2;
	*ret = s;
	return 0;
}

void uapi_stop(struct uapi_server *s)
{
	if (!s)
		return;
	list_for_each (at, &s->clients)
		client_close(container_of(at, struct client, link));
	listener_stop(s->listener);
	uv_close((uv_handle_t *)&s->stall_timer, handle_closed);
	uv_close((uv_handle_t *)&s->maker, handle_closed);
}

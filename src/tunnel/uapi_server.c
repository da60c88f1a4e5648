/* SPDX-License-Identifier: MIT */
/*
 * Long requests are worked upon in pieces, one in each round of the loop, in turns. A set has the
 * device to itself from its first line to its last: other sets, and gets that aren't copied yet,
 * wait. So has a get that was disturbed by sets too often. Levels wait for nobody.
 */
#include "tunnel/uapi_server.h"

#include "base/list.h"
#include "sys/listener.h"
#include "tunnel/uapi_get.h"
#include "tunnel/uapi_level.h"
#include "tunnel/uapi_set.h"
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
	uv_idle_t worker;   /* a piece in each round of the loop */
	unsigned n_handles; /* of the two, not closed yet */
	struct tunnel *tunnel;
	struct list clients; /* client.link; who was heard of last is last */
	unsigned n_clients, max_clients;
	struct client *holder; /* who has the device to himself; NULL: nobody */
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
	size_t request;	      /* of in, a request that isn't done; 0: none */
	struct uapi_set *set; /* which is this; NULL: it isn't, or hasn't begun */
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
	uapi_set_end(c->set);
	buf_wipe(&c->in);
	buf_wipe(&c->out);
	free(c);
}

/* Others may have the device. */
static void let_go(struct client *c)
{
	if (c->server->holder == c)
		c->server->holder = NULL;
}

static void client_close(struct client *c)
{
	if (!c->server)
		return;
	c->server->n_clients--;
	let_go(c);
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
static void work(uv_idle_t *worker);

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
		uv_idle_start(&c->server->worker, work);
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

/* --- pieces of work ------------------------------------------------------------------------------
 */

static void request_done(struct client *c)
{
	sodium_memzero(c->in.data, c->request);
	buf_drop(&c->in, c->request);
	c->request = c->searched = 0;
}

static void answer_set(struct client *c, int err)
{
	request_done(c);
	buf_printf(&c->out, "errno=%d\n\n", err);
	send_answer(c);
}

static void set_on(struct client *c)
{
	int err;

	c->server->holder = c;
	if (uapi_set_more(c->set))
		return;
	let_go(c);
	err = uapi_set_end(c->set);
	c->set = NULL;
	answer_set(c, err);
}

static void get_on(struct client *c)
{
	bool is_whole = !uapi_get_more(c->get, &c->out);

	if (uapi_get_is_disturbed(c->get))
		c->server->holder = c;
	else
		let_go(c);
	if (is_whole) {
		uapi_get_free(c->get);
		c->get = NULL;
	}
	if (is_whole || c->out.n >= PART)
		send_answer(c);
}

/* The request becomes a set or a get; another one's end is the client's. */
static void begin(struct client *c)
{
	struct tunnel *t = c->server->tunnel;

	c->get = uapi_get_begin(t, c->in.data, c->request);
	c->set = c->get ? NULL : uapi_set_begin(t, c->in.data, c->request);
	if (c->get)
		request_done(c);
	else if (!c->set)
		client_close(c);
}

/* Has it something to do, and may it? */
static bool may_work(const struct client *c)
{
	bool is_free = !c->server->holder || c->server->holder == c;

	if (c->is_writing)
		return false;
	return c->get ? is_free || uapi_get_is_copied(c->get) : c->request && is_free;
}

static void work_for(struct client *c)
{
	heard_of(c); /* and others are first the next time */
	if (!c->get && !c->set)
		begin(c);
	if (c->set)
		set_on(c);
	else if (c->get)
		get_on(c);
}

static void work(uv_idle_t *worker)
{
	struct uapi_server *s = container_of(worker, struct uapi_server, worker);

	list_for_each (at, &s->clients) {
		struct client *c = container_of(at, struct client, link);

		if (!may_work(c))
			continue;
		work_for(c);
		return;
	}
	uv_idle_stop(worker);
}

/* What is short is done at once. */
static void answer(struct client *c)
{
	if (uapi_level_answer(c->server->tunnel, c->in.data, c->request))
		answer_set(c, 0);
	else if (may_work(c))
		work_for(c);
	if (c->server)
		uv_idle_start(&c->server->worker, work);
}

/* --- requests ------------------------------------------------------------------------------------
 */

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
		c->request = len;
		answer(c);
	} else if (may_become_request(&c->in)) {
		read_on(c);
	} else {
		client_close(c);
	}
}

/* Whose set is half done is let be. */
static void close_oldest(struct uapi_server *s)
{
	list_for_each (at, &s->clients) {
		struct client *c = container_of(at, struct client, link);

		if (c == s->holder)
			continue;
		client_close(c);
		return;
	}
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
	uv_idle_init(loop, &s->worker);
	s->stall_timer.data = s->worker.data = s;
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
	uv_close((uv_handle_t *)&s->worker, handle_closed);
}

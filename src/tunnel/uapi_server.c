/* SPDX-License-Identifier: MIT */
#include "tunnel/uapi.h"

#include "base/list.h"
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_DIR "/var/run/wireguard"
#define MAX_REQUEST ((size_t)256 << 20) /* a million peers, and an end to it */
#define MAX_CLIENTS 64

struct uapi_server {
	uv_pipe_t listener;
	struct tunnel *tunnel;
	struct list clients;
	unsigned n_clients;
};

struct client {
	struct list link;
	uv_pipe_t pipe;
	struct uapi_server *server; /* NULL: closing */
	struct buf in;
	size_t searched; /* of in, for the empty line */
};

struct answer {
	uv_write_t req;
	struct buf text;
};

char *uapi_path(const char *name)
{
	return mem_printf(SOCKET_DIR "/%s.sock", name);
}

static bool somebody_listens(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes = fd >= 0 && !connect(fd, (const struct sockaddr *)addr, sizeof(*addr));

	if (fd >= 0)
		close(fd);
	return yes;
}

int uapi_bind(const char *name)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	AUTO_FREE char *path = uapi_path(name);
	mode_t mask;
	int fd, err = 0;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path) + 1);
	if (mkdir(SOCKET_DIR, 0755) && errno != EEXIST)
		return -errno;
	if (somebody_listens(&addr))
		return -EADDRINUSE;
	unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	mask = umask(077);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 64))
		err = -errno;
	umask(mask);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

/* --- clients -------------------------------------------------------------------------------------
 */

static void client_closed(uv_handle_t *h)
{
	struct client *c = container_of(h, struct client, pipe);

	buf_wipe(&c->in);
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

static void written(uv_write_t *req, int status)
{
	struct answer *a = container_of(req, struct answer, req);

	buf_wipe(&a->text);
	free(a);
}

static void answer(struct client *c, const char *text, size_t len)
{
	struct answer *a = mem_zalloc(1, sizeof(*a));
	uv_buf_t out;

	if (!uapi_answer(c->server->tunnel, text, len, &a->text)) {
		free(a);
		client_close(c);
		return;
	}
	out = uv_buf_init(a->text.data, 0);
	out.len = a->text.n;
	if (uv_write(&a->req, (uv_stream_t *)&c->pipe, &out, 1, written)) {
		written(&a->req, 0);
		client_close(c);
	}
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

static void take_requests(struct client *c)
{
	size_t len;

	while (c->server && (len = request_len(c))) {
		answer(c, c->in.data, len);
		sodium_memzero(c->in.data, len);
		buf_drop(&c->in, len);
		c->searched = 0;
	}
	if (c->server && c->in.n > MAX_REQUEST)
		client_close(c);
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
	take_requests(c);
}

static void connected(uv_stream_t *listener, int status)
{
	struct uapi_server *s = container_of(listener, struct uapi_server, listener);
	struct client *c;

	if (status < 0)
		return;
	c = mem_zalloc(1, sizeof(*c));
	list_init(&c->link);
	uv_pipe_init(listener->loop, &c->pipe, 0);
	c->server = s;
	list_append(&s->clients, &c->link);
	s->n_clients++;
	if (uv_accept(listener, (uv_stream_t *)&c->pipe) || s->n_clients > MAX_CLIENTS ||
		uv_read_start((uv_stream_t *)&c->pipe, give_room, got_bytes))
		client_close(c);
}

int uapi_serve(uv_loop_t *loop, int fd, struct tunnel *t, struct uapi_server **ret)
{
	struct uapi_server *s = mem_zalloc(1, sizeof(*s));
	int err;

	s->tunnel = t;
	list_init(&s->clients);
	uv_pipe_init(loop, &s->listener, 0);
	err = uv_pipe_open(&s->listener, fd);
	if (!err)
		err = uv_listen((uv_stream_t *)&s->listener, 64, connected);
	if (err) {
		uv_close((uv_handle_t *)&s->listener, NULL);
		return err; /* the caller ends */
	}
	*ret = s;
	return 0;
}

static void listener_closed(uv_handle_t *h)
{
	free(container_of(h, struct uapi_server, listener));
}

void uapi_stop(struct uapi_server *s)
{
	if (!s)
		return;
	list_for_each (at, &s->clients)
		client_close(container_of(at, struct client, link));
	uv_close((uv_handle_t *)&s->listener, listener_closed);
}

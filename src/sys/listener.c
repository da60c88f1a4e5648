/* SPDX-License-Identifier: MIT */
#include "sys/listener.h"

#include "base/mem.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAUSE_MS 100

struct listener {
	int fd; /* -1: stopped */
	uv_poll_t poll;
	uv_timer_t pause;   /* then it listens again */
	unsigned n_handles; /* of the two, not closed yet */
	struct listener_calls calls;
};

static void on_clients(uv_poll_t *handle, int status, int events);

static void listen_again(uv_timer_t *pause)
{
	struct listener *l = container_of(pause, struct listener, pause);

	uv_poll_start(&l->poll, UV_READABLE, on_clients);
}

/* He who gave up meanwhile is no reason to wait. */
static bool is_passing(int error)
{
	return error == EINTR || error == ECONNABORTED;
}

/* accept(2) says that there is no descriptor also if there is nobody for it. */
static bool has_any(int fd)
{
	struct pollfd p = {fd, POLLIN, 0};

	return poll(&p, 1, 0) > 0;
}

static void want(struct listener *l)
{
	if (!has_any(l->fd) || l->calls.starved(l->calls.data))
		return;
	uv_poll_stop(&l->poll);
	uv_timer_start(&l->pause, listen_again, PAUSE_MS, 0);
}

static void on_clients(uv_poll_t *handle, int status, int events)
{
	struct listener *l = container_of(handle, struct listener, poll);

	for (unsigned i = 0; i < l->calls.most && l->fd >= 0; i++) {
		int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			l->calls.accepted(fd, l->calls.data);
		} else if (errno == EAGAIN) {
			return;
		} else if (!is_passing(errno)) {
			want(l);
			return;
		}
	}
}

static void handle_closed(uv_handle_t *h)
{
	struct listener *l = h->data;

	if (!--l->n_handles)
		free(l);
}

static void close_handles(struct listener *l)
{
	uv_close((uv_handle_t *)&l->poll, handle_closed);
	uv_close((uv_handle_t *)&l->pause, handle_closed);
}

int listener_start(
	uv_loop_t *loop, int fd, const struct listener_calls *calls, struct listener **ret)
{
	struct listener *l = mem_zalloc(1, sizeof(*l));
	int err = uv_poll_init(loop, &l->poll, fd);

	if (err) {
		free(l);
		return err;
	}
	uv_timer_init(loop, &l->pause);
	l->fd = fd;
	l->calls = *calls;
	l->poll.data = l->pause.data = l;
	l->n_handles = 2;
	err = uv_poll_start(&l->poll, UV_READABLE, on_clients);
	if (err)
		close_handles(l);
	else
		*ret = l;
	return err;
}

void listener_stop(struct listener *l)
{
	if (!l)
		return;
	close_handles(l);
	close(l->fd);
	l->fd = -1;
}

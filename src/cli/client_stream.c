/* SPDX-License-Identifier: MIT */
#include "cli/client_stream.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES 65536

/* 0, or negative errno: the daemon is gone, or says nothing for too long. */
static int read_more(struct client_stream *s)
{
	char *room = buf_room(&s->in, READ_BYTES);
	ssize_t n = recv(s->fd, room, READ_BYTES, 0);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	s->in.n += (size_t)n;
	return n ? 0 : -ECONNRESET;
}

/* A whole line: its length without the newline, or -1. */
static ssize_t line_length(const struct client_stream *s)
{
	const char *end = s->in.n ? memchr(s->in.data, '\n', s->in.n) : NULL;

	return end ? end - s->in.data : -1;
}

json_t *client_stream_open(
	struct client_stream *s, const struct client_options *o, json_t *request, int *ret_code)
{
	json_t *answer = NULL;
	int err;

	*s = (struct client_stream){.fd = client_connect(o)};
	*ret_code = CLI_FAILED;
	if (s->fd < 0) {
		json_decref(request);
		return NULL;
	}
	err = client_send(s->fd, request);
	while (!err && line_length(s) < 0)
		err = read_more(s);
	if (err)
		cli_error("the daemon gave no answer: %s",
			err == -EAGAIN ? "it took too long" : strerror(-err));
	else
		answer = client_parse(s->in.data, (size_t)line_length(s), ret_code);
	if (answer)
		buf_drop(&s->in, (size_t)line_length(s) + 1);
	else
		client_stream_close(s);
	return answer;
}

void client_stream_close(struct client_stream *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	buf_done(&s->in);
	s->in = (struct buf){0};
}

/* Nothing is asked of standard output, which still tells that its reader has gone. */
static enum client_stream_end wait_for(const struct client_stream *s)
{
	struct pollfd fds[] = {{s->fd, POLLIN, 0}, {STDOUT_FILENO, 0, 0}};

	if (poll(fds, 2, -1) < 0 && errno != EINTR)
		return CLIENT_STREAM_DAEMON_GONE;
	return fds[1].revents & (POLLERR | POLLNVAL) ? CLIENT_STREAM_READER_GONE
						     : CLIENT_STREAM_GOES_ON;
}

enum client_stream_end client_stream_next(struct client_stream *s, json_t **ret)
{
	enum client_stream_end end = CLIENT_STREAM_GOES_ON;
	ssize_t n;
	int err = 0;

	while ((n = line_length(s)) < 0 && !err && end == CLIENT_STREAM_GOES_ON) {
		end = wait_for(s);
		if (end == CLIENT_STREAM_GOES_ON)
			err = read_more(s);
		if (err == -EAGAIN)
			err = 0;
	}
	if (n < 0)
		return end == CLIENT_STREAM_GOES_ON ? CLIENT_STREAM_DAEMON_GONE : end;
	*ret = json_loadb(s->in.data, (size_t)n, 0, NULL);
	buf_drop(&s->in, (size_t)n + 1);
	return *ret ? CLIENT_STREAM_GOES_ON : CLIENT_STREAM_DAEMON_GONE;
}

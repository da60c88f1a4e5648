/* SPDX-License-Identifier: MIT */
/*
 * A device behind its UAPI socket. Every request has a connection of its own: that costs a fraction
 * of a millisecond and leaves no half-read answer behind, whatever the program does, and a program
 * that serves one after the other stays open to others. Sockets for the next ones are held ready,
 * so that a move needs no file descriptor that might not be had. An answer may be of any length in
 * pieces of any size, but it may not stall and not go on forever.
 */
#include "device/internal.h"

#include "base/secret.h"
#include "device/uapi_codec.h"
#include "sys/clock.h"
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define STALL_MS 5000
/* Of a whole answer; 65,536 peers take a second or two. */
#define ANSWER_MS 60000

/* One would do, were there no threads that take the number that a request gives back. */
#define SPARES 2

struct uapi_device {
	struct device base;
	unsigned timeout_ms;
	struct sockaddr_un at;
	int spare[SPARES]; /* sockets that aren't connected; -1: none */
	/* Of the request under way; keys pass through, so the whole device is secret memory. */
	struct uapi_reader reader;
	struct uapi_writer writer;
	char piece[16384];
};

static int address(struct sockaddr_un *ret, const char *path)
{
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	memcpy(ret->sun_path, path, strlen(path));
	return 0;
}

static int new_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

/* Connects it; 0 or negative errno; -ENODEV: nobody is there. */
static int call(int fd, const struct sockaddr_un *at, unsigned timeout_ms)
{
	struct timeval t = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
	int one = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)) == 0 &&
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t)) == 0 &&
		connect(fd, (const struct sockaddr *)at, sizeof(*at)) == 0)
		return 0;
	switch (errno) {
	case ENOENT:
	case ECONNREFUSED:
	case ENOTSOCK:
	case ENOTDIR:
		return -ENODEV;
	case EAGAIN:
		return -ETIMEDOUT;
	default:
		return -errno;
	}
}

static void keep_spares(struct uapi_device *u)
{
	for (int i = 0; i < SPARES; i++)
		if (u->spare[i] < 0)
			u->spare[i] = new_socket();
}

static int take_socket(struct uapi_device *u)
{
	for (int i = 0; i < SPARES; i++) {
		int fd = u->spare[i];

		u->spare[i] = -1;
		if (fd >= 0)
			return fd;
	}
	return new_socket();
}

static void hang_up(struct uapi_device *u, int fd)
{
	close(fd);
	keep_spares(u);
}

/* The socket, connected, or negative errno; to be given to hang_up. */
static int dial(struct uapi_device *u)
{
	int fd = take_socket(u);
	int err = fd < 0 ? fd : call(fd, &u->at, u->timeout_ms);

	if (err && fd >= 0)
		hang_up(u, fd);
	return err ? err : fd;
}

int uapi_probe(const char *path)
{
	struct sockaddr_un at;
	int fd, err = address(&at, path);

	if (err)
		return err;
	fd = new_socket();
	if (fd < 0)
		return fd;
	err = call(fd, &at, STALL_MS);
	close(fd);
	return err;
}

static int write_all(void *data, const char *bytes, size_t n)
{
	const int *fd = data;

	while (n) {
		ssize_t r = send(*fd, bytes, n, MSG_NOSIGNAL);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		bytes += r;
		n -= (size_t)r;
	}
	return 0;
}

/* Reads a piece of an answer, and whose process wrote it where *pid is 0. The credentials of the
 * connection won't do: they are those of whoever made the socket, which may have ended since. */
static ssize_t read_piece(int fd, char *buf, size_t size, pid_t *pid)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct ucred))];
	struct iovec iov = {buf, size};
	struct msghdr m = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	const struct cmsghdr *c;
	struct ucred who;
	ssize_t n;

	do
		n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS && !*pid) {
		memcpy(&who, CMSG_DATA(c), sizeof(who));
		*pid = who.pid;
	}
	return n;
}

/* Reads the answer to its end. */
static int read_answer(struct uapi_device *u, int fd, pid_t *pid)
{
	instant end = instant_add(sys_now(), ANSWER_MS * NS_PER_MS);
	struct uapi_reader *r = &u->reader;
	int err = 0;

	while (!r->done && !r->error && !err) {
		ssize_t n = read_piece(fd, u->piece, sizeof(u->piece), pid);

		if (n < 0)
			err = errno == EAGAIN ? -ETIMEDOUT : -errno;
		else if (n == 0)
			err = -ECONNRESET;
		else if (instant_before(end, sys_now()))
			err = -ETIMEDOUT;
		else
			uapi_reader_feed(r, u->piece, (size_t)n);
	}
	sodium_memzero(u->piece, sizeof(u->piece)); /* a private key was in it */
	return err;
}

static int uapi_get(struct device *d, struct device_state *ret)
{
	struct uapi_device *u = (struct uapi_device *)d;
	pid_t pid = 0;
	int fd = dial(u);
	int err;

	if (fd < 0)
		return fd;
	err = write_all(&fd, "get=1\n\n", 7);
	if (!err)
		err = read_answer(u, fd, &pid);
	/* So the first removal need not be tried out, for which all would be read once more. */
	if (!err && u->reader.is_ours)
		d->removal = REMOVAL_FLAG;
	if (!err)
		err = uapi_reader_finish(&u->reader, ret);
	uapi_reader_done(&u->reader);
	hang_up(u, fd);
	return err == -EPIPE ? -ECONNRESET : err;
}

static bool is_hung_up(int err)
{
	return err == -EPIPE || err == -ECONNRESET;
}

/* *ret_pid is the process that answered, or 0. */
static int request_set(struct uapi_device *u, const struct device_change *c, pid_t *ret_pid)
{
	struct uapi_writer *w = &u->writer;
	int fd = dial(u);
	int sent, err;

	if (fd < 0)
		return fd;
	w->write = write_all;
	w->data = &fd;
	w->error = 0;
	sent = uapi_write_set(w, c);
	/* A program that hung up on a long request may have said why before. One that didn't get it
	 * for another reason waits for the rest, as we would for its answer. */
	err = sent && !is_hung_up(sent) ? sent : read_answer(u, fd, ret_pid);
	if (!err)
		err = uapi_reader_finish(&u->reader, NULL);
	if (!err && sent)
		err = sent;
	uapi_reader_done(&u->reader);
	hang_up(u, fd);
	return err == -EPIPE ? -ECONNRESET : err;
}

static int uapi_apply(struct device *d, const struct device_change *c)
{
	pid_t pid = 0;

	return request_set((struct uapi_device *)d, c, &pid);
}

static void uapi_close(struct device *d)
{
	struct uapi_device *u = (struct uapi_device *)d;

	for (int i = 0; i < SPARES; i++)
		if (u->spare[i] >= 0)
			close(u->spare[i]);
	secret_free(u, sizeof(*u));
}

static int uapi_address(const struct device *d, struct device_address *ret)
{
	snprintf(ret->path, sizeof(ret->path), "%s", uapi_device_path(d));
	return 0;
}

static const struct device_ops uapi_ops = {uapi_get, uapi_apply, uapi_close, uapi_address};

void uapi_device_set_timeout(struct device *d, unsigned ms)
{
	((struct uapi_device *)d)->timeout_ms = ms;
}

const char *uapi_device_path(const struct device *d)
{
	return ((const struct uapi_device *)d)->at.sun_path;
}

/* The name of that process, where the system tells. */
static void program_name(pid_t pid, char ret[static 64])
{
	char line[64];
	FILE *f;

	snprintf(ret, 64, "userspace");
	snprintf(line, sizeof(line), "/proc/%d/comm", (int)pid);
	f = pid > 0 ? fopen(line, "re") : NULL;
	if (!f)
		return;
	if (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (*line)
			snprintf(ret, 64, "%s", line);
	}
	fclose(f);
}

int uapi_device_open(const char *path, const char *ifname, struct device **ret)
{
	struct device_change nothing = {0};
	struct uapi_device *u;
	struct sockaddr_un at;
	pid_t pid = 0;
	int r = address(&at, path);

	if (r < 0)
		return r;
	u = secret_zalloc(1, sizeof(*u));
	u->base.ops = &uapi_ops;
	u->base.kind = DEVICE_UAPI;
	snprintf(u->base.ifname, sizeof(u->base.ifname), "%s", ifname);
	u->timeout_ms = STALL_MS;
	u->at = at;
	for (int i = 0; i < SPARES; i++)
		u->spare[i] = -1;
	keep_spares(u);
	/* A change of nothing shows that it speaks the protocol, and who it is. */
	r = request_set(u, &nothing, &pid);
	if (r < 0) {
		uapi_close(&u->base);
		return r;
	}
	program_name(pid, u->base.name);
	*ret = &u->base;
	return 0;
}

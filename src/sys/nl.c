/* SPDX-License-Identifier: MIT */
#include "sys/nl.h"

#include "base/mem.h"
#include "base/secret.h"
#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* The kernel's largest dump chunk is below 32 KiB; an acknowledgement is small. */
#define ANSWER_MAX 65536
#define DUMP_TRIES 10
#define ANSWER_TIMEOUT_S 10

#ifndef NETLINK_GET_STRICT_CHK
#define NETLINK_GET_STRICT_CHK 12
#endif

struct nl {
	struct nl_io io;
	uint32_t seq;
	bool stale; /* the last request ended before its answer did */
	/* Aligned for struct nlmsghdr. */
	_Alignas(8) char out[NL_MESSAGE_MAX];
	_Alignas(8) char in[ANSWER_MAX];
};

/* --- the socket ----------------------------------------------------------------------------- */

struct nl_socket {
	int fd;
};

static ssize_t socket_send(void *data, const void *message, size_t n)
{
	struct nl_socket *s = data;
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	ssize_t r;

	do
		r = sendto(s->fd, message, n, 0, (struct sockaddr *)&kernel, sizeof(kernel));
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

static ssize_t socket_recv_flags(struct nl_socket *s, void *buf, size_t size, int flags)
{
	struct sockaddr_nl from;
	struct iovec iov = {buf, size};
	struct msghdr m;
	ssize_t r;

	for (;;) {
		m = (struct msghdr){.msg_name = &from,
			.msg_namelen = sizeof(from),
			.msg_iov = &iov,
			.msg_iovlen = 1};
		r = recvmsg(s->fd, &m, MSG_TRUNC | flags);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (m.msg_namelen == sizeof(from) && from.nl_pid == 0)
			return r; /* only the kernel answers */
	}
}

static ssize_t socket_recv(void *data, void *buf, size_t size)
{
	return socket_recv_flags(data, buf, size, 0);
}

static void socket_drain(void *data)
{
	char byte;

	while (socket_recv_flags(data, &byte, 1, MSG_DONTWAIT) != -ETIMEDOUT)
		;
}

static void socket_close(void *data)
{
	struct nl_socket *s = data;

	close(s->fd);
	free(s);
}

int nl_open(int protocol, struct nl **ret)
{
	struct nl_io io = {socket_send, socket_recv, socket_drain, socket_close, NULL};
	struct timeval timeout = {.tv_sec = ANSWER_TIMEOUT_S};
	struct nl_socket *s;
	int one = 1;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	/* Errors without the request in them, and dumps that the kernel filters: both only help. */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
	s = mem_zalloc(1, sizeof(*s));
	s->fd = fd;
	io.data = s;
	*ret = nl_new(&io);
	return 0;
}

/* --- requests ------------------------------------------------------------------------------- */

struct nl *nl_new(const struct nl_io *io)
{
	struct nl *n = secret_zalloc(1, sizeof(*n)); /* keys pass through */

	n->io = *io;
	return n;
}

void nl_wipe(struct nl *n)
{
	explicit_bzero(n->out, sizeof(n->out));
	explicit_bzero(n->in, sizeof(n->in));
}

void nl_close(struct nl *n)
{
	if (!n)
		return;
	n->io.close(n->io.data);
	secret_free(n, sizeof(*n));
}

struct nlmsghdr *nl_begin(struct nl *n, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *h;

	explicit_bzero(n->out, sizeof(n->out));
	h = mnl_nlmsg_put_header(n->out);
	h->nlmsg_type = type;
	h->nlmsg_flags = flags | NLM_F_REQUEST;
	return h;
}

struct nlmsghdr *nl_append(struct nlmsghdr *last, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(mnl_nlmsg_get_payload_tail(last));

	h->nlmsg_type = type;
	h->nlmsg_flags = flags | NLM_F_REQUEST;
	return h;
}

struct talk {
	uint32_t seq;
	nl_fn *fn;
	void *data;
	int error; /* the first, kept while the rest of the answer passes by */
	bool done;
};

/* The number in NLMSG_ERROR and NLMSG_DONE; a missing one is fine in the latter. */
static int end_code(const struct nlmsghdr *h)
{
	int code;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(code))
		return h->nlmsg_type == NLMSG_DONE ? 0 : -EBADMSG;
	memcpy(&code, mnl_nlmsg_get_payload(h), sizeof(code));
	return code > 0 ? -EBADMSG : code;
}

static void on_message(struct talk *t, const struct nlmsghdr *h)
{
	int r = 0;

	if (h->nlmsg_seq != t->seq || t->done)
		return; /* of an earlier request that was given up */
	if (h->nlmsg_flags & NLM_F_DUMP_INTR)
		r = -EINTR;
	if (h->nlmsg_type == NLMSG_ERROR || h->nlmsg_type == NLMSG_DONE) {
		t->done = true;
		if (end_code(h))
			r = end_code(h);
	} else if (h->nlmsg_type == NLMSG_OVERRUN) {
		r = -ENOBUFS;
	} else if (h->nlmsg_type >= NLMSG_MIN_TYPE && t->fn && !t->error && !r) {
		r = t->fn(h, t->data);
	}
	if (r < 0 && !t->error)
		t->error = r;
}

/* One datagram of messages; false if it isn't a whole number of them. */
static bool on_datagram(struct talk *t, char *bytes, size_t n)
{
	struct nlmsghdr *h = (void *)bytes;
	size_t left = n;

	for (; nl_message_ok(h, left); h = nl_message_next(h, &left))
		on_message(t, h);
	return left == 0;
}

static int receive(struct nl *n, struct talk *t)
{
	while (!t->done) {
		ssize_t r = n->io.recv(n->io.data, n->in, sizeof(n->in));

		if (r < 0)
			return (int)r;
		if ((size_t)r > sizeof(n->in))
			return -EMSGSIZE;
		if (r == 0 || !on_datagram(t, n->in, (size_t)r))
			return -EBADMSG;
	}
	return t->error;
}

/* Sends n_bytes from first on and waits for the end of the answer. */
static int exchange(struct nl *n, const struct nlmsghdr *first, size_t n_bytes, struct talk *t)
{
	ssize_t sent;
	int r;

	if (n->stale && n->io.drain)
		n->io.drain(n->io.data);
	sent = n->io.send(n->io.data, first, n_bytes);
	if (sent < 0)
		return (int)sent;
	r = receive(n, t);
	n->stale = !t->done;
	return r;
}

int nl_talk(struct nl *n, struct nlmsghdr *message, nl_fn *fn, void *data)
{
	bool dump = (message->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
	struct talk t = {.seq = ++n->seq, .fn = fn, .data = data};

	if (!dump)
		message->nlmsg_flags |= NLM_F_ACK;
	message->nlmsg_seq = t.seq;
	return exchange(n, message, message->nlmsg_len, &t);
}

/* All have one number: the kernel tells of the first error first, and only then acknowledges. */
int nl_talk_batch(struct nl *n, struct nlmsghdr *first, struct nlmsghdr *acknowledged,
	const struct nlmsghdr *last)
{
	size_t n_bytes = (size_t)((const char *)mnl_nlmsg_get_payload_tail(last) - (char *)first);
	struct talk t = {.seq = ++n->seq};
	struct nlmsghdr *h = first;
	size_t left = n_bytes;

	acknowledged->nlmsg_flags |= NLM_F_ACK;
	for (; nl_message_ok(h, left); h = nl_message_next(h, &left))
		h->nlmsg_seq = t.seq;
	return exchange(n, first, n_bytes, &t);
}

int nl_dump(
	struct nl *n, struct nlmsghdr *message, nl_fn *fn, void (*restart)(void *data), void *data)
{
	int r;

	for (int i = 0; i < DUMP_TRIES; i++) {
		restart(data);
		r = nl_talk(n, message, fn, data);
		if (r != -EINTR && r != -ENOBUFS)
			return r;
	}
	return -EAGAIN;
}

/* SPDX-License-Identifier: MIT */
/*
 * A netlink socket that is played by a fuzz target's input: each datagram stands there behind two
 * bytes of length; sequence numbers are mended so that most of it is looked at. After the last one
 * the socket times out.
 */
#ifndef SHUNT_TESTS_DATAGRAMS_H
#define SHUNT_TESTS_DATAGRAMS_H

#include "sys/nl.h"

#include <errno.h>
#include <string.h>

struct datagrams {
	const uint8_t *data;
	size_t left;
	uint32_t seq; /* of the last message that was sent */
};

/* The next datagram, cut to the buffer; false at the end. */
static inline bool datagrams_take(struct datagrams *d, void *buf, size_t size, size_t *ret)
{
	size_t n;

	if (d->left < 2)
		return false;
	n = (size_t)d->data[0] | (size_t)d->data[1] << 8;
	d->data += 2;
	d->left -= 2;
	n = n < d->left ? n : d->left;
	n = n < size ? n : size;
	memcpy(buf, d->data, n);
	d->data += n;
	d->left -= n;
	*ret = n;
	return true;
}

static inline ssize_t datagrams_send(void *data, const void *message, size_t n)
{
	struct datagrams *d = data;
	const struct nlmsghdr *h = message;

	/* Of a batch, what comes last is asked for. */
	for (size_t left = n; nl_message_ok(h, left);) {
		size_t len = NLMSG_ALIGN(h->nlmsg_len);

		d->seq = h->nlmsg_seq ? h->nlmsg_seq : d->seq;
		left -= len < left ? len : left;
		h = (const struct nlmsghdr *)(const void *)((const char *)h + len);
	}
	return (ssize_t)n;
}

static inline ssize_t datagrams_recv(void *data, void *buf, size_t size)
{
	struct datagrams *d = data;
	struct nlmsghdr *h = buf;
	size_t n;

	if (!datagrams_take(d, buf, size, &n))
		return -ETIMEDOUT;
	for (size_t left = n; nl_message_ok(h, left); h = nl_message_next(h, &left))
		h->nlmsg_seq = d->seq;
	return (ssize_t)n;
}

static inline void datagrams_close(void *data)
{
	(void)data;
}

static inline struct nl *datagrams_nl(struct datagrams *d)
{
	const struct nl_io io = {datagrams_send, datagrams_recv, NULL, datagrams_close, d};

	return nl_new(&io);
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Requests to the kernel over a netlink socket, one at a time: build the message with nl_begin and
 * libmnl's mnl_attr_put functions, then nl_talk or nl_dump. A message has room for NL_MESSAGE_MAX
 * bytes. Sending and receiving stand behind three functions, so that tests can play the kernel.
 */
#ifndef SHUNT_SYS_NL_H
#define SHUNT_SYS_NL_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define NL_MESSAGE_MAX 32768

/* libmnl's loops over attributes, with the variable declared and const kept. */
#define nl_for_each_between(a, from, to)      \
	for (const struct nlattr *a = (from); \
		mnl_attr_ok(a, (int)((const char *)(to) - (const char *)a)); a = mnl_attr_next(a))
#define nl_for_each_attr(a, message, offset)                                  \
	nl_for_each_between(a, mnl_nlmsg_get_payload_offset(message, offset), \
		mnl_nlmsg_get_payload_tail(message))
#define nl_for_each_nested(a, nest) \
	nl_for_each_between(a, mnl_attr_get_payload(nest), (const char *)(nest) + (nest)->nla_len)

/*
 * The messages of a datagram. libmnl's mnl_nlmsg_ok takes a length above INT_MAX for a small one;
 * the kernel sends none, but a decoder holds its own.
 */
static inline bool nl_message_ok(const struct nlmsghdr *h, size_t left)
{
	return left >= sizeof(*h) && h->nlmsg_len >= sizeof(*h) && h->nlmsg_len <= left;
}

/* The next message, with what is left behind this one; padding at the end may be absent. */
static inline struct nlmsghdr *nl_message_next(struct nlmsghdr *h, size_t *left)
{
	size_t n = NLMSG_ALIGN(h->nlmsg_len);

	*left -= n < *left ? n : *left;
	return (struct nlmsghdr *)(void *)((char *)h + n);
}

struct nl_io {
	/* The bytes sent, or negative errno. */
	ssize_t (*send)(void *data, const void *message, size_t n);
	/* One datagram; its full length, which is above size if it was cut, or negative errno. */
	ssize_t (*recv)(void *data, void *buf, size_t size);
	/* Throws away what still waits, without blocking. May be NULL. */
	void (*drain)(void *data);
	void (*close)(void *data);
	void *data;
};

struct nl;

/* A socket of the protocol: NETLINK_ROUTE or NETLINK_GENERIC. */
int nl_open(int protocol, struct nl **ret);
/* Talks over io instead, and closes it in nl_close. */
struct nl *nl_new(const struct nl_io *io);
/* Accepts NULL. */
void nl_close(struct nl *n);

/* Starts a message in the buffer of n; what stood there is wiped, since it may hold a key.
 * NLM_F_REQUEST is added. */
struct nlmsghdr *nl_begin(struct nl *n, uint16_t type, uint16_t flags);

/* Another message behind last, in the same buffer and for the same nl_talk_batch. */
struct nlmsghdr *nl_append(struct nlmsghdr *last, uint16_t type, uint16_t flags);

/* Called per answer; a negative errno ends the request with that error. */
typedef int nl_fn(const struct nlmsghdr *answer, void *data);

/* Sends the message and waits for its end. 0, the kernel's negative errno, or -ETIMEDOUT,
 * -EMSGSIZE (a cut answer), -EBADMSG (not netlink), -EINTR (a dump that changed meanwhile). fn may
 * be NULL. */
int nl_talk(struct nl *n, struct nlmsghdr *message, nl_fn *fn, void *data);
/* The same for several messages as one datagram, first to last, which the kernel takes as a whole
 * or not at all (nfnetlink's batches). One of them is acknowledged for all. */
int nl_talk_batch(struct nl *n, struct nlmsghdr *first, struct nlmsghdr *acknowledged,
	const struct nlmsghdr *last);
/* A dump, repeated when it was interrupted or overrun, up to a bound, then -EAGAIN. restart is
 * called before each try and forgets what was gathered. */
int nl_dump(
	struct nl *n, struct nlmsghdr *message, nl_fn *fn, void (*restart)(void *data), void *data);
/* Wipes both buffers, for messages that held a key. */
void nl_wipe(struct nl *n);

#endif

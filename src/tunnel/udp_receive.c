/* SPDX-License-Identifier: MIT */
/* A batch of datagrams and what the kernel tells beside each of them. */
#include "tunnel/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define DATAGRAM_MAX 65536
/* Buffers a multiple of 4 KiB apart would all begin in the same few sets of the caches. */
#define DATAGRAM_STRIDE (DATAGRAM_MAX + 1600)
#define RECEIVE_BYTES (256 * 1024) /* of one batch: it shall stay in a core's own cache */
#define RECEIVE_LEAST 4
#define CONTROL_IN 192

struct slot {
	struct iovec data;
	sock_addr from;
	union {
		char bytes[CONTROL_IN];
		struct cmsghdr align;
	} control;
};

struct udp_receiver {
	uint8_t *memory;
	size_t want; /* messages of the next call */
	/* As recvmmsg takes them, what each of them points at, and what the caller gets of it. */
	struct mmsghdr messages[UDP_BATCH];
	struct slot slots[UDP_BATCH];
	struct udp_in in[UDP_BATCH];
};

/* Makes the first n ready for the next call, which wrote into as many at most. */
static void prepare(struct udp_receiver *r, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct slot *s = &r->slots[i];

		s->data = (struct iovec){r->memory + i * DATAGRAM_STRIDE, DATAGRAM_MAX};
		r->messages[i].msg_hdr = (struct msghdr){
			.msg_name = &s->from,
			.msg_namelen = sizeof(s->from),
			.msg_iov = &s->data,
			.msg_iovlen = 1,
			.msg_control = s->control.bytes,
			.msg_controllen = sizeof(s->control.bytes),
		};
	}
}

struct udp_receiver *udp_receiver_new(void)
{
	struct udp_receiver *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->memory = malloc((size_t)UDP_BATCH * DATAGRAM_STRIDE);
	if (!r->memory) {
		free(r);
		return NULL;
	}
	prepare(r, UDP_BATCH);
	r->want = RECEIVE_LEAST;
	return r;
}

void udp_receiver_free(struct udp_receiver *r)
{
	if (!r)
		return;
	free(r->memory);
	free(r);
}

/* A value of so many bytes; the kernel sends no shorter ones, but a decoder holds its own. */
static bool has(const struct cmsghdr *c, size_t n)
{
	return c->cmsg_len >= CMSG_LEN(n);
}

static void read_control(const struct cmsghdr *c, struct udp_in *in)
{
	int number = 0;

	if (!has(c, c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS ? 1 : sizeof(number)))
		return;
	if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
		struct in_pktinfo info;

		if (!has(c, sizeof(info)))
			return;
		memcpy(&info, CMSG_DATA(c), sizeof(info));
		in->from.local = ip_addr_from_bytes(AF_INET, &info.ipi_spec_dst);
		in->from.local_ifindex = info.ipi_ifindex;
	} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
		struct in6_pktinfo info;

		if (!has(c, sizeof(info)))
			return;
		memcpy(&info, CMSG_DATA(c), sizeof(info));
		in->from.local = ip_addr_from_bytes(AF_INET6, &info.ipi6_addr);
		in->from.local_ifindex = (int)info.ipi6_ifindex;
	} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
		in->tos = *(const uint8_t *)CMSG_DATA(c);
	} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
		memcpy(&number, CMSG_DATA(c), sizeof(number));
		in->tos = (uint8_t)number;
	} else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
		memcpy(&number, CMSG_DATA(c), sizeof(number));
		in->segment = number > 0 ? (size_t)number : 0;
	}
}

static void read_message(struct udp_receiver *r, size_t i, struct udp_in *in)
{
	struct msghdr *m = &r->messages[i].msg_hdr;
	struct slot *s = &r->slots[i];

	/* The kernel writes an address of its family's length. */
	memset((char *)&s->from + m->msg_namelen, 0, sizeof(s->from) - m->msg_namelen);
	*in = (struct udp_in){
		.data = s->data.iov_base,
		.len = m->msg_flags & MSG_TRUNC ? 0 : r->messages[i].msg_len,
		.from = {.remote = s->from},
	};
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
		read_control(c, in);
	if (!in->segment || in->segment > in->len)
		in->segment = in->len;
}

/*
 * As many messages next time as fill a batch, if they are as large as these were; but no more
 * buffers are touched than there is need for: only a call that was used up doubles the number.
 */
static void adapt(struct udp_receiver *r, size_t n, size_t bytes)
{
	size_t fit = RECEIVE_BYTES / (bytes / n + 1);

	if (n == r->want)
		r->want *= 2;
	if (r->want > fit)
		r->want = fit;
	if (r->want > UDP_BATCH)
		r->want = UDP_BATCH;
	if (r->want < RECEIVE_LEAST)
		r->want = RECEIVE_LEAST;
}

size_t udp_receive(struct udp *u, int family, struct udp_receiver *r, const struct udp_in **in)
{
	size_t bytes = 0;
	int n;

	do {
		n = recvmmsg(udp_fd(u, family), r->messages, (unsigned)r->want, MSG_DONTWAIT, NULL);
	} while (n < 0 && errno == EINTR);
	*in = r->in;
	if (n <= 0)
		return 0;
	for (int i = 0; i < n; i++) {
		read_message(r, (size_t)i, &r->in[i]);
		bytes += r->in[i].len;
	}
	prepare(r, (size_t)n);
	adapt(r, (size_t)n, bytes);
	return (size_t)n;
}

/* SPDX-License-Identifier: MIT */
/*
 * The prober's sockets for one local overlay address: BFD in, BFD out, echoes, reports in and out.
 * BFD comes in by a raw socket, bound to device and address and filtered to the port: whoever else
 * binds the port, it gets its copy. A UDP socket holds the port besides, shareable and never read,
 * so that no peer is told that nobody listens. Reports come and go likewise. Opening is tried again
 * and again with a growing pause, since the address may not be there yet, or the device may be gone
 * for a while.
 */
#ifndef SHUNT_PROBER_PROBER_SOCKETS_H
#define SHUNT_PROBER_PROBER_SOCKETS_H

#include "base/buf.h"
#include "base/list.h"
#include "base/prefix.h"
#include "base/time.h"
#include "base/vec.h"
#include "live/live.h"
#include <stdbool.h>

enum prober_kind {
	PROBER_BFD_IN,
	PROBER_BFD_HOLDER,
	PROBER_BFD_OUT,
	PROBER_ECHO,
	PROBER_REPORT_IN,
	PROBER_REPORT_HOLDER,
	PROBER_REPORT_OUT,
	PROBER_N_KINDS
};

struct prober_local {
	ip_addr addr;
	struct list link;
	uint64_t generation; /* the last set of peers that wanted it */
	/* What epoll hands back: a pointer to one of these. */
	struct prober_socket {
		struct prober_local *local;
		enum prober_kind kind;
		int fd; /* -1: not open */
	} sockets[PROBER_N_KINDS];
	int64_t pause_ns;
	instant retry_at; /* INSTANT_NEVER: all are open */
};

/* Zeroes are not enough; opens nothing, but makes opening due at once. */
void prober_local_init(struct prober_local *l, const ip_addr *addr, instant now);
/* Opens what isn't open and adds what receives to the epoll. 0 or the first negative errno,
 * *ret_what then says what failed. Sets retry_at. */
int prober_local_open(
	struct prober_local *l, const char *ifname, int epoll, const char **ret_what, instant now);
/* Closes all and makes opening due at once. */
void prober_local_close(struct prober_local *l, instant now);

struct prober_packet {
	struct prober_socket *socket;
	sock_addr to;
	size_t at, len; /* in the queue's bytes */
};

/* Packets to send, in order. All zero is none. */
struct prober_queue {
	VEC(struct prober_packet) packets;
	struct buf bytes; /* theirs, one behind the other */
};

void prober_queue_add(struct prober_queue *q, struct prober_socket *socket, const sock_addr *to,
	const uint8_t *bytes, size_t len);
void prober_queue_done(struct prober_queue *q);
/* Writes an echo request for the family; returns its length. */
size_t prober_echo_request(
	int family, const struct echo_mark *mark, uint8_t out[static BFD_PACKET_MAX]);
/* Sends in order, many at a time, and empties the queue; what can't be sent is dropped. Returns how
 * many were sent. */
size_t prober_send(struct prober_queue *q);

#define PROBER_BATCH 64
/* Of echoes and BFD the beginning is enough, also of several that a device has merged; reports are
 * read whole. */
#define PROBER_WORD_MAX 512

/* Where packets are received: all that one call may give. */
struct prober_inbox {
	uint8_t *memory;
	size_t n; /* packets received */
	/* As raw sockets give it: of IPv4 with its IP header. */
	struct prober_input {
		ip_addr src;
		unsigned ttl; /* 0: not told; of IPv4 the header tells it */
		size_t len;   /* on the wire */
		size_t got;   /* of it, in bytes */
		const uint8_t *bytes;
	} inputs[PROBER_BATCH];
};

void prober_inbox_init(struct prober_inbox *in);
void prober_inbox_done(struct prober_inbox *in);
/* False: there are no more for now than were received, which may be none. */
bool prober_receive(const struct prober_socket *s, struct prober_inbox *in);
/* The TTL or hop limit that a message's control part tells; 0: none. */
struct msghdr;
unsigned prober_ttl(struct msghdr *m);
/* Whether a packet of a PROBER_ECHO socket is an echo reply, and which. */
bool prober_parse_reply(const struct prober_input *in, struct echo_mark *ret);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The prober's sockets for one local overlay address: BFD in, BFD out, echoes. BFD comes in by a
 * raw socket, bound to device and address and filtered to the port: whoever else binds the port, it
 * gets its copy. A UDP socket holds the port besides, shareable and never read, so that no peer is
 * told that nobody listens. Opening is tried again and again with a growing pause, since the
 * address may not be there yet, or the device may be gone for a while.
 */
#ifndef SHUNT_PROBER_PROBER_SOCKETS_H
#define SHUNT_PROBER_PROBER_SOCKETS_H

#include "base/list.h"
#include "base/prefix.h"
#include "base/time.h"
#include "live/live.h"
#include <stdbool.h>

enum prober_kind { PROBER_BFD_IN, PROBER_BFD_HOLDER, PROBER_BFD_OUT, PROBER_ECHO, PROBER_N_KINDS };

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

/* One packet to send. */
struct prober_packet {
	struct prober_socket *socket;
	sock_addr to;
	size_t len;
	uint8_t bytes[BFD_PACKET_MAX];
};

/* Writes an echo request for the family; returns its length. */
size_t prober_echo_request(
	int family, const struct echo_mark *mark, uint8_t out[static BFD_PACKET_MAX]);
/* Sends in order, many at a time; what can't be sent is dropped. Returns how many were sent. */
size_t prober_send(const struct prober_packet *packets, size_t n);

#define PROBER_BATCH 64

/* One packet received, as raw sockets give it: of IPv4 with its IP header. */
struct prober_input {
	ip_addr src;
	unsigned ttl; /* 0: not told; of IPv4 the header tells it */
	size_t len;   /* on the wire; bytes has the beginning */
	uint8_t bytes[512];
};

/* Up to PROBER_BATCH packets; 0: there are none. */
size_t prober_receive(const struct prober_socket *s, struct prober_input ret[static PROBER_BATCH]);
/* The TTL or hop limit that a message's control part tells; 0: none. */
struct msghdr;
unsigned prober_ttl(struct msghdr *m);
/* Whether a packet of a PROBER_ECHO socket is an echo reply, and which. */
bool prober_parse_reply(const struct prober_input *in, struct echo_mark *ret);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The two UDP sockets of a device, one a family, on one port. Outgoing datagrams leave by sendmmsg
 * with UDP_SEGMENT where it works (EIO, EINVAL and EMSGSIZE make it fall back, with one log line),
 * from a sticky source address (IP_PKTINFO, IPV6_PKTINFO both ways), with a TOS of their own;
 * incoming ones come by recvmmsg with UDP_GRO.
 */
#ifndef SHUNT_TUNNEL_UDP_H
#define SHUNT_TUNNEL_UDP_H

#include "base/prefix.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UDP_BATCH 64
#define UDP_MAX_PAYLOAD 65507
#define UDP_MAX_SEGMENTS 64 /* older kernels' limit */

/* Where a peer is, and from which of our addresses it was last reached. */
struct udp_endpoint {
	sock_addr remote;
	ip_addr local;	   /* family 0: the kernel chooses */
	int local_ifindex; /* that it came in by; 0: not known */
};

static inline bool udp_endpoint_eq(const struct udp_endpoint *a, const struct udp_endpoint *b)
{
	return sock_addr_eq(&a->remote, &b->remote) && ip_addr_eq(&a->local, &b->local) &&
	       a->local_ifindex == b->local_ifindex;
}

/* Datagrams of equal size (the last may be shorter) to one place. */
struct udp_out {
	struct udp_endpoint to;
	const uint8_t *data;
	size_t len;
	size_t segment; /* size of each but the last; len if there is one */
	uint8_t tos;	/* DSCP and ECN */
};

struct udp_in {
	uint8_t *data;
	size_t len;
	size_t segment;		  /* as in udp_out */
	struct udp_endpoint from; /* remote, and the address it came to */
	uint8_t tos;
};

struct udp;

typedef void udp_log_fn(const char *line, void *data);

/* No sockets yet. */
struct udp *udp_new(udp_log_fn *log, void *data);
void udp_free(struct udp *u);
/* Binds both families to *port (0: any, and *port gets it); IPv6 missing altogether is no error.
 * Closes the old sockets only after success... */
int udp_bind(struct udp *u, uint16_t *port, uint32_t fwmark);
void udp_unbind(struct udp *u);
int udp_set_fwmark(struct udp *u, uint32_t fwmark);
/* The file descriptors to poll, -1 where there is none; AF_INET, AF_INET6. */
int udp_fd(const struct udp *u, int family);

/* How many datagrams were dropped since the first bind: by the kernel, for want of room in the
 * sockets' queues mostly, and with a socket that was closed. Not while binding. */
uint64_t udp_receive_drops(struct udp *u);

/* Sends n; what can't be sent is dropped. Returns how many datagrams were sent; *ret_errno (may be
 * NULL) the last error or 0. One thread at a time. */
size_t udp_send(struct udp *u, const struct udp_out *out, size_t n, int *ret_errno);

/* Memory for one recvmmsg: UDP_BATCH buffers of 64 KiB. */
struct udp_receiver;
struct udp_receiver *udp_receiver_new(void);
void udp_receiver_free(struct udp_receiver *r);
/* Up to UDP_BATCH messages without blocking; 0: none. in stays valid until the next call on r. */
size_t udp_receive(struct udp *u, int family, struct udp_receiver *r, const struct udp_in **in);

#endif

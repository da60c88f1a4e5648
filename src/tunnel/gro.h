/* SPDX-License-Identifier: MIT */
/*
 * Merging decrypted packets of one recvmmsg into superpackets for the TUN: TCP segments in sequence
 * with the same headers (the rules of the kernel's selftests/net/gro.c: same flow, ack, flags, TTL,
 * TOS, DF, options; no IP options, no fragments), and UDP datagrams of equal length with a checksum
 * (never to the ports of VXLAN, 4789 and 8472, or Geneve, 6081). Payloads aren't copied: a
 * superpacket is a vnet header, one rewritten header and an iovec per payload. Packets of one flow
 * never overtake each other. Fixed memory, nothing allocated. Pure.
 *
 * A kernel may take the TUN's offloads when it is asked and refuse a merged packet when it comes:
 * then the packets of that write go one by one, and if that helps, nothing of its kind is merged
 * any more.
 *
 * A merged packet carries VIRTIO_NET_HDR_F_NEEDS_CSUM with the pseudo-header sum; a single one goes
 * as it is, with VIRTIO_NET_HDR_F_DATA_VALID never set: its checksum was checked by nobody.
 */
#ifndef SHUNT_TUNNEL_GRO_H
#define SHUNT_TUNNEL_GRO_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define GRO_MAX_OUT 256	    /* superpackets or packets that wait */
#define GRO_MAX_IOV 64	    /* pieces of one: vnet header, header, payloads */
#define GRO_MAX_BYTES 65535 /* of an IP packet */

struct gro;

/* Bits: what can be merged. */
enum gro_kind { GRO_TCP = 1, GRO_UDP = 2 };

/* tcp, udp: what the TUN can take. */
struct gro *gro_new(bool tcp, bool udp);
void gro_free(struct gro *g);
/* A decrypted, trimmed packet of len bytes whose memory stays until gro_flush returns. False: full,
 * flush first. */
bool gro_add(struct gro *g, uint8_t *packet, size_t len);
/* Writes out everything in order by write(iov, n, data), which returns the bytes written or
 * negative errno; empties g. Returns the kinds whose merging ended now, mostly 0. */
unsigned gro_flush(
	struct gro *g, long (*write)(const struct iovec *iov, int n, void *data), void *data);
/* True if a write of n pieces that gave result says that merged packets aren't taken: gro_flush
 * writes what was in it one by one. */
bool gro_is_refused(int n, long result);

#endif

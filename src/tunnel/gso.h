/* SPDX-License-Identifier: MIT */
/*
 * Cutting a packet that came from a TUN with a vnet header (TSO, USO, or a checksum to be finished)
 * into the packets that it stands for (the paper, section 7.1, and virtio 1.1 section 5.1.6).
 * Nothing is copied here: the superpacket stays where it is, and each segment's header is written,
 * when its turn comes, in front of its payload (over what was sealed already), so that the segment
 * is contiguous in the buffer. Pure.
 */
#ifndef SHUNT_TUNNEL_GSO_H
#define SHUNT_TUNNEL_GSO_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GSO_MAX_HEADER \
	128 /* IP header with options or extensions and TCP header; a longer one is refused */

struct gso {
	uint8_t *packet; /* the IP packet */
	size_t len;
	size_t header_len;  /* IP and transport headers: what every segment begins with */
	size_t segment_len; /* payload bytes per segment; 0: one packet, as it is */
	size_t n_segments;
	uint8_t ip_version;
	bool is_tcp, is_udp;
	uint16_t csum_start, csum_offset; /* of the checksum to finish; start 0: none */
	size_t next;			  /* segment */
	uint8_t header[GSO_MAX_HEADER];
};

/*
 * Looks at a packet of len bytes behind its vnet header. hdr_len isn't trusted: lengths come from
 * the headers and csum_start. False: malformed (truncated, a header that doesn't fit, an unknown
 * GSO type); nothing was changed.
 */
bool gso_start(struct gso *g, const struct virtio_net_hdr *vnet, uint8_t *packet, size_t len);
/*
 * The next segment, contiguous at *ret, complete with lengths, IPv4 id, flags (FIN and PSH only on
 * the last, CWR only on the first), sequence numbers and checksums; NULL after the last. Valid
 * until the next call, which overwrites its tail: the caller has sealed it out of place by then. Up
 * to 15 bytes behind the segment may be used for padding if gso_padding_room says so, and must be
 * put back before the next call.
 */
uint8_t *gso_next(struct gso *g, size_t *ret_len);

#endif

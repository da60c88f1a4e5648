/* SPDX-License-Identifier: MIT */
/* The Internet checksum (RFC 1071), fast, and the pseudo headers of both families. */
#ifndef SHUNT_TUNNEL_CHECKSUM_H
#define SHUNT_TUNNEL_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* Adds n bytes to a running sum (native order, not folded); only the last piece may have odd
 * length. */
uint64_t checksum_add(uint64_t sum, const void *bytes, size_t n);
/* Folds and complements; as it stands in a packet. */
uint16_t checksum_finish(uint64_t sum);
/* Folded, not complemented: what VIRTIO_NET_HDR_F_NEEDS_CSUM wants in the field. */
uint16_t checksum_fold(uint64_t sum);
/* The sum of the pseudo header; addresses of 4 or 16 bytes each, len of the transport part. */
uint64_t checksum_pseudo(
	const void *src, const void *dst, size_t addr_len, uint8_t protocol, size_t len);

#endif

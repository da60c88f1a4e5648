/* SPDX-License-Identifier: MIT */
/*
 * What the tunnel reads and writes in the header of a packet inside it, whose first 20 bytes (IPv4)
 * or 40 (IPv6) are there: addresses, the length that it states, and its congestion bits (RFC 6040).
 * Pure.
 */
#ifndef SHUNT_TUNNEL_INNER_H
#define SHUNT_TUNNEL_INNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INNER_ECN 3 /* of a TOS; all set: congestion experienced */

/* 4 or 6 of what is whole. */
static inline uint8_t inner_version(const uint8_t *packet)
{
	return packet[0] >> 4;
}

static inline size_t inner_header_len(uint8_t version)
{
	return version == 4 ? 20 : 40;
}

static inline size_t inner_addr_len(uint8_t version)
{
	return version == 4 ? 4 : 16;
}

static inline const uint8_t *inner_src(const uint8_t *packet)
{
	return packet + (inner_version(packet) == 4 ? 12 : 8);
}

static inline const uint8_t *inner_dst(const uint8_t *packet)
{
	return packet + (inner_version(packet) == 4 ? 16 : 24);
}

/* Whether a fixed header of one of the two versions is there. */
static inline bool inner_is_whole(const uint8_t *packet, size_t len)
{
	return len >= 1 && (inner_version(packet) == 4 || inner_version(packet) == 6) &&
	       len >= inner_header_len(inner_version(packet));
}

/* The length that the header states, of at most len; 0 if that can't be. */
static inline size_t inner_len(const uint8_t *packet, size_t len)
{
	size_t stated;

	if (!inner_is_whole(packet, len))
		return 0;
	if (inner_version(packet) == 4)
		stated = (size_t)(packet[2] << 8 | packet[3]);
	else
		stated = 40 + (size_t)(packet[4] << 8 | packet[5]);
	return stated <= len && stated >= inner_header_len(inner_version(packet)) ? stated : 0;
}

/* RFC 6040 section 4.1: the TOS of the datagram outside, which has the packet's ECN alone, and
 * congestion experienced starts anew. */
static inline uint8_t inner_outer_tos(const uint8_t *packet)
{
	uint8_t ecn = (inner_version(packet) == 4 ? packet[1] : packet[1] >> 4) & INNER_ECN;

	return ecn == INNER_ECN ? 2 : ecn;
}

static inline void inner_mark4(uint8_t *packet)
{
	/* The checksum changes with the word (RFC 1624, equation 3). */
	uint16_t old_word = (uint16_t)(packet[0] << 8 | packet[1]);
	uint16_t new_word = old_word | INNER_ECN;
	uint32_t sum = (uint16_t) ~(packet[10] << 8 | packet[11]);

	sum += (uint16_t)~old_word + (uint32_t)new_word;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	packet[1] |= INNER_ECN;
	packet[10] = (uint8_t)(~sum >> 8);
	packet[11] = (uint8_t)~sum;
}

/* RFC 6040 section 4.2: congestion outside is congestion inside, if the inner transport knows of
 * it. */
static inline void inner_take_congestion(uint8_t *packet, uint8_t outer_tos)
{
	if ((outer_tos & INNER_ECN) != INNER_ECN)
		return;
	if (inner_version(packet) == 6) {
		if (packet[1] & INNER_ECN << 4)
			packet[1] |= INNER_ECN << 4;
	} else if (packet[1] & INNER_ECN && (packet[1] & INNER_ECN) != INNER_ECN) {
		inner_mark4(packet);
	}
}

#endif

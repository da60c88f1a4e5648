/* SPDX-License-Identifier: MIT */
/*
 * The datagrams of a report, between bytes and values. All numbers in network byte order:
 *
 *   0  version (1)                 1  kind (1: a part of a report)
 *   2  length of the whole datagram, so that several that a device has merged can be told apart
 *   4  the receiver's discriminator
 *   8  the report's number (8 bytes)
 *  16  this part                  17  how many parts there are
 *  18  owners per prefix, at most (2 bytes)
 *  20  nodes (4 bytes)            24  the inventory's time (8 bytes)
 *  32  the inventory's digest (16 bytes)
 *  48  the part's nodes, two in a byte, the first in the low half: its line in two bits, then
 *      whether it takes packets of one source from several peers; the fourth bit is 0
 *  ..  the seal: 16 bytes of BLAKE2b over all before, by the key of the session and the direction
 *
 * Handshakes are of kind 2. Their head is the same, but
 *
 *   8  the datagram's own number, which only grows in the session
 *  16  unused, 0 (4 bytes)         20  handshakes in it (4 bytes)
 *  24  unused, 0 (8 bytes)
 *  48  of each the client's place in the inventory (4 bytes), and its age in ms (4 bytes)
 *
 * Every part but the last has REPORT_PART_NODES nodes. What another version or kind says is for
 * others.
 */
#ifndef SHUNT_LIVE_REPORT_CODEC_H
#define SHUNT_LIVE_REPORT_CODEC_H

#include "live/bfd.h"
#include "live/report.h"
#include <stddef.h>

#define REPORT_HEAD_LEN 48
#define REPORT_SEAL_LEN 16
#define REPORT_PART_NODES (2 * (LIVE_REPORT_DATAGRAM - REPORT_HEAD_LEN - REPORT_SEAL_LEN))
#define REPORT_PARTS_MAX 64 /* bits of a mask */
#define REPORT_HANDSHAKES_MAX \
	((LIVE_REPORT_DATAGRAM - REPORT_HEAD_LEN - REPORT_SEAL_LEN) / 8) /* in a datagram */

/* For whom a datagram is. */
struct report_address {
	const uint8_t *key; /* BFD_KEY_LEN bytes, the sender's own of the session */
	uint32_t discriminator;
	uint64_t number;
};

/* One datagram, decoded. */
struct report_part {
	uint32_t discriminator;
	uint64_t number;
	unsigned part, n_parts;
	struct live_report head; /* without its nodes, n_nodes of which all parts have */
	const uint8_t *nodes;	 /* the part's own; points into the datagram */
	uint32_t first, n;	 /* of them */
};

/* Handshakes, decoded: ages in place of instants. */
struct report_ages {
	uint32_t discriminator;
	uint64_t number;
	uint8_t digest[LIVE_DIGEST_LEN];
	uint32_t n;
	struct {
		uint32_t place;
		int64_t age_ns;
	} items[REPORT_HANDSHAKES_MAX];
};

/* One at least. */
unsigned report_n_parts(uint32_t n_nodes);
/* Encodes and seals that part; returns its length. */
size_t report_encode(const struct live_report *r, unsigned part, const struct report_address *to,
	uint8_t out[static LIVE_REPORT_DATAGRAM]);
/* Datagrams that the handshakes take; none without any. */
unsigned report_n_ages(const struct live_report *r);
/* Encodes and seals that one of them, as of now; returns its length. */
size_t report_encode_ages(const struct live_report *r, unsigned which,
	const struct report_address *to, instant now, uint8_t out[static LIVE_REPORT_DATAGRAM]);
/* As report_decode. */
bool report_decode_ages(struct report_ages *ret, const uint8_t *bytes, size_t len);
/* Takes the first datagram off bytes that may be several; 0: there is none. */
size_t report_first_len(const uint8_t *bytes, size_t len);
/* Whether the form is right; it is sealed by whomever. */
bool report_decode(struct report_part *ret, const uint8_t *bytes, size_t len);
/* Whether the seal is right by this key, of what has been decoded; in constant time. */
bool report_is_right(const uint8_t *bytes, size_t len, const uint8_t key[static BFD_KEY_LEN]);
/* Puts the part's nodes where they belong in a report of as many. */
void report_part_copy(const struct report_part *p, struct live_report *to);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Meticulous Keyed SHA1 (RFC 5880 section 6.7.4) for one session: 28 bytes behind the control
 * packet that hold a sequence number and the digest of it all with the key.
 *
 * Sequence numbers. One that is ahead of the last one heard is taken, by however much: the RFC's
 * window of three times the multiplier would shut out a peer of whom we dropped some packets for
 * being too many, and a daemon that began anew. So that such a daemon is ahead of itself, it starts
 * from the clock and not from chance, with 64 numbers a second, which is more than most sessions
 * use. If its clock stepped back, or its session was faster than that, it waits until it is
 * forgotten: after twice the detection time without a word that counts any number is taken.
 *
 * By then the session has ended here, and what ended has a new discriminator: packets that somebody
 * caught earlier and plays again don't know it, so they can't bring a dead peer up.
 */
#ifndef SHUNT_LIVE_BFD_AUTH_H
#define SHUNT_LIVE_BFD_AUTH_H

#include "live/bfd.h"

struct bfd_auth {
	struct bfd_keys keys;
	uint32_t sent_seq;  /* of the last packet (bfd.XmitAuthSeq) */
	uint32_t heard_seq; /* bfd.RcvAuthSeq */
	instant forget_at;  /* bfd.AuthSeqKnown is 0 from here on */
};

/* Nothing is known of the peer; our numbers go on from sent_seq. */
void bfd_auth_init(struct bfd_auth *a, const struct bfd_keys *keys, uint32_t sent_seq);
/* Encodes the packet with the next sequence number. */
void bfd_auth_seal(
	struct bfd_auth *a, const struct bfd_packet *p, uint8_t out[static BFD_PACKET_MAX]);
/* Whether form and sequence number could be the peer's, which costs nothing to ask. bytes are those
 * that p was decoded of. */
bool bfd_auth_is_plausible(
	const struct bfd_auth *a, const struct bfd_packet *p, const uint8_t *bytes, instant now);
/* Whether the digest is right, of a packet that is plausible; in constant time. */
bool bfd_auth_is_right(const struct bfd_auth *a, const uint8_t bytes[static BFD_PACKET_MAX]);
/* Remembers the number of a packet that was right. */
void bfd_auth_heard(
	struct bfd_auth *a, const uint8_t bytes[static BFD_PACKET_MAX], instant forget_at);

#endif

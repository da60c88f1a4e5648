/* SPDX-License-Identifier: MIT */
/*
 * The answer to a packet that can't be sent: ICMP host unreachable (RFC 792, RFC 1812
 * section 5.2.7) or ICMPv6 address unreachable (RFC 4443 section 3.1), as Linux's WireGuard gives
 * for a packet without a peer and for a peer without an endpoint alike. Its source is the packet's
 * destination: our own address, coming out of the TUN, would be dropped as martian. Pure.
 */
#ifndef SHUNT_TUNNEL_ICMP_H
#define SHUNT_TUNNEL_ICMP_H

#include "base/time.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ICMP_ANSWER_MAX4 576  /* RFC 1812 section 4.3.2.3 */
#define ICMP_ANSWER_MAX6 1280 /* RFC 4443 section 3.1: the least MTU */
#define ICMP_ANSWER_MAX ICMP_ANSWER_MAX6

/*
 * Writes the whole IP packet to ret and returns its length; 0 where none must be sent (RFC 1122
 * section 3.2.2, RFC 4443 section 2.4 e): about ICMP errors and what can't be told from one, later
 * fragments, destinations that aren't one host, sources that can't be answered, malformed packets.
 */
size_t icmp_build_unreachable(
	uint8_t ret[static ICMP_ANSWER_MAX], const uint8_t *packet, size_t len);

/* At most 1,000 a second and 50 at once, as in Linux; zeroed is full. */
struct icmp_limit {
	int64_t spent_until_ns;
};

/* True if one more may be sent now, which is then counted. */
bool icmp_limit_take(struct icmp_limit *l, instant now);

#endif

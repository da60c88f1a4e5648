/* SPDX-License-Identifier: MIT */
/*
 * Flows of inner packets, and whom they are for beyond one address. A flow is what must stay in
 * order: addresses, protocol and ports; where there are no ports in IPv6 the flow label (RFC 6437),
 * and never beside them, since Linux changes it on retransmission. All fragments of all packets
 * between two addresses and of one protocol are one flow, since only the first has ports.
 */
#ifndef SHUNT_WG_FLOW_H
#define SHUNT_WG_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of an IPv4 packet of at least 20 bytes, or an IPv6 one of at least 40. */
uint64_t flow_hash(const uint8_t *packet, size_t len, uint64_t seed);

/* To 224.0.0.0/4, 255.255.255.255 or ff00::/8. */
bool flow_is_to_group(const uint8_t *packet);
/* From fe80::/64. */
bool flow_is_from_link_local(const uint8_t *packet);

#endif

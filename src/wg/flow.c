/* SPDX-License-Identifier: MIT */
/*
 * What names a flow is put together from the headers (addresses in place, the rest in one word) and
 * hashed by multiplication to 128 bits under a secret, so that nobody outside can choose flows that
 * go the same way. IPv6's extension headers are walked as far as the packet and MAX_EXTENSIONS go;
 * what hides behind more has no ports.
 */
#include "wg/flow.h"

#include <string.h>

#define IPV4_LEN 20
#define IPV6_LEN 40
#define MAX_EXTENSIONS 8
#define MORE_OR_OFFSET 0x3fff  /* RFC 791: more fragments, or not the first */
#define OFFSET_AND_MORE 0xfff9 /* RFC 8200 section 4.5, the same of a fragment header */

enum protocol {
	HOP_BY_HOP = 0,
	TCP = 6,
	UDP = 17,
	DCCP = 33,
	ROUTING = 43,
	FRAGMENT = 44,
	AUTHENTICATION = 51,
	DESTINATION = 60,
	SCTP = 132,
	MOBILITY = 135,
	UDP_LITE = 136,
	HIP = 139,
	SHIM6 = 140
};

/* What follows the addresses. */
struct upper {
	uint8_t protocol;
	bool is_fragment;
	size_t at; /* the header's offset */
};

static unsigned be16(const uint8_t *at)
{
	return (unsigned)(at[0] << 8 | at[1]);
}

static uint64_t word(const uint8_t *at)
{
	uint64_t w;

	memcpy(&w, at, sizeof(w));
	return w;
}

/* --- headers -------------------------------------------------------------------------------------
 */

static bool has_ports(uint8_t protocol)
{
	return protocol == TCP || protocol == UDP || protocol == SCTP || protocol == DCCP ||
	       protocol == UDP_LITE;
}

/* Both ports as they stand, 0 if there are none. Of a fragment none are looked at: others lack
 * them. */
static uint32_t ports_of(const struct upper *u, const uint8_t *packet, size_t len)
{
	uint32_t ports = 0;

	if (!u->is_fragment && has_ports(u->protocol) && u->at + sizeof(ports) <= len)
		memcpy(&ports, packet + u->at, sizeof(ports));
	return ports;
}

static struct upper upper4(const uint8_t *packet)
{
	return (struct upper){
		.protocol = packet[9],
		.is_fragment = be16(packet + 6) & MORE_OR_OFFSET,
		.at = (size_t)(packet[0] & 15) * 4,
	};
}

/* The length of an extension header that is walked over, at least its first 8 bytes at hand; 0: it
 * is none. */
static size_t extension_len(uint8_t protocol, const uint8_t *header)
{
	switch (protocol) {
	case HOP_BY_HOP:
	case ROUTING:
	case DESTINATION:
	case MOBILITY:
	case HIP:
	case SHIM6:
		return 8 + 8 * (size_t)header[1];
	case AUTHENTICATION:
		return 8 + 4 * (size_t)header[1];
	case FRAGMENT:
		return 8;
	default:
		return 0;
	}
}

static struct upper upper6(const uint8_t *packet, size_t len)
{
	struct upper u = {packet[6], false, IPV6_LEN};

	for (unsigned i = 0; i < MAX_EXTENSIONS && u.at + 8 <= len; i++) {
		const uint8_t *header = packet + u.at;
		size_t n = extension_len(u.protocol, header);

		if (!n)
			break;
		/* One alone is whole (RFC 6946). What a real one is followed by only the first
		 * has; what it says itself all have. */
		u.is_fragment = u.protocol == FRAGMENT && be16(header + 2) & OFFSET_AND_MORE;
		u.protocol = header[0];
		u.at += n;
		if (u.is_fragment)
			break;
	}
	return u;
}

/* --- hashing -------------------------------------------------------------------------------------
 */

static uint64_t fold(uint64_t a, uint64_t b)
{
	__extension__ unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Both words under secrets of their own: what gives the same product can't be told from outside. */
static uint64_t pair_hash(uint64_t a, uint64_t b, uint64_t seed)
{
	return fold(
		a ^ seed ^ UINT64_C(0x243f6a8885a308d3), b ^ ~seed ^ UINT64_C(0xb7e151628aed2a6b));
}

static uint32_t ports_at(const uint8_t *at)
{
	uint32_t ports;

	memcpy(&ports, at, sizeof(ports));
	return ports;
}

static bool is_tcp_or_udp(uint8_t protocol)
{
	return protocol == TCP || protocol == UDP;
}

static uint64_t put_together4(
	const uint8_t *packet, uint64_t ports, uint8_t protocol, uint64_t seed)
{
	return fold(pair_hash(word(packet + 12), ports << 32 | protocol, seed) ^
			    UINT64_C(0x13198a2e03707345),
		UINT64_C(0x9e3779b97f4a7c15));
}

static __attribute__((noinline)) uint64_t any_hash4(
	const uint8_t *packet, size_t len, uint64_t seed)
{
	struct upper u = upper4(packet);
	uint64_t ports = u.at >= IPV4_LEN ? ports_of(&u, packet, len) : 0;

	return put_together4(packet, ports, u.protocol, seed);
}

/* Two rounds of multiplication on every bit, as for IPv4. */
static uint64_t put_together6(const uint8_t *packet, uint64_t rest, uint8_t protocol, uint64_t seed)
{
	return pair_hash(pair_hash(word(packet + 8), word(packet + 24), seed) + rest,
		pair_hash(word(packet + 16), word(packet + 32), ~seed) + protocol, seed);
}

static __attribute__((noinline)) uint64_t any_hash6(
	const uint8_t *packet, size_t len, uint64_t seed)
{
	struct upper u = upper6(packet, len);
	uint64_t rest = ports_of(&u, packet, len);

	if (!u.is_fragment && !has_ports(u.protocol))
		rest = (packet[1] & 15u) << 16 | be16(packet + 2);
	return put_together6(packet, rest, u.protocol, seed);
}

/* Nearly all is TCP or UDP right behind the addresses. */
uint64_t flow_hash(const uint8_t *packet, size_t len, uint64_t seed)
{
	if (packet[0] == 0x45 && len >= IPV4_LEN + 4 && is_tcp_or_udp(packet[9]) &&
		!(be16(packet + 6) & MORE_OR_OFFSET))
		return put_together4(packet, ports_at(packet + IPV4_LEN), packet[9], seed);
	if (packet[0] >> 4 == 4)
		return any_hash4(packet, len, seed);
	if (len >= IPV6_LEN + 4 && is_tcp_or_udp(packet[6]))
		return put_together6(packet, ports_at(packet + IPV6_LEN), packet[6], seed);
	return any_hash6(packet, len, seed);
}

/* --- beyond one address --------------------------------------------------------------------------
 */

bool flow_is_to_group(const uint8_t *packet)
{
	static const uint8_t all[] = {255, 255, 255, 255};

	if (packet[0] >> 4 == 6)
		return packet[24] == 0xff;
	return packet[16] >> 4 == 14 || !memcmp(packet + 16, all, sizeof(all));
}

bool flow_is_from_link_local(const uint8_t *packet)
{
	static const uint8_t link[8] = {0xfe, 0x80};

	return packet[0] >> 4 == 6 && !memcmp(packet + 8, link, sizeof(link));
}

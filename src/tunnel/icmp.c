/* SPDX-License-Identifier: MIT */
#include "tunnel/icmp.h"
#include "tunnel/checksum.h"

#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>

#define IP4_HEADER 20
#define IP6_HEADER 40
#define ICMP_HEADER 8
#define TTL 64
#define MAX_EXTENSIONS 16

#define PER_SECOND 1000
#define BURST 50

static void put16(uint8_t *at, size_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static size_t get16(const uint8_t *at)
{
	return (size_t)at[0] << 8 | at[1];
}

/* As it comes out of checksum_finish: in the packet's order already. */
static void put_checksum(uint8_t *at, uint16_t v)
{
	memcpy(at, &v, sizeof(v));
}

static size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* --- IPv4 ----------------------------------------------------------------------------------------
 */

/* One host that can send and be sent to: not this network, loopback, multicast, reserved or
 * broadcast (RFC 6890). */
static bool is_host4(const uint8_t *addr)
{
	return addr[0] != 0 && addr[0] != 127 && addr[0] < 224;
}

/* The queries and replies; every other type is an error, or may be one. */
static bool icmp4_may_be_answered(uint8_t type)
{
	switch (type) {
	case ICMP_ECHOREPLY:
	case ICMP_ECHO:
	case ICMP_ROUTERADVERT:
	case ICMP_ROUTERSOLICIT:
	case ICMP_TIMESTAMP:
	case ICMP_TIMESTAMPREPLY:
	case ICMP_INFO_REQUEST:
	case ICMP_INFO_REPLY:
	case ICMP_ADDRESS:
	case ICMP_ADDRESSREPLY:
		return true;
	default:
		return false;
	}
}

static bool may_answer4(const uint8_t *packet, size_t header_len, size_t len)
{
	if (!is_host4(packet + 12) || !is_host4(packet + 16))
		return false;
	if (get16(packet + 6) & 0x1fff)
		return false;
	return packet[9] != IPPROTO_ICMP ||
	       (len > header_len && icmp4_may_be_answered(packet[header_len]));
}

static size_t build4(uint8_t *ret, const uint8_t *packet, size_t len)
{
	size_t header_len = len ? (size_t)(packet[0] & 15) * 4 : 0, stated, quoted, total;

	if (header_len < IP4_HEADER || len < header_len)
		return 0;
	stated = get16(packet + 2); /* 0: longer than its field (BIG TCP) */
	if (stated && stated < header_len)
		return 0;
	len = stated ? min_size(len, stated) : len;
	if (!may_answer4(packet, header_len, len))
		return 0;
	quoted = min_size(len, ICMP_ANSWER_MAX4 - IP4_HEADER - ICMP_HEADER);
	total = IP4_HEADER + ICMP_HEADER + quoted;
	memset(ret, 0, IP4_HEADER + ICMP_HEADER);
	ret[0] = 0x45;
	ret[1] = 0xc0; /* internetwork control: RFC 1812 section 4.3.2.5 */
	put16(ret + 2, total);
	put16(ret + 6, 0x4000); /* never fragmented, so no id: RFC 6864 */
	ret[8] = TTL;
	ret[9] = IPPROTO_ICMP;
	memcpy(ret + 12, packet + 16, 4);
	memcpy(ret + 16, packet + 12, 4);
	put_checksum(ret + 10, checksum_finish(checksum_add(0, ret, IP4_HEADER)));
	ret[IP4_HEADER] = ICMP_DEST_UNREACH;
	ret[IP4_HEADER + 1] = ICMP_HOST_UNREACH;
	memcpy(ret + IP4_HEADER + ICMP_HEADER, packet, quoted);
	put_checksum(ret + IP4_HEADER + 2,
		checksum_finish(checksum_add(0, ret + IP4_HEADER, ICMP_HEADER + quoted)));
	return total;
}

/* --- IPv6 ----------------------------------------------------------------------------------------
 */

/* Not unspecified, loopback, IPv4 in disguise or multicast. */
static bool is_host6(const uint8_t *addr)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	static const uint8_t zero[15];

	if (addr[0] == 0xff || !memcmp(addr, mapped, sizeof(mapped)))
		return false;
	return memcmp(addr, zero, sizeof(zero)) || addr[15] > 1;
}

static bool icmp6_may_be_answered(uint8_t type)
{
	return type & ICMP6_INFOMSG_MASK && type != ND_REDIRECT;
}

/* The bytes of the extension header at `at`, of which 8 are there; 0: it isn't one. */
static size_t extension_len(uint8_t kind, const uint8_t *at)
{
	switch (kind) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
	case IPPROTO_MH:
		return ((size_t)at[1] + 1) * 8;
	case IPPROTO_FRAGMENT:
		return 8;
	case IPPROTO_AH:
		return ((size_t)at[1] + 2) * 4;
	default:
		return 0;
	}
}

static bool is_extension(uint8_t kind)
{
	static const uint8_t any[8];

	return extension_len(kind, any);
}

/* What the packet carries is an ICMPv6 error, or can't be seen: no. */
static bool payload_may_be_answered(const uint8_t *packet, size_t len)
{
	uint8_t kind = packet[6];
	size_t at = IP6_HEADER;

	for (unsigned i = 0; is_extension(kind); i++) {
		const uint8_t *header = packet + at;
		size_t n;

		if (i == MAX_EXTENSIONS || len - at < 8)
			return false;
		n = extension_len(kind, header);
		if (len - at < n || (kind == IPPROTO_FRAGMENT && get16(header + 2) & 0xfff8))
			return false;
		kind = header[0];
		at += n;
	}
	return kind != IPPROTO_ICMPV6 || (len > at && icmp6_may_be_answered(packet[at]));
}

static size_t build6(uint8_t *ret, const uint8_t *packet, size_t len)
{
	size_t stated, quoted, icmp_len;
	uint64_t sum;

	if (len < IP6_HEADER)
		return 0;
	stated = get16(packet + 4); /* 0: longer than its field, or no payload at all */
	len = stated ? min_size(len, IP6_HEADER + stated) : len;
	if (!is_host6(packet + 8) || !is_host6(packet + 24) ||
		!payload_may_be_answered(packet, len))
		return 0;
	quoted = min_size(len, ICMP_ANSWER_MAX6 - IP6_HEADER - ICMP_HEADER);
	icmp_len = ICMP_HEADER + quoted;
	memset(ret, 0, IP6_HEADER + ICMP_HEADER);
	ret[0] = 0x60;
	put16(ret + 4, icmp_len);
	ret[6] = IPPROTO_ICMPV6;
	ret[7] = TTL;
	memcpy(ret + 8, packet + 24, 16);
	memcpy(ret + 24, packet + 8, 16);
	ret[IP6_HEADER] = ICMP6_DST_UNREACH;
	ret[IP6_HEADER + 1] = ICMP6_DST_UNREACH_ADDR;
	memcpy(ret + IP6_HEADER + ICMP_HEADER, packet, quoted);
	sum = checksum_pseudo(ret + 8, ret + 24, 16, IPPROTO_ICMPV6, icmp_len);
	put_checksum(ret + IP6_HEADER + 2,
		checksum_finish(checksum_add(sum, ret + IP6_HEADER, icmp_len)));
	return IP6_HEADER + icmp_len;
}

size_t icmp_build_unreachable(
	uint8_t ret[static ICMP_ANSWER_MAX], const uint8_t *packet, size_t len)
{
	if (!len)
		return 0;
	switch (packet[0] >> 4) {
	case 4:
		return build4(ret, packet, len);
	case 6:
		return build6(ret, packet, len);
	default:
		return 0;
	}
}

/* --- how many ------------------------------------------------------------------------------------
 */

/* A token bucket kept as the time until which its tokens are spent. */
bool icmp_limit_take(struct icmp_limit *l, instant now)
{
	const int64_t each = NS_PER_S / PER_SECOND;
	int64_t from = l->spent_until_ns > now.ns ? l->spent_until_ns : now.ns;

	if (from + each - now.ns > BURST * each)
		return false;
	l->spent_until_ns = from + each;
	return true;
}

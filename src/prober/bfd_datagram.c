/* SPDX-License-Identifier: MIT */
/*
 * Checksums. A packet that came out of this machine's own stack, or out of a tunnel that merges
 * packets, may have an unfinished one: the sum of the pseudo header only, which hardware would have
 * completed. UDP sockets are told so by the kernel; a raw socket sees just the bytes. Such a packet
 * never was on a wire, so there is nothing to check.
 */
#include "prober/bfd_datagram.h"
#include "live/bfd.h"
#include <netinet/in.h>

#define UDP_HEADER 8

static uint16_t get16(const uint8_t *b)
{
	return (uint16_t)(b[0] << 8 | b[1]);
}

/* The sum of RFC 1071 over n bytes, added to what was summed before. */
static uint32_t sum(uint32_t before, const uint8_t *b, size_t n)
{
	for (size_t i = 0; i + 1 < n; i += 2)
		before += get16(b + i);
	return n % 2 ? before + (uint32_t)b[n - 1] * 256 : before;
}

static uint16_t fold(uint32_t s)
{
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)s;
}

static bool is_checksum_right(const struct bfd_raw *raw, const uint8_t *udp, size_t got, size_t len)
{
	size_t n = raw->src.family == AF_INET ? 4 : 16;
	uint16_t told = get16(udp + 6);
	uint32_t pseudo = IPPROTO_UDP + (uint32_t)len;

	if (told == 0)
		return raw->src.family == AF_INET;
	pseudo = sum(sum(pseudo, raw->src.bytes, n), raw->dst.bytes, n);
	if (told == fold(pseudo))
		return true;
	return got >= len && fold(sum(pseudo, udp, len)) == 0xffff;
}

/* How long the IP header is that stands before; 0: it is none. */
static size_t ip_header(const struct bfd_raw *raw)
{
	size_t n;

	if (raw->got < 20 || raw->bytes[0] >> 4 != 4 || raw->bytes[9] != IPPROTO_UDP)
		return 0;
	n = (size_t)(raw->bytes[0] & 0xf) * 4;
	return n < 20 ? 0 : n;
}

bool bfd_datagram_parse(struct bfd_datagram *ret, const struct bfd_raw *raw)
{
	bool is_v4 = raw->src.family == AF_INET;
	size_t at = is_v4 ? ip_header(raw) : 0;
	size_t got, len;
	const uint8_t *udp;

	if ((is_v4 && at == 0) || raw->got < at + UDP_HEADER || raw->len < raw->got)
		return false;
	udp = raw->bytes + at;
	got = raw->got - at;
	len = get16(udp + 4);
	if (get16(udp + 2) != raw->port || len < UDP_HEADER || len > raw->len - at)
		return false;
	if (!is_checksum_right(raw, udp, got, len))
		return false;
	ret->port = get16(udp);
	if (is_v4)
		ret->ttl = raw->bytes[8];
	ret->payload = udp + UDP_HEADER;
	ret->len = (len < got ? len : got) - UDP_HEADER;
	return true;
}

bool bfd_datagram_next(struct bfd_datagram *d, const uint8_t **ret, size_t *ret_len)
{
	size_t n;

	if (d->len < BFD_PACKET_LEN)
		return false;
	n = d->payload[3];
	if (n < BFD_PACKET_LEN || n > d->len)
		n = d->len;
	*ret = d->payload;
	*ret_len = n;
	d->payload += n;
	d->len -= n;
	return true;
}

/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as what a raw socket for BFD gives. The first byte says how: of which family, whether
 * the bytes are the packet itself or the payload of a right one, which then must be taken for what
 * it is, and how much of the packet the socket has cut off. Whatever is taken lies within what was
 * received, and unless its checksum was left to hardware or to nobody, it is right.
 */
#include "live/bfd.h"
#include "prober/bfd_datagram.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PACKET_MAX 512

static const ip_addr addresses[2][2] = {
	{{AF_INET, {10, 10, 0, 1}}, {AF_INET, {10, 10, 0, 2}}},
	{{AF_INET6, {0xfd, 16, [15] = 1}}, {AF_INET6, {0xfd, 16, [15] = 2}}},
};

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* Byte by byte, with every carry at once. */
static unsigned add_bytes(unsigned sum, const uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		sum += i % 2 ? b[i] : b[i] * 256u;
		if (sum > 0xffff)
			sum = (sum & 0xffff) + 1;
	}
	return sum;
}

static unsigned pseudo_sum(const ip_addr pair[2], size_t len)
{
	uint8_t rest[4] = {0, 17, (uint8_t)(len >> 8), (uint8_t)len};
	unsigned sum = add_bytes(0, rest, sizeof(rest));

	for (unsigned i = 0; i < 2; i++)
		sum = add_bytes(sum, pair[i].bytes, pair[i].family == AF_INET ? 4 : 16);
	return sum;
}

/* A right packet around n bytes of payload; returns its length. */
static size_t wrap(uint8_t *out, const ip_addr pair[2], const uint8_t *payload, size_t n)
{
	size_t at = pair[0].family == AF_INET ? 20 : 0;
	uint8_t *udp = out + at;
	unsigned sum;

	memset(out, 0, at + 8);
	if (at) {
		out[0] = 0x45;
		put16(out + 2, (unsigned)(at + 8 + n));
		out[8] = 255;
		out[9] = 17;
	}
	put16(udp, 50000);
	put16(udp + 2, BFD_PORT);
	put16(udp + 4, (unsigned)(8 + n));
	memcpy(udp + 8, payload, n);
	sum = ~add_bytes(pseudo_sum(pair, 8 + n), udp, 8 + n) & 0xffff;
	put16(udp + 6, sum ? sum : 0xffff);
	return at + 8 + n;
}

static void check_taken(const struct bfd_raw *raw, const struct bfd_datagram *d)
{
	const ip_addr pair[2] = {raw->src, raw->dst};
	const uint8_t *udp = d->payload - 8, *end = raw->bytes + raw->got;
	size_t len = udp[4] * 256u + udp[5], told = udp[6] * 256u + udp[7];

	assert(udp >= raw->bytes && d->payload + d->len <= end);
	assert(udp[2] * 256 + udp[3] == BFD_PORT && len >= 8 + d->len);
	if (raw->src.family == AF_INET)
		assert(udp >= raw->bytes + 20 && raw->bytes[9] == 17 && d->ttl == raw->bytes[8]);
	if (told == 0)
		assert(raw->src.family == AF_INET);
	else if (told != pseudo_sum(pair, len))
		assert(udp + len <= end && add_bytes(pseudo_sum(pair, len), udp, len) == 0xffff);
}

/* The control packets stand one behind the other, each long enough to be one. */
static void check_packets(struct bfd_datagram d)
{
	const uint8_t *packet, *end = d.payload + d.len;
	const uint8_t *at = d.payload;
	size_t n;

	while (bfd_datagram_next(&d, &packet, &n)) {
		assert(packet == at && n >= BFD_PACKET_LEN && packet + n <= end);
		at += n;
	}
	assert(end - at < BFD_PACKET_LEN);
}

static void check(const uint8_t *packet, size_t len, unsigned family, size_t cut, bool right)
{
	struct bfd_raw raw = {.src = addresses[family][0],
		.dst = addresses[family][1],
		.port = BFD_PORT,
		.got = cut < len ? len - cut : 0,
		.len = len};
	struct bfd_datagram d = {.ttl = 255};
	/* Of exactly this size, so that a sanitizer sees a byte too far. */
	uint8_t *exact = malloc(raw.got ? raw.got : 1);

	memcpy(exact, packet, raw.got);
	raw.bytes = exact;
	if (bfd_datagram_parse(&d, &raw)) {
		check_taken(&raw, &d);
		check_packets(d);
		if (right)
			assert(d.port == 50000 && d.ttl == 255);
	} else {
		assert(!right || cut);
	}
	free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t packet[PACKET_MAX + 28];
	unsigned how, family;
	size_t n;

	if (!size)
		return 0;
	how = *data++;
	size--;
	n = size < PACKET_MAX ? size : PACKET_MAX;
	family = how & 1;
	if (how & 2)
		n = wrap(packet, addresses[family], data, n);
	else
		memcpy(packet, data, n);
	check(packet, n, family, how >> 2, how & 2);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* What a raw socket gives: headers, checksums whole and unfinished, several packets in one. */
#include "base/mem.h"
#include "live/bfd.h"
#include "prober/bfd_datagram.h"
#include "unit.h"
#include <string.h>

/* 10.9.0.2:49153 to 10.9.0.1:3784, "abcde", TTL 255; scapy's checksums. */
static const uint8_t v4[] = {0x45, 0, 0, 33, 0, 1, 0, 0, 0xff, 17, 0xa7, 0xb7, 10, 9, 0, 2, 10, 9,
	0, 1, 0xc0, 0x01, 0x0e, 0xc8, 0, 13, 0x00, 0x00, 'a', 'b', 'c', 'd', 'e'};
enum { IP = 20, UDP = 8 };

static ip_addr address(int family, uint8_t last)
{
	uint8_t bytes[16] = {10, 9, 0, last};

	if (family == AF_INET6)
		memcpy(bytes, (const uint8_t[]){0xfd, 9, [15] = last}, 16);
	return ip_addr_from_bytes(family, bytes);
}

/* Sixteen bits each in one's complement, the slow and plain way. */
static uint16_t add(uint16_t a, unsigned b)
{
	unsigned s = a + b;

	return (uint16_t)(s > 0xffff ? s - 0xffff : s);
}

static uint16_t sum_of(uint16_t s, const uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		s = add(s, i % 2 ? b[i] : b[i] * 256U);
	return s;
}

struct made {
	uint8_t bytes[200];
	struct bfd_raw raw;
	uint8_t *udp;
};

static uint16_t pseudo_of(const struct made *m, size_t len)
{
	size_t n = m->raw.src.family == AF_INET ? 4 : 16;
	uint16_t s = sum_of(sum_of(0, m->raw.src.bytes, n), m->raw.dst.bytes, n);

	return add(add(s, 17), (unsigned)len);
}

static void put_checksum(struct made *m, uint16_t sum)
{
	m->udp[6] = (uint8_t)(sum >> 8);
	m->udp[7] = (uint8_t)sum;
}

/* A datagram with this payload and a right checksum. */
static void make(struct made *m, int family, const void *payload, size_t n)
{
	size_t at = family == AF_INET ? IP : 0;

	memset(m, 0, sizeof(*m));
	memcpy(m->bytes, v4 + (IP - at), at + UDP);
	m->udp = m->bytes + at;
	memcpy(m->udp + UDP, payload, n);
	m->udp[5] = (uint8_t)(UDP + n);
	m->raw = (struct bfd_raw){address(family, 2), address(family, 1), BFD_PORT, m->bytes,
		at + UDP + n, at + UDP + n};
	put_checksum(m, (uint16_t)~sum_of(pseudo_of(m, UDP + n), m->udp, UDP + n));
}

static bool parses(const struct made *m)
{
	struct bfd_datagram d = {.ttl = 7};

	return bfd_datagram_parse(&d, &m->raw);
}

static void test_headers(void **state)
{
	struct bfd_datagram d = {.ttl = 7};
	struct made m;

	for (int family = AF_INET; family <= AF_INET6; family += AF_INET6 - AF_INET) {
		make(&m, family, "abcde", 5);
		assert_true(bfd_datagram_parse(&d, &m.raw));
		assert_int_equal(d.port, 49153);
		assert_int_equal(d.ttl, 255);
		assert_int_equal(d.len, 5);
		assert_memory_equal(d.payload, "abcde", 5);
		d.ttl = 255;
		/* Bytes behind the datagram aren't its. */
		m.raw.got = m.raw.len += 3;
		assert_true(bfd_datagram_parse(&d, &m.raw));
		assert_int_equal(d.len, 5);
		m.udp[3]++;
		assert_false(parses(&m));
	}
}

/* No length is read beyond what is there. */
static void test_short(void **state)
{
	struct made m;

	for (int family = AF_INET; family <= AF_INET6; family += AF_INET6 - AF_INET) {
		make(&m, family, "abcde", 5);
		for (size_t n = 0; n < m.raw.len; n++) {
			struct made part = m;

			part.raw.bytes = part.bytes;
			part.raw.got = part.raw.len = n;
			assert_false(parses(&part));
		}
		m.udp[5] = 7;
		assert_false(parses(&m));
	}
	make(&m, AF_INET, "abcde", 5);
	m.bytes[0] = 0x44;
	assert_false(parses(&m));
	m.bytes[0] = 0x4f;
	assert_false(parses(&m));
	m.bytes[0] = 0x65;
	assert_false(parses(&m));
}

static void test_checksums(void **state)
{
	struct made m;

	for (int family = AF_INET; family <= AF_INET6; family += AF_INET6 - AF_INET) {
		make(&m, family, "abcde", 5);
		for (int bit = 0; bit < (UDP + 5) * 8; bit++) {
			m.udp[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_false(parses(&m));
			m.udp[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		assert_true(parses(&m));
		put_checksum(&m, 0);
		assert_int_equal(parses(&m), family == AF_INET);
		/* Unfinished, as the local stack leaves it to hardware that isn't there. */
		put_checksum(&m, pseudo_of(&m, UDP + 5));
		assert_true(parses(&m));
	}
}

static void test_merged(void **state)
{
	uint8_t payload[3 * BFD_PACKET_LEN] = {0};
	const uint8_t *part;
	struct bfd_datagram d = {0};
	struct made m;
	size_t len;

	for (int i = 0; i < 3; i++) {
		payload[i * BFD_PACKET_LEN] = (uint8_t)i;
		payload[i * BFD_PACKET_LEN + 3] = BFD_PACKET_LEN;
	}
	make(&m, AF_INET, payload, sizeof(payload));
	assert_true(bfd_datagram_parse(&d, &m.raw));
	for (int i = 0; i < 3; i++) {
		assert_true(bfd_datagram_next(&d, &part, &len));
		assert_int_equal(len, BFD_PACKET_LEN);
		assert_int_equal(part[0], i);
	}
	assert_false(bfd_datagram_next(&d, &part, &len));
	/* More than fits: what is here counts if there is nothing to check, or not at all. */
	m.raw.got -= BFD_PACKET_LEN + 1;
	assert_false(parses(&m));
	put_checksum(&m, pseudo_of(&m, UDP + sizeof(payload)));
	assert_true(bfd_datagram_parse(&d, &m.raw));
	assert_int_equal(d.len, 2 * BFD_PACKET_LEN - 1);
	/* A length that can't be is for whoever decodes it. */
	for (int told = 0; told < 256; told += 255) {
		m.udp[UDP + 3] = (uint8_t)told;
		assert_true(bfd_datagram_parse(&d, &m.raw));
		assert_true(bfd_datagram_next(&d, &part, &len));
		assert_int_equal(len, 2 * BFD_PACKET_LEN - 1);
		assert_false(bfd_datagram_next(&d, &part, &len));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_short),
		cmocka_unit_test(test_checksums),
		cmocka_unit_test(test_merged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

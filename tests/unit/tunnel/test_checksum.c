/* SPDX-License-Identifier: MIT */
/* Against RFC 1071's own example and a sum of 16-bit words one by one. */
#include "tunnel/checksum.h"
#include "unit.h"

#include <arpa/inet.h>
#include <string.h>

/* Section 1 of RFC 1071, in the packet's order: the value whose bytes stand in the field. */
static uint16_t naive(uint32_t sum, const uint8_t *at, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		sum += i % 2 ? at[i] : (uint32_t)at[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)sum;
}

static uint16_t folded(uint64_t sum)
{
	return ntohs(checksum_fold(sum));
}

static void rfc1071_example(void **state)
{
	static const uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
	uint64_t sum = checksum_add(0, bytes, sizeof(bytes));

	assert_int_equal(folded(sum), 0xddf2);
	assert_int_equal(ntohs(checksum_finish(sum)), 0x220d);
	assert_int_equal(naive(0, bytes, sizeof(bytes)), 0xddf2);
}

static void empty(void **state)
{
	assert_int_equal(checksum_fold(0), 0);
	assert_int_equal(checksum_finish(0), 0xffff);
	assert_int_equal(checksum_add(0, "", 0), 0);
	assert_int_equal(checksum_add(12345, NULL, 0), 12345);
}

/* Every carry there can be: all ones, any length, any place. */
static void all_ones(void **state)
{
	uint8_t bytes[4096 + 64];

	memset(bytes, 0xff, sizeof(bytes));
	for (size_t n = 0; n <= 4096; n++)
		assert_int_equal(folded(checksum_add(UINT64_MAX, bytes + n % 64, n)),
			naive(0xffff, bytes, n));
	assert_int_equal(checksum_fold(UINT64_MAX), 0xffff);
	assert_int_equal(folded(UINT64_C(0xffffffff00000001)), ntohs(1));
	assert_int_equal(checksum_fold(UINT64_C(0x0001ffffffffffff)), 1);
}

static void random_lengths(void **state)
{
	static uint8_t bytes[65535 + 64];
	struct chance c = chance_start("random_lengths");

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = chance_below(&c, 3) ? (uint8_t)chance_u64(&c) : 0xff;
	for (unsigned i = 0; i < 6000; i++) {
		size_t at = chance_below(&c, 64);
		size_t n = i < 4000 ? chance_below(&c, 2000) : chance_below(&c, 65536);
		uint16_t begin = (uint16_t)chance_u64(&c);

		n = i % 7 ? n : n / 20;
		assert_int_equal(folded(checksum_add(htons(begin), bytes + at, n)),
			naive(begin, bytes + at, n));
	}
}

/* Pieces of even length, an odd one last, sum up as the whole. */
static void pieces(void **state)
{
	struct chance c = chance_start("pieces");
	uint8_t bytes[4000];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)chance_u64(&c);
	for (unsigned round = 0; round < 2000; round++) {
		size_t n = chance_below(&c, sizeof(bytes) + 1), at = 0;
		uint64_t sum = 0;

		while (at < n) {
			size_t piece = 2 * (1 + chance_below(&c, 600));

			piece = piece < n - at ? piece : n - at;
			sum = checksum_add(sum, bytes + at, piece);
			at += piece;
		}
		assert_int_equal(folded(sum), naive(0, bytes, n));
	}
}

static void pseudo_headers(void **state)
{
	struct chance c = chance_start("pseudo_headers");

	for (unsigned i = 0; i < 2000; i++) {
		size_t addr_len = i % 2 ? 4 : 16;
		uint8_t header[40], protocol = (uint8_t)chance_u64(&c);
		uint32_t len = i % 3 ? chance_below(&c, 65536) : chance_below(&c, 200000);
		size_t n;

		/* As RFC 8200 draws it; RFC 9293's adds up to the same below 64 KiB. */
		for (n = 0; n < 2 * addr_len; n++)
			header[n] = (uint8_t)chance_u64(&c);
		for (unsigned k = 0; k < 4; k++)
			header[n++] = (uint8_t)(len >> (24 - 8 * k));
		memset(header + n, 0, 3);
		n += 3;
		header[n++] = protocol;
		assert_int_equal(
			folded(checksum_pseudo(header, header + addr_len, addr_len, protocol, len)),
			naive(0, header, n));
	}
}

/* With its checksum in place, all of it adds up to all ones. */
static void whole_datagram(void **state)
{
	static const uint8_t src[] = {10, 0, 0, 1}, dst[] = {10, 0, 0, 2};
	uint8_t udp[] = {0x03, 0xe8, 0x07, 0xd0, 0x00, 0x0d, 0, 0, 'h', 'e', 'l', 'l', 'o'};
	uint64_t sum = checksum_pseudo(src, dst, 4, 17, sizeof(udp));
	uint16_t field = checksum_finish(checksum_add(sum, udp, sizeof(udp)));

	memcpy(udp + 6, &field, sizeof(field));
	assert_int_equal(checksum_fold(checksum_add(sum, udp, sizeof(udp))), 0xffff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc1071_example),
		cmocka_unit_test(empty),
		cmocka_unit_test(all_ones),
		cmocka_unit_test(random_lengths),
		cmocka_unit_test(pieces),
		cmocka_unit_test(pseudo_headers),
		cmocka_unit_test(whole_datagram),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

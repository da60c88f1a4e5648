/* SPDX-License-Identifier: MIT */
/* The header of a packet inside: what is whole, which length it states, and congestion bits. */
#include "unit.h"

#include "base/mem.h"
#include "tunnel/inner.h"

#include <string.h>

static void whole(void **state)
{
	static const struct {
		uint8_t first;
		size_t len;
		bool is_whole;
	} cases[] = {{0x45, 0, false}, {0x45, 19, false}, {0x45, 20, true}, {0x60, 39, false},
		{0x60, 40, true}, {0x55, 60, false}, {0x00, 60, false}};
	uint8_t packet[60] = {0};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		packet[0] = cases[i].first;
		assert_int_equal(inner_is_whole(packet, cases[i].len), cases[i].is_whole);
	}
}

/* Padding behind it is no part of it, and it states neither more nor less than it has. */
static void length(void **state)
{
	static const struct {
		uint8_t first;
		uint16_t field; /* total length, or payload length of IPv6 */
		size_t len, stated;
	} cases[] = {{0x45, 20, 20, 20}, {0x45, 20, 32, 20}, {0x45, 33, 32, 0}, {0x45, 19, 32, 0},
		{0x45, 32, 19, 0}, {0x60, 0, 40, 40}, {0x60, 1, 48, 41}, {0x60, 9, 48, 0},
		{0x60, 0xffff, 48, 0}, {0x15, 20, 20, 0}};
	uint8_t packet[60] = {0};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t at = cases[i].first >> 4 == 6 ? 4 : 2;

		memset(packet, 0, sizeof(packet));
		packet[0] = cases[i].first;
		packet[at] = (uint8_t)(cases[i].field >> 8);
		packet[at + 1] = (uint8_t)cases[i].field;
		assert_int_equal(inner_len(packet, cases[i].len), cases[i].stated);
	}
}

static void set_tos(uint8_t *packet, unsigned version, unsigned tos)
{
	packet[0] = (uint8_t)(version == 4 ? 0x45 : 0x60 | tos >> 4);
	packet[1] = (uint8_t)(version == 4 ? tos : tos << 4);
}

static unsigned tos_of(const uint8_t *packet)
{
	return packet[0] >> 4 == 4 ? packet[1] : (packet[0] << 4 | packet[1] >> 4) & 0xff;
}

/* RFC 6040, figures 3 (normal mode) and 4, but that congestion starts anew outside. DSCP stays
 * inside. */
static void congestion(void **state)
{
	static const unsigned versions[] = {4, 6}, outside[] = {0, 1, 2, 2};

	for (unsigned n = 0; n < 2 * 256 * 4; n++) {
		unsigned version = versions[n & 1], tos = n >> 1 & 255, outer = n >> 9;
		unsigned ecn = tos & 3, want = outer == 3 && ecn ? 3 : ecn;
		uint8_t packet[40] = {0};

		set_tos(packet, version, tos);
		assert_int_equal(inner_outer_tos(packet), outside[ecn]);
		inner_take_congestion(packet, (uint8_t)(outer | 0xfc));
		assert_int_equal(packet[0] >> 4, version);
		assert_int_equal(tos_of(packet), (tos & 0xfc) | want);
	}
}

static uint16_t sum_of(const uint8_t *header)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < 20; i += 2)
		sum += (uint32_t)(header[i] << 8 | header[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* The header's checksum was right, and is. */
static void checksum(void **state)
{
	struct chance chance = chance_start("inner");

	for (unsigned n = 0; n < 20000; n++) {
		uint8_t packet[20];
		uint16_t sum;

		for (size_t i = 0; i < sizeof(packet); i++)
			packet[i] = (uint8_t)chance_u64(&chance);
		packet[0] = 0x45;
		packet[10] = packet[11] = 0;
		sum = (uint16_t)~sum_of(packet);
		packet[10] = (uint8_t)(sum >> 8);
		packet[11] = (uint8_t)sum;
		inner_take_congestion(packet, 3);
		assert_int_equal(sum_of(packet), 0xffff);
	}
}

static void addresses(void **state)
{
	uint8_t packet[40];

	for (unsigned i = 0; i < sizeof(packet); i++)
		packet[i] = (uint8_t)i;
	packet[0] = 0x45;
	assert_int_equal(inner_src(packet)[0], 12);
	assert_int_equal(inner_dst(packet)[0], 16);
	assert_int_equal(inner_addr_len(inner_version(packet)), 4);
	packet[0] = 0x60;
	assert_int_equal(inner_src(packet)[0], 8);
	assert_int_equal(inner_dst(packet)[0], 24);
	assert_int_equal(inner_addr_len(inner_version(packet)), 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole),
		cmocka_unit_test(length),
		cmocka_unit_test(congestion),
		cmocka_unit_test(checksum),
		cmocka_unit_test(addresses),
	};

	return cmocka_run_group_tests_name("inner", tests, NULL, NULL);
}

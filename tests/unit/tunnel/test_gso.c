/* SPDX-License-Identifier: MIT */
/* Splitting superpackets: by hand what the rules are, by chance against the naive twin. */
#include "unit.h"

#include "../../support/gso_case.h"

static struct gso_case c;

/* A right one of these bytes of payload. */
static void make(unsigned shape, size_t payload, unsigned gso_size)
{
	uint8_t how[] = {2, (uint8_t)shape, (uint8_t)(gso_size >> 8), (uint8_t)gso_size,
		(uint8_t)(payload >> 8), (uint8_t)payload, 7, 9, 0xff, 0xf0, 5};

	case_make(&c, how, sizeof(how));
	c.vnet.gso_size = (uint16_t)gso_size;
}

static size_t split(void)
{
	return case_compare(&c.vnet, c.packet, c.len);
}

static void sizes(void **state)
{
	static const unsigned sizes[] = {1, 2, 3, 7, 536, 1368, 1399, 1400, 1401, 9000, 65535};

	for (unsigned shape = 0; shape < 32; shape++)
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			for (size_t payload = 0; payload < 4300; payload += 1 + payload / 3) {
				make(shape, payload, sizes[i]);
				assert_int_equal(
					split(), payload ? (payload + sizes[i] - 1) / sizes[i] : 1);
			}
	make(0, 65195, 1368);
	assert_int_equal(split(), 48);
}

/* FIN, PSH, CWR and the rest, as segments show them. */
static void flags(void **state)
{
	static const uint8_t want[3] = {0x10 | 0x80, 0x10, 0x10 | 0x08 | 0x01};
	struct gso g;
	size_t len;

	make(CASE_ECN, 300, 100);
	c.packet[20 + 13] = 0x10 | 0x08 | 0x01 | 0x80;
	twin_set16(c.packet + 4, 0xffff);
	assert_int_equal(split(), 3);
	assert_true(gso_start(&g, &c.vnet, c.packet, c.len));
	for (unsigned i = 0; i < 3; i++) {
		const uint8_t *p = gso_next(&g, &len);

		assert_int_equal(p[20 + 13], want[i]);
		assert_int_equal(twin_get16(p + 4), (0xffff + i) & 0xffff);
		assert_int_equal(twin_get16(p + 2), 140);
	}
	assert_null(gso_next(&g, &len));
}

/* One packet with a checksum to finish, or as it is. */
static void no_gso(void **state)
{
	for (unsigned shape = 0; shape < 4; shape++)
		for (size_t payload = 0; payload < 300; payload++) {
			make(CASE_NO_GSO | shape, payload, 0);
			assert_int_equal(split(), 1);
			make(CASE_NO_GSO | CASE_NO_CSUM | shape, payload, 0);
			assert_int_equal(split(), 1);
		}
}

/* A datagram whose sum is zero says so with ones (RFC 768). */
static void udp_zero(void **state)
{
	struct gso g;
	size_t len;
	uint8_t *p;

	for (unsigned shape = CASE_UDP; shape <= (CASE_UDP | CASE_NO_GSO); shape += CASE_NO_GSO) {
		uint8_t *sum;

		make(shape, 100, 200);
		sum = c.packet + 28 + 50;
		sum[0] = sum[1] = 0;
		assert_int_equal(split(), 1);
		assert_true(gso_start(&g, &c.vnet, c.packet, c.len));
		p = gso_next(&g, &len);
		/* What is missing to all ones stands in the field now. */
		memcpy(sum, p + 26, 2);
		twin_set16(c.packet + 26, twin_pseudo_sum(c.packet, 17, 108));
		assert_int_equal(split(), 1);
		assert_true(gso_start(&g, &c.vnet, c.packet, c.len));
		p = gso_next(&g, &len);
		assert_int_equal(twin_get16(p + 26), 0xffff);
	}
}

static void refused(unsigned shape, void (*spoil)(void))
{
	make(shape, 1000, 100);
	assert_int_equal(split(), 10);
	spoil();
	assert_int_equal(split(), 0);
}

static void size_zero(void)
{
	c.vnet.gso_size = 0;
}

static void start_beyond(void)
{
	c.vnet.csum_start = (uint16_t)c.len;
}

static void start_in_ip(void)
{
	c.vnet.csum_start = 12;
}

static void start_elsewhere(void)
{
	c.vnet.csum_start += 4;
}

/* The field would lie behind a short last segment. */
static void offset_in_payload(void)
{
	c.vnet.csum_offset = 500;
}

static void offset_zero(void)
{
	c.vnet.csum_offset = 0;
}

static void no_checksum(void)
{
	c.vnet.flags = 0;
}

static void ufo(void)
{
	c.vnet.gso_type = VIRTIO_NET_HDR_GSO_UDP;
}

static void other_family(void)
{
	c.packet[0] = c.packet[0] >> 4 == 4 ? 0x60 : 0x45;
}

static void other_protocol(void)
{
	c.packet[c.packet[0] >> 4 == 4 ? 9 : 6] = 1;
}

static void cut_in_header(void)
{
	c.len = (size_t)c.vnet.csum_start + c.vnet.csum_offset + 2 - 1;
}

static void nothing(void)
{
	c.len = 0;
}

static void all_refused(void **state)
{
	void (*const spoil[])(void) = {size_zero, start_beyond, start_in_ip, start_elsewhere,
		offset_in_payload, offset_zero, no_checksum, ufo, other_family, other_protocol,
		cut_in_header, nothing};

	for (unsigned shape = 0; shape < 4; shape++)
		for (size_t i = 0; i < sizeof(spoil) / sizeof(spoil[0]); i++)
			refused(shape, spoil[i]);
}

/* TCP's own length: too small, or beyond the packet. */
static void tcp_lengths(void **state)
{
	for (unsigned words = 0; words < 16; words++) {
		make(0, 30, 10);
		c.packet[20 + 12] = (uint8_t)(words << 4);
		assert_int_equal(split(), words < 5 || words * 4 > 50 ? 0
					  : words * 4 == 50	      ? 1
								      : (50 - words * 4 + 9) / 10);
	}
}

/* A header of more than the most. */
static void long_header(void **state)
{
	make(CASE_IP6, 1000, 100);
	memmove(c.packet + 40 + 72, c.packet + 40, c.len - 40);
	memset(c.packet + 40, 0, 72);
	c.len += 72;
	c.packet[6] = 60;
	c.packet[40] = 6;
	c.packet[41] = 8;
	c.vnet.csum_start += 72;
	assert_int_equal(split(), 0);
}

static void by_chance(void **state)
{
	struct chance chance = chance_start("by_chance");
	size_t refusals = 0, many = 0;

	for (unsigned i = 0; i < 20000; i++) {
		uint8_t how[96];
		size_t n;

		for (size_t k = 0; k < sizeof(how); k++)
			how[k] = (uint8_t)chance_u64(&chance);
		/* Few are long, and few of those with tiny segments. */
		how[0] &= (uint8_t)(i % 16 ? ~3 : i % 64 ? ~1 : 0xff);
		how[2] &= i % 3 ? 7 : 0xff;
		n = gso_case_run(how, sizeof(how));
		refusals += n == 0;
		many += n > 1;
	}
	assert_true(refusals > 1000 && many > 3000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(flags),
		cmocka_unit_test(no_gso),
		cmocka_unit_test(udp_zero),
		cmocka_unit_test(all_refused),
		cmocka_unit_test(tcp_lengths),
		cmocka_unit_test(long_header),
		cmocka_unit_test(by_chance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

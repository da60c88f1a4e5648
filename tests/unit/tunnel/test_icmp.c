/* SPDX-License-Identifier: MIT */
/* Which packets are answered, and with what; checksums by a sum of our own. */
#include "tunnel/icmp.h"
#include "unit.h"

#include <string.h>

#define ROOM 2048

struct packet {
	uint8_t bytes[ROOM];
	size_t len;
};

static const uint8_t a4[4] = {10, 1, 0, 7}, b4[4] = {192, 0, 2, 9};
static const uint8_t a6[16] = {0xfd, 1, [15] = 7}, b6[16] = {0x20, 1, 0x0d, 0xb8, [15] = 9};

/* Any payload, so that what is quoted can be recognised. */
static void put_payload(struct packet *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p->bytes[p->len++] = (uint8_t)(i * 7 + 1);
}

static struct packet packet4(uint8_t protocol, size_t payload)
{
	struct packet p = {{0x45}, 20};

	p.bytes[2] = (uint8_t)((20 + payload) >> 8);
	p.bytes[3] = (uint8_t)(20 + payload);
	p.bytes[8] = 64;
	p.bytes[9] = protocol;
	memcpy(p.bytes + 12, a4, 4);
	memcpy(p.bytes + 16, b4, 4);
	put_payload(&p, payload);
	return p;
}

static struct packet packet6(uint8_t next, size_t payload)
{
	struct packet p = {{0x60}, 40};

	p.bytes[4] = (uint8_t)(payload >> 8);
	p.bytes[5] = (uint8_t)payload;
	p.bytes[6] = next;
	p.bytes[7] = 64;
	memcpy(p.bytes + 8, a6, 16);
	memcpy(p.bytes + 24, b6, 16);
	put_payload(&p, payload);
	return p;
}

static uint32_t sum16(uint32_t sum, const uint8_t *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum += i % 2 ? at[i] : (uint32_t)at[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* From a buffer of exactly the packet's size, so that a sanitizer sees a byte too far. */
static size_t answer_to(uint8_t answer[static ICMP_ANSWER_MAX], const uint8_t *bytes, size_t len)
{
	uint8_t *exact = malloc(len ? len : 1);
	size_t n;

	memcpy(exact, bytes, len);
	n = icmp_build_unreachable(answer, exact, len);
	free(exact);
	return n;
}

static bool is_answered(const struct packet *p)
{
	uint8_t answer[ICMP_ANSWER_MAX];

	return answer_to(answer, p->bytes, p->len);
}

/* --- the answers ---------------------------------------------------------------------------------
 */

static void answer4(void **state)
{
	static const size_t payloads[] = {0, 1, 8, 100, 527, 528, 529, 1400};
	uint8_t answer[ICMP_ANSWER_MAX];

	for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
		struct packet p = packet4(17, payloads[i]);
		size_t quoted = p.len < 548 ? p.len : 548;
		size_t n = answer_to(answer, p.bytes, p.len);

		assert_int_equal(n, 28 + quoted);
		assert_int_equal(answer[0], 0x45);
		assert_int_equal(answer[2] << 8 | answer[3], n);
		assert_int_equal(answer[6] & 0x3f, 0);
		assert_true(answer[8] > 1);
		assert_int_equal(answer[9], 1);
		assert_memory_equal(answer + 12, b4, 4);
		assert_memory_equal(answer + 16, a4, 4);
		assert_int_equal(sum16(0, answer, 20), 0xffff);
		assert_int_equal(answer[20], 3);
		assert_int_equal(answer[21], 1);
		assert_int_equal(sum16(0, answer + 20, n - 20), 0xffff);
		assert_int_equal(sum16(0, answer + 24, 4), 0);
		assert_memory_equal(answer + 28, p.bytes, quoted);
	}
}

static void answer6(void **state)
{
	static const size_t payloads[] = {0, 1, 8, 100, 1191, 1192, 1193, 1400};
	uint8_t answer[ICMP_ANSWER_MAX];

	for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
		struct packet p = packet6(17, payloads[i]);
		size_t quoted = p.len < 1232 ? p.len : 1232;
		size_t n = answer_to(answer, p.bytes, p.len);
		uint32_t pseudo;

		assert_int_equal(n, 48 + quoted);
		assert_int_equal(answer[0], 0x60);
		assert_int_equal(answer[4] << 8 | answer[5], n - 40);
		assert_int_equal(answer[6], 58);
		assert_true(answer[7] > 1);
		assert_memory_equal(answer + 8, b6, 16);
		assert_memory_equal(answer + 24, a6, 16);
		assert_int_equal(answer[40], 1);
		assert_int_equal(answer[41], 3);
		pseudo = sum16(58 + (uint32_t)(n - 40), answer + 8, 32);
		assert_int_equal(sum16(pseudo, answer + 40, n - 40), 0xffff);
		assert_int_equal(sum16(0, answer + 44, 4), 0);
		assert_memory_equal(answer + 48, p.bytes, quoted);
	}
}

/* What stands behind the packet isn't quoted; a length of zero is a packet too long for its field.
 */
static void quoted_length(void **state)
{
	uint8_t answer[ICMP_ANSWER_MAX];
	struct packet p = packet4(17, 30);

	put_payload(&p, 100);
	assert_int_equal(answer_to(answer, p.bytes, p.len), 28 + 50);
	p.bytes[2] = p.bytes[3] = 0;
	assert_int_equal(answer_to(answer, p.bytes, p.len), 28 + 150);
	p = packet6(17, 30);
	put_payload(&p, 100);
	assert_int_equal(answer_to(answer, p.bytes, p.len), 48 + 70);
	p.bytes[4] = p.bytes[5] = 0;
	assert_int_equal(answer_to(answer, p.bytes, p.len), 48 + 170);
}

/* An answer is an ICMP error: answering it would have no end. */
static void never_about_answers(void **state)
{
	uint8_t first[ICMP_ANSWER_MAX], second[ICMP_ANSWER_MAX];
	struct packet p = packet4(6, 40);
	size_t n = answer_to(first, p.bytes, p.len);

	assert_int_equal(answer_to(second, first, n), 0);
	p = packet6(6, 40);
	n = answer_to(first, p.bytes, p.len);
	assert_int_equal(answer_to(second, first, n), 0);
}

/* --- which ---------------------------------------------------------------------------------------
 */

static void addresses4(void **state)
{
	static const struct {
		uint8_t addr[4];
		bool as_src, as_dst;
	} rows[] = {
		{{10, 0, 0, 1}, true, true},
		{{169, 254, 1, 1}, true, true},
		{{223, 255, 255, 254}, true, true},
		{{0, 0, 0, 0}, false, false},
		{{0, 1, 2, 3}, false, false},
		{{127, 0, 0, 1}, false, false},
		{{224, 0, 0, 1}, false, false},
		{{239, 255, 255, 250}, false, false},
		{{240, 0, 0, 1}, false, false},
		{{255, 255, 255, 255}, false, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct packet p = packet4(17, 20);

		memcpy(p.bytes + 12, rows[i].addr, 4);
		assert_int_equal(is_answered(&p), rows[i].as_src);
		p = packet4(17, 20);
		memcpy(p.bytes + 16, rows[i].addr, 4);
		assert_int_equal(is_answered(&p), rows[i].as_dst);
	}
}

static void addresses6(void **state)
{
	static const struct {
		uint8_t addr[16];
		bool is_answered;
	} rows[] = {
		{{0x20, 1, [15] = 1}, true},
		{{0xfd, [15] = 1}, true},
		{{0xfe, 0x80, [15] = 1}, true},
		{{[14] = 1}, true},
		{{[15] = 2}, true},
		{{[10] = 0xff, [11] = 0xfe}, true},
		{{0}, false},
		{{[15] = 1}, false},
		{{[10] = 0xff, 0xff, 10, 0, 0, 1}, false},
		{{0xff, 2, [15] = 1}, false},
		{{0xff, 0x0e, [15] = 1}, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t at = 8; at <= 24; at += 16) {
			struct packet p = packet6(17, 20);

			memcpy(p.bytes + at, rows[i].addr, 16);
			assert_int_equal(is_answered(&p), rows[i].is_answered);
		}
	}
}

static void icmp_types(void **state)
{
	static const uint8_t queries4[] = {0, 8, 9, 10, 13, 14, 15, 16, 17, 18};

	for (unsigned type = 0; type < 256; type++) {
		struct packet p = packet4(1, 8);

		p.bytes[20] = (uint8_t)type;
		assert_int_equal(
			is_answered(&p), memchr(queries4, (int)type, sizeof(queries4)) != NULL);
		p = packet6(58, 8);
		p.bytes[40] = (uint8_t)type;
		assert_int_equal(is_answered(&p), type >= 128 && type != 137);
	}
}

/* The type isn't there to be seen. */
static void icmp_without_type(void **state)
{
	struct packet p = packet4(1, 0);

	assert_false(is_answered(&p));
	p = packet6(58, 0);
	assert_false(is_answered(&p));
}

static void options4(void **state)
{
	struct packet p = packet4(1, 28);

	p.bytes[0] = 0x47; /* 8 bytes of options, then the type */
	p.bytes[20] = 3;
	p.bytes[28] = 8;
	assert_true(is_answered(&p));
	p.bytes[20] = 8;
	p.bytes[28] = 3;
	assert_false(is_answered(&p));
}

static void fragments(void **state)
{
	struct packet p = packet4(17, 64);

	p.bytes[6] = 0x20; /* the first of several */
	assert_true(is_answered(&p));
	p.bytes[7] = 1;
	assert_false(is_answered(&p));
	p.bytes[6] = 0x1f;
	p.bytes[7] = 0;
	assert_false(is_answered(&p));
	p.bytes[6] = 0x40;
	assert_true(is_answered(&p));

	p = packet6(44, 64);
	memcpy(p.bytes + 40, (uint8_t[]){17, 0, 0, 1, 0, 0, 0, 1}, 8);
	assert_true(is_answered(&p));
	p.bytes[43] = 8;
	assert_false(is_answered(&p));
	p.bytes[42] = 0x80;
	p.bytes[43] = 0;
	assert_false(is_answered(&p));
}

/* Hop by hop, destination options of 16 bytes, routing, authentication of 12, then ICMPv6. */
static void extensions6(void **state)
{
	struct packet p = packet6(0, 200);
	uint8_t *at = p.bytes + 40;

	memset(at, 0, 200);
	memcpy(at, (uint8_t[]){60, 0}, 2);
	memcpy(at + 8, (uint8_t[]){43, 1}, 2);
	memcpy(at + 24, (uint8_t[]){51, 0}, 2);
	memcpy(at + 32, (uint8_t[]){58, 1}, 2);
	at[44] = 128;
	assert_true(is_answered(&p));
	at[44] = 1;
	assert_false(is_answered(&p));
	/* The chain leads out of the packet. */
	at[33] = 255;
	assert_false(is_answered(&p));
	at[32] = 17;
	assert_false(is_answered(&p));
	at[33] = 1;
	assert_true(is_answered(&p));
	/* One without an end. */
	memset(at, 0, 200);
	assert_false(is_answered(&p));
	/* Cut within. */
	p = packet6(60, 7);
	assert_false(is_answered(&p));
	p = packet6(60, 8);
	memset(p.bytes + 40, 0, 8);
	p.bytes[40] = 59;
	assert_true(is_answered(&p));
}

static void malformed(void **state)
{
	struct packet p = packet4(17, 20);
	uint8_t answer[ICMP_ANSWER_MAX];

	for (size_t n = 0; n < 20; n++)
		assert_int_equal(answer_to(answer, p.bytes, n), 0);
	assert_int_not_equal(answer_to(answer, p.bytes, 20), 0);
	p.bytes[0] = 0x44;
	assert_false(is_answered(&p));
	p.bytes[0] = 0x4b; /* a header longer than the packet */
	assert_false(is_answered(&p));
	p.bytes[0] = 0x55;
	assert_false(is_answered(&p));
	p = packet4(17, 20);
	p.bytes[3] = 19; /* shorter than its header */
	assert_false(is_answered(&p));
	p = packet6(17, 20);
	for (size_t n = 0; n < 40; n++)
		assert_int_equal(answer_to(answer, p.bytes, n), 0);
	assert_int_not_equal(answer_to(answer, p.bytes, 40), 0);
}

/* Whatever comes: never too long, never an answer to an answer. */
static void noise(void **state)
{
	struct chance c = chance_start("noise");
	uint8_t bytes[1500], first[ICMP_ANSWER_MAX], second[ICMP_ANSWER_MAX];
	unsigned answered = 0;

	for (unsigned i = 0; i < 100000; i++) {
		size_t len = chance_below(&c, i % 8 ? 120 : sizeof(bytes)), n;

		for (size_t k = 0; k < len; k++)
			bytes[k] = chance_below(&c, 3) ? (uint8_t)chance_u64(&c)
						       : (uint8_t)chance_below(&c, 61);
		bytes[0] = i % 2 ? 0x45 : 0x60;
		n = answer_to(first, bytes, len);
		assert_true(n <= (i % 2 ? ICMP_ANSWER_MAX4 : ICMP_ANSWER_MAX6));
		answered += n > 0;
		if (n)
			assert_int_equal(answer_to(second, first, n), 0);
	}
	assert_true(answered > 1000);
}

/* --- how many ------------------------------------------------------------------------------------
 */

static unsigned taken(struct icmp_limit *l, int64_t now_ns)
{
	unsigned n = 0;

	while (n < 10000 && icmp_limit_take(l, (instant){now_ns}))
		n++;
	return n;
}

static void limit(void **state)
{
	const int64_t start = 1000 * NS_PER_S;
	struct icmp_limit l = {0};
	unsigned n = 0;

	assert_int_equal(taken(&l, start), 50);
	assert_int_equal(taken(&l, start + NS_PER_MS - 1), 0);
	assert_int_equal(taken(&l, start + NS_PER_MS), 1);
	assert_int_equal(taken(&l, start + 11 * NS_PER_MS), 10);
	assert_int_equal(taken(&l, start + 60 * NS_PER_S), 50);
	/* Over a second, what is regained and no more. */
	for (unsigned i = 1; i <= 10000; i++)
		n += taken(&l, start + 60 * NS_PER_S + i * (NS_PER_S / 10000));
	assert_int_equal(n, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answer4),
		cmocka_unit_test(answer6),
		cmocka_unit_test(quoted_length),
		cmocka_unit_test(never_about_answers),
		cmocka_unit_test(addresses4),
		cmocka_unit_test(addresses6),
		cmocka_unit_test(icmp_types),
		cmocka_unit_test(icmp_without_type),
		cmocka_unit_test(options4),
		cmocka_unit_test(fragments),
		cmocka_unit_test(extensions6),
		cmocka_unit_test(malformed),
		cmocka_unit_test(noise),
		cmocka_unit_test(limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Which packets are one flow. Packets are put together from their parts, and lie in memory of just
 * their length, so that a sanitizer sees who reads beyond. */
#include "base/mem.h"
#include "unit.h"
#include "wg/flow.h"

#include <string.h>

#define MAX_LEN 256
#define SEED 0x5eed

enum { ICMP = 1, TCP = 6, UDP = 17, ESP = 50, AH = 51, ICMP6 = 58, NOTHING = 59, SCTP = 132 };

struct packet {
	uint8_t bytes[MAX_LEN];
	size_t len;
};

static uint64_t hash_seeded(const struct packet *p, uint64_t seed)
{
	uint8_t *just = malloc(p->len);
	uint64_t hash;

	memcpy(just, p->bytes, p->len);
	hash = flow_hash(just, p->len, seed);
	free(just);
	return hash;
}

static void assert_same(const struct packet *a, const struct packet *b)
{
	assert_true(hash_seeded(a, SEED) == hash_seeded(b, SEED));
}

static void assert_other(const struct packet *a, const struct packet *b)
{
	assert_true(hash_seeded(a, SEED) != hash_seeded(b, SEED));
}

static void append(struct packet *p, const void *bytes, size_t n)
{
	memcpy(p->bytes + p->len, bytes, n);
	p->len += n;
}

static void append_ports(struct packet *p, uint8_t from, uint8_t to)
{
	uint8_t header[8] = {0, from, 0, to, 1, 2, 3, 4};

	append(p, header, sizeof(header));
}

static struct packet ipv4(uint8_t protocol, unsigned options)
{
	struct packet p = {.len = 20 + 4 * options};

	p.bytes[0] = (uint8_t)(0x45 + options);
	p.bytes[8] = 64;
	p.bytes[9] = protocol;
	memcpy(p.bytes + 12, (uint8_t[]){10, 1, 2, 3, 10, 9, 8, 7}, 8);
	return p;
}

static struct packet ipv6(uint8_t protocol)
{
	struct packet p = {.len = 40};

	p.bytes[0] = 0x60;
	p.bytes[6] = protocol;
	p.bytes[7] = 64;
	memcpy(p.bytes + 8, (uint8_t[]){0xfd, 1}, 2);
	memcpy(p.bytes + 24, (uint8_t[]){0xfd, 2}, 2);
	p.bytes[23] = 1;
	p.bytes[39] = 2;
	return p;
}

static struct packet whole(unsigned version, uint8_t protocol, uint8_t from, uint8_t to)
{
	struct packet p = version == 4 ? ipv4(protocol, 0) : ipv6(protocol);

	append_ports(&p, from, to);
	return p;
}

/* --- what a flow is ------------------------------------------------------------------------------
 */

/* Each byte that is no part of what names the flow, changed. */
static void other_fields_dont_matter(void **state)
{
	static const uint8_t parts4[] = {1, 2, 3, 4, 5, 8, 10, 11, 24, 25, 26, 27};
	static const uint8_t parts6[] = {2, 3, 4, 5, 7, 44, 45, 46, 47};
	struct packet a4 = whole(4, TCP, 1, 2), a6 = whole(6, TCP, 1, 2), b;

	for (size_t i = 0; i < ARRAY_SIZE(parts4); i++) {
		b = a4;
		b.bytes[parts4[i]] ^= 0x55;
		assert_same(&a4, &b);
	}
	b = a4;
	b.bytes[6] = 0x40; /* don't fragment */
	assert_same(&a4, &b);
	for (size_t i = 0; i < ARRAY_SIZE(parts6); i++) {
		b = a6;
		b.bytes[parts6[i]] ^= 0x55;
		assert_same(&a6, &b);
	}
	b = a6;
	b.bytes[0] ^= 0x0f; /* the traffic class */
	b.bytes[1] ^= 0xff; /* and the label */
	assert_same(&a6, &b);
}

/* Each byte of addresses and ports, and the protocol. */
static void addresses_protocol_and_ports_matter(void **state)
{
	for (unsigned version = 4; version <= 6; version += 2) {
		static const uint8_t protocols[] = {TCP, UDP, SCTP, 33, 136};

		for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
			struct packet a = whole(version, protocols[i], 1, 2), b;
			size_t first = version == 4 ? 12 : 8;

			for (size_t at = first; at < (version == 4 ? 24u : 44u); at++) {
				b = a;
				b.bytes[at] ^= 0x80;
				assert_other(&a, &b);
			}
			b = whole(version, protocols[i], 2, 1);
			assert_other(&a, &b);
			b = whole(version, protocols[(i + 1) % ARRAY_SIZE(protocols)], 1, 2);
			assert_other(&a, &b);
		}
	}
}

static void without_ports_ipv4(void **state)
{
	static const uint8_t protocols[] = {ICMP, 4, 41, 47, ESP, AH, 89};

	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		struct packet a = whole(4, protocols[i], 1, 2), b = whole(4, protocols[i], 3, 4);

		assert_same(&a, &b);
	}
}

static void the_label_counts_without_ports(void **state)
{
	static const uint8_t protocols[] = {ICMP6, ESP, NOTHING, 47, 89};

	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		struct packet a = whole(6, protocols[i], 1, 2), b = whole(6, protocols[i], 3, 4);

		assert_same(&a, &b);
		for (unsigned at = 1; at < 4; at++) {
			b = a;
			b.bytes[at] ^= 0x01;
			assert_other(&a, &b);
		}
		b = a;
		b.bytes[1] ^= 0xf0; /* of the traffic class */
		assert_same(&a, &b);
	}
}

static void behind_options(void **state)
{
	struct packet plain = whole(4, TCP, 1, 2), a = ipv4(TCP, 10), b = ipv4(TCP, 10);

	append_ports(&a, 1, 2);
	append_ports(&b, 1, 3);
	assert_same(&plain, &a);
	assert_other(&a, &b);
}

/* --- fragments -----------------------------------------------------------------------------------
 */

static struct packet fragment4(unsigned offset, bool more, uint8_t port)
{
	struct packet p = whole(4, UDP, port, 2);

	p.bytes[6] = (uint8_t)(offset >> 8 | (more ? 0x20 : 0));
	p.bytes[7] = (uint8_t)offset;
	return p;
}

static void fragments_ipv4(void **state)
{
	struct packet first = fragment4(0, true, 1), other = first;
	static const unsigned offsets[] = {1, 0xff, 0x100, 0x1fff};

	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
		struct packet middle = fragment4(offsets[i], true, 9);
		struct packet last = fragment4(offsets[i], false, 77);

		assert_same(&first, &middle);
		assert_same(&first, &last);
	}
	other.bytes[9] = TCP;
	assert_other(&first, &other);
}

static struct packet fragment6(unsigned offset_and_more, uint8_t port, uint8_t label)
{
	struct packet p = ipv6(44);
	uint8_t header[8] = {UDP, 0, (uint8_t)(offset_and_more >> 8), (uint8_t)offset_and_more};

	p.bytes[3] = label;
	append(&p, header, sizeof(header));
	append_ports(&p, port, 2);
	return p;
}

/* Neither ports nor the label count then, whatever the protocol. */
static void fragments_ipv6(void **state)
{
	struct packet first = fragment6(1, 1, 1), middle = fragment6(8 | 1, 9, 2);
	struct packet last = fragment6(0xfff8, 77, 3), alone = fragment6(0, 1, 4);
	struct packet plain = whole(6, UDP, 1, 2), other = first;

	assert_same(&first, &middle);
	assert_same(&first, &last);
	assert_same(&alone, &plain);
	assert_other(&first, &plain);
	other.bytes[40] = TCP;
	assert_other(&first, &other);
	first.bytes[40] = middle.bytes[40] = ICMP6;
	assert_same(&first, &middle);
}

/* The first fragment has extension headers behind the fragment header, the others don't: what the
 * fragment header says is the same in all. */
static void fragments_of_extensions(void **state)
{
	struct packet first = ipv6(44), later = ipv6(44);
	uint8_t begin[8] = {60, 0, 0, 1}, end[8] = {60, 0, 0, 8}, options[8] = {UDP};

	append(&first, begin, 8);
	append(&first, options, 8);
	append_ports(&first, 1, 2);
	append(&later, end, 8);
	append_ports(&later, 8, 9);
	assert_same(&first, &later);
}

/* --- extension headers ---------------------------------------------------------------------------
 */

static struct packet extended(const uint8_t *headers, size_t n, uint8_t protocol)
{
	struct packet p = ipv6(headers[0]);

	for (size_t i = 0; i < n; i++) {
		uint8_t header[16] = {i + 1 < n ? headers[i + 1] : protocol, 1};

		if (headers[i] == AH)
			header[1] = 2; /* words, without two */
		append(&p, header, sizeof(header));
	}
	append_ports(&p, 1, 2);
	return p;
}

static void ports_behind_extensions(void **state)
{
	static const uint8_t all[] = {0, 60, 43, AH, 60, 135, 139, 140};
	struct packet plain = whole(6, TCP, 1, 2);

	for (size_t n = 1; n <= ARRAY_SIZE(all); n++) {
		struct packet p = extended(all, n, TCP);

		assert_same(&plain, &p);
	}
}

/* A packet that goes on being more of them has no ports, but still a flow. */
static void too_many_extensions(void **state)
{
	static const uint8_t many[12] = {0, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60};
	struct packet a = extended(many, ARRAY_SIZE(many), TCP), b = a;

	b.bytes[b.len - 8 + 1] = 99;
	assert_same(&a, &b);
	b.bytes[3] = 1; /* the label */
	assert_other(&a, &b);
}

/* --- what is cut off or senseless ----------------------------------------------------------------
 */

static void cut_off_anywhere(void **state)
{
	static const uint8_t all[] = {0, 43, 60, AH};
	struct packet p4 = whole(4, TCP, 1, 2), options = ipv4(TCP, 10), p6;

	p6 = extended(all, ARRAY_SIZE(all), TCP);
	append_ports(&options, 1, 2);
	for (; p4.len >= 20; p4.len--)
		hash_seeded(&p4, SEED);
	for (; options.len >= 20; options.len--)
		hash_seeded(&options, SEED);
	for (; p6.len >= 40; p6.len--)
		hash_seeded(&p6, SEED);
}

static void any_bytes(void **state)
{
	struct chance c = chance_start("any_bytes");

	for (unsigned i = 0; i < 100000; i++) {
		struct packet p = {.len = 40 + chance_below(&c, 60)};

		for (size_t at = 0; at < p.len; at++)
			p.bytes[at] = (uint8_t)chance_u64(&c);
		p.bytes[0] = (uint8_t)((i & 1 ? 0x60 : 0x40) | (p.bytes[0] & 15));
		if (i & 2)
			p.bytes[6] = (uint8_t[]){0, 43, 44, 51, 60, 135}[chance_below(&c, 6)];
		hash_seeded(&p, SEED);
	}
}

/* A header length that can't be: its ports would be addresses. */
static void short_header(void **state)
{
	struct packet a = whole(4, TCP, 1, 2), b;

	for (unsigned n = 0; n < 5; n++) {
		a.bytes[0] = (uint8_t)(0x40 + n);
		b = a;
		b.bytes[21] = 9;
		assert_same(&a, &b);
	}
}

/* --- the hash ------------------------------------------------------------------------------------
 */

static void the_seed_matters(void **state)
{
	struct packet a = whole(4, TCP, 1, 2), b = whole(6, TCP, 1, 2);

	assert_true(hash_seeded(&a, 1) != hash_seeded(&a, 2));
	assert_true(hash_seeded(&b, 1) != hash_seeded(&b, 2));
	assert_true(hash_seeded(&b, 0) != hash_seeded(&a, 0));
}

/* Flows that differ in little are spread as evenly as chance does it. */
static void is_even(void **state)
{
	enum { FLOWS = 65536, BINS = 256, MEAN = FLOWS / BINS };

	for (unsigned version = 4; version <= 6; version += 2)
		for (uint64_t seed = 0; seed < 8; seed++) {
			unsigned low[BINS] = {0}, high[BINS] = {0};

			for (unsigned i = 0; i < FLOWS; i++) {
				struct packet p =
					whole(version, UDP, (uint8_t)i, (uint8_t)(i >> 8));
				uint64_t hash = flow_hash(p.bytes, p.len, seed);

				low[hash % BINS]++;
				high[hash >> 56]++;
			}
			/* Six standard deviations. */
			for (unsigned i = 0; i < BINS; i++) {
				assert_in_range(low[i], MEAN - 6 * 16, MEAN + 6 * 16);
				assert_in_range(high[i], MEAN - 6 * 16, MEAN + 6 * 16);
			}
		}
}

/* --- beyond one address --------------------------------------------------------------------------
 */

static void groups(void **state)
{
	static const struct {
		uint8_t to[4];
		bool is_group;
	} cases4[] = {{{223, 255, 255, 255}, false}, {{224, 0, 0, 0}, true}, {{224, 0, 0, 5}, true},
		{{239, 255, 255, 255}, true}, {{240, 0, 0, 0}, false},
		{{255, 255, 255, 254}, false}, {{255, 255, 255, 255}, true},
		{{10, 255, 255, 255}, false}};
	struct packet p;

	for (size_t i = 0; i < ARRAY_SIZE(cases4); i++) {
		p = ipv4(UDP, 0);
		memcpy(p.bytes + 16, cases4[i].to, 4);
		assert_int_equal(flow_is_to_group(p.bytes), cases4[i].is_group);
		assert_false(flow_is_from_link_local(p.bytes));
	}
	p = ipv6(UDP);
	assert_false(flow_is_to_group(p.bytes));
	p.bytes[24] = 0xfe;
	assert_false(flow_is_to_group(p.bytes));
	p.bytes[24] = 0xff;
	assert_true(flow_is_to_group(p.bytes));
}

static void link_local(void **state)
{
	struct packet p = ipv6(UDP);

	assert_false(flow_is_from_link_local(p.bytes));
	memset(p.bytes + 8, 0, 8);
	p.bytes[8] = 0xfe;
	p.bytes[9] = 0x80;
	assert_true(flow_is_from_link_local(p.bytes));
	for (unsigned at = 9; at < 16; at++) {
		struct packet other = p;

		other.bytes[at] ^= 1;
		assert_false(flow_is_from_link_local(other.bytes));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(other_fields_dont_matter),
		cmocka_unit_test(addresses_protocol_and_ports_matter),
		cmocka_unit_test(without_ports_ipv4),
		cmocka_unit_test(the_label_counts_without_ports),
		cmocka_unit_test(behind_options),
		cmocka_unit_test(fragments_ipv4),
		cmocka_unit_test(fragments_ipv6),
		cmocka_unit_test(fragments_of_extensions),
		cmocka_unit_test(ports_behind_extensions),
		cmocka_unit_test(too_many_extensions),
		cmocka_unit_test(cut_off_anywhere),
		cmocka_unit_test(any_bytes),
		cmocka_unit_test(short_header),
		cmocka_unit_test(the_seed_matters),
		cmocka_unit_test(is_even),
		cmocka_unit_test(groups),
		cmocka_unit_test(link_local),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* BFD's Meticulous Keyed SHA1: the bytes against another computation, and whose numbers are taken.
 */
#include "base/mem.h"
#include "live/bfd_auth.h"
#include "unit.h"
#include <string.h>

/* hashlib.sha1(packet + key) of Python, the key 1, 2, ... 20. */
static const uint8_t golden[BFD_PACKET_MAX] = {0x26, 0xc4, 3, 52, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1,
	0x86, 0xa0, 0, 3, 0x0d, 0x40, 0, 0, 0, 0, 5, 28, 1, 0, 0x80, 0, 0, 1, 0x33, 0x48, 0x52,
	0xa4, 0x97, 0x08, 0xc9, 0x4b, 0xb6, 0xfe, 0x0f, 0x09, 0x13, 0xb3, 0x4f, 0x6b, 0xf8, 0x80,
	0x06, 0xfd};

static const struct bfd_packet packet = {
	.state = BFD_UP,
	.diag = BFD_DIAG_CONCATENATED_PATH_DOWN,
	.detect_mult = 3,
	.my_discriminator = 1,
	.your_discriminator = 2,
	.desired_min_tx = 100000,
	.required_min_rx = 200000,
};

static instant at(int64_t ms)
{
	return (instant){1000 * NS_PER_S + ms * NS_PER_MS};
}

static struct bfd_keys keys_from(uint8_t send, uint8_t receive)
{
	struct bfd_keys keys;

	for (uint8_t i = 0; i < BFD_KEY_LEN; i++) {
		keys.send[i] = (uint8_t)(send + i);
		keys.receive[i] = (uint8_t)(receive + i);
	}
	return keys;
}

/* The two ends: ours hears what theirs seals. */
static void pair(struct bfd_auth *ours, struct bfd_auth *theirs, uint32_t seq)
{
	struct bfd_keys a = keys_from(1, 101), b = keys_from(101, 1);

	bfd_auth_init(ours, &b, 5);
	bfd_auth_init(theirs, &a, seq);
}

static bool decodes(const uint8_t *bytes, struct bfd_packet *ret)
{
	return bfd_packet_decode(ret, bytes, BFD_PACKET_MAX);
}

/* As a session does it. */
static bool hear(struct bfd_auth *a, const uint8_t *bytes, int64_t ms)
{
	struct bfd_packet p;

	if (!decodes(bytes, &p) || !bfd_auth_is_plausible(a, &p, bytes, at(ms)) ||
		!bfd_auth_is_right(a, bytes))
		return false;
	bfd_auth_heard(a, bytes, at(ms + 600));
	return true;
}

static void test_bytes(void **state)
{
	struct bfd_auth ours, theirs;
	uint8_t out[BFD_PACKET_MAX];

	pair(&ours, &theirs, 0x80000000);
	bfd_auth_seal(&theirs, &packet, out);
	assert_memory_equal(out, golden, sizeof(out));
	assert_true(hear(&ours, golden, 0));
}

/* Every bit counts, but for the reserved byte, which the digest covers all the same. */
static void test_every_bit(void **state)
{
	struct bfd_auth ours, theirs;
	uint8_t bytes[BFD_PACKET_MAX];

	for (int bit = 0; bit < BFD_PACKET_MAX * 8; bit++) {
		pair(&ours, &theirs, 0);
		memcpy(bytes, golden, sizeof(bytes));
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (hear(&ours, bytes, 0))
			fail_msg("bit %d of byte %d", bit % 8, bit / 8);
	}
}

/* What we sent is nothing that the peer can have sent, whoever sends it back. */
static void test_reflection(void **state)
{
	struct bfd_auth ours, theirs;
	uint8_t bytes[BFD_PACKET_MAX];

	pair(&ours, &theirs, 0);
	bfd_auth_seal(&ours, &packet, bytes);
	assert_true(hear(&theirs, bytes, 0));
	assert_false(hear(&ours, bytes, 0));
}

/* The number that comes after heard, and when. */
static const struct {
	const char *what;
	uint32_t heard, next;
	int64_t ms;
	bool right;
} numbers[] = {
	{"the next", 100, 101, 1, true},
	{"the same", 100, 100, 1, false},
	{"the one before", 100, 99, 1, false},
	{"far ahead", 100, 100U + INT32_MAX, 1, true},
	{"too far ahead", 101, 102U + INT32_MAX, 1, false},
	{"around the end", UINT32_MAX, 0, 1, true},
	{"back around the end", 0, UINT32_MAX, 1, false},
	{"of a daemon that began anew", 100, 5000, 1, true},
	{"of one whose clock stepped back", 100, 50, 1, false},
	{"of one whose clock stepped back, when it is forgotten", 100, 50, 600, true},
	{"the same, when it is forgotten", 100, 100, 600, true},
	{"the same, just before", 100, 100, 599, false},
};

static void test_numbers(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		struct bfd_auth ours, theirs;
		uint8_t bytes[BFD_PACKET_MAX];

		pair(&ours, &theirs, numbers[i].heard - 1);
		bfd_auth_seal(&theirs, &packet, bytes);
		assert_true(hear(&ours, bytes, 0));
		theirs.sent_seq = numbers[i].next - 1;
		bfd_auth_seal(&theirs, &packet, bytes);
		if (hear(&ours, bytes, numbers[i].ms) != numbers[i].right)
			fail_msg("%s", numbers[i].what);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_every_bit),
		cmocka_unit_test(test_reflection),
		cmocka_unit_test(test_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "base/key.h"
#include "base/mem.h"
#include "unit.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ALICE_PRIVATE "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"
#define ALICE_PUBLIC "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
#define ALICE_BASE64 "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo="

static wg_key hex(const char *text)
{
	wg_key k;

	if (!wg_key_from_hex(&k, text))
		fail_msg("no key: %s", text);
	return k;
}

static wg_key random_key(struct chance *c)
{
	wg_key k;

	for (size_t i = 0; i < sizeof(k.bytes); i++)
		k.bytes[i] = (uint8_t)chance_u64(c);
	return k;
}

/* RFC 7748, section 6.1, and the first step of the iteration in section 5.2. */
static void public_keys(void **state)
{
	static const struct {
		const char *private_key, *public_key;
	} cases[] = {
		{ALICE_PRIVATE, ALICE_PUBLIC},
		{"5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
			"de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"},
		{"0900000000000000000000000000000000000000000000000000000000000000",
			"422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		wg_key k = hex(cases[i].private_key), want = hex(cases[i].public_key);
		wg_key got = wg_key_public(&k);

		assert_memory_equal(&got, &want, sizeof(got));
	}
}

static void base64(void **state)
{
	const wg_key alice = hex(ALICE_PRIVATE);
	char text[WG_KEY_BASE64_LEN];
	wg_key k;

	assert_ptr_equal(wg_key_to_base64(&alice, text), text);
	assert_string_equal(text, ALICE_BASE64);
	assert_true(wg_key_from_base64(&k, ALICE_BASE64));
	assert_memory_equal(&k, &alice, sizeof(k));
}

static void texts_round_trip(void **state)
{
	struct chance c = chance_start("key");
	char text[WG_KEY_BASE64_LEN], digits[WG_KEY_HEX_LEN];

	for (int i = 0; i < 2000; i++) {
		wg_key k = random_key(&c), a, b;

		assert_true(wg_key_from_base64(&a, wg_key_to_base64(&k, text)));
		assert_true(wg_key_from_hex(&b, wg_key_to_hex(&k, digits)));
		assert_memory_equal(&a, &k, sizeof(k));
		assert_memory_equal(&b, &k, sizeof(k));
	}
}

static void base64_refused(void **state)
{
	static const char *const cases[] = {"", "=", "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo",
		ALICE_BASE64 "=", ALICE_BASE64 "\n", (" " ALICE_BASE64),
		/* another alphabet, a space, a sign, padding in the middle, twice, and none */
		"dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25-Co=",
		"dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25_Co=",
		"dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25 Co=",
		"dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR2\n5Co=",
		"dwdtCnMYpX08FsFyUbJmR.9ML4frwJkqsXf7pR25LCo=",
		"dwdtCnMYpX08FsFyUbJ=Rd9ML4frwJkqsXf7pR25LCo=",
		"dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LA==",
		"dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCoo",
		"dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCoA=", ALICE_PRIVATE};
	const wg_key before = hex(ALICE_PUBLIC);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		wg_key k = before;

		if (wg_key_from_base64(&k, cases[i]))
			fail_msg("taken: \"%s\"", cases[i]);
		assert_memory_equal(&k, &before, sizeof(k));
	}
}

/* 256 bits leave two bits of the last digit unused: one text per key only if they must be zero. */
static void base64_is_canonical(void **state)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char text[] = ALICE_BASE64;

	for (unsigned i = 0; i < 64; i++) {
		wg_key k;

		text[42] = digits[i];
		assert_int_equal(wg_key_from_base64(&k, text), i % 4 == 0);
	}
}

static void hex_digits(void **state)
{
	const wg_key k = hex(ALICE_PUBLIC);
	char text[WG_KEY_HEX_LEN];
	wg_key upper;

	assert_ptr_equal(wg_key_to_hex(&k, text), text);
	assert_string_equal(text, ALICE_PUBLIC);
	assert_true(wg_key_from_hex(
		&upper, "8520F0098930A754748B7DDCB43EF75A0DBF3A0D26381AF4EBA4A98EAA9B4E6A"));
	assert_true(wg_key_eq(&upper, &k));
}

static void hex_refused(void **state)
{
	static const char *const cases[] = {"", "0", ALICE_PUBLIC "0", ALICE_PUBLIC " ",
		"520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
		" 520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
		"0x20f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
		"8520f0098930a754748b7ddcb43ef75g0dbf3a0d26381af4eba4a98eaa9b4e6a",
		"8520f0098930a754:48b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
		"8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6 ", ALICE_BASE64};
	const wg_key before = hex(ALICE_PRIVATE);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		wg_key k = before;

		if (wg_key_from_hex(&k, cases[i]))
			fail_msg("taken: \"%s\"", cases[i]);
		assert_memory_equal(&k, &before, sizeof(k));
	}
}

static void comparisons(void **state)
{
	const wg_key a = hex(ALICE_PUBLIC), zero = {{0}};

	assert_true(wg_key_is_zero(&zero));
	assert_true(wg_key_eq(&a, &a));
	for (unsigned bit = 0; bit < 256; bit++) {
		wg_key b = a, z = zero;

		b.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		z.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(wg_key_eq(&a, &b));
		assert_false(wg_key_is_zero(&z));
	}
}

/* The five points of order 1, 2, 4 and 8 on the curve and its twist, the two with a second encoding
 * below 2^255, and all with the highest bit set, which X25519 does not look at. */
static void low_order(void **state)
{
	static const char *const cases[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		wg_key k = hex(cases[i]);

		assert_true(wg_key_is_low_order(&k));
		k.bytes[31] |= 0x80;
		assert_true(wg_key_is_low_order(&k));
		k.bytes[1] ^= 4;
		assert_false(wg_key_is_low_order(&k));
	}
}

static void not_low_order(void **state)
{
	static const char *const cases[] = {ALICE_PUBLIC,
		"0900000000000000000000000000000000000000000000000000000000000000",
		"0200000000000000000000000000000000000000000000000000000000000000",
		"ebffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"efffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		wg_key k = hex(cases[i]);

		assert_false(wg_key_is_low_order(&k));
	}
}

static void generated_keys(void **state)
{
	wg_key last = {{0}};

	for (int i = 0; i < 200; i++) {
		wg_key k, p;

		wg_key_generate(&k);
		assert_int_equal(k.bytes[0] & 7, 0);
		assert_int_equal(k.bytes[31] & 0xc0, 0x40);
		assert_false(wg_key_eq(&k, &last));
		p = wg_key_public(&k);
		assert_false(wg_key_is_low_order(&p));
		last = k;
	}
	wg_key_wipe(&last);
	assert_true(wg_key_is_zero(&last));
}

static void write_file(const char *path, const char *bytes, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static void files(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		int result;
	} cases[] = {
#define CASE(text, result) {text, sizeof(text) - 1, result}
		CASE(ALICE_BASE64, 0),
		CASE(ALICE_BASE64 "\n", 0),
		CASE(ALICE_BASE64 "\r\n", 0),
		CASE("", -EINVAL),
		CASE("\n", -EINVAL),
		CASE("\r\n", -EINVAL),
		CASE(ALICE_BASE64 "\n\n", -EINVAL),
		CASE(ALICE_BASE64 "\n\r\n", -EINVAL),
		CASE(ALICE_BASE64 " \n", -EINVAL),
		CASE(ALICE_BASE64 "x\n", -EINVAL),
		CASE(ALICE_BASE64 "\0", -EINVAL),
		CASE(ALICE_BASE64 "\0\n", -EINVAL),
		CASE("\n" ALICE_BASE64, -EINVAL),
		CASE(" " ALICE_BASE64 "\n", -EINVAL),
		CASE(ALICE_BASE64 "\n" ALICE_BASE64 "\n", -EINVAL),
		CASE("dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LC\0=", -EINVAL),
		CASE(ALICE_PRIVATE "\n", -EINVAL),
		CASE("PrivateKey = " ALICE_BASE64 "\n", -EINVAL),
#undef CASE
	};
	const wg_key alice = hex(ALICE_PRIVATE), before = hex(ALICE_PUBLIC);
	char path[] = "/tmp/shunt-key-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		wg_key k = before;
		int r;

		write_file(path, cases[i].bytes, cases[i].n);
		r = wg_key_read_file(&k, path);
		if (r != cases[i].result)
			fail_msg("case %zu: %d", i, r);
		assert_true(wg_key_eq(&k, r ? &before : &alice));
	}
	unlink(path);
}

static void files_that_cannot_be_read(void **state)
{
	const wg_key before = hex(ALICE_PUBLIC);
	wg_key k = before;
	int fd = dup(0), again;

	close(fd);
	assert_int_equal(wg_key_read_file(&k, "/nowhere/at/all"), -ENOENT);
	assert_int_equal(wg_key_read_file(&k, "/tmp"), -EISDIR);
	assert_int_equal(wg_key_read_file(&k, "/dev/null"), -EINVAL);
	assert_int_equal(wg_key_read_file(&k, "/dev/zero"), -EINVAL);
	again = dup(0);
	assert_int_equal(again, fd); /* none was left open */
	close(again);
	assert_true(wg_key_eq(&k, &before));
}

/* A key that comes in pieces: O_DIRECT keeps apart what was written apart, 15 of them fit. */
static void pipes(void **state)
{
	const wg_key alice = hex(ALICE_PRIVATE);
	char path[32];
	int fds[2];
	wg_key k;

	assert_int_equal(pipe2(fds, O_DIRECT), 0);
	for (const char *p = ALICE_BASE64 "\n"; *p; p += 3)
		assert_int_equal(write(fds[1], p, 3), 3);
	close(fds[1]);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[0]);
	assert_int_equal(wg_key_read_file(&k, path), 0);
	assert_true(wg_key_eq(&k, &alice));
	close(fds[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(public_keys),
		cmocka_unit_test(base64),
		cmocka_unit_test(texts_round_trip),
		cmocka_unit_test(base64_refused),
		cmocka_unit_test(base64_is_canonical),
		cmocka_unit_test(hex_digits),
		cmocka_unit_test(hex_refused),
		cmocka_unit_test(comparisons),
		cmocka_unit_test(low_order),
		cmocka_unit_test(not_low_order),
		cmocka_unit_test(generated_keys),
		cmocka_unit_test(files),
		cmocka_unit_test(files_that_cannot_be_read),
		cmocka_unit_test(pipes),
	};

	return cmocka_run_group_tests_name("key", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "golden_handshake.h"
#include "wg/cookie.h"
#include "wg_hex.h"

#define NOW ((instant){1000 * NS_PER_S})

/* A responder's checker, an initiator's maker, and a message between them. */
struct scene {
	struct cookie_checker checker;
	struct cookie_maker maker;
	struct wg_initiation m;
	sock_addr from;
	uint8_t nonce[WG_COOKIE_NONCE_LEN], secret[WG_HASH_LEN];
};

static sock_addr address(const char *text)
{
	sock_addr a;

	assert_true(sock_addr_parse(&a, text));
	return a;
}

static struct scene start(void)
{
	wg_key private = key_filled(0x22), public = wg_key_public(&private);
	struct scene s = {.from = address("192.0.2.7:51820")};

	cookie_checker_init(&s.checker, &public);
	cookie_maker_init(&s.maker, &public);
	unhex((uint8_t *)&s.m, sizeof(s.m), NO_PSK_INITIATION);
	memset(&s.m.macs, 0xee, sizeof(s.m.macs));
	memset(s.nonce, 0x77, sizeof(s.nonce));
	memset(s.secret, 0x66, sizeof(s.secret));
	return s;
}

static void add_macs(struct scene *s, instant now)
{
	cookie_add_macs(&s->maker, &s->m, sizeof(s->m), now);
}

static enum cookie_verdict check(struct scene *s, bool under_load, instant now)
{
	return cookie_check(&s->checker, &s->m, sizeof(s->m), &s->from, under_load, now);
}

static struct wg_cookie_reply reply(struct scene *s, instant now)
{
	struct wg_cookie_reply r;

	cookie_create_reply(&s->checker, &s->m, sizeof(s->m), &s->from, 0x01020304, s->nonce,
		s->secret, now, &r);
	return r;
}

/* The initiator has the cookie of its address. */
static void give_cookie(struct scene *s, instant now)
{
	struct wg_cookie_reply r;

	add_macs(s, now);
	r = reply(s, now);
	assert_true(cookie_consume_reply(&s->maker, &r, now));
}

static bool has_mac2(const struct scene *s)
{
	return !sodium_is_zero(s->m.macs.mac2, sizeof(s->m.macs.mac2));
}

static void mac1(void **state)
{
	struct scene s = start();
	char text[2 * sizeof(s.m) + 1];

	assert_int_equal(check(&s, false, NOW), COOKIE_BAD_MAC1);
	add_macs(&s, NOW);
	sodium_bin2hex(text, sizeof(text), (uint8_t *)&s.m, sizeof(s.m));
	assert_string_equal(text, NO_PSK_INITIATION);
	assert_int_equal(check(&s, false, NOW), COOKIE_MAC1_ONLY);
	assert_int_equal(check(&s, true, NOW), COOKIE_MAC1_ONLY);
	assert_memory_equal(s.maker.last_mac1, s.m.macs.mac1, sizeof(s.m.macs.mac1));
}

/* Responses carry macs of the initiator's key. */
static void mac1_of_a_response(void **state)
{
	wg_key private = key_filled(0x11), public = wg_key_public(&private);
	struct cookie_maker maker;
	struct wg_response m;
	char text[2 * sizeof(m) + 1];

	unhex((uint8_t *)&m, sizeof(m), PSK_RESPONSE);
	memset(&m.macs, 0xee, sizeof(m.macs));
	cookie_maker_init(&maker, &public);
	cookie_add_macs(&maker, &m, sizeof(m), NOW);
	sodium_bin2hex(text, sizeof(text), (uint8_t *)&m, sizeof(m));
	assert_string_equal(text, PSK_RESPONSE);
}

static void mac1_of_another_key(void **state)
{
	struct scene s = start();
	wg_key other = key_filled(0x55);

	add_macs(&s, NOW);
	cookie_checker_init(&s.checker, &other);
	assert_int_equal(check(&s, false, NOW), COOKIE_BAD_MAC1);
}

static void whole(void **state)
{
	struct scene s = start();
	struct wg_cookie_reply r;

	add_macs(&s, NOW);
	assert_int_equal(check(&s, true, NOW), COOKIE_MAC1_ONLY);
	r = reply(&s, NOW);
	assert_hex(&r, "0300000004030201");
	assert_true(cookie_consume_reply(&s.maker, &r, NOW));
	assert_hex(s.maker.cookie, V4_COOKIE);

	/* What was sent isn't sent again; the next one has it. */
	assert_int_equal(check(&s, true, NOW), COOKIE_MAC1_ONLY);
	add_macs(&s, NOW);
	assert_hex(s.m.macs.mac2, V4_MAC2);
	assert_int_equal(check(&s, true, NOW), COOKIE_MAC2_GOOD);
	assert_int_equal(check(&s, false, NOW), COOKIE_MAC1_ONLY);
}

static void over_ipv6(void **state)
{
	struct scene s = start();

	s.from = address("[2001:db8::7]:4500");
	give_cookie(&s, NOW);
	add_macs(&s, NOW);
	assert_hex(s.maker.cookie, V6_COOKIE);
	assert_hex(s.m.macs.mac2, V6_MAC2);
	assert_int_equal(check(&s, true, NOW), COOKIE_MAC2_GOOD);
	s.from = address("[2001:db8::8]:4500");
	assert_int_equal(check(&s, true, NOW), COOKIE_MAC1_ONLY);
	s.from = address("[2001:db8::7]:4501");
	assert_int_equal(check(&s, true, NOW), COOKIE_MAC1_ONLY);
}

/* Of the address and of the port. */
static void cookie_is_of_its_source(void **state)
{
	struct scene s = start();

	give_cookie(&s, NOW);
	add_macs(&s, NOW);
	s.from = address("192.0.2.8:51820");
	assert_int_equal(check(&s, true, NOW), COOKIE_MAC1_ONLY);
	s.from = address("192.0.2.7:51821");
	assert_int_equal(check(&s, true, NOW), COOKIE_MAC1_ONLY);
	s.from = address("192.0.2.7:51820");
	assert_int_equal(check(&s, true, NOW), COOKIE_MAC2_GOOD);
}

static void corrupt_messages(void **state)
{
	struct scene s = start();
	struct cookie_checker before;

	give_cookie(&s, NOW);
	add_macs(&s, NOW);
	memcpy(&before, &s.checker, sizeof(before));
	for (size_t at = 0; at < sizeof(s.m); at++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			bool in_mac2 = at >= sizeof(s.m) - WG_MAC_LEN;

			((uint8_t *)&s.m)[at] ^= (uint8_t)(1 << bit);
			assert_int_equal(
				check(&s, true, NOW), in_mac2 ? COOKIE_MAC1_ONLY : COOKIE_BAD_MAC1);
			assert_int_equal(check(&s, false, NOW),
				in_mac2 ? COOKIE_MAC1_ONLY : COOKIE_BAD_MAC1);
			((uint8_t *)&s.m)[at] ^= (uint8_t)(1 << bit);
		}
	}
	assert_memory_equal(&s.checker, &before, sizeof(before));
	assert_int_equal(check(&s, true, NOW), COOKIE_MAC2_GOOD);
}

/* All but the receiver's index, by which the caller has found the maker. */
static void corrupt_replies(void **state)
{
	struct scene s = start();
	struct cookie_maker before;
	struct wg_cookie_reply r;

	add_macs(&s, NOW);
	r = reply(&s, NOW);
	memcpy(&before, &s.maker, sizeof(before));
	for (size_t at = 0; at < sizeof(r); at++) {
		if (at >= offsetof(struct wg_cookie_reply, receiver) &&
			at < offsetof(struct wg_cookie_reply, nonce))
			continue;
		for (unsigned bit = 0; bit < 8; bit++) {
			((uint8_t *)&r)[at] ^= (uint8_t)(1 << bit);
			assert_false(cookie_consume_reply(&s.maker, &r, NOW));
			assert_memory_equal(&s.maker, &before, sizeof(before));
			((uint8_t *)&r)[at] ^= (uint8_t)(1 << bit);
		}
	}
	assert_true(cookie_consume_reply(&s.maker, &r, NOW));
}

/* Only the answer to the last message, and only once. */
static void unasked_replies(void **state)
{
	struct scene s = start();
	struct wg_cookie_reply r, r2;

	add_macs(&s, NOW);
	r = reply(&s, NOW);
	s.m.sender[0] ^= 1;
	add_macs(&s, NOW);
	assert_false(cookie_consume_reply(&s.maker, &r, NOW));
	r2 = reply(&s, NOW);
	assert_true(cookie_consume_reply(&s.maker, &r2, NOW));
	assert_false(cookie_consume_reply(&s.maker, &r2, NOW));

	s = start();
	assert_false(cookie_consume_reply(&s.maker, &r, NOW));
}

/* A checker that never had a secret must not take one of zeros for good. */
static void no_secret_yet(void **state)
{
	const instant after_boot = {20 * NS_PER_S};
	struct scene s = start();
	struct scene forger = start();

	memset(forger.secret, 0, sizeof(forger.secret));
	give_cookie(&forger, after_boot);
	add_macs(&forger, after_boot);
	assert_int_equal(check(&forger, true, after_boot), COOKIE_MAC2_GOOD);
	s.m = forger.m;
	assert_int_equal(check(&s, true, after_boot), COOKIE_MAC1_ONLY);
}

static void secret_ages(void **state)
{
	struct scene s = start();
	instant just = instant_add(NOW, 120 * NS_PER_S - 1),
		aged = instant_add(NOW, 120 * NS_PER_S);
	struct wg_cookie_reply r;

	give_cookie(&s, NOW);
	add_macs(&s, NOW);
	assert_int_equal(check(&s, true, just), COOKIE_MAC2_GOOD);
	assert_int_equal(check(&s, true, aged), COOKIE_MAC1_ONLY);

	/* Until then another's fresh secret isn't taken; from then on it is. */
	memset(s.secret, 0x67, sizeof(s.secret));
	r = reply(&s, just);
	assert_int_equal(s.checker.secret[0], 0x66);
	r = reply(&s, aged);
	assert_int_equal(s.checker.secret[0], 0x67);
	assert_int_equal(check(&s, true, aged), COOKIE_MAC1_ONLY);
	assert_true(cookie_consume_reply(&s.maker, &r, aged));
	add_macs(&s, aged);
	assert_int_equal(check(&s, true, aged), COOKIE_MAC2_GOOD);
}

static void cookie_ages(void **state)
{
	struct scene s = start();
	instant just = instant_add(NOW, 115 * NS_PER_S - 1),
		aged = instant_add(NOW, 115 * NS_PER_S);

	give_cookie(&s, NOW);
	add_macs(&s, just);
	assert_true(has_mac2(&s));
	assert_int_equal(check(&s, true, just), COOKIE_MAC2_GOOD);
	add_macs(&s, aged);
	assert_false(has_mac2(&s));
	assert_int_equal(check(&s, true, aged), COOKIE_MAC1_ONLY);
	assert_true(sodium_is_zero(s.maker.cookie, sizeof(s.maker.cookie)));

	/* Time doesn't bring it back. */
	add_macs(&s, NOW);
	assert_false(has_mac2(&s));
}

static void replaced_by_a_newer_one(void **state)
{
	struct scene s = start();
	instant later = instant_add(NOW, 100 * NS_PER_S);

	give_cookie(&s, NOW);
	s.from = address("198.51.100.1:1");
	give_cookie(&s, later);
	add_macs(&s, instant_add(later, 100 * NS_PER_S));
	assert_true(has_mac2(&s));
	add_macs(&s, later);
	assert_int_equal(check(&s, true, later), COOKIE_MAC2_GOOD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mac1),
		cmocka_unit_test(mac1_of_a_response),
		cmocka_unit_test(mac1_of_another_key),
		cmocka_unit_test(whole),
		cmocka_unit_test(over_ipv6),
		cmocka_unit_test(cookie_is_of_its_source),
		cmocka_unit_test(corrupt_messages),
		cmocka_unit_test(corrupt_replies),
		cmocka_unit_test(unasked_replies),
		cmocka_unit_test(no_secret_yet),
		cmocka_unit_test(secret_ages),
		cmocka_unit_test(cookie_ages),
		cmocka_unit_test(replaced_by_a_newer_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

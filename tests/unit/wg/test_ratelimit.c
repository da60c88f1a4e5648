/* SPDX-License-Identifier: MIT */
#include "unit.h"
#include "wg/ratelimit.h"

#include <string.h>

#define START ((instant){77 * NS_PER_S})

static const uint8_t seed[16] = "not so secret 1";

static ip_addr v4(uint32_t n)
{
	uint8_t bytes[4] = {(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};

	return ip_addr_from_bytes(AF_INET, bytes);
}

static ip_addr v6(const char *text)
{
	ip_addr a;

	assert_true(ip_addr_parse(&a, text));
	return a;
}

static unsigned allowed(struct ratelimit *r, const ip_addr *a, instant now, unsigned tries)
{
	unsigned n = 0;

	while (tries--)
		n += ratelimit_allow(r, a, now);
	return n;
}

static void bursts_of_five(void **state)
{
	struct ratelimit *r = ratelimit_new(seed);
	ip_addr a = v4(0x0a000001);

	assert_int_equal(allowed(r, &a, START, 20), 5);
	assert_int_equal(allowed(r, &a, instant_add(START, 50 * NS_PER_MS - 1), 3), 0);
	assert_int_equal(allowed(r, &a, instant_add(START, 50 * NS_PER_MS), 3), 1);
	assert_int_equal(allowed(r, &a, instant_add(START, 200 * NS_PER_MS), 9), 3);
	assert_int_equal(allowed(r, &a, instant_add(START, 10 * NS_PER_S), 20), 5);
	ratelimit_free(r);
}

static void twenty_a_second(void **state)
{
	struct ratelimit *r = ratelimit_new(seed);
	ip_addr a = v4(0x0a000001);
	unsigned n = 0;

	for (int64_t ms = 0; ms < 60000; ms++)
		n += ratelimit_allow(r, &a, instant_add(START, ms * NS_PER_MS));
	assert_int_equal(n, 4 + 60 * 20);
	ratelimit_free(r);
}

static void sources(void **state)
{
	struct ratelimit *r = ratelimit_new(seed);
	ip_addr a = v4(0x0a000001), b = v4(0x0a000002);
	ip_addr x = v6("2001:db8:1:2::1"), y = v6("2001:db8:1:2:ffff::9"),
		z = v6("2001:db8:1:3::1");
	ip_addr like_a = v6("a00:1::");

	assert_int_equal(allowed(r, &a, START, 10), 5);
	assert_int_equal(allowed(r, &b, START, 10), 5);
	assert_int_equal(allowed(r, &like_a, START, 10), 5);
	assert_int_equal(allowed(r, &x, START, 3), 3);
	assert_int_equal(allowed(r, &y, START, 10), 2);
	assert_int_equal(allowed(r, &z, START, 10), 5);
	ratelimit_free(r);
}

/* Many sources can't make the table forget one that has used its share; when they are gone there is
 * room again. */
static void flood(void **state)
{
	struct ratelimit *r = ratelimit_new(seed);
	ip_addr a = v4(0x0a000001);
	unsigned n = 0;

	assert_int_equal(allowed(r, &a, START, 10), 5);
	for (uint32_t i = 0; i < 200000; i++) {
		ip_addr other = v4(0x0b000000 + i);

		n += ratelimit_allow(r, &other, START);
	}
	assert_int_equal(allowed(r, &a, START, 10), 0);
	assert_true(n >= 8192 && n < 20000);
	n = 0;
	for (uint32_t i = 0; i < 2000; i++) {
		ip_addr other = v4(0x0c000000 + i);

		n += ratelimit_allow(r, &other, instant_add(START, NS_PER_S));
	}
	assert_int_equal(n, 2000);
	ratelimit_free(r);
}

/* Tokens counted as one would on paper, in nanoseconds. */
struct naive {
	int64_t tokens, last;
};

static bool naive_allow(struct naive *n, int64_t now)
{
	n->tokens += now - n->last;
	if (n->tokens > 5 * 50 * NS_PER_MS)
		n->tokens = 5 * 50 * NS_PER_MS;
	n->last = now;
	if (n->tokens < 50 * NS_PER_MS)
		return false;
	n->tokens -= 50 * NS_PER_MS;
	return true;
}

static void against_naive(void **state)
{
	struct chance c = chance_start("ratelimit");
	struct ratelimit *r = ratelimit_new(seed);
	struct naive naive[50];
	instant now = START;

	for (unsigned i = 0; i < 50; i++)
		naive[i] = (struct naive){5 * 50 * NS_PER_MS, now.ns};
	for (unsigned i = 0; i < 100000; i++) {
		unsigned who = chance_below(&c, 50);
		ip_addr a = v4(who);

		now = instant_add(now, chance_below(&c, 2000000));
		assert_int_equal(ratelimit_allow(r, &a, now), naive_allow(&naive[who], now.ns));
	}
	ratelimit_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bursts_of_five),
		cmocka_unit_test(twenty_a_second),
		cmocka_unit_test(sources),
		cmocka_unit_test(flood),
		cmocka_unit_test(against_naive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

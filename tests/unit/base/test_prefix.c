/* SPDX-License-Identifier: MIT */
#include "base/mem.h"
#include "base/prefix.h"
#include "unit.h"
#include <arpa/inet.h>
#include <net/if.h>
#include <string.h>

static ip_addr addr(const char *text)
{
	ip_addr a;

	if (!ip_addr_parse(&a, text))
		fail_msg("no address: %s", text);
	return a;
}

static ip_prefix prefix(const char *text)
{
	ip_prefix p;

	if (!ip_prefix_parse(&p, text))
		fail_msg("no prefix: %s", text);
	return p;
}

static sock_addr sock(const char *text)
{
	sock_addr s;

	if (!sock_addr_parse(&s, text))
		fail_msg("no socket address: %s", text);
	return s;
}

static void addresses(void **state)
{
	static const struct {
		const char *text, *canonical;
	} cases[] = {
		{"0.0.0.0", "0.0.0.0"},
		{"192.0.2.1", "192.0.2.1"},
		{"255.255.255.255", "255.255.255.255"},
		{"::", "::"},
		{"0:0:0:0:0:0:0:0", "::"},
		{"::1", "::1"},
		{"2001:DB8::A", "2001:db8::a"},
		{"2001:0db8:0:0:0000::1", "2001:db8::1"},
		/* RFC 5952 section 4.2: one group is not shortened, the longest run is, then the
		   first */
		{"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
		{"2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
		{"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
		{"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
		{"::ffff:192.0.2.1", "::ffff:192.0.2.1"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
			"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	};
	char buf[IP_ADDR_STRLEN];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ip_addr a = addr(cases[i].text);

		assert_int_equal(a.family, strchr(cases[i].text, ':') ? AF_INET6 : AF_INET);
		assert_ptr_equal(ip_addr_format(&a, buf), buf);
		assert_string_equal(buf, cases[i].canonical);
	}
}

static void addresses_refused(void **state)
{
	static const char *const cases[] = {"", " ", "1", "1.2.3", "1.2.3.4.5", "256.0.0.1",
		"01.2.3.4", "0x1.2.3.4", "1.2.3.4 ", " 1.2.3.4", "1.2.3.-4", "1..3.4", ":",
		":::", "1::2::3", "::g", "12345::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9",
		"fe80::1%lo", "fe80::1%1", "[::1]", "::1/128", "::1.2.3", "(none)", "localhost"};
	const ip_addr before = addr("192.0.2.1");

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ip_addr a = before;

		if (ip_addr_parse(&a, cases[i]))
			fail_msg("taken: \"%s\"", cases[i]);
		assert_memory_equal(&a, &before, sizeof(a));
	}
}

static void prefixes(void **state)
{
	static const struct {
		const char *text, *canonical, *masked;
	} cases[] = {
		{"0.0.0.0/0", "0.0.0.0/0", "0.0.0.0/0"},
		{"10.0.0.0/8", "10.0.0.0/8", "10.0.0.0/8"},
		{"10.1.2.3/8", "10.1.2.3/8", "10.0.0.0/8"},
		{"10.255.255.255/9", "10.255.255.255/9", "10.128.0.0/9"},
		{"192.0.2.1", "192.0.2.1/32", "192.0.2.1/32"},
		{"192.0.2.1/31", "192.0.2.1/31", "192.0.2.0/31"},
		{"255.255.255.255/1", "255.255.255.255/1", "128.0.0.0/1"},
		{"0.0.0.1/0", "0.0.0.1/0", "0.0.0.0/0"},
		{"::/0", "::/0", "::/0"},
		{"2001:DB8::/32", "2001:db8::/32", "2001:db8::/32"},
		{"2001:db8::1", "2001:db8::1/128", "2001:db8::1/128"},
		{"2001:db8:ffff::/33", "2001:db8:ffff::/33", "2001:db8:8000::/33"},
		{"::ffff/127", "::ffff/127", "::fffe/127"},
	};
	char buf[IP_PREFIX_STRLEN];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ip_prefix p = prefix(cases[i].text), m = ip_prefix_masked(&p);

		assert_ptr_equal(ip_prefix_format(&p, buf), buf);
		assert_string_equal(buf, cases[i].canonical);
		assert_string_equal(ip_prefix_format(&m, buf), cases[i].masked);
		assert_int_equal(
			ip_prefix_has_host_bits(&p), !!strcmp(cases[i].canonical, cases[i].masked));
		assert_false(ip_prefix_has_host_bits(&m));
		assert_int_equal(ip_prefix_eq(&p, &m), !ip_prefix_has_host_bits(&p));
	}
}

static void prefixes_refused(void **state)
{
	static const char *const cases[] = {"", "/", "/8", "10.0.0.0/", "10.0.0.0/33",
		"10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/08", "10.0.0.0/00", "10.0.0.0/ 8",
		"10.0.0.0/8 ", "10.0.0.0 /8", "10.0.0.0/8/8", "10/8", "10.0.0.0/0x8",
		"10.0.0.0/255.0.0.0", "10.0.0.0/4294967304", "::/129", "::/0128", "::/1000",
		"fe80::1%lo/64", "10.0.0.0/8a", "(none)",
		"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000/8"};
	const ip_prefix before = prefix("192.0.2.0/24");

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ip_prefix p = before;

		if (ip_prefix_parse(&p, cases[i]))
			fail_msg("taken: \"%s\"", cases[i]);
		assert_memory_equal(&p, &before, sizeof(p));
	}
}

/* Nonsense of every length, so that some of it just doesn't fit. */
static void long_texts_refused(void **state)
{
	for (int n = 0; n < 200; n++) {
		char p_text[256], s_text[256];
		ip_prefix p;
		sock_addr s;

		snprintf(p_text, sizeof(p_text), "%0*d/8", n, 0);
		snprintf(s_text, sizeof(s_text), "[%0*d]:8", n, 0);
		assert_false(ip_prefix_parse(&p, p_text));
		assert_false(sock_addr_parse(&s, s_text));
	}
}

static void unset_values(void **state)
{
	const ip_addr a = {0};
	const ip_prefix p = {0};
	const ip_prefix all = prefix("0.0.0.0/0");
	const sock_addr s = {.sa = {.sa_family = AF_UNSPEC}}, made = sock_addr_make(&a, 5);
	char a_text[IP_ADDR_STRLEN], p_text[IP_PREFIX_STRLEN], s_text[SOCK_ADDR_STRLEN];

	assert_string_equal(ip_addr_format(&a, a_text), "(none)");
	assert_string_equal(ip_prefix_format(&p, p_text), "(none)");
	assert_string_equal(sock_addr_format(&s, s_text), "(none)");
	assert_false(ip_prefix_is_default(&p));
	assert_false(ip_prefix_has_addr(&all, &a));
	assert_int_equal(sock_addr_len(&s), 0);
	assert_int_equal(sock_addr_port(&s), 0);
	assert_int_equal(sock_addr_ip(&s).family, 0);
	assert_true(sock_addr_eq(&s, &made));
	assert_int_equal(ip_family_bits(AF_UNSPEC), 0);
}

static void conversions(void **state)
{
	static const uint8_t four[4] = {192, 0, 2, 1};
	const ip_addr a4 = addr("192.0.2.1"), a6 = addr("2001:db8::1");
	const ip_addr from4 = ip_addr_from_bytes(AF_INET, four);
	const ip_addr from6 = ip_addr_from_bytes(AF_INET6, a6.bytes);
	const ip_prefix p = ip_prefix_of(&a4, 25), whole = ip_prefix_of(&a6, 0);
	ip_prefix host = ip_prefix_host(&a6), want = prefix("192.0.2.0/25");
	ip_addr back = ip_prefix_addr(&host);

	assert_true(ip_addr_eq(&from4, &a4));
	assert_true(ip_addr_eq(&from6, &a6));
	assert_true(ip_addr_eq(&back, &a6));
	assert_true(ip_prefix_eq(&p, &want));
	assert_int_equal(host.len, 128);
	assert_int_equal(ip_prefix_host(&a4).len, 32);
	assert_true(ip_prefix_is_default(&whole));
	assert_false(ip_prefix_is_default(&p));
	assert_int_equal(ip_family_bits(AF_INET), 32);
	assert_int_equal(ip_family_bits(AF_INET6), 128);
}

static void orders(void **state)
{
	static const char *const sorted[] = {"0.0.0.0/0", "0.0.0.0/1", "0.0.0.0/32", "10.0.0.0/8",
		"10.0.0.0/16", "10.0.0.0/17", "10.0.128.0/17", "10.1.0.0/16", "192.0.2.0/24",
		"255.255.255.255/32", "::/0", "::/128", "::1/128", "2001:db8::/32", "2001:db8::/48",
		"2001:db8:0:1::/64", "fe80::/10", "ffff::/16"};

	for (int i = 0; i < (int)ARRAY_SIZE(sorted); i++) {
		for (int j = 0; j < (int)ARRAY_SIZE(sorted); j++) {
			ip_prefix p = prefix(sorted[i]), q = prefix(sorted[j]);
			ip_addr a = ip_prefix_addr(&p), b = ip_prefix_addr(&q);
			int order = ip_prefix_cmp(&p, &q), by_addr = ip_addr_cmp(&a, &b);

			assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
			assert_int_equal(ip_prefix_eq(&p, &q), i == j);
			assert_true(by_addr == 0 || (by_addr > 0) == (i > j));
			assert_int_equal(ip_addr_eq(&a, &b), by_addr == 0);
		}
	}
}

/* The oracle of containment: bit by bit. */
static bool naive_contains(const ip_prefix *outer, const ip_prefix *inner)
{
	if (outer->family != inner->family || outer->len > inner->len)
		return false;
	for (unsigned i = 0; i < outer->len; i++)
		if ((outer->bytes[i / 8] ^ inner->bytes[i / 8]) & 0x80 >> i % 8)
			return false;
	return true;
}

/* Bytes of two values only, so that long common beginnings are frequent. */
static ip_prefix random_prefix(struct chance *c)
{
	ip_prefix p = {.family = chance_below(c, 2) ? AF_INET : AF_INET6};
	unsigned bits = ip_family_bits(p.family);

	for (unsigned i = 0; i < bits / 8; i++)
		p.bytes[i] = chance_below(c, 8) ? 0xa5 : (uint8_t)chance_u64(c);
	p.len = (uint8_t)chance_below(c, bits + 1);
	return p;
}

static void containment_against_naive(void **state)
{
	struct chance c = chance_start("prefix");

	for (int i = 0; i < 100000; i++) {
		ip_prefix p = random_prefix(&c), q = random_prefix(&c);
		ip_prefix outer = ip_prefix_masked(&p), inner = ip_prefix_masked(&q);
		ip_addr a = ip_prefix_addr(&q);
		ip_prefix host = ip_prefix_host(&a);

		assert_true(naive_contains(&outer, &p) && naive_contains(&p, &outer));
		assert_true(ip_prefix_contains(&outer, &outer));
		assert_int_equal(
			ip_prefix_contains(&outer, &inner), naive_contains(&outer, &inner));
		assert_int_equal(ip_prefix_has_addr(&outer, &a), naive_contains(&outer, &host));
	}
}

static void socket_addresses(void **state)
{
	static const struct {
		const char *text, *canonical;
		uint16_t port;
	} cases[] = {
		{"192.0.2.1:51820", "192.0.2.1:51820", 51820},
		{"0.0.0.0:0", "0.0.0.0:0", 0},
		{"255.255.255.255:65535", "255.255.255.255:65535", 65535},
		{"[2001:DB8::1]:51820", "[2001:db8::1]:51820", 51820},
		{"[::]:1", "[::]:1", 1},
		{"[::ffff:192.0.2.1]:1", "[::ffff:192.0.2.1]:1", 1},
		{"[fe80::1%lo]:5", "[fe80::1%lo]:5", 5},
		{"[fe80::1%4294967]:5", "[fe80::1%4294967]:5", 5},
		{"[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535",
			"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", 65535},
	};
	char buf[SOCK_ADDR_STRLEN];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		sock_addr s = sock(cases[i].text), again;

		assert_int_equal(sock_addr_port(&s), cases[i].port);
		assert_ptr_equal(sock_addr_format(&s, buf), buf);
		assert_string_equal(buf, cases[i].canonical);
		again = sock(buf);
		assert_true(sock_addr_eq(&s, &again));
	}
}

static void socket_addresses_refused(void **state)
{
	static const char *const cases[] = {"", ":", "192.0.2.1", "192.0.2.1:", ":51820",
		"192.0.2.1:65536", "192.0.2.1:-1", "192.0.2.1:+1", "192.0.2.1:01", "192.0.2.1: 1",
		"192.0.2.1:1 ", "192.0.2.1:http", "[192.0.2.1]:1", "::1:1", "2001:db8::1:51820",
		"[::1]", "[::1]:", "[::1]51820", "[::1:1", "::1]:1", "[]:1", "[%lo]:1",
		"[fe80::1%]:1", "[fe80::1%0]:1", "[fe80::1%no-such-if]:1", "[fe80::1%-1]:1",
		"[fe80::1%2147483648]:1", "[fe80::1%4294967297]:1", "[fe80::1%42949672970]:1",
		"[fe80::1%18446744073709551617]:1", "[fe80::1%01]:1", "192.0.2.1:4294967297",
		"192.0.2.1%lo:1", "localhost:1", "vpn.example.com:51820", "(none)",
		("[fe80::1%longer-than-the-room-the-parser-has-for-what-stands"
		 "-in-the-brackets-here]:1")};
	const sock_addr before = sock("192.0.2.7:7");

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		sock_addr s = before;

		if (sock_addr_parse(&s, cases[i]))
			fail_msg("taken: \"%s\"", cases[i]);
		assert_memory_equal(&s, &before, sizeof(s));
	}
}

static void socket_addresses_compare(void **state)
{
	static const char *const cases[] = {"192.0.2.1:1", "192.0.2.1:2", "192.0.2.2:1",
		"[2001:db8::1]:1", "[2001:db8::1]:2", "[fe80::1]:1", "[fe80::1%7]:1",
		"[fe80::1%8]:1"};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(cases); j++) {
			sock_addr a = sock(cases[i]), b = sock(cases[j]);

			assert_int_equal(sock_addr_eq(&a, &b), i == j);
		}
	}
}

static void socket_addresses_are_the_kernels(void **state)
{
	ip_addr a4 = addr("192.0.2.1"), a6 = addr("2001:db8::1"), back;
	sock_addr s4 = sock_addr_make(&a4, 51820), s6 = sock_addr_make(&a6, 51820);
	sock_addr local = sock("[fe80::1%lo]:5");

	assert_int_equal(s4.in4.sin_family, AF_INET);
	assert_int_equal(s4.in4.sin_port, htons(51820));
	assert_int_equal(s4.in4.sin_addr.s_addr, htonl(0xc0000201));
	assert_int_equal(sock_addr_len(&s4), sizeof(struct sockaddr_in));
	assert_int_equal(s6.in6.sin6_family, AF_INET6);
	assert_int_equal(s6.in6.sin6_port, htons(51820));
	assert_memory_equal(&s6.in6.sin6_addr, a6.bytes, 16);
	assert_int_equal(s6.in6.sin6_scope_id, 0);
	assert_int_equal(sock_addr_len(&s6), sizeof(struct sockaddr_in6));
	assert_int_equal(local.in6.sin6_scope_id, if_nametoindex("lo"));
	back = sock_addr_ip(&s6);
	assert_true(ip_addr_eq(&back, &a6));
	/* What bind() doesn't look at makes no difference. */
	memset(s4.in4.sin_zero, 0xff, sizeof(s4.in4.sin_zero));
	s6.in6.sin6_flowinfo = 7;
	assert_true(sock_addr_eq(&s4, &(sock_addr){.in4 = sock_addr_make(&a4, 51820).in4}));
	local = sock_addr_make(&a6, 51820);
	assert_true(sock_addr_eq(&s6, &local));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(addresses_refused),
		cmocka_unit_test(prefixes),
		cmocka_unit_test(prefixes_refused),
		cmocka_unit_test(long_texts_refused),
		cmocka_unit_test(unset_values),
		cmocka_unit_test(conversions),
		cmocka_unit_test(orders),
		cmocka_unit_test(containment_against_naive),
		cmocka_unit_test(socket_addresses),
		cmocka_unit_test(socket_addresses_refused),
		cmocka_unit_test(socket_addresses_compare),
		cmocka_unit_test(socket_addresses_are_the_kernels),
	};

	return cmocka_run_group_tests_name("prefix", tests, NULL, NULL);
}

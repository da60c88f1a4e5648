/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a packet that can't be sent: what is answered may be (RFC 1122 section 3.2.2, RFC
 * 4443 section 2.4 e), the answer is a valid packet that quotes it, and a plain datagram from host
 * to host always has one.
 */
#include "../support/split_twin.h"
#include "tunnel/icmp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_host(const uint8_t *addr, bool v4)
{
	static const uint8_t zero[16], mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (v4)
		return addr[0] && addr[0] != 127 && addr[0] < 0xe0;
	return addr[0] != 0xff && (memcmp(addr, zero, 15) || addr[15] > 1) &&
	       memcmp(addr, mapped, 12);
}

static void check_right4(const uint8_t *p, size_t len)
{
	size_t header = (size_t)(p[0] & 15) * 4;

	twin_check(len >= 20 && header >= 20 && header <= len);
	twin_check(is_host(p + 12, true) && is_host(p + 16, true));
	twin_check(!(twin_get16(p + 6) & 0x1fff));
	if (p[9] == 1) {
		twin_check(len > header);
		twin_check(!strchr("\x03\x04\x05\x0b\x0c", p[header]) || !p[header]);
	}
}

static void check_right6(const uint8_t *p, size_t len)
{
	size_t at = 40;
	uint8_t next = p[6];

	twin_check(len >= 40 && is_host(p + 8, false) && is_host(p + 24, false));
	while (next == 0 || next == 43 || next == 60) {
		twin_check(at + 8 <= len);
		next = p[at];
		at += 8 * ((size_t)p[at + 1] + 1);
	}
	twin_check(at <= len);
	if (next == 58)
		twin_check(at < len && p[at] >= 128 && p[at] != 137);
	if (next == 44)
		twin_check(at + 8 <= len && !(twin_get16(p + at + 2) & 0xfff8));
}

static void check_answer4(const uint8_t *a, size_t n, const uint8_t *p, size_t len)
{
	check_right4(p, len);
	twin_check(n >= 48 && n <= ICMP_ANSWER_MAX4 && n - 28 <= len);
	twin_check(a[0] == 0x45 && twin_get16(a + 2) == n && a[8] && a[9] == 1);
	twin_check(!memcmp(a + 12, p + 16, 4) && !memcmp(a + 16, p + 12, 4));
	twin_check(twin_sum(0, a, 20) == 0xffff && twin_sum(0, a + 20, n - 20) == 0xffff);
	twin_check(a[20] == 3 && a[21] == 1 && !memcmp(a + 28, p, n - 28));
}

static void check_answer6(const uint8_t *a, size_t n, const uint8_t *p, size_t len)
{
	check_right6(p, len);
	twin_check(n >= 88 && n <= ICMP_ANSWER_MAX6 && n - 48 <= len);
	twin_check(a[0] == 0x60 && twin_get16(a + 4) == n - 40 && a[6] == 58 && a[7]);
	twin_check(!memcmp(a + 8, p + 24, 16) && !memcmp(a + 24, p + 8, 16));
	twin_check(twin_sum(twin_pseudo_sum(a, 58, n - 40), a + 40, n - 40) == 0xffff);
	twin_check(a[40] == 1 && a[41] == 3 && !memcmp(a + 48, p, n - 48));
}

/* A whole UDP datagram without options, from host to host. */
static bool is_ordinary(const uint8_t *p, size_t len)
{
	if (len >= 28 && p[0] == 0x45)
		return twin_get16(p + 2) == len && !(twin_get16(p + 6) & 0x3fff) && p[9] == 17 &&
		       is_host(p + 12, true) && is_host(p + 16, true);
	return len >= 48 && p[0] == 0x60 && twin_get16(p + 4) == len - 40 && p[6] == 17 &&
	       is_host(p + 8, false) && is_host(p + 24, false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t answer[ICMP_ANSWER_MAX];
	size_t n = icmp_build_unreachable(answer, data, size);

	if (n && data[0] >> 4 == 4)
		check_answer4(answer, n, data, size);
	else if (n)
		check_answer6(answer, n, data, size);
	else
		twin_check(!is_ordinary(data, size));
	return 0;
}

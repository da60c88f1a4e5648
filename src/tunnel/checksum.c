/* SPDX-License-Identifier: MIT */
/*
 * A ones' complement sum doesn't care in what order and width its 16-bit words are added, as long
 * as every carry out of the top is added at the bottom (RFC 1071 section 2). So: 64 bits at a time
 * with end-around carry; with AVX2, 32 bytes at a time, each 32-bit half added to a 64-bit lane
 * that can't overflow before 2^32 steps. Sums are in memory order throughout, which is the order of
 * the packet on either kind of machine.
 */
#include "tunnel/checksum.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define AVX2_FROM 160 /* bytes; below, its beginning and end cost what it saves */

static inline uint64_t load64(const uint8_t *at)
{
	uint64_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

static inline uint64_t add(uint64_t sum, uint64_t v)
{
	bool carry = __builtin_add_overflow(sum, v, &sum);

	return sum + carry;
}

/* Less than 8 bytes; an odd last one stands in front of a zero byte. By pieces of fixed size, since
 * headers end here (20 bytes) and a memcpy of any size is a call. */
static inline uint64_t add_rest(uint64_t sum, const uint8_t *at, size_t n)
{
	uint8_t last[2] = {0};
	uint32_t four;
	uint16_t two;

	if (n & 4) {
		memcpy(&four, at, sizeof(four));
		sum = add(sum, four);
		at += 4;
	}
	if (n & 2) {
		memcpy(&two, at, sizeof(two));
		sum = add(sum, two);
		at += 2;
	}
	if (n & 1) {
		last[0] = *at;
		memcpy(&two, last, sizeof(two));
		sum = add(sum, two);
	}
	return sum;
}

static inline uint64_t add_scalar(uint64_t sum, const uint8_t *at, size_t n)
{
	/* Two chains of carries side by side. */
	uint64_t other = 0;

	for (; n >= 32; at += 32, n -= 32) {
		sum = add(sum, load64(at));
		other = add(other, load64(at + 8));
		sum = add(sum, load64(at + 16));
		other = add(other, load64(at + 24));
	}
	sum = add(sum, other);
	for (; n >= 8; at += 8, n -= 8)
		sum = add(sum, load64(at));
	return add_rest(sum, at, n);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static uint64_t add_avx2(uint64_t sum, const uint8_t *at, size_t n)
{
	const __m256i low = _mm256_set1_epi64x(0xffffffff);
	__m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
	uint64_t lanes[4];

	for (; n >= 64; at += 64, n -= 64) {
		__m256i v = _mm256_loadu_si256((const __m256i *)(const void *)at);
		__m256i w = _mm256_loadu_si256((const __m256i *)(const void *)(at + 32));

		a = _mm256_add_epi64(a, _mm256_and_si256(v, low));
		b = _mm256_add_epi64(b, _mm256_srli_epi64(v, 32));
		c = _mm256_add_epi64(c, _mm256_and_si256(w, low));
		d = _mm256_add_epi64(d, _mm256_srli_epi64(w, 32));
	}
	a = _mm256_add_epi64(_mm256_add_epi64(a, b), _mm256_add_epi64(c, d));
	_mm256_storeu_si256((__m256i *)(void *)lanes, a);
	for (unsigned i = 0; i < 4; i++)
		sum = add(sum, lanes[i]);
	return add_scalar(sum, at, n);
}
#endif

uint64_t checksum_add(uint64_t sum, const void *bytes, size_t n)
{
#if defined(__x86_64__)
	if (n >= AVX2_FROM && __builtin_cpu_supports("avx2"))
		return add_avx2(sum, bytes, n);
#endif
	return add_scalar(sum, bytes, n);
}

uint16_t checksum_fold(uint64_t sum)
{
	uint32_t half;

	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	half = (uint32_t)sum;
	half = (half & 0xffff) + (half >> 16);
	half = (half & 0xffff) + (half >> 16);
	return (uint16_t)half;
}

uint16_t checksum_finish(uint64_t sum)
{
	return (uint16_t)~checksum_fold(sum);
}

/* RFC 9293 section 3.1 and RFC 8200 section 8.1: both add up to the same words, for a length below
 * 64 KiB; above, IPv6's is 32 bits. */
uint64_t checksum_pseudo(
	const void *src, const void *dst, size_t addr_len, uint8_t protocol, size_t len)
{
	uint64_t sum = add_scalar(add_scalar(0, src, addr_len), dst, addr_len);

	return add(sum, (uint64_t)htonl((uint32_t)len) + htonl(protocol));
}

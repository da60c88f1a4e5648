/* SPDX-License-Identifier: MIT */
/* What unit tests share: cmocka with the headers it wants, and chance that can be repeated. */
#ifndef SHUNT_TESTS_UNIT_H
#define SHUNT_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

/* Whether a sanitizer looks on, which takes several times as long, and memory of its own. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* A splitmix64 sequence. */
struct chance {
	uint64_t state;
};

/* Seeded from SHUNT_TEST_SEED if set, else from the clock; prints the seed, so that a failure can
 * be repeated. */
static inline struct chance chance_start(const char *what)
{
	const char *text = getenv("SHUNT_TEST_SEED");
	struct chance c;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	c.state = text ? strtoull(text, NULL, 0)
		       : (uint64_t)now.tv_sec * 1000000007 + (uint64_t)now.tv_nsec;
	print_message("%s: SHUNT_TEST_SEED=%llu\n", what, (unsigned long long)c.state);
	return c;
}

static inline uint64_t chance_u64(struct chance *c)
{
	uint64_t z = c->state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* 0 .. n - 1 */
static inline unsigned chance_below(struct chance *c, unsigned n)
{
	return (unsigned)(chance_u64(c) % n);
}

#endif

/* SPDX-License-Identifier: MIT */
/* Prefixes to fill a cryptokey table with, and what its benches share beside. */
#ifndef SHUNT_BENCH_PREFIXES_H
#define SHUNT_BENCH_PREFIXES_H

#include "base/prefix.h"
#include <time.h>

struct prefixes {
	ip_prefix *p;
	size_t n, n_real, max;
};

/* A splitmix64 sequence. */
uint64_t chance(uint64_t *state);
int64_t read_clock(clockid_t clock); /* nanoseconds */

/*
 * Up to max different prefixes in random order; free(p) releases them. Real ones if the directory
 * (may be NULL) has them (prefixes-v4.txt.xz and -v6, one a line) and, where these aren't enough,
 * random more specific ones within them; otherwise random ones of the same lengths.
 */
struct prefixes prefixes_load(int family, size_t max, const char *directory, uint64_t *state);
/* The first bits of the prefix stay, up to bits are random, the rest is 0. */
ip_prefix prefix_within(const ip_prefix *p, unsigned bits, uint64_t *state);

#endif

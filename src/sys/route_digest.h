/* SPDX-License-Identifier: MIT */
/* A digest of routes' parts, to compare them by; not for values that somebody else may choose. */
#ifndef SHUNT_SYS_ROUTE_DIGEST_H
#define SHUNT_SYS_ROUTE_DIGEST_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t route_digest_u64(uint64_t d, uint64_t value)
{
	d = (d ^ value) * UINT64_C(0x9e3779b97f4a7c15);
	return d ^ d >> 29;
}

static inline uint64_t route_digest(uint64_t d, const void *bytes, size_t n)
{
	const char *at = bytes;
	uint64_t word;

	for (size_t left = n; left; at += sizeof(word)) {
		size_t some = left < sizeof(word) ? left : sizeof(word);

		word = 0;
		memcpy(&word, at, some);
		d = route_digest_u64(d, word);
		left -= some;
	}
	return route_digest_u64(d, n);
}

#endif

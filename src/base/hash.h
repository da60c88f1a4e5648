/* SPDX-License-Identifier: MIT */
/* FNV-1a of a text: a number that stays the same from release to release, for what is named by it
 * beyond a restart. Not for what others may choose to collide. */
#ifndef SHUNT_BASE_HASH_H
#define SHUNT_BASE_HASH_H

#include <stdint.h>

static inline uint32_t hash_text_32(const char *text)
{
	uint32_t h = 2166136261u;

	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * 16777619u;
	return h;
}

static inline uint64_t hash_text_64(const char *text)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	return h;
}

#endif

/* SPDX-License-Identifier: MIT */
/* Chance as an argument: a small generator (splitmix64) whose state is the caller's. Good enough
 * for jitter; what nobody may guess comes from the owner's source of chance. */
#ifndef SHUNT_LIVE_RANDOM_H
#define SHUNT_LIVE_RANDOM_H

#include <stdint.h>

static inline uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

#endif

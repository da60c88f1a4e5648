/* SPDX-License-Identifier: MIT */
/*
 * Which flows came from a relay a moment ago, or from whom else. A packet that is to be forwarded
 * has been through the kernel, which doesn't tell from whom it came; so a relay remembers the pair
 * of addresses for a second. One thread notes, any may ask. The size is fixed: where too many pairs
 * come at once, the oldest is forgotten, and counted.
 */
#ifndef SHUNT_WG_RELAY_MEMORY_H
#define SHUNT_WG_RELAY_MEMORY_H

#include "base/time.h"
#include <stddef.h>
#include <stdint.h>

#define RELAY_MEMORY_NS NS_PER_S /* for so long after the last packet of a pair */

struct relay_memory;

/* Room for about so many pairs. NULL without memory. */
struct relay_memory *relay_memory_new(size_t n_pairs, uint64_t seed);
/* Accepts NULL. */
void relay_memory_free(struct relay_memory *m);

/* A packet was accepted from somebody who matters, or from elsewhere (NULL). He is never looked at,
 * only told. One thread at a time. IPv4 of at least 20 bytes or IPv6 of at least 40, here and
 * below.
 */
void relay_memory_note(
	struct relay_memory *m, const uint8_t *packet, const void *from, instant now);
/* From whom this pair's last packet came within RELAY_MEMORY_NS; NULL: nobody who matters. Any
 * thread. */
const void *relay_memory_from(struct relay_memory *m, const uint8_t *packet, instant now);
/* How many pairs were forgotten before their time. Any thread. */
uint64_t relay_memory_evicted(const struct relay_memory *m);

#endif

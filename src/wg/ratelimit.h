/* SPDX-License-Identifier: MIT */
/* Token bucket per source (IPv4 /32, IPv6 /64) for handshakes: 20 a second, bursts of 5; a table of
 * fixed size. */
#ifndef SHUNT_WG_RATELIMIT_H
#define SHUNT_WG_RATELIMIT_H

#include "base/prefix.h"
#include "base/time.h"

struct ratelimit;

/* seed: 16 random bytes for the hash. */
struct ratelimit *ratelimit_new(const uint8_t seed[static 16]);
void ratelimit_free(struct ratelimit *r);
bool ratelimit_allow(struct ratelimit *r, const ip_addr *src, instant now);

#endif

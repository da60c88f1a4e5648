/* SPDX-License-Identifier: MIT */
/* What aead.c knows of each back end, and what they share. */
#ifndef SHUNT_WG_AEAD_INTERNAL_H
#define SHUNT_WG_AEAD_INTERNAL_H

#include "wg/aead.h"
#include <endian.h>
#include <string.h>

#define AEAD_NONCE_LEN 12

/* Each the back end, or NULL where its library isn't there. Called once; not checked yet. */
const struct aead_backend *aead_sodium(void);
const struct aead_backend *aead_boringssl(void);
const struct aead_backend *aead_ipsec_mb(void);
#ifdef SHUNT_BENCH_NULL_AEAD
/* No AEAD at all: copies. For the bench's builds, to see what the rest of the path costs. */
const struct aead_backend *aead_copy(void);
#endif

/*
 * aead_check.c: true if it seals and opens as RFC 8439 and libsodium do, and refuses what was
 * changed. Then *ret_cost is the nanoseconds that a fixed mix of packets took it, the best of a few
 * rounds.
 */
bool aead_examine(const struct aead_backend *b, int64_t *ret_cost);

/* For back ends that keep no key. */
void aead_forget_nothing(struct aead_thread *t);

/* RFC 8439 section 2.8 with WireGuard's nonce: 32 zero bits, then the counter. */
static inline void aead_nonce(uint8_t nonce[AEAD_NONCE_LEN], uint64_t counter)
{
	counter = htole64(counter);
	memset(nonce, 0, 4);
	memcpy(nonce + 4, &counter, sizeof(counter));
}

#endif

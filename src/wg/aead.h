/* SPDX-License-Identifier: MIT */
/*
 * ChaCha20-Poly1305 (RFC 8439) for bulk data, behind one table of functions: libipsec-mb (AVX-512
 * mostly), BoringSSL's EVP_AEAD by dlopen (RTLD_LOCAL), libsodium. At start each that is there is
 * checked against known answers and timed for about a millisecond in all; the fastest is taken.
 * Only libsodium is required.
 *
 * A worker thread has a context of its own (aead_thread_new). A key is 32 bytes prepared per
 * keypair and direction.
 */
#ifndef SHUNT_WG_AEAD_H
#define SHUNT_WG_AEAD_H

#include "wg/messages.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aead_key {
	uint8_t bytes[32] __attribute__((aligned(16)));
};

struct aead_thread; /* a back end's state of one thread */

struct aead_op {
	const struct aead_key *key;
	uint64_t counter; /* the nonce: 4 zero bytes and the counter, little-endian */
	const uint8_t *src;
	uint8_t *dst; /* == src, or disjoint from it */
	size_t len;   /* of the plaintext; seal writes len + 16 bytes, open reads len + 16 */
	bool ok;      /* out, of open: false leaves unspecified bytes in dst */
};

struct aead_backend {
	const char *name; /* "ipsec-mb 1.3 (AVX-512)" */
	struct aead_thread *(*thread_new)(const struct aead_backend *b);
	void (*thread_free)(struct aead_thread *t);
	void (*seal)(struct aead_thread *t, struct aead_op *ops, size_t n);
	void (*open)(struct aead_thread *t, struct aead_op *ops, size_t n);
	/* The thread's batch is over: no key of it is kept any longer. */
	void (*forget)(struct aead_thread *t);
};

/* The fastest back end that answers right; forced by name prefix (for tests and the bench) if name
 * isn't NULL, NULL if that isn't there. */
const struct aead_backend *aead_choose(const char *name);
/* All that are there and answer right; returns how many. */
size_t aead_backends(const struct aead_backend **ret, size_t max);

#endif

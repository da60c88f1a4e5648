/* SPDX-License-Identifier: MIT */
/* The back end that is always there, and what the others are checked against. */
#include "wg/aead_internal.h"

#include <sodium.h>
#include <stdio.h>

static struct aead_thread *thread_new(const struct aead_backend *b)
{
	static char none; /* nothing to hold, but NULL means failure */

	return (struct aead_thread *)(void *)&none;
}

static void thread_free(struct aead_thread *t)
{
}

static void seal(struct aead_thread *t, struct aead_op *ops, size_t n)
{
	uint8_t nonce[AEAD_NONCE_LEN];

	for (size_t i = 0; i < n; i++) {
		struct aead_op *op = &ops[i];

		aead_nonce(nonce, op->counter);
		crypto_aead_chacha20poly1305_ietf_encrypt(
			op->dst, NULL, op->src, op->len, NULL, 0, NULL, nonce, op->key->bytes);
	}
}

static void open(struct aead_thread *t, struct aead_op *ops, size_t n)
{
	uint8_t nonce[AEAD_NONCE_LEN];

	for (size_t i = 0; i < n; i++) {
		struct aead_op *op = &ops[i];

		aead_nonce(nonce, op->counter);
		op->ok = !crypto_aead_chacha20poly1305_ietf_decrypt(op->dst, NULL, NULL, op->src,
			op->len + WG_TAG_LEN, NULL, 0, nonce, op->key->bytes);
	}
}

const struct aead_backend *aead_sodium(void)
{
	static char name[32];
	static const struct aead_backend backend = {
		name, thread_new, thread_free, seal, open, aead_forget_nothing};

	if (sodium_init() < 0)
		return NULL;
	snprintf(name, sizeof(name), "libsodium %s", sodium_version_string());
	return &backend;
}

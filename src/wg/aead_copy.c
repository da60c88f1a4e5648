/* SPDX-License-Identifier: MIT */
/*
 * The data path without its AEAD: plaintext is copied, the tag is zero, everything is accepted. It
 * protects nothing and exists to measure what remains; only builds with -Dbench_null_aead=true
 * have it, and there it is what is chosen.
 */
#include "wg/aead_internal.h"

static struct aead_thread *thread_new(const struct aead_backend *b)
{
	static char none;

	return (struct aead_thread *)(void *)&none;
}

static void thread_free(struct aead_thread *t)
{
}

static void copy(struct aead_op *op)
{
	if (op->len && op->dst != op->src)
		memcpy(op->dst, op->src, op->len);
}

static void seal(struct aead_thread *t, struct aead_op *ops, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct aead_op *op = &ops[i];

		copy(op);
		memset(op->dst + op->len, 0, WG_TAG_LEN);
	}
}

static void open(struct aead_thread *t, struct aead_op *ops, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct aead_op *op = &ops[i];

		copy(op);
		op->ok = true;
	}
}

const struct aead_backend *aead_copy(void)
{
	static const struct aead_backend backend = {
		"copy (NO ENCRYPTION)", thread_new, thread_free, seal, open, aead_forget_nothing};

	return &backend;
}

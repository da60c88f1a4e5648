/* SPDX-License-Identifier: MIT */
/*
 * Intel's libipsec-mb: jobs handed to a manager per thread; far ahead of the others with AVX-512.
 * Opened at run time, so that nobody needs it; but its manager is a table of functions whose layout
 * only its header tells, so without libipsec-mb-dev at build time this back end isn't there, and a
 * library older than the header is refused.
 *
 * The library computes the tag of what it opens and leaves the comparison, in constant time, to us.
 * Jobs come back in order; keys, nonces and tags must stay where they are until then.
 */
#include "base/secret.h"
#include "wg/aead_internal.h"

#include <dlfcn.h>
#include <intel-ipsec-mb.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_FLIGHT 64 /* jobs at once: fewer than the manager's ring holds */

static struct {
	size_t (*manager_size)(void);
	IMB_MGR *(*manager_lay_out)(void *room, uint64_t flags, unsigned reset);
	void (*init_auto)(IMB_MGR *m, IMB_ARCH *arch);
} lib;

struct flight {
	struct aead_op *op;
	uint8_t nonce[AEAD_NONCE_LEN];
	uint8_t tag[WG_TAG_LEN] __attribute__((aligned(16)));
};

struct aead_thread {
	IMB_MGR *manager; /* secret memory: what it computes with passes through */
	size_t manager_size;
	struct flight flights[MAX_FLIGHT];
};

static void thread_free(struct aead_thread *t)
{
	if (!t)
		return;
	secret_free(t->manager, t->manager_size);
	free(t);
}

static struct aead_thread *thread_new(const struct aead_backend *b)
{
	struct aead_thread *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->manager_size = lib.manager_size();
	t->manager = secret_alloc(t->manager_size);
	if (!t->manager) {
		free(t);
		return NULL;
	}
	lib.manager_lay_out(t->manager, 0, 0);
	lib.init_auto(t->manager, NULL);
	return t;
}

static void fill(IMB_JOB *job, struct flight *f, bool is_seal)
{
	struct aead_op *op = f->op;

	aead_nonce(f->nonce, op->counter);
	job->enc_keys = op->key->bytes;
	job->dec_keys = op->key->bytes;
	job->key_len_in_bytes = sizeof(op->key->bytes);
	job->src = op->src;
	job->dst = op->dst;
	job->cipher_start_src_offset_in_bytes = 0;
	job->msg_len_to_cipher_in_bytes = op->len;
	job->hash_start_src_offset_in_bytes = 0;
	job->msg_len_to_hash_in_bytes = op->len;
	job->iv = f->nonce;
	job->iv_len_in_bytes = sizeof(f->nonce);
	job->auth_tag_output = is_seal ? op->dst + op->len : f->tag;
	job->auth_tag_output_len_in_bytes = WG_TAG_LEN;
	job->u.CHACHA20_POLY1305.aad = f->nonce;
	job->u.CHACHA20_POLY1305.aad_len_in_bytes = 0;
	job->cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
	job->hash_alg = IMB_AUTH_CHACHA20_POLY1305;
	job->cipher_direction = is_seal ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
	job->chain_order = is_seal ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
	job->user_data = f;
}

static void finish(IMB_JOB *job, bool is_seal)
{
	struct flight *f = job->user_data;
	struct aead_op *op = f->op;

	if (!is_seal)
		op->ok = job->status == IMB_STATUS_COMPLETED &&
			 !sodium_memcmp(f->tag, op->src + op->len, WG_TAG_LEN);
}

static void run(struct aead_thread *t, struct aead_op *ops, size_t n, bool is_seal)
{
	IMB_JOB *job;

	for (size_t i = 0; i < n; i++) {
		t->flights[i].op = &ops[i];
		job = IMB_GET_NEXT_JOB(t->manager);
		fill(job, &t->flights[i], is_seal);
		for (job = IMB_SUBMIT_JOB_NOCHECK(t->manager); job;
			job = IMB_GET_COMPLETED_JOB(t->manager))
			finish(job, is_seal);
	}
	while ((job = IMB_FLUSH_JOB(t->manager)))
		finish(job, is_seal);
}

static void seal(struct aead_thread *t, struct aead_op *ops, size_t n)
{
	for (size_t at = 0; at < n; at += MAX_FLIGHT)
		run(t, ops + at, n - at < MAX_FLIGHT ? n - at : MAX_FLIGHT, true);
}

static void open(struct aead_thread *t, struct aead_op *ops, size_t n)
{
	for (size_t at = 0; at < n; at += MAX_FLIGHT)
		run(t, ops + at, n - at < MAX_FLIGHT ? n - at : MAX_FLIGHT, false);
}

/* As init_mb_mgr_auto decides. */
static const char *arch_name(uint64_t features)
{
	if ((features & IMB_CPUFLAGS_AVX512) == IMB_CPUFLAGS_AVX512)
		return "AVX-512";
	if ((features & IMB_CPUFLAGS_AVX2) == IMB_CPUFLAGS_AVX2)
		return "AVX2";
	return (features & IMB_CPUFLAGS_AVX) == IMB_CPUFLAGS_AVX ? "AVX" : "SSE";
}

const struct aead_backend *aead_ipsec_mb(void)
{
	static char name[48];
	static const struct aead_backend backend = {
		name, thread_new, thread_free, seal, open, aead_forget_nothing};
	void *so = dlopen("libIPSec_MB.so.1", RTLD_LOCAL | RTLD_NOW | RTLD_NODELETE);
	uint64_t (*features)(void);
	unsigned (*version)(void);

	if (!so)
		return NULL;
	version = dlsym(so, "imb_get_version");
	features = dlsym(so, "imb_get_feature_flags");
	lib.manager_size = dlsym(so, "imb_get_mb_mgr_size");
	lib.manager_lay_out = dlsym(so, "imb_set_pointers_mb_mgr");
	lib.init_auto = dlsym(so, "init_mb_mgr_auto");
	if (!version || !features || !lib.manager_size || !lib.manager_lay_out || !lib.init_auto)
		return NULL;
	if (version() < IMB_VERSION_NUM)
		return NULL;
	snprintf(name, sizeof(name), "ipsec-mb %u.%u (%s)", version() >> 16 & 0xff,
		version() >> 8 & 0xff, arch_name(features()));
	return &backend;
}

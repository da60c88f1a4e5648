/* SPDX-License-Identifier: MIT */
/*
 * BoringSSL's EVP_AEAD from Debian's android-libboringssl, found at run time. It is never linked:
 * its libcrypto has no stable interface and shares its symbols with OpenSSL's, so it is opened for
 * itself alone (RTLD_LOCAL), and for good, since it leaves destructors of thread-local state behind
 * that outlive their callers.
 *
 * The interface used has been the same since 2015. What isn't known without its headers is the size
 * of EVP_AEAD_CTX; EVP_AEAD_CTX_zero tells it, by what it overwrites. With ChaCha20-Poly1305 a
 * context is no more than a copy of the key, so each thread has one, in locked memory, and fills it
 * anew when the key changes within a batch: cheaper than looking one up.
 */
#include "base/secret.h"
#include "wg/aead_internal.h"

#include <dlfcn.h>
#include <glob.h>
#include <sodium.h>

#define CTX_ROOM 2048 /* it is some 600 bytes */

static struct {
	const void *chacha20_poly1305;
	void (*ctx_zero)(void *ctx);
	void (*ctx_cleanup)(void *ctx);
	int (*ctx_init)(void *ctx, const void *aead, const uint8_t *key, size_t key_len,
		size_t tag_len, void *engine);
	int (*ctx_seal)(const void *ctx, uint8_t *out, size_t *out_len, size_t max_out_len,
		const uint8_t *nonce, size_t nonce_len, const uint8_t *in, size_t in_len,
		const uint8_t *ad, size_t ad_len);
	int (*ctx_open)(const void *ctx, uint8_t *out, size_t *out_len, size_t max_out_len,
		const uint8_t *nonce, size_t nonce_len, const uint8_t *in, size_t in_len,
		const uint8_t *ad, size_t ad_len);
} lib;

struct aead_thread {
	uint8_t ctx[CTX_ROOM] __attribute__((aligned(64)));
	bool has_key;
	struct aead_key key; /* in ctx */
};

/* In constant time, and much faster than byte by byte. */
static bool is_same(const struct aead_key *a, const struct aead_key *b)
{
	uint64_t x[4], y[4];

	memcpy(x, a->bytes, sizeof(x));
	memcpy(y, b->bytes, sizeof(y));
	return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]));
}

/* Out of memory is the only failure; the context is then empty and refuses to work. */
static void use_key(struct aead_thread *t, const struct aead_key *key)
{
	if (t->has_key && is_same(&t->key, key))
		return;
	t->has_key = true;
	t->key = *key;
	lib.ctx_cleanup(t->ctx);
	lib.ctx_init(
		t->ctx, lib.chacha20_poly1305, key->bytes, sizeof(key->bytes), WG_TAG_LEN, NULL);
}

/* No key stays in a context that waits: its peer may be gone by the next packet. */
static void forget(struct aead_thread *t)
{
	t->has_key = false;
	sodium_memzero(&t->key, sizeof(t->key));
	lib.ctx_cleanup(t->ctx);
	lib.ctx_zero(t->ctx);
}

static void seal(struct aead_thread *t, struct aead_op *ops, size_t n)
{
	uint8_t nonce[AEAD_NONCE_LEN];
	size_t done;

	for (size_t i = 0; i < n; i++) {
		struct aead_op *op = &ops[i];

		use_key(t, op->key);
		aead_nonce(nonce, op->counter);
		lib.ctx_seal(t->ctx, op->dst, &done, op->len + WG_TAG_LEN, nonce, sizeof(nonce),
			op->src, op->len, NULL, 0);
	}
}

static void open(struct aead_thread *t, struct aead_op *ops, size_t n)
{
	uint8_t nonce[AEAD_NONCE_LEN];
	size_t done;

	for (size_t i = 0; i < n; i++) {
		struct aead_op *op = &ops[i];

		use_key(t, op->key);
		aead_nonce(nonce, op->counter);
		op->ok = lib.ctx_open(t->ctx, op->dst, &done, op->len + WG_TAG_LEN, nonce,
			sizeof(nonce), op->src, op->len + WG_TAG_LEN, NULL, 0);
	}
}

/*
 * A refused packet is recorded in the library's error queue of the thread, which is allocated at
 * the first; one is refused here, so that none from the network ever allocates.
 */
static struct aead_thread *thread_new(const struct aead_backend *b)
{
	struct aead_thread *t = secret_alloc(sizeof(*t));
	struct aead_key key = {{0}};
	uint8_t nothing[WG_TAG_LEN] = {0};
	struct aead_op op = {&key, 0, nothing, nothing, 0, false};

	if (t) {
		open(t, &op, 1);
		forget(t);
	}
	return t;
}

static void thread_free(struct aead_thread *t)
{
	secret_free(t, sizeof(*t));
}

static bool resolve(void *so)
{
	const void *(*chacha20_poly1305)(void) = dlsym(so, "EVP_aead_chacha20_poly1305");

	lib.ctx_zero = dlsym(so, "EVP_AEAD_CTX_zero");
	lib.ctx_cleanup = dlsym(so, "EVP_AEAD_CTX_cleanup");
	lib.ctx_init = dlsym(so, "EVP_AEAD_CTX_init");
	lib.ctx_seal = dlsym(so, "EVP_AEAD_CTX_seal");
	lib.ctx_open = dlsym(so, "EVP_AEAD_CTX_open");
	if (!chacha20_poly1305 || !lib.ctx_zero || !lib.ctx_cleanup || !lib.ctx_init ||
		!lib.ctx_seal || !lib.ctx_open)
		return false;
	lib.chacha20_poly1305 = chacha20_poly1305();
	return lib.chacha20_poly1305;
}

/* True if EVP_AEAD_CTX has its room. */
static bool ctx_fits(void)
{
	static uint8_t room[4 * CTX_ROOM] __attribute__((aligned(64)));
	size_t size = sizeof(room);

	memset(room, 0xa5, sizeof(room));
	lib.ctx_zero(room);
	while (size && room[size - 1] == 0xa5)
		size--;
	return size && size <= CTX_ROOM;
}

static bool load(const char *path)
{
	void *so = dlopen(path, RTLD_LOCAL | RTLD_NOW | RTLD_NODELETE);

	if (!so)
		return false;
	return resolve(so) && ctx_fits();
}

const struct aead_backend *aead_boringssl(void)
{
	static const struct aead_backend backend = {
		"BoringSSL", thread_new, thread_free, seal, open, forget};
	bool found = false;
	glob_t paths;

	/* Of several architectures only ours can be opened. */
	if (!glob("/usr/lib/*/android/libcrypto.so*", 0, NULL, &paths))
		for (size_t i = 0; i < paths.gl_pathc && !found; i++)
			found = load(paths.gl_pathv[i]);
	globfree(&paths);
	return found ? &backend : NULL;
}

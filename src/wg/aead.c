/* SPDX-License-Identifier: MIT */
#include "wg/aead_internal.h"

#include <pthread.h>
#include <strings.h>

/* In the order in which they are asked; each is loaded and examined once, when first wanted. */
static struct candidate {
	const struct aead_backend *(*find)(void);
	bool was_examined;
	const struct aead_backend *backend; /* NULL: not there or not right */
	int64_t cost;
} candidates[] = {
	{aead_sodium},
	{aead_boringssl},
#ifdef SHUNT_HAVE_IPSEC_MB
	{aead_ipsec_mb},
#endif
};
#define N_CANDIDATES (sizeof(candidates) / sizeof(candidates[0]))

void aead_forget_nothing(struct aead_thread *t)
{
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static const struct aead_backend *examined(struct candidate *c)
{
	const struct aead_backend *b;

	if (!c->was_examined) {
		b = c->find();
		if (b && aead_examine(b, &c->cost))
			c->backend = b;
		c->was_examined = true;
	}
	return c->backend;
}

#ifdef SHUNT_BENCH_NULL_AEAD
static const struct aead_backend *fastest(void)
{
	return aead_copy();
}
#else
/*
 * Without AVX-512, ipsec-mb computes Poly1305 one word at a time: it was behind BoringSSL on every
 * machine seen, so where there is BoringSSL it isn't loaded, which spares 2 ms and 2 MiB.
 */
static bool cannot_win(const struct candidate *c, const struct aead_backend *boringssl)
{
#if defined(SHUNT_HAVE_IPSEC_MB) && defined(__x86_64__)
	return c->find == aead_ipsec_mb && boringssl && !__builtin_cpu_supports("avx512f");
#else
	return false;
#endif
}

static const struct aead_backend *fastest(void)
{
	const struct candidate *best = NULL;
	const struct aead_backend *boringssl = examined(&candidates[1]);

	for (struct candidate *c = candidates; c < candidates + N_CANDIDATES; c++)
		if (!cannot_win(c, boringssl) && examined(c) && (!best || c->cost < best->cost))
			best = c;
	return best ? best->backend : NULL;
}
#endif

static const struct aead_backend *by_name(const char *name)
{
	for (struct candidate *c = candidates; c < candidates + N_CANDIDATES; c++)
		if (examined(c) && !strncasecmp(c->backend->name, name, strlen(name)))
			return c->backend;
	return NULL;
}

const struct aead_backend *aead_choose(const char *name)
{
	static const struct aead_backend *chosen;
	const struct aead_backend *b;

	pthread_mutex_lock(&lock);
	if (!name && !chosen)
		chosen = fastest();
	b = name ? by_name(name) : chosen;
	pthread_mutex_unlock(&lock);
	return b;
}

size_t aead_backends(const struct aead_backend **ret, size_t max)
{
	size_t n = 0;

	pthread_mutex_lock(&lock);
	for (struct candidate *c = candidates; c < candidates + N_CANDIDATES && n < max; c++)
		if (examined(c))
			ret[n++] = c->backend;
	pthread_mutex_unlock(&lock);
	return n;
}

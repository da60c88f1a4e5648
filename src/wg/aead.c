/* SPDX-License-Identifier: MIT */
#include "wg/aead_internal.h"

#include <pthread.h>
#include <strings.h>

#define MAX_BACKENDS 4

static struct {
	pthread_once_t once;
	const struct aead_backend *backends[MAX_BACKENDS];
	size_t n;
	pthread_once_t chosen_once;
	const struct aead_backend *chosen;
} all = {.once = PTHREAD_ONCE_INIT, .chosen_once = PTHREAD_ONCE_INIT};

static void probe(void)
{
	static const struct aead_backend *(*const finders[])(void) = {
		aead_sodium,
		aead_boringssl,
#ifdef SHUNT_HAVE_IPSEC_MB
		aead_ipsec_mb,
#endif
	};

	for (size_t i = 0; i < sizeof(finders) / sizeof(finders[0]); i++) {
		const struct aead_backend *b = finders[i]();

		if (b && aead_answers_right(b))
			all.backends[all.n++] = b;
	}
#ifdef SHUNT_BENCH_NULL_AEAD
	all.backends[all.n++] = aead_copy();
#endif
}

static const struct aead_backend *fastest(void)
{
#ifdef SHUNT_BENCH_NULL_AEAD
	return aead_copy();
#else
	const struct aead_backend *best = NULL;
	int64_t least = INT64_MAX;

	for (size_t i = 0; i < all.n; i++) {
		int64_t cost = all.n > 1 ? aead_cost(all.backends[i]) : 0;

		if (cost < least) {
			least = cost;
			best = all.backends[i];
		}
	}
	return best;
#endif
}

static void choose(void)
{
	all.chosen = fastest();
}

size_t aead_backends(const struct aead_backend **ret, size_t max)
{
	pthread_once(&all.once, probe);
	for (size_t i = 0; i < all.n && i < max; i++)
		ret[i] = all.backends[i];
	return all.n < max ? all.n : max;
}

const struct aead_backend *aead_choose(const char *name)
{
	pthread_once(&all.once, probe);
	if (!name) {
		pthread_once(&all.chosen_once, choose);
		return all.chosen;
	}
	for (size_t i = 0; i < all.n; i++)
		if (!strncasecmp(all.backends[i]->name, name, strlen(name)))
			return all.backends[i];
	return NULL;
}

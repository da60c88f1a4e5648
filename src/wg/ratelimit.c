/* SPDX-License-Identifier: MIT */
/*
 * One instant per source tells all of a token bucket: when it will be full again. Taking a token
 * moves that instant on by what a token costs; a bucket that is full needs no memory. Sources live
 * in small sets, chosen by a keyed hash, so that nobody can fill another's on purpose. If all of a
 * set are short of tokens, a new source is refused: the table can't be made to forget the busy ones
 * by many others.
 */
#include "wg/ratelimit.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define PER_SECOND 20
#define BURST 5
#define TOKEN_NS (NS_PER_S / PER_SECOND)
#define SETS 1024
#define WAYS 16

_Static_assert(crypto_shorthash_KEYBYTES == 16, "the seed is the hash's key");

struct source {
	uint8_t family;
	uint8_t prefix[8]; /* all of an IPv4 address, half of an IPv6 one */
};

struct bucket {
	instant full_at; /* not after now: as good as empty */
	struct source source;
};

struct ratelimit {
	uint8_t key[crypto_shorthash_KEYBYTES];
	struct bucket buckets[SETS][WAYS];
};

struct ratelimit *ratelimit_new(const uint8_t seed[static 16])
{
	struct ratelimit *r = calloc(1, sizeof(*r));

	if (r)
		memcpy(r->key, seed, sizeof(r->key));
	return r;
}

void ratelimit_free(struct ratelimit *r)
{
	free(r);
}

static struct bucket *set_of(struct ratelimit *r, const struct source *s)
{
	uint64_t hash;

	crypto_shorthash((uint8_t *)&hash, (const uint8_t *)s, sizeof(*s), r->key);
	return r->buckets[hash % SETS];
}

/* The source's own bucket, else a full one (of nobody, or of a source that needs it no more). */
static struct bucket *find(struct bucket *set, const struct source *s, instant now)
{
	struct bucket *full = NULL;

	for (struct bucket *b = set; b < set + WAYS; b++) {
		if (!memcmp(&b->source, s, sizeof(*s)))
			return b;
		if (!full && !instant_before(now, b->full_at))
			full = b;
	}
	return full;
}

bool ratelimit_allow(struct ratelimit *r, const ip_addr *src, instant now)
{
	struct source s = {.family = src->family};
	struct bucket *b;
	instant full_at;

	memcpy(s.prefix, src->bytes, sizeof(s.prefix));
	b = find(set_of(r, &s), &s, now);
	if (!b)
		return false;
	full_at = instant_add(instant_before(now, b->full_at) ? b->full_at : now, TOKEN_NS);
	if (instant_diff(full_at, now) > BURST * TOKEN_NS)
		return false;
	b->full_at = full_at;
	b->source = s;
	return true;
}

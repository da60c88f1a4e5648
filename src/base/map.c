/* SPDX-License-Identifier: MIT */
/*
 * Open addressing with linear probing in a power-of-two table, at most three quarters full. Each
 * slot keeps its hash, so that growing and probing seldom look at a key. A removal moves the
 * entries behind it back instead of leaving a mark: a table that lives for years does not silt up.
 */
#include "base/map.h"

#include "base/mem.h"
#include <assert.h>
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAP_MIN 16

struct slot {
	uint64_t hash;
	const void *key;
	size_t len;
	void *value; /* NULL: free */
};

struct map {
	struct slot *slots;
	size_t cap; /* 0 or a power of two */
	size_t n;
	unsigned char secret[crypto_shorthash_KEYBYTES];
};

struct map *map_new(void)
{
	struct map *m = mem_zalloc(1, sizeof(*m));

	randombytes_buf(m->secret, sizeof(m->secret));
	return m;
}

void map_free(struct map *m)
{
	if (!m)
		return;
	free(m->slots);
	free(m);
}

static uint64_t hash_of(const struct map *m, const void *key, size_t len)
{
	uint64_t hash;

	static_assert(sizeof(hash) == crypto_shorthash_BYTES, "SipHash is 64 bits");
	crypto_shorthash((unsigned char *)&hash, key, len, m->secret);
	return hash;
}

/* The slot that holds the key, or the free one where it would go. */
static struct slot *find(const struct map *m, uint64_t hash, const void *key, size_t len)
{
	size_t i = hash & (m->cap - 1);

	for (;; i = (i + 1) & (m->cap - 1)) {
		struct slot *s = &m->slots[i];

		if (!s->value)
			return s;
		if (s->hash == hash && s->len == len && (!len || !memcmp(s->key, key, len)))
			return s;
	}
}

static struct slot *find_free(const struct map *m, uint64_t hash)
{
	size_t i = hash & (m->cap - 1);

	while (m->slots[i].value)
		i = (i + 1) & (m->cap - 1);
	return &m->slots[i];
}

static void resize(struct map *m, size_t cap)
{
	struct slot *old = m->slots;
	size_t old_cap = m->cap;

	m->slots = mem_zalloc(cap, sizeof(*m->slots));
	m->cap = cap;
	for (size_t i = 0; i < old_cap; i++)
		if (old[i].value)
			*find_free(m, old[i].hash) = old[i];
	free(old);
}

void *map_put(struct map *m, const void *key, size_t len, void *value)
{
	uint64_t hash = hash_of(m, key, len);
	struct slot *s;
	void *old;

	assert(value);
	if ((m->n + 1) > m->cap / 4 * 3)
		resize(m, m->cap ? m->cap * 2 : MAP_MIN);
	s = find(m, hash, key, len);
	old = s->value;
	if (old) {
		s->value = value;
	} else {
		*s = (struct slot){hash, key, len, value};
		m->n++;
	}
	return old;
}

void *map_get(const struct map *m, const void *key, size_t len)
{
	return m->n ? find(m, hash_of(m, key, len), key, len)->value : NULL;
}

/* Closes the gap at i: an entry behind it moves in if its home isn't between the gap and itself. */
static void close_gap(struct map *m, size_t gap)
{
	const size_t mask = m->cap - 1;

	for (size_t i = (gap + 1) & mask; m->slots[i].value; i = (i + 1) & mask) {
		size_t home = m->slots[i].hash & mask;

		if (((i - home) & mask) < ((i - gap) & mask))
			continue;
		m->slots[gap] = m->slots[i];
		gap = i;
	}
	m->slots[gap] = (struct slot){0};
}

void *map_remove(struct map *m, const void *key, size_t len)
{
	struct slot *s;
	void *value;

	if (!m->n)
		return NULL;
	s = find(m, hash_of(m, key, len), key, len);
	value = s->value;
	if (value) {
		m->n--;
		close_gap(m, (size_t)(s - m->slots));
	}
	return value;
}

size_t map_count(const struct map *m)
{
	return m->n;
}

bool map_next(const struct map *m, size_t *cursor, const void **ret_key, size_t *ret_len,
	void **ret_value)
{
	for (; *cursor < m->cap; (*cursor)++) {
		const struct slot *s = &m->slots[*cursor];

		if (!s->value)
			continue;
		if (ret_key)
			*ret_key = s->key;
		if (ret_len)
			*ret_len = s->len;
		if (ret_value)
			*ret_value = s->value;
		(*cursor)++;
		return true;
	}
	return false;
}

void *map_put_str(struct map *m, const char *key, void *value)
{
	return map_put(m, key, strlen(key), value);
}

void *map_get_str(const struct map *m, const char *key)
{
	return map_get(m, key, strlen(key));
}

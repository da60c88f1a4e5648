/* SPDX-License-Identifier: MIT */
#include "daemon/kernel_said.h"

#include "base/map.h"
#include "base/mem.h"
#include "daemon/candidates.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define CANDIDATES_MAX (ROUTE_HOPS_MAX * KERNEL_ORIGINS_MAX)
#define KEY_MAX (1 + 4 * CANDIDATES_MAX)

struct kernel_saids {
	struct map *by_key; /* -> struct kernel_said */
};

struct kernel_saids *kernel_saids_new(void)
{
	struct kernel_saids *s = mem_zalloc(1, sizeof(*s));

	s->by_key = map_new();
	return s;
}

void kernel_saids_free(struct kernel_saids *s)
{
	if (!s)
		return;
	map_free(s->by_key);
	free(s);
}

/* The epoch, then peer, kind, origin and weight of each candidate. */
static size_t make_key(uint32_t epoch, const struct kernel_hops *hops, uint32_t key[static KEY_MAX])
{
	size_t n = 0;

	key[n++] = epoch;
	for (size_t i = 0; i < hops->n; i++)
		for (size_t k = 0; k < hops->items[i].n_origins; k++) {
			key[n++] = hops->items[i].peer;
			key[n++] = hops->items[i].kind;
			key[n++] = hops->items[i].origins[k];
			key[n++] = hops->items[i].weight;
		}
	return n;
}

static struct kernel_said *said_new(const struct kernel_judge *judge,
	const struct kernel_hops *hops, const uint32_t *key, size_t key_n)
{
	struct kernel_said *d = mem_zalloc(1, sizeof(*d) + key_n * sizeof(*key));
	struct kernel_hops *copy = mem_alloc(sizeof(*copy));
	struct rib_candidate room[CANDIDATES_MAX], *candidates;

	*copy = *hops;
	d->hops = copy;
	d->n = kernel_judge_candidates(judge, hops, room);
	candidates = mem_zalloc(d->n, sizeof(*room));
	memcpy(candidates, room, d->n * sizeof(*room));
	d->candidates = candidates;
	d->key_n = key_n;
	memcpy(d->key, key, key_n * sizeof(*key));
	return d;
}

struct kernel_said *kernel_saids_get(struct kernel_saids *s, const struct kernel_judge *judge,
	uint32_t epoch, const struct kernel_hops *hops)
{
	uint32_t key[KEY_MAX];
	size_t n = make_key(epoch, hops, key);
	struct kernel_said *d = map_get(s->by_key, key, n * sizeof(*key));

	assert(hops->n);
	if (!d) {
		d = said_new(judge, hops, key, n);
		map_put(s->by_key, d->key, n * sizeof(*key), d);
	}
	d->refs++;
	return d;
}

void kernel_said_put(struct kernel_saids *s, struct kernel_said *d)
{
	if (!d || --d->refs)
		return;
	map_remove(s->by_key, d->key, d->key_n * sizeof(*d->key));
	free(d->hops);
	free(d->candidates);
	free(d);
}

bool kernel_said_is_same(const struct kernel_said *a, const struct kernel_said *b)
{
	if (a == b || !a || !b || a->n != b->n)
		return a == b;
	for (size_t i = 0; i < a->n; i++)
		if (!candidate_is_same(&a->candidates[i], &b->candidates[i]))
			return false;
	return true;
}

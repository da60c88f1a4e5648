/* SPDX-License-Identifier: MIT */
#include "daemon/handshakes.h"

#include "base/map.h"
#include "base/mem.h"
#include <stdlib.h>

struct entry {
	wg_key key;
	struct handshake_clock clock;
};

struct handshakes {
	struct map *by_key;
};

struct handshakes *handshakes_new(void)
{
	struct handshakes *h = mem_zalloc(1, sizeof(*h));

	h->by_key = map_new();
	return h;
}

static void free_entries(struct map *by_key)
{
	void *entry;
	size_t cursor = 0;

	while (map_next(by_key, &cursor, NULL, NULL, &entry))
		free(entry);
	map_free(by_key);
}

void handshakes_free(struct handshakes *h)
{
	if (!h)
		return;
	free_entries(h->by_key);
	free(h);
}

static struct entry *take_entry(struct map *from, const wg_key *key)
{
	struct entry *e = map_remove(from, key, sizeof(*key));

	if (!e) {
		e = mem_zalloc(1, sizeof(*e));
		e->key = *key;
	}
	return e;
}

/* A device may report any number; what no clock can say becomes the nearest that one can. */
static int64_t wall_of(const struct timespec *t)
{
	if (t->tv_sec < 0)
		return 0;
	if (t->tv_sec >= INT64_MAX / NS_PER_S)
		return INT64_MAX;
	return t->tv_sec * NS_PER_S + t->tv_nsec % NS_PER_S;
}

void handshakes_look(
	struct handshakes *h, const struct device_state *s, int64_t wall_ns, instant now)
{
	struct map *fresh = map_new();

	for (size_t i = 0; i < s->n_peers; i++) {
		const struct device_peer *p = &s->peers[i];
		struct entry *e = take_entry(h->by_key, &p->key);

		handshake_clock_look(&e->clock, wall_of(&p->last_handshake), wall_ns, now);
		map_put(fresh, &e->key, sizeof(e->key), e);
	}
	free_entries(h->by_key);
	h->by_key = fresh;
}

int64_t handshakes_age(const struct handshakes *h, const wg_key *peer, instant now)
{
	const struct entry *e = map_get(h->by_key, peer, sizeof(*peer));

	return e ? handshake_clock_age(&e->clock, now) : HANDSHAKE_NEVER;
}

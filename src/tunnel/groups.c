/* SPDX-License-Identifier: MIT */
#include "tunnel/groups.h"

#include "base/mem.h"
#include "tunnel/device.h"
#include "tunnel/peer.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 8
#define COPIES_PER_S 10000
#define COPIES_AT_ONCE 1000

static const uint8_t link_local_network[8] = {0xfe, 0x80};

static struct groups *list_of(struct tunnel *t)
{
	return atomic_load_explicit(&t->groups, memory_order_acquire);
}

/* --- the list ------------------------------------------------------------------------------------
 */

static void publish(struct tunnel *t, struct groups *g)
{
	struct groups *old = list_of(t);

	atomic_store_explicit(&t->groups, g, memory_order_release);
	pthread_mutex_lock(&t->map_lock);
	if (old)
		qsbr_retire(t->qsbr, old, free);
	pthread_mutex_unlock(&t->map_lock);
}

static struct groups *new_groups(size_t room)
{
	size_t n_slots = 1, size = sizeof(struct groups) + room * sizeof(struct group_place);
	struct groups *g;

	while (n_slots < 2 * room)
		n_slots *= 2;
	g = calloc(1, size + n_slots * sizeof(g->slots[0]));
	if (!g)
		return NULL;
	g->room = room;
	g->n_slots = n_slots;
	g->slots = (_Atomic uint32_t *)((char *)g + size);
	return g;
}

/* The slot at which an address is looked for first. They are chosen by who configures us. */
static size_t first_slot(const struct groups *g, const uint8_t *addr)
{
	uint64_t host;

	memcpy(&host, addr + 8, sizeof(host));
	return (host * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (g->n_slots - 1);
}

static void add_slot(struct groups *g, const uint8_t *addr, size_t place)
{
	size_t at = first_slot(g, addr);

	while (atomic_load_explicit(&g->slots[at], memory_order_relaxed))
		at = (at + 1) & (g->n_slots - 1);
	atomic_store_explicit(&g->slots[at], (uint32_t)place + 1, memory_order_release);
}

/* There is room. */
static void append(struct groups *g, struct tunnel_peer *p)
{
	size_t n = atomic_load_explicit(&g->n, memory_order_relaxed);
	struct group_place *place = &g->places[n];

	assert(n < g->room);
	atomic_init(&place->peer, p);
	memcpy(place->link_local, p->link_local.bytes, sizeof(place->link_local));
	if (p->link_local.family)
		add_slot(g, place->link_local, n);
	atomic_store_explicit(&g->n, n + 1, memory_order_release);
	p->group = place;
}

void groups_leave(struct tunnel *t, struct tunnel_peer *p)
{
	if (p->group)
		atomic_store_explicit(&p->group->peer, NULL, memory_order_release);
	p->group = NULL;
}

static bool is_on(const struct tunnel_peer *p)
{
	return atomic_load_explicit(&p->owner.multicast, memory_order_relaxed);
}

/* All who have it on, with room for as many again. */
static int rebuild(struct tunnel *t)
{
	struct groups *g;
	size_t room = FIRST_ROOM;

	list_for_each (at, &t->peers)
		room += 2 * is_on(container_of(at, struct tunnel_peer, in_order));
	g = new_groups(room);
	if (!g)
		return -ENOMEM;
	list_for_each (at, &t->peers) {
		struct tunnel_peer *p = container_of(at, struct tunnel_peer, in_order);

		if (is_on(p))
			append(g, p);
	}
	publish(t, g);
	return 0;
}

int groups_update(struct tunnel *t, struct tunnel_peer *p)
{
	struct groups *g = list_of(t);

	groups_leave(t, p);
	if (!g || !is_on(p))
		return 0;
	if (atomic_load_explicit(&g->n, memory_order_relaxed) == g->room)
		return rebuild(t);
	append(g, p);
	return 0;
}

int groups_update_all(struct tunnel *t)
{
	if (t->has_multicast)
		return list_of(t) ? 0 : rebuild(t);
	list_for_each (at, &t->peers)
		groups_leave(t, container_of(at, struct tunnel_peer, in_order));
	publish(t, NULL);
	return 0;
}

void groups_free(struct tunnel *t)
{
	free(list_of(t));
}

/* --- link-local ----------------------------------------------------------------------------------
 */

bool groups_is_to_link_local(const uint8_t *packet)
{
	return packet[0] >> 4 == 6 &&
	       !memcmp(packet + 24, link_local_network, sizeof(link_local_network));
}

struct tunnel_peer *groups_find(const struct groups *g, const uint8_t *addr)
{
	for (size_t at = first_slot(g, addr);; at = (at + 1) & (g->n_slots - 1)) {
		uint32_t slot = atomic_load_explicit(&g->slots[at], memory_order_acquire);
		const struct group_place *place;
		struct tunnel_peer *p;

		if (!slot)
			return NULL;
		place = &g->places[slot - 1];
		p = atomic_load_explicit(&place->peer, memory_order_acquire);
		if (p && !memcmp(place->link_local, addr, sizeof(place->link_local)))
			return p;
	}
}

/* --- how many ------------------------------------------------------------------------------------
 */

/* A token bucket kept as the time until which its tokens are spent. */
bool groups_limit_take(struct groups_limit *l, size_t n, instant now)
{
	const int64_t each = NS_PER_S / COPIES_PER_S;
	int64_t from = l->spent_until_ns > now.ns ? l->spent_until_ns : now.ns;

	if (from - now.ns >= COPIES_AT_ONCE * each)
		return false;
	l->spent_until_ns = from + (int64_t)n * each;
	return true;
}

/* SPDX-License-Identifier: MIT */
#include "tunnel/groups.h"

#include "base/mem.h"
#include "tunnel/device.h"
#include "tunnel/peer.h"

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

/* There is room. */
static void append(struct groups *g, struct tunnel_peer *p)
{
	size_t n = atomic_load_explicit(&g->n, memory_order_relaxed);
	struct group_place *place = &g->places[n];

	atomic_init(&place->peer, p);
	memcpy(place->link_local, p->link_local.bytes, sizeof(place->link_local));
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
	g = calloc(1, sizeof(*g) + room * sizeof(g->places[0]));
	if (!g)
		return -ENOMEM;
	g->room = room;
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
	size_t n = atomic_load_explicit(&g->n, memory_order_acquire);

	for (size_t i = 0; i < n; i++) {
		const struct group_place *place = &g->places[i];
		struct tunnel_peer *p = atomic_load_explicit(&place->peer, memory_order_acquire);

		if (p && !memcmp(place->link_local, addr, sizeof(place->link_local)))
			return p;
	}
	return NULL;
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

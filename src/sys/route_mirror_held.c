/* SPDX-License-Identifier: MIT */
/* The routes that the mirror holds, by prefix. */
#include "sys/route_mirror_internal.h"

#include "base/mem.h"
#include <assert.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

/* --- prefixes ------------------------------------------------------------------------------- */

struct held_prefix *held_prefix_find(const struct route_mirror *m, const ip_prefix *p)
{
	return map_get(m->prefixes, p, sizeof(*p));
}

struct held_prefix *held_prefix_get(struct route_mirror *m, const ip_prefix *p)
{
	struct held_prefix *h = held_prefix_find(m, p);

	if (h)
		return h;
	h = mem_zalloc(1, sizeof(*h));
	h->prefix = *p;
	list_init(&h->changed);
	map_put(m->prefixes, &h->prefix, sizeof(h->prefix), h);
	return h;
}

void held_prefix_drop_if_empty(struct route_mirror *m, struct held_prefix *p)
{
	if (p->first || p->is_changed || p->taken)
		return;
	map_remove(m->prefixes, &p->prefix, sizeof(p->prefix));
	free(p);
}

/* --- routes --------------------------------------------------------------------------------- */

bool held_is_set(const struct kernel_route *r)
{
	return r->dst.family == AF_INET6 && r->type == RTN_UNICAST && !r->nexthop_id && r->n_hops &&
	       r->hops[0].via.family && r->protocol != RTPROT_RA;
}

static void use_links(struct route_mirror *m, const struct held_route *h, int by)
{
	for (size_t i = 0; i < h->n_hops; i++)
		link_use(m, h->hops[i].ifindex, by);
}

static void set_object(struct route_mirror *m, struct held_route *h, uint32_t id)
{
	list_init(&h->of_object);
	if (!id)
		return;
	h->object = object_get(m, id);
	list_append(&h->object->routes, &h->of_object);
}

struct held_route *held_route_new(struct route_mirror *m, const struct kernel_route *r)
{
	size_t n = r->n_hops;
	struct held_route *h = mem_zalloc(1, sizeof(*h) + n * sizeof(*h->hops));

	h->identity = r->identity;
	h->table = r->table;
	h->priority = r->priority;
	h->tos = r->tos;
	h->protocol = r->protocol;
	h->type = r->type;
	h->is_set = held_is_set(r);
	h->told = m->dump;
	h->n_hops = (uint16_t)r->n_hops;
	h->dead = r->dead;
	memcpy(h->hops, r->hops, n * sizeof(*h->hops));
	use_links(m, h, 1);
	set_object(m, h, r->nexthop_id);
	return h;
}

void held_route_insert(struct route_mirror *m, struct held_prefix *p, struct held_route *after,
	struct held_route *h)
{
	struct held_route **at = after ? &after->next : &p->first;

	(void)m;
	assert(!h->prefix);
	h->prefix = p;
	h->next = *at;
	*at = h;
}

static struct held_route **slot_of(const struct held_route *h)
{
	struct held_route **at = &h->prefix->first;

	while (*at != h)
		at = &(*at)->next;
	return at;
}

void held_route_remove(struct route_mirror *m, struct held_route *h)
{
	*slot_of(h) = h->next;
	use_links(m, h, -1);
	list_remove(&h->of_object);
	if (h->object)
		object_drop_if_unused(m, h->object);
	free(h);
}

struct held_route *held_route_set_hops(struct route_mirror *m, struct held_route *h,
	const struct route_hop *hops, size_t n, uint32_t dead)
{
	struct held_route *moved = mem_alloc(sizeof(*h) + n * sizeof(*h->hops));

	*moved = *h;
	moved->n_hops = (uint16_t)n;
	moved->dead = dead;
	memcpy(moved->hops, hops, n * sizeof(*hops));
	use_links(m, moved, 1);
	use_links(m, h, -1);
	list_init(&moved->of_object);
	if (!list_is_empty(&h->of_object)) {
		list_append(&h->of_object, &moved->of_object);
		list_remove(&h->of_object);
	}
	*slot_of(h) = moved;
	free(h);
	return moved;
}

bool held_is_same(const struct held_route *h, const struct kernel_route *r)
{
	return held_is_like(h, r) && h->is_set == held_is_set(r) &&
	       (h->is_set || h->identity == r->identity);
}

struct held_route *held_route_find(
	const struct held_prefix *p, const struct kernel_route *r, enum held_kind kind)
{
	for (struct held_route *h = p->first; h; h = h->next)
		if (h->kind == kind && held_is_same(h, r))
			return h;
	return NULL;
}

/* SPDX-License-Identifier: MIT */
/* Next-hop objects, groups of them, and links: what routes stand on, and may go with. */
#include "sys/route_mirror_internal.h"

#include "base/mem.h"
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

/* --- links ---------------------------------------------------------------------------------- */

static struct held_link *link_get(struct route_mirror *m, int ifindex)
{
	struct held_link *l = map_get(m->links, &ifindex, sizeof(ifindex));

	if (l)
		return l;
	l = mem_zalloc(1, sizeof(*l));
	l->ifindex = ifindex;
	map_put(m->links, &l->ifindex, sizeof(l->ifindex), l);
	return l;
}

static void link_drop_if_unused(struct route_mirror *m, struct held_link *l)
{
	if (l->n_uses || l->is_known)
		return;
	map_remove(m->links, &l->ifindex, sizeof(l->ifindex));
	free(l);
}

void link_use(struct route_mirror *m, int ifindex, int by)
{
	struct held_link *l = link_get(m, ifindex);

	l->n_uses += (size_t)by;
	link_drop_if_unused(m, l);
}

/* What stands on it may have gone, or carry again. */
static void doubt(struct route_mirror *m, const struct held_link *l)
{
	if (!l->n_uses)
		return;
	m->wanted |= DOUBT_SILENT;
	m->may_miss[0] = m->may_miss[1] = true;
}

void link_news(struct route_mirror *m, const struct route_news *news)
{
	struct held_link *l = link_get(m, news->u.link.ifindex);

	if (news->type == ROUTE_NEWS_ADDRESS) {
		doubt(m, l);
	} else if (news->gone) {
		doubt(m, l);
		l->is_known = false;
	} else {
		/* The carrier shows before routes follow it; when they did, the link runs. */
		if (!l->is_known || l->flags != news->u.link.flags)
			doubt(m, l);
		l->is_known = true;
		l->flags = news->u.link.flags;
	}
	link_drop_if_unused(m, l);
}

void link_forget(struct route_mirror *m)
{
	size_t cursor = 0;
	void *l;

	while (map_next(m->links, &cursor, NULL, NULL, &l))
		((struct held_link *)l)->is_known = false;
}

/* --- objects -------------------------------------------------------------------------------- */

struct held_object *object_get(struct route_mirror *m, uint32_t id)
{
	struct held_object *o = map_get(m->objects, &id, sizeof(id));

	if (o)
		return o;
	o = mem_zalloc(1, sizeof(*o));
	o->is.id = id;
	list_init(&o->routes);
	list_init(&o->groups);
	map_put(m->objects, &o->is.id, sizeof(o->is.id), o);
	return o;
}

void object_drop_if_unused(struct route_mirror *m, struct held_object *o)
{
	if (o->is_known || o->is_gone || !list_is_empty(&o->routes))
		return;
	map_remove(m->objects, &o->is.id, sizeof(o->is.id));
	free(o);
}

static void touch_routes_of(struct route_mirror *m, struct held_object *o)
{
	list_for_each (node, &o->routes)
		held_prefix_touch(m, container_of(node, struct held_route, of_object)->prefix);
}

static size_t place_in_group(const struct kernel_nexthop *group, uint32_t id)
{
	size_t i = 0;

	while (i < group->n_members && group->members[i].id != id)
		i++;
	return i;
}

static bool is_member(const struct kernel_nexthop *group, uint32_t id)
{
	return place_in_group(group, id) < group->n_members;
}

static void touch(struct route_mirror *m, struct held_object *o)
{
	touch_routes_of(m, o);
	list_for_each (node, &m->groups) {
		struct held_object *group = container_of(node, struct held_object, groups);

		if (is_member(&group->is, o->is.id))
			touch_routes_of(m, group);
	}
}

static bool has_link(const struct held_object *o)
{
	return o->is_known && !o->is.is_group && o->is.hop.ifindex;
}

void object_set(struct route_mirror *m, struct held_object *o, const struct kernel_nexthop *n)
{
	bool is_other = !o->is_known || memcmp(&o->is, n, sizeof(*n));

	o->told = m->dump;
	o->is_gone = false;
	if (!is_other)
		return;
	if (has_link(o))
		link_use(m, o->is.hop.ifindex, -1);
	list_remove(&o->groups);
	o->is = *n;
	o->is_known = true;
	if (has_link(o))
		link_use(m, o->is.hop.ifindex, 1);
	if (n->is_group)
		list_append(&m->groups, &o->groups);
	touch(m, o);
}

void object_unset(struct route_mirror *m, struct held_object *o)
{
	if (has_link(o))
		link_use(m, o->is.hop.ifindex, -1);
	list_remove(&o->groups);
	o->is_known = false;
	o->is_gone = m->is_dumping;
	touch(m, o);
	object_drop_if_unused(m, o);
}

/* What stood on it goes with it, and nobody tells of IPv4 routes. */
static void lose(struct route_mirror *m, struct held_object *o, uint32_t port, instant now)
{
	o->is_gone = true; /* its last route mustn't free it */
	if (!list_is_empty(&o->routes))
		m->wanted |= DOUBT_SILENT;
	list_for_each (node, &o->routes) {
		struct held_route *h = container_of(node, struct held_route, of_object);
		struct held_prefix *p = h->prefix;

		rules_lose(m, h, port, now);
		held_prefix_touch(m, p);
		held_prefix_drop_if_empty(m, p);
	}
	object_unset(m, o);
}

/* Groups go on without it; one that has no other member goes, too. */
static void leave_groups(struct route_mirror *m, uint32_t id, uint32_t port, instant now)
{
	list_for_each (node, &m->groups) {
		struct held_object *o = container_of(node, struct held_object, groups);
		struct kernel_nexthop rest = o->is;
		size_t i = place_in_group(&rest, id);

		if (i == rest.n_members)
			continue;
		rest.n_members--;
		memmove(&rest.members[i], &rest.members[i + 1],
			(rest.n_members - i) * sizeof(rest.members[0]));
		memset(&rest.members[rest.n_members], 0, sizeof(rest.members[0]));
		if (rest.n_members)
			object_set(m, o, &rest);
		else
			lose(m, o, port, now);
	}
}

void object_news(struct route_mirror *m, const struct route_news *news, instant now)
{
	const struct kernel_nexthop *n = &news->u.nexthop;
	struct held_object *o = object_get(m, n->id);

	m->object_request.port = news->port;
	m->object_request.seq = news->seq;
	if (!news->gone) {
		object_set(m, o, n);
		return;
	}
	o->told = m->dump;
	lose(m, o, news->port, now);
	leave_groups(m, n->id, news->port, now);
}

static void take_hop(const struct held_object *o, uint16_t weight, struct route_hop *ret, size_t *n)
{
	if (!o || !o->is_known || o->is.is_group || o->is.is_dead || *n == ROUTE_HOPS_MAX)
		return;
	ret[*n] = o->is.hop;
	ret[(*n)++].weight = weight;
}

bool object_hops(const struct route_mirror *m, const struct held_object *o,
	struct route_hop ret[static ROUTE_HOPS_MAX], size_t *ret_n)
{
	*ret_n = 0;
	if (!o->is.is_group) {
		take_hop(o, 1, ret, ret_n);
		return !o->is.is_blackhole;
	}
	for (size_t i = 0; i < o->is.n_members; i++) {
		const struct held_object *member =
			map_get(m->objects, &o->is.members[i].id, sizeof(o->is.members[i].id));

		if (member && member->is_known && member->is.is_blackhole)
			return false;
		take_hop(member, o->is.members[i].weight, ret, ret_n);
	}
	return true;
}

void objects_free(struct route_mirror *m)
{
	size_t cursor = 0;
	void *value;

	while (map_next(m->objects, &cursor, NULL, NULL, &value))
		free(value);
	cursor = 0;
	while (map_next(m->links, &cursor, NULL, NULL, &value))
		free(value);
	map_free(m->objects);
	map_free(m->links);
}

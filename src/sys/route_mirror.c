/* SPDX-License-Identifier: MIT */
#include "sys/route_mirror_internal.h"

#include "base/mem.h"
#include "sys/route_digest.h"
#include <assert.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

struct route_mirror *route_mirror_new(const struct route_mirror_config *c)
{
	struct route_mirror *m = mem_zalloc(1, sizeof(*m));

	m->prefixes = map_new();
	m->objects = map_new();
	m->links = map_new();
	list_init(&m->groups);
	list_init(&m->standing);
	list_init(&m->went);
	m->resolved = mem_zalloc(ROUTE_HOPS_MAX, sizeof(*m->resolved));
	m->tables = mem_zalloc(c->n_tables + 1, sizeof(*m->tables));
	for (size_t i = 0; i < c->n_tables; i++)
		m->tables[i] = c->tables[i];
	m->n_tables = c->n_tables;
	for (size_t i = 0; i < c->n_protocols; i++)
		m->is_chosen[c->protocols[i]] = true;
	m->wanted = DOUBT_STEP;
	return m;
}

void route_mirror_free(struct route_mirror *m)
{
	size_t cursor = 0;
	void *value;

	if (!m)
		return;
	while (map_next(m->prefixes, &cursor, NULL, NULL, &value)) {
		struct held_prefix *p = value;
		struct held_route *h;

		while ((h = p->first)) {
			p->first = h->next;
			free(h);
		}
		free(p);
	}
	map_free(m->prefixes);
	objects_free(m);
	free(m->resolved);
	free(m->tables);
	free(m);
}

/* --- news ----------------------------------------------------------------------------------- */

static bool is_in_order(const struct route_mirror *m, uint32_t table)
{
	for (size_t i = 0; i < m->n_tables; i++)
		if (m->tables[i] == table)
			return true;
	return false;
}

bool mirror_holds(const struct route_mirror *m, const struct kernel_route *r)
{
	const uint8_t *b = r->dst.bytes;

	/* Each link has its own of these, which come and go with it. */
	if (r->dst.family == AF_INET6 && r->dst.len >= 8 &&
		(b[0] == 0xff || (b[0] == 0xfe && r->dst.len >= 10 && (b[1] & 0xc0) == 0x80)))
		return false;
	return is_in_order(m, r->table);
}

void route_mirror_take(struct route_mirror *m, const struct route_news *news, instant now)
{
	switch (news->type) {
	case ROUTE_NEWS_ROUTE:
		if (!mirror_holds(m, &news->u.route))
			break;
		if (news->gone)
			rules_gone(m, news, now);
		else
			rules_new(m, news, now);
		break;
	case ROUTE_NEWS_NEXTHOP:
		object_news(m, news, now);
		break;
	case ROUTE_NEWS_LINK:
	case ROUTE_NEWS_ADDRESS:
		link_news(m, news);
		break;
	case ROUTE_NEWS_PART:
		break;
	}
}

void route_mirror_overrun(struct route_mirror *m)
{
	m->wanted |= DOUBT_OVERRUN;
	m->may_miss[0] = m->may_miss[1] = true;
	link_forget(m);
}

bool route_mirror_wants_dump(const struct route_mirror *m)
{
	return m->wanted && !m->is_dumping;
}

bool route_mirror_is_filled(const struct route_mirror *m)
{
	return m->is_filled;
}

/* --- views ---------------------------------------------------------------------------------- */

static bool carries(const struct route_mirror *m, const struct held_route *h, uint32_t table)
{
	return h->kind == HELD_STANDS && m->is_chosen[h->protocol] && !h->tos && h->table == table;
}

/* The first of the lowest metric, of the first table that has one; "throw" asks the next. */
static const struct held_route *carrier(const struct route_mirror *m, const struct held_prefix *p)
{
	for (size_t i = 0; i < m->n_tables; i++) {
		const struct held_route *best = NULL;

		for (const struct held_route *h = p->first; h; h = h->next)
			if (carries(m, h, m->tables[i]) && (!best || h->priority < best->priority))
				best = h;
		if (best && best->type != RTN_THROW)
			return best;
	}
	return NULL;
}

/* Those that carry. */
static void live_hops(
	const struct route_mirror *m, const struct held_route *h, struct route_view *v)
{
	v->hops = h->hops;
	v->n_hops = h->n_hops;
	if (!h->dead)
		return;
	v->hops = m->resolved;
	v->n_hops = 0;
	for (size_t i = 0; i < h->n_hops; i++)
		if (!(h->dead >> i & 1))
			m->resolved[v->n_hops++] = h->hops[i];
}

/* The hops that packets take, and what that makes of it. */
static void view_hops(
	const struct route_mirror *m, const struct held_route *h, struct route_view *v)
{
	bool passes = h->type == RTN_UNICAST;

	live_hops(m, h, v);
	if (h->object && h->object->is_known) {
		passes = object_hops(m, h->object, m->resolved, &v->n_hops);
		v->hops = m->resolved;
	}
	v->state = !passes ? ROUTE_REFUSED : v->n_hops ? ROUTE_STANDS : ROUTE_SWEPT;
	if (v->state != ROUTE_STANDS)
		v->n_hops = 0;
}

/* False: nothing is known of it. */
static bool make_view(
	const struct route_mirror *m, const struct held_prefix *p, struct route_view *ret)
{
	const struct held_route *h = carrier(m, p);

	*ret = (struct route_view){.prefix = p->prefix, .protocol = p->protocol};
	if (h) {
		ret->protocol = h->protocol;
		ret->table = h->table;
		ret->priority = h->priority;
		if (h->writer && h->writer == m->writers[h->protocol].port)
			ret->writes_since = m->writers[h->protocol].since;
		view_hops(m, h, ret);
		return true;
	}
	ret->state = p->end == END_WITHDRAWN ? ROUTE_WITHDRAWN : ROUTE_SWEPT;
	return p->end != END_NOTHING;
}

/* The order of hops is nobody's business. */
static uint64_t view_digest(const struct route_view *v)
{
	uint64_t d = route_digest_u64(1, (uint64_t)v->state << 8 | v->protocol), hops = 0;

	d = route_digest_u64(d, (uint64_t)v->table << 32 | v->priority);
	for (size_t i = 0; i < v->n_hops; i++) {
		const struct route_hop *hop = &v->hops[i];
		uint64_t one = (uint64_t)hop->ifindex << 16 | hop->weight;

		hops += route_digest(route_digest_u64(2, one), &hop->via, sizeof(hop->via));
	}
	d = route_digest_u64(d, hops);
	return d ? d : 1;
}

/* --- changes -------------------------------------------------------------------------------- */

static void unlist(struct route_mirror *m, struct held_prefix *p)
{
	if (!p->is_changed)
		return;
	list_remove(&p->changed);
	p->is_changed = false;
	m->n_changes--;
}

void held_prefix_touch(struct route_mirror *m, struct held_prefix *p)
{
	struct route_view v;
	bool is_known = make_view(m, p, &v), stands;

	if (!is_known && p->taken) { /* what carried is another's now, and nothing went */
		p->end = END_SWEPT;
		is_known = make_view(m, p, &v);
	}
	stands = is_known && v.state == ROUTE_STANDS;
	unlist(m, p);
	m->n_stand += (size_t)stands - (size_t)p->stands;
	p->stands = stands;
	p->protocol = v.protocol;
	if ((is_known ? view_digest(&v) : 0) == p->taken)
		return;
	p->is_changed = true;
	m->n_changes++;
	list_append(stands ? &m->standing : &m->went, &p->changed);
}

/* What is told of what went is told once. */
static void take_change(
	struct route_mirror *m, struct held_prefix *p, route_view_fn *fn, void *data)
{
	struct route_view v;
	bool is_known = make_view(m, p, &v);

	assert(is_known);
	(void)is_known;
	unlist(m, p);
	fn(&v, data);
	p->taken = view_digest(&v);
	if (!carrier(m, p)) {
		p->taken = 0;
		p->end = END_NOTHING;
	}
	held_prefix_drop_if_empty(m, p);
}

size_t route_mirror_take_changes(struct route_mirror *m, size_t n, route_view_fn *fn, void *data)
{
	struct list *lists[] = {&m->standing, &m->went};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		for (; n && !list_is_empty(lists[i]); n--)
			take_change(m, container_of(lists[i]->next, struct held_prefix, changed),
				fn, data);
	return m->n_changes;
}

/* --- looking -------------------------------------------------------------------------------- */

bool route_mirror_view(const struct route_mirror *m, const ip_prefix *p, struct route_view *ret)
{
	const struct held_prefix *h = held_prefix_find(m, p);

	return h && make_view(m, h, ret);
}

void route_mirror_each(const struct route_mirror *m, route_view_fn *fn, void *data)
{
	size_t cursor = 0;
	struct route_view v;
	void *p;

	while (map_next(m->prefixes, &cursor, NULL, NULL, &p))
		if (make_view(m, p, &v) && v.state == ROUTE_STANDS)
			fn(&v, data);
}

size_t route_mirror_count(const struct route_mirror *m)
{
	return m->n_stand;
}

/* SPDX-License-Identifier: MIT */
#include "model.h"

#include "base/mem.h"
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

/* All routes of one table to one prefix, by metric. */
struct model_slot {
	VEC(struct model_route) routes;
};

#define IP6_USUAL_METRIC 1024

static uint32_t metric_of(const struct rtnl_route *r)
{
	return !r->metric && r->dst.family == AF_INET6 ? IP6_USUAL_METRIC : r->metric;
}

static uint32_t table_of(uint32_t table)
{
	return table ? table : RT_TABLE_MAIN;
}

static struct trie *table_at(const struct model *m, uint32_t id)
{
	for (size_t i = 0; i < m->tables.n; i++)
		if (m->tables.items[i].id == id)
			return m->tables.items[i].routes;
	return NULL;
}

static struct trie *table_made(struct model *m, uint32_t id)
{
	struct trie *t = table_at(m, id);

	if (!t) {
		t = trie_new();
		vec_push(&m->tables, ((struct model_table){id, t}));
	}
	return t;
}

static struct model_slot *slot_at(const struct model *m, const struct rtnl_route *r)
{
	struct trie *t = table_at(m, table_of(r->table));
	ip_prefix dst = ip_prefix_masked(&r->dst);

	return t ? trie_get(t, &dst) : NULL;
}

static bool is_usable(const struct model *m, const struct rtnl_route *r)
{
	return r->ifindex < MODEL_WG_FIRST || (m->exists && r->ifindex == m->ifindex);
}

/* 1: the same is there; -EEXIST: another one stands in its place. */
static int find(const struct model_slot *s, const struct rtnl_route *r)
{
	for (size_t i = 0; i < s->routes.n; i++) {
		const struct rtnl_route *have = &s->routes.items[i].r;

		if (metric_of(have) == metric_of(r))
			return have->protocol == r->protocol && have->ifindex == r->ifindex &&
					       have->type == r->type
				       ? 1
				       : -EEXIST;
	}
	return 0;
}

int model_route_add(struct model *m, const struct rtnl_route *r, bool foreign)
{
	ip_prefix dst = ip_prefix_masked(&r->dst);
	struct model_route fresh = {*r, foreign};
	struct model_slot **slot;
	size_t at = 0;
	int err;

	if (!is_usable(m, r))
		return -ENODEV;
	if (r->ifindex == m->ifindex && !r->type && !m->up)
		return -ENETDOWN;
	slot = (struct model_slot **)trie_slot(table_made(m, table_of(r->table)), &dst);
	if (!*slot)
		*slot = mem_zalloc(1, sizeof(**slot));
	err = find(*slot, r);
	if (err)
		return err < 0 ? err : 0;
	fresh.r.dst = dst;
	vec_push(&(*slot)->routes, fresh);
	while (at + 1 < (*slot)->routes.n &&
		metric_of(&(*slot)->routes.items[at].r) <= metric_of(r))
		at++;
	memmove(&(*slot)->routes.items[at + 1], &(*slot)->routes.items[at],
		((*slot)->routes.n - 1 - at) * sizeof(fresh));
	(*slot)->routes.items[at] = fresh;
	if (r->protocol == RTNL_PROTO_SHUNT && !r->type)
		model_note_routed(m, &dst);
	return 0;
}

static void drop(struct model_slot *s, size_t at)
{
	s->routes.n--;
	memmove(&s->routes.items[at], &s->routes.items[at + 1],
		(s->routes.n - at) * sizeof(*s->routes.items));
}

int model_route_del(struct model *m, const struct rtnl_route *r)
{
	struct model_slot *s = slot_at(m, r);

	for (size_t i = 0; s && i < s->routes.n; i++) {
		const struct model_route *have = &s->routes.items[i];

		if (have->r.protocol != r->protocol || have->r.type != r->type ||
			have->r.ifindex != r->ifindex || metric_of(&have->r) != metric_of(r))
			continue;
		if (have->foreign && r->protocol != RTPROT_KERNEL)
			model_violated(m, "a foreign route is removed");
		drop(s, i);
		if (r->protocol == RTNL_PROTO_SHUNT && !r->type)
			model_note_unrouted(m, &r->dst);
		break;
	}
	return 0;
}

void model_route_withdraw(struct model *m, const struct rtnl_route *r)
{
	struct model_slot *s = slot_at(m, r);

	for (size_t i = 0; s && i < s->routes.n; i++)
		if (s->routes.items[i].r.protocol == r->protocol &&
			metric_of(&s->routes.items[i].r) == metric_of(r)) {
			drop(s, i);
			return;
		}
}

/* --- all of them ---------------------------------------------------------------------------------
 */

struct walk {
	int ifindex;
	const struct rtnl_route *only;
	VEC(struct rtnl_route) found;
};

static bool is_asked_for(const struct rtnl_route *r, const struct rtnl_route *only)
{
	if (only->type != RTNL_ANY_TYPE && r->type != only->type)
		return false;
	if (only->ifindex && r->ifindex != only->ifindex)
		return false;
	if (only->table && table_of(r->table) != only->table)
		return false;
	return !only->protocol || r->protocol == only->protocol;
}

static int collect(const ip_prefix *p, void *value, void *data)
{
	struct walk *w = data;
	const struct model_slot *s = value;

	(void)p;
	for (size_t i = 0; i < s->routes.n; i++)
		if (is_asked_for(&s->routes.items[i].r, w->only))
			vec_push(&w->found, s->routes.items[i].r);
	return 0;
}

int model_route_list(const struct model *m, const struct rtnl_route *only, struct rtnl_route **ret,
	size_t *ret_n)
{
	struct walk w = {.only = only};

	if (only->ifindex && !is_usable(m, only))
		return -ENODEV;
	for (size_t i = 0; i < m->tables.n; i++)
		trie_walk(m->tables.items[i].routes, collect, &w);
	*ret = w.found.items;
	*ret_n = w.found.n;
	return 0;
}

static int leave(const ip_prefix *p, void *value, void *data)
{
	const struct walk *w = data;
	struct model_slot *s = value;

	(void)p;
	for (size_t i = s->routes.n; i-- > 0;)
		if (s->routes.items[i].r.ifindex == w->ifindex)
			drop(s, i);
	return 0;
}

void model_routes_leave(struct model *m, int ifindex)
{
	struct walk w = {.ifindex = ifindex};

	for (size_t i = 0; i < m->tables.n; i++)
		trie_walk(m->tables.items[i].routes, leave, &w);
}

bool model_has_route(const struct model *m, const ip_prefix *p)
{
	for (size_t i = 0; i < m->tables.n; i++) {
		const struct model_slot *s = trie_get(m->tables.items[i].routes, p);

		for (size_t k = 0; s && k < s->routes.n; k++)
			if (!s->routes.items[k].foreign && !s->routes.items[k].r.type &&
				s->routes.items[k].r.ifindex == m->ifindex)
				return true;
	}
	return false;
}

static int release(const ip_prefix *p, void *value, void *data)
{
	struct model_slot *s = value;

	(void)p;
	(void)data;
	vec_done(&s->routes);
	free(s);
	return 0;
}

void model_routes_done(struct model *m)
{
	for (size_t i = 0; i < m->tables.n; i++) {
		trie_walk(m->tables.items[i].routes, release, NULL);
		trie_free(m->tables.items[i].routes);
	}
	vec_done(&m->tables);
}

/* --- one packet ----------------------------------------------------------------------------------
 */

/* A slot may be empty, and then something shorter has its packets. */
const struct rtnl_route *model_table_look(const struct model *m, uint32_t table, const ip_addr *a)
{
	const struct trie *t = table_at(m, table_of(table));
	ip_prefix at;
	const struct model_slot *s = t ? trie_lookup(t, a, &at) : NULL;

	while (s && !s->routes.n)
		s = trie_cover(t, &at, &at);
	return s ? &s->routes.items[0].r : NULL;
}

/* SPDX-License-Identifier: MIT */
#include "fib/want.h"

#include <assert.h>
#include <linux/rtnetlink.h>

static uint32_t table_of(const struct want_facts *f, const ip_prefix *p)
{
	if (!want_is_apart(f->apart, f->n_apart, p))
		return 0;
	assert(f->mark);
	return f->mark;
}

struct rtnl_route want_route(const struct want_facts *f, const ip_prefix *p)
{
	return (struct rtnl_route){
		.dst = *p,
		.ifindex = f->ifindex,
		.table = table_of(f, p),
		.protocol = RTNL_PROTO_SHUNT,
	};
}

static struct rtnl_route backstop(const ip_prefix *p, uint32_t table)
{
	return (struct rtnl_route){
		.dst = *p,
		.table = table,
		.protocol = RTNL_PROTO_SHUNT,
		.metric = KERNEL_BACKSTOP_METRIC,
		.type = RTN_UNREACHABLE,
	};
}

int want_route_cmp(const void *a, const void *b)
{
	const struct rtnl_route *x = a, *y = b;
	int c = ip_prefix_cmp(&x->dst, &y->dst);

	if (c)
		return c;
	if (x->table != y->table)
		return x->table < y->table ? -1 : 1;
	if (x->metric != y->metric)
		return x->metric < y->metric ? -1 : 1;
	if (x->type != y->type)
		return x->type < y->type ? -1 : 1;
	return (x->ifindex > y->ifindex) - (x->ifindex < y->ifindex);
}

void want_routes(const struct want_facts *f, route_vec *ret)
{
	/* The last outermost one of the main table, and of the mark's. */
	const ip_prefix *outermost[2] = {NULL, NULL};

	ret->n = 0;
	for (size_t i = 0; i < f->n_carried; i++) {
		const struct want_prefix *c = &f->carried[i];
		const ip_prefix **outer;
		struct rtnl_route r;

		assert(!i || ip_prefix_cmp(&f->carried[i - 1].prefix, &c->prefix) < 0);
		if (want_is_connected(f, &c->prefix))
			continue;
		r = want_route(f, &c->prefix);
		if (c->route)
			vec_push(ret, r);
		outer = &outermost[r.table != 0];
		if (c->release || (*outer && ip_prefix_contains(*outer, &c->prefix)))
			continue;
		*outer = &c->prefix;
		vec_push(ret, backstop(&c->prefix, r.table));
	}
	for (size_t i = 0; i < f->n_overlays; i++)
		vec_push(ret, backstop(&f->overlays[i], f->overlay_table));
	if (ret->n)
		qsort(ret->items, ret->n, sizeof(*ret->items), want_route_cmp);
}

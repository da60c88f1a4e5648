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
	uint32_t table = table_of(f, p);

	return (struct rtnl_route){
		.dst = *p,
		.ifindex = f->ifindex,
		.table = table,
		.protocol = RTNL_PROTO_SHUNT,
		.metric = f->has_engine && !table ? KERNEL_ENGINE_METRIC : 0,
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

/* --- what refuses --- */

/* Those that are to be refused, each with its table. */
struct refusals {
	prefix_vec main, apart;
};

static void refuse(const struct want_facts *f, const ip_prefix *p, struct refusals *r)
{
	if (want_is_connected(f, p))
		return;
	if (table_of(f, p))
		vec_push(&r->apart, *p);
	else
		vec_push(&r->main, *p);
}

static struct refusals find_refusals(const struct want_facts *f)
{
	struct refusals r = {0};

	for (size_t i = 0; i < f->n_carried; i++)
		if (!f->carried[i].release && !f->carried[i].engines)
			refuse(f, &f->carried[i].prefix, &r);
	for (size_t i = 0; i < f->n_guarded; i++)
		refuse(f, &f->guarded[i], &r);
	/* For the moment in which somebody has flushed the rules: not even zebra takes it for a way
	 * to a next hop there. */
	for (size_t i = 0; i < f->n_overlays && f->has_engine; i++)
		if (want_overlay_table(f, f->overlays[i].family))
			vec_push(&r.main, f->overlays[i]);
	return r;
}

/* Behind the outermost alone. */
static void add_backstops(prefix_vec *refused, uint32_t table, route_vec *ret)
{
	const ip_prefix *outermost = NULL;

	want_sort(refused);
	for (size_t i = 0; i < refused->n; i++) {
		if (outermost && ip_prefix_contains(outermost, &refused->items[i]))
			continue;
		outermost = &refused->items[i];
		vec_push(ret, backstop(outermost, table));
	}
	vec_done(refused);
}

/* What others may announce leads into the device even while the engine has no route there: one
 * that starts takes its routes out of the kernel before it has them again, and owners are held. */
static void add_guarded(const struct want_facts *f, route_vec *ret)
{
	for (size_t i = 0; i < f->n_guarded; i++) {
		const struct want_prefix *c = want_carried(f, &f->guarded[i]);

		if (!want_is_connected(f, &f->guarded[i]) && !(c && c->route))
			vec_push(ret, want_route(f, &f->guarded[i]));
	}
}

void want_routes(const struct want_facts *f, route_vec *ret)
{
	struct refusals refused = find_refusals(f);

	ret->n = 0;
	for (size_t i = 0; i < f->n_carried; i++) {
		const struct want_prefix *c = &f->carried[i];

		assert(!i || ip_prefix_cmp(&f->carried[i - 1].prefix, &c->prefix) < 0);
		if (c->route && !want_is_connected(f, &c->prefix))
			vec_push(ret, want_route(f, &c->prefix));
	}
	add_guarded(f, ret);
	add_backstops(&refused.main, 0, ret);
	add_backstops(&refused.apart, f->mark, ret);
	for (size_t i = 0; i < f->n_overlays; i++)
		vec_push(ret,
			backstop(&f->overlays[i], want_overlay_table(f, f->overlays[i].family)));
	want_engine_routes(f, ret);
	if (ret->n)
		qsort(ret->items, ret->n, sizeof(*ret->items), want_route_cmp);
}

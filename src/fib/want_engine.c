/* SPDX-License-Identifier: MIT */
/* What stands in the kernel only where a routing engine decides: the overlay by a table of its own,
 * and who lives. */
#include "fib/want.h"

static size_t family_index(int family)
{
	return family == AF_INET6;
}

uint32_t want_overlay_table(const struct want_facts *f, int family)
{
	return f->no_rules[family_index(family)] ? 0 : f->overlay_table;
}

/* In main it gives way to whatever is stated better. */
static uint32_t overlay_metric(const struct want_facts *f, int family)
{
	return want_overlay_table(f, family) ? 0 : KERNEL_ENGINE_METRIC;
}

static struct rtnl_route overlay_way(const struct want_facts *f, size_t i)
{
	const ip_prefix *overlay = &f->overlays[i];
	struct rtnl_route r = {
		.dst = *overlay,
		.ifindex = f->ifindex,
		.table = want_overlay_table(f, overlay->family),
		.protocol = RTNL_PROTO_SHUNT,
		.metric = overlay_metric(f, overlay->family),
	};

	/* IPv6 finds the nearest by itself, and a route with one would go with the address. */
	if (f->sources && overlay->family == AF_INET)
		r.src = f->sources[i];
	return r;
}

static bool is_overlay(const struct want_facts *f, const ip_prefix *p)
{
	for (size_t i = 0; i < f->n_overlays; i++)
		if (ip_prefix_eq(&f->overlays[i], p))
			return true;
	return false;
}

bool want_is_overlay_way(const struct want_facts *f, const struct rtnl_route *r)
{
	if (r->type)
		return false;
	return (r->table && r->table == f->overlay_table) || (!r->table && is_overlay(f, &r->dst));
}

bool want_is_engines(const struct want_facts *f, const struct rtnl_route *r)
{
	for (size_t i = 0; i < f->n_engine_protocols; i++)
		if (f->engine_protocols[i] == r->protocol)
			return true;
	return false;
}

bool want_is_overlay_guard(const struct want_facts *f, const struct rtnl_route *r)
{
	return f->has_engine && r->type && !r->table && is_overlay(f, &r->dst);
}

bool want_is_signal(const struct want_facts *f, const struct rtnl_route *r)
{
	if (r->type || want_is_overlay_way(f, r))
		return false;
	return r->table ? r->table == f->signal_table : want_is_connected(f, &r->dst);
}

/* zebra looks for next hops in main, and so does the kernel for an IPv6 one that is said to be on
 * the link. */
static bool stands_in_main(const struct want_facts *f, const ip_addr *peer)
{
	return !f->is_bird || peer->family == AF_INET6;
}

size_t want_signal_routes(const struct want_facts *f, const ip_addr *peer,
	struct rtnl_route ret[static WANT_SIGNAL_ROUTES])
{
	struct rtnl_route r = {
		.dst = ip_prefix_host(peer), .ifindex = f->ifindex, .protocol = RTNL_PROTO_SHUNT};
	size_t n = 0;

	if (stands_in_main(f, peer))
		ret[n++] = r;
	/* With one table for all it would be another route to the same. */
	if (f->is_bird && !f->no_rules[family_index(peer->family)]) {
		r.table = f->signal_table;
		r.via = *peer;
		ret[n++] = r;
	}
	return n;
}

void want_engine_routes(const struct want_facts *f, route_vec *ret)
{
	struct rtnl_route of_signal[WANT_SIGNAL_ROUTES];

	if (!f->has_engine)
		return;
	for (size_t i = 0; i < f->n_overlays; i++)
		vec_push(ret, overlay_way(f, i));
	for (size_t i = 0; i < f->n_signals; i++) {
		size_t n = f->signals[i].lives
				   ? want_signal_routes(f, &f->signals[i].addr, of_signal)
				   : 0;

		for (size_t k = 0; k < n; k++)
			vec_push(ret, of_signal[k]);
	}
}

/* SPDX-License-Identifier: MIT */
#include "world.h"

const char *fate_name(enum fate f)
{
	static const char *const names[] = {"arrived", "no route", "leaves in clear",
		"the tunnel's packets go into the tunnel", "lost on a dead line",
		"dropped by the source check", "dropped by its own origin", "circles"};

	return names[f];
}

static bool is_owner(const struct model *m, const ip_addr *a, const struct world *w, unsigned of)
{
	const struct model_peer *p = model_owner(m, a);

	return p && node_of_key(w, &p->key) == of;
}

/* What the device sends itself. Somebody's own network may be where all others are found. */
static bool leaves_outside(const struct model *m, const struct model_peer *p, unsigned to)
{
	struct model_flow outer = {.to = world_uplink(to, AF_INET), .mark = m->fwmark};
	enum model_way way;

	if (p->endpoint.sa.sa_family)
		outer.to = sock_addr_ip(&p->endpoint);
	way = model_way(m, &outer);
	return way == MODEL_OUT || way == MODEL_IN;
}

static bool is_awake(const struct world *w, unsigned n)
{
	const struct model *m = w->nodes[n].model;

	return m && m->exists && m->up;
}

static bool passes(const struct world *w, unsigned from, unsigned to)
{
	return is_awake(w, to) && !w->cut[from][to];
}

/* Sessions are bound to the device: no route has a say. */
bool path_leaves(const struct world *w, unsigned from, unsigned to)
{
	const struct model *m = w->nodes[from].model;
	ip_addr src = node_address(w, from), dst = node_address(w, to);

	return is_awake(w, from) && model_has_address(m, &src) && is_owner(m, &dst, w, to) &&
	       leaves_outside(m, model_owner(m, &dst), to);
}

bool path_enters(const struct world *w, unsigned from, unsigned to)
{
	const struct model *m = w->nodes[to].model;
	ip_addr src = node_address(w, from), dst = node_address(w, to);

	return passes(w, from, to) && is_owner(m, &src, w, from) && model_has_address(m, &dst);
}

/* What a machine is the way out for leaves it by its uplink. */
static bool is_way_out(const struct world *w, unsigned at, int family)
{
	ip_addr any = {.family = (uint8_t)family};
	ip_prefix all = ip_prefix_of(&any, 0);

	return world_carries(w, at, &all);
}

/* True if it ends here, as *ret says. */
static bool ends_at(const struct world *w, unsigned at, const struct model_flow *f, enum fate *ret)
{
	switch (model_way(w->nodes[at].model, f)) {
	case MODEL_LOCAL:
	case MODEL_IN:
		*ret = ARRIVED;
		return true;
	case MODEL_OUT:
		*ret = is_way_out(w, at, f->to.family) ? ARRIVED : IN_CLEAR;
		return true;
	case MODEL_TUNNEL:
		return false;
	default:
		*ret = NO_ROUTE;
		return true;
	}
}

/* From device to device; ARRIVED if it does, at *ret_next. */
static enum fate hop(
	const struct world *w, unsigned at, const struct model_flow *f, unsigned *ret_next)
{
	const struct model *m = w->nodes[at].model;
	const struct model_peer *p = is_awake(w, at) ? model_owner(m, &f->to) : NULL;
	unsigned next = p ? node_of_key(w, &p->key) : WORLD_NOBODY;

	if (next == WORLD_NOBODY)
		return NO_ROUTE;
	if (!leaves_outside(m, p, next))
		return TUNNEL_IN_TUNNEL;
	if (!passes(w, at, next))
		return LINE_DEAD;
	if (f->from.family == AF_INET && model_has_address(w->nodes[next].model, &f->from))
		return OWN_SOURCE;
	if (!is_owner(w->nodes[next].model, &f->from, w, at))
		return WRONG_SOURCE;
	*ret_next = next;
	return ARRIVED;
}

enum fate path_try(const struct world *w, unsigned from, const ip_addr *src, const ip_addr *dst,
	unsigned *ret_at)
{
	struct model_flow f = {.from = *src, .to = *dst};
	enum fate fate;

	*ret_at = from;
	for (unsigned hops = 0; hops <= 2 * w->n_nodes; hops++) {
		if (ends_at(w, *ret_at, &f, &fate))
			return fate;
		fate = hop(w, *ret_at, &f, ret_at);
		if (fate != ARRIVED)
			return fate;
	}
	return CIRCLES;
}

bool path_arrives(const struct world *w, unsigned from, unsigned to, int family)
{
	const ip_prefix *a = world_network(w, from, family), *b = world_network(w, to, family);
	ip_addr src, dst;
	unsigned at;

	if (!a || !b || !w->nodes[from].is_on)
		return false;
	src = world_sample_of(a);
	dst = world_sample_of(b);
	return path_try(w, from, &src, &dst, &at) == ARRIVED && at == to;
}

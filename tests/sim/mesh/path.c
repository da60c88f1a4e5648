/* SPDX-License-Identifier: MIT */
#include "world.h"

const char *fate_name(enum fate f)
{
	static const char *const names[] = {"arrived", "no route", "leaves in clear",
		"the tunnel's packets go into the tunnel", "lost on a dead line",
		"dropped by the source check", "dropped by its own origin",
		"refused, from a relay to a relay", "circles"};

	return names[f];
}

/* What goes to this address goes to that node, whatever the flow. */
static const struct model_peer *sole_hop(
	const struct world *w, const struct model *m, const ip_addr *a, unsigned to)
{
	struct model_hops hops;

	if (!m->exists)
		return NULL;
	model_send(m, a, NULL, &hops);
	return hops.n == 1 && node_of_key(w, &hops.items[0].peer->key) == to ? hops.items[0].peer
									     : NULL;
}

static enum model_verdict receive(
	const struct world *w, unsigned at, const ip_addr *source, unsigned from)
{
	const struct model *m = w->nodes[at].model;
	const struct model_peer *p = model_peer(m, &w->inv->nodes[from].public_key);

	return p ? model_receive(m, source, p) : MODEL_REFUSE;
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
	const struct model_peer *p;

	if (!is_awake(w, from) || !model_has_address(m, &src))
		return false;
	p = sole_hop(w, m, &dst, to);
	return p && leaves_outside(m, p, to);
}

bool path_enters(const struct world *w, unsigned from, unsigned to)
{
	ip_addr src = node_address(w, from), dst = node_address(w, to);

	return passes(w, from, to) && receive(w, to, &src, from) >= MODEL_ACCEPT &&
	       model_has_address(w->nodes[to].model, &dst);
}

/* Between the devices alone: a handshake, say. */
bool path_carries(const struct world *w, unsigned from, unsigned to)
{
	const struct model *m = w->nodes[from].model;
	const struct model_peer *p =
		is_awake(w, from) ? model_peer(m, &w->inv->nodes[to].public_key) : NULL;

	return p && passes(w, from, to) && leaves_outside(m, p, to) &&
	       model_peer(w->nodes[to].model, &w->inv->nodes[from].public_key);
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

/* From device to device; ARRIVED if it does. */
static enum fate cross(const struct world *w, unsigned at, const struct model_peer *p,
	const struct model_flow *f, const struct model_peer **ret_relay)
{
	unsigned next = node_of_key(w, &p->key);
	enum model_verdict v;

	if (next == WORLD_NOBODY)
		return NO_ROUTE;
	if (!leaves_outside(w->nodes[at].model, p, next))
		return TUNNEL_IN_TUNNEL;
	if (!passes(w, at, next))
		return LINE_DEAD;
	if (f->from.family == AF_INET && model_has_address(w->nodes[next].model, &f->from))
		return OWN_SOURCE;
	v = receive(w, next, &f->from, at);
	*ret_relay = v == MODEL_ACCEPT_RELAY
			     ? model_peer(w->nodes[next].model, &w->inv->nodes[at].public_key)
			     : NULL;
	return v >= MODEL_ACCEPT ? ARRIVED : WRONG_SOURCE;
}

/* A packet on its way: where it is, and what the device there remembers of it. */
struct packet {
	struct model_flow flow;
	unsigned at;
	const struct model_peer *relay; /* that brought it, as the device has it; or NULL */
	uint8_t trail[PATH_TRAIL];	/* the nodes that it has been at before */
	unsigned hops;
	unsigned permille; /* so many of its like get here */
};

/* The first that doesn't arrive is what is told of. */
static void end(struct path *p, enum fate fate, const struct packet *x)
{
	unsigned permille = fate == ARRIVED ? x->permille : 0;

	p->permille = permille < p->permille ? permille : p->permille;
	if (p->fate != ARRIVED)
		return;
	p->fate = fate;
	if (p->is_twice)
		return;
	p->at = x->at;
	memcpy(p->trail, x->trail, x->hops);
	p->n_trail = x->hops;
}

static bool has_been_at(const struct packet *x, unsigned hub)
{
	for (unsigned i = 0; i < x->hops; i++)
		if (x->trail[i] == hub)
			return true;
	return false;
}

static void follow(const struct world *w, struct packet x, struct path *ret)
{
	const struct model *m = w->nodes[x.at].model;
	struct model_hops hops = {0};
	enum fate fate;

	if (ends_at(w, x.at, &x.flow, &fate)) {
		ret->ends |= fate == ARRIVED ? 1U << x.at : 0;
		end(ret, fate, &x);
		return;
	}
	if (x.hops == PATH_TRAIL) {
		end(ret, CIRCLES, &x);
		return;
	}
	if (w->inv->nodes[x.at].role == MESH_HUB && has_been_at(&x, x.at)) {
		end(ret, ARRIVED, &x);
		ret->is_twice = true;
	}
	x.trail[x.hops++] = (uint8_t)x.at;
	if (is_awake(w, x.at))
		model_send(m, &x.flow.to, x.relay, &hops);
	if (!hops.n)
		end(ret, hops.is_refused ? FROM_RELAY_TO_RELAY : NO_ROUTE, &x);
	for (unsigned i = 0; i < hops.n && ret->fate == ARRIVED; i++) {
		struct packet y = x;

		fate = cross(w, x.at, hops.items[i].peer, &x.flow, &y.relay);
		y.at = node_of_key(w, &hops.items[i].peer->key);
		if (fate == ARRIVED)
			y.permille -= y.permille * w->loss_permille[x.at][y.at] / 1000;
		if (fate == ARRIVED)
			follow(w, y, ret);
		else
			end(ret, fate, &x);
	}
}

void path_say(struct world *w, const struct path *p)
{
	AUTO_BUF names = {0};

	for (unsigned i = 0; i < p->n_trail; i++)
		buf_printf(&names, "%s, ", world_name(w, p->trail[i]));
	world_say(w, "its way: %s%s", buf_str(&names), world_name(w, p->at));
}

void path_follow(const struct world *w, unsigned from, const ip_addr *src, const ip_addr *dst,
	struct path *ret)
{
	struct packet x = {.flow = {.from = *src, .to = *dst}, .at = from, .permille = 1000};

	*ret = (struct path){.fate = ARRIVED, .at = from, .permille = 1000};
	follow(w, x, ret);
}

bool path_arrives(const struct world *w, unsigned from, unsigned to, int family)
{
	const ip_prefix *a = world_network(w, from, family), *b = world_network(w, to, family);
	ip_addr src, dst;
	struct path path;

	if (!a || !b || !w->nodes[from].is_on)
		return false;
	src = world_sample_of(a);
	dst = world_sample_of(b);
	path_follow(w, from, &src, &dst, &path);
	return path.fate == ARRIVED && path.ends == 1U << to;
}

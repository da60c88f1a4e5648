/* SPDX-License-Identifier: MIT */
/* What others have on a machine; the model notes who touches it. */
#include "world.h"

#include <linux/rtnetlink.h>

static wg_key foreign_key(unsigned i)
{
	wg_key key;

	memset(key.bytes, 0x77, sizeof(key.bytes));
	key.bytes[0] = (uint8_t)i;
	return key;
}

static struct model_peer *foreign_peer(struct model *m, unsigned i)
{
	wg_key key = foreign_key(i);
	struct model_peer *p = model_peer(m, &key);

	if (!p)
		p = model_peer_add(m, &key);
	p->foreign = true;
	return p;
}

static void give(struct model *m, const char *allowed)
{
	ip_prefix p = mesh_build_prefix(allowed);

	model_seize(m, &p, foreign_peer(m, 1));
}

/* A set that the RIB didn't make, of a peer that it doesn't know. */
static void share(struct model *m)
{
	ip_prefix inside = mesh_build_prefix("10.20.202.0/25");
	ip_prefix outside = mesh_build_prefix("192.168.76.0/24");
	struct model_member member = {foreign_peer(m, 1), 3, 1, true};
	struct model_set *s = model_set(m, 7);

	if (s)
		return;
	s = model_set_add(m, 7);
	s->foreign = true;
	vec_push(&s->members, member);
	model_seize_for(m, &inside, s);
	model_seize_for(m, &outside, s);
}

static void lead(struct model *m, const char *dst, int ifindex, uint8_t type, uint8_t protocol)
{
	struct rtnl_route r = {.dst = mesh_build_prefix(dst),
		.ifindex = ifindex,
		.type = type,
		.metric = 50,
		.protocol = protocol};

	model_route_add(m, &r, true);
}

static void rule(struct model *m, const char *to, uint32_t priority)
{
	struct rtnl_rule r = {.to = mesh_build_prefix(to),
		.table = 100,
		.suppress_prefixlen = -1,
		.priority = priority};

	r.family = r.to.family;
	for (size_t i = 0; i < m->rules.n; i++)
		if (m->rules.items[i].foreign && rtnl_rule_is(&m->rules.items[i].r, &r))
			return;
	model_rule_add(m, &r, true);
}

/* Some of it within what nodes of the mesh carry, some on its interface, some that looks like ours.
 */
void foreign_arrive(struct world *w, unsigned node)
{
	struct model *m = w->nodes[node].model;
	ip_prefix address = mesh_build_prefix("192.168.78.1/24");
	ip_prefix neighbour = mesh_build_prefix("10.10.0.200/24");

	if (!m)
		return;
	m->n_tampered++;
	world_say(w, "(somebody else is at work on %s)", world_name(w, node));
	rule(m, "192.168.0.0/16", 1000);
	rule(m, "fd77::/16", 32690);
	rule(m, "192.168.79.0/24", 32701);
	lead(m, "192.168.90.0/24", MODEL_UPLINK, 0, RTPROT_BIRD);
	lead(m, "192.168.91.0/24", 0, RTN_UNREACHABLE, RTPROT_STATIC);
	if (m->exists) {
		give(m, "192.168.77.0/24");
		give(m, "fd77::/64");
		give(m, "10.20.201.0/25");
		if (m->max_owners > 1)
			share(m);
		model_addr_add(m, m->ifindex, &address, true);
		model_addr_add(m, m->ifindex, &neighbour, true);
		lead(m, "192.168.77.0/24", m->ifindex, 0, RTPROT_STATIC);
		lead(m, "fd77::/64", m->ifindex, 0, RTPROT_BIRD);
		lead(m, "192.168.92.0/24", m->ifindex, 0, RTPROT_BOOT);
	}
	node_tell(w, node);
}

void foreign_steal(struct world *w, unsigned node, unsigned from)
{
	struct world_node *n = &w->nodes[node];
	const ip_prefix *p = world_network(w, from, AF_INET);
	struct model_peer *thief;

	if (!n->model || !n->model->exists || n->stolen.family || node == from || !n->daemon)
		return;
	thief = foreign_peer(n->model, 2);
	thief->is_new = true;
	n->model->n_tampered++;
	n->stolen = *p;
	model_seize(n->model, p, thief);
	world_say(w, "(a foreign peer of %s takes what is %s's)", world_name(w, node),
		world_name(w, from));
}

void foreign_give_back(struct world *w, unsigned node)
{
	struct world_node *n = &w->nodes[node];
	wg_key key = foreign_key(2);
	struct model_peer *thief = n->model && n->model->exists ? model_peer(n->model, &key) : NULL;

	if (n->stolen.family)
		world_say(w, "(the foreign peer of %s is removed)", world_name(w, node));
	n->stolen = (ip_prefix){0};
	if (thief) {
		model_peer_remove(n->model, thief);
		model_plan_begins(n->model); /* no plan has done that */
		n->model->n_tampered++;
	}
	node_tell(w, node);
}

/* SPDX-License-Identifier: MIT */
#include "mesh/neighbours.h"

#include <stdlib.h>

bool neighbours_carry(const struct neighbour_group *g, int family)
{
	return g->family == family || (g->both && family == AF_INET);
}

void neighbours_done(neighbour_groups *groups)
{
	for (size_t i = 0; i < groups->n; i++)
		vec_done(&groups->items[i].members);
	vec_done(groups);
}

static struct neighbour_group *group_like(
	neighbour_groups *groups, const struct neighbour_group *like)
{
	for (size_t i = 0; i < groups->n; i++) {
		struct neighbour_group *g = &groups->items[i];

		if (g->kind == like->kind && g->family == like->family &&
			g->internal == like->internal && g->both == like->both)
			return g;
	}
	vec_push(groups, *like);
	return &groups->items[groups->n - 1];
}

static void add_session(const struct mesh_topology_index *t, unsigned node, unsigned peer,
	int family, neighbour_groups *ret)
{
	const struct mesh_node *nodes = mesh_topology_inventory(t)->nodes;
	struct neighbour_group like = {
		.kind = nodes[peer].role == MESH_HUB ? NEIGHBOUR_HUB : NEIGHBOUR_SITE,
		.family = family,
		.internal = mesh_asn(&nodes[node]) == mesh_asn(&nodes[peer]),
	};
	struct neighbour n = {.node = peer};
	ip_addr a, b;

	if (!mesh_session_addresses(t, node, peer, family, &like.local, &n.remote))
		return;
	like.both = family == AF_INET6 && !mesh_session_addresses(t, node, peer, AF_INET, &a, &b);
	vec_push(&group_like(ret, &like)->members, n);
}

static const ip_addr *address_of(const struct mesh_node *node, int family)
{
	for (size_t i = 0; i < node->n_addresses; i++)
		if (node->addresses[i].addr.family == family)
			return &node->addresses[i].addr;
	return NULL;
}

/* How those who come later will be: as all are that are here. */
static void add_new(const struct mesh_node *self, int family, neighbour_groups *ret)
{
	const ip_addr *local = address_of(self, family);
	struct neighbour_group g = {
		.kind = NEIGHBOUR_NEW,
		.family = family,
		.both = family == AF_INET6 && !address_of(self, AF_INET),
	};
	bool external = false;

	if (!local)
		return;
	g.local = *local;
	for (size_t i = 0; i < ret->n; i++) {
		const struct neighbour_group *site = &ret->items[i];

		if (site->kind != NEIGHBOUR_SITE)
			continue;
		external |= !site->internal;
		g.internal = site->internal;
		g.both |= family == AF_INET6 && site->both;
	}
	g.internal &= !external;
	vec_push(ret, g);
}

static int group_cmp(const void *a, const void *b)
{
	const struct neighbour_group *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->family != y->family)
		return x->family == AF_INET ? -1 : 1;
	if (x->internal != y->internal)
		return x->internal - y->internal;
	return x->both - y->both;
}

void neighbours_of(const struct mesh_topology_index *t, unsigned node, neighbour_groups *ret)
{
	const struct mesh_node *self = &mesh_topology_inventory(t)->nodes[node];
	AUTO_FREE unsigned *peers = NULL;
	size_t n = mesh_peers_of(t, node, &peers);

	*ret = (neighbour_groups){0};
	for (size_t i = 0; i < n; i++) {
		if (!mesh_has_session(t, node, peers[i]))
			continue;
		add_session(t, node, peers[i], AF_INET, ret);
		add_session(t, node, peers[i], AF_INET6, ret);
	}
	if (self->role == MESH_HUB) {
		add_new(self, AF_INET, ret);
		add_new(self, AF_INET6, ret);
	}
	if (ret->n)
		qsort(ret->items, ret->n, sizeof(*ret->items), group_cmp);
}

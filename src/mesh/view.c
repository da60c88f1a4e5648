/* SPDX-License-Identifier: MIT */
#include "mesh/view.h"

#include "base/mem.h"
#include "mesh/routing.h"
#include "route/decision.h"
#include <stdlib.h>
#include <string.h>

/* A prefix at its origin: one of its networks, or one of its addresses. */
struct origin_prefix {
	ip_prefix prefix;
	unsigned origin;
	const struct mesh_network *network; /* NULL: an address */
};

static int cmp_u32(uint32_t a, uint32_t b)
{
	return a < b ? -1 : a > b;
}

struct rib_candidate mesh_rib_candidate(const struct mesh_candidate *c, const uint32_t *ids)
{
	return (struct rib_candidate){
		.peer = ids ? ids[c->via] : c->via,
		.origin = ids ? ids[c->origin] : c->origin,
		.distance = RIB_DISTANCE_INVENTORY,
		.transit = c->transit,
		.metric = c->metric,
		.hub_metric = c->hub_metric,
		.place = c->via,
		.origin_place = c->origin,
		.weight = c->weight,
	};
}

int mesh_candidate_cmp(const struct mesh_candidate *a, const struct mesh_candidate *b)
{
	struct rib_candidate x = mesh_rib_candidate(a, NULL), y = mesh_rib_candidate(b, NULL);

	return decision_candidate_cmp(&x, &y);
}

static int candidate_cmp(const void *a, const void *b)
{
	const struct mesh_candidate *x = a, *y = b;
	int d = ip_prefix_cmp(&x->prefix, &y->prefix);

	return d ? d : mesh_candidate_cmp(x, y);
}

static int prefix_cmp(const void *a, const void *b)
{
	return ip_prefix_cmp(a, b);
}

static int origin_prefix_cmp(const void *a, const void *b)
{
	const struct origin_prefix *x = a, *y = b;
	int d = ip_prefix_cmp(&x->prefix, &y->prefix);

	return d ? d : cmp_u32(x->origin, y->origin);
}

/* The node's own prefixes, sorted, for bsearch. */
static ip_prefix *own_prefixes(const struct mesh_node *node, size_t *ret_n)
{
	ip_prefix *own = mem_zalloc(node->n_networks + node->n_addresses + 1, sizeof(*own));
	size_t n = 0;

	for (size_t i = 0; i < node->n_networks; i++)
		own[n++] = node->networks[i].prefix;
	for (size_t i = 0; i < node->n_addresses; i++)
		own[n++] = ip_prefix_host(&node->addresses[i].addr);
	qsort(own, n, sizeof(*own), prefix_cmp);
	*ret_n = n;
	return own;
}

/* All prefixes of all other nodes that self doesn't carry too, sorted. */
static struct origin_prefix *foreign_prefixes(
	const struct mesh_inventory *inv, unsigned self, size_t *ret_n)
{
	struct origin_prefix *all;
	size_t n = 0, kept = 0, n_own;
	AUTO_FREE ip_prefix *own = own_prefixes(&inv->nodes[self], &n_own);

	for (size_t i = 0; i < inv->n_nodes; i++)
		n += inv->nodes[i].n_networks + inv->nodes[i].n_addresses;
	all = mem_zalloc(n + 1, sizeof(*all));
	n = 0;
	for (unsigned i = 0; i < inv->n_nodes; i++) {
		const struct mesh_node *node = &inv->nodes[i];

		for (size_t k = 0; k < node->n_networks && i != self; k++)
			all[n++] = (struct origin_prefix){
				node->networks[k].prefix, i, &node->networks[k]};
		for (size_t k = 0; k < node->n_addresses && i != self; k++)
			all[n++] = (struct origin_prefix){
				ip_prefix_host(&node->addresses[k].addr), i, NULL};
	}
	for (size_t i = 0; i < n; i++)
		if (!bsearch(&all[i].prefix, own, n_own, sizeof(*own), prefix_cmp))
			all[kept++] = all[i];
	qsort(all, kept, sizeof(*all), origin_prefix_cmp);
	*ret_n = kept;
	return all;
}

static struct mesh_candidate make_candidate(
	const struct mesh_inventory *inv, const struct origin_prefix *p, unsigned via)
{
	struct mesh_candidate c = {
		.prefix = p->prefix,
		.origin = p->origin,
		.via = via,
		.transit = via != p->origin,
		.address = !p->network,
	};

	if (p->network && p->network->metric != MESH_METRIC_NONE)
		c.metric = p->network->metric;
	if (p->network)
		c.on_dead = p->network->on_dead;
	if (c.transit)
		c.hub_metric = inv->nodes[via].metric;
	c.weight = c.transit	? inv->nodes[via].weight
		   : p->network ? p->network->weight
				: MESH_WEIGHT_DEFAULT;
	if (!c.weight)
		c.weight = MESH_WEIGHT_DEFAULT;
	return c;
}

/* Between nodes with engines these say where a network is. */
static bool is_left_to_engines(const struct mesh_inventory *inv, unsigned self, unsigned origin)
{
	return mesh_has_engine(&inv->nodes[self]) && mesh_has_engine(&inv->nodes[origin]);
}

/* By the servers of the client that the prefix is of, but self: the one that has it knows. None, if
 * self is another node that the client is linked with. */
static size_t by_servers(const struct mesh_topology_index *t, unsigned self,
	const struct origin_prefix *p, struct mesh_candidate *ret)
{
	const struct mesh_inventory *inv = mesh_topology_inventory(t);
	AUTO_FREE unsigned *servers = NULL;
	size_t n_servers = mesh_servers_of(t, p->origin, &servers), n = 0;

	if (mesh_direct(t, self, p->origin) && !mesh_is_server(t, self, p->origin))
		return 0;
	for (size_t i = 0; i < n_servers; i++)
		if (servers[i] != self && mesh_direct(t, self, servers[i]))
			ret[n++] = make_candidate(inv, p, servers[i]);
	return n;
}

/* ret has room for one more than there are hubs. In no order. */
static size_t candidates_of(const struct mesh_topology_index *t, unsigned self,
	const struct origin_prefix *p, struct mesh_candidate *ret)
{
	const struct mesh_inventory *inv = mesh_topology_inventory(t);
	bool direct = mesh_lists(t, self, p->origin);
	const unsigned *hubs;
	size_t n_hubs = mesh_hubs(t, &hubs), n = 0;

	if (p->network &&
		(is_left_to_engines(inv, self, p->origin) ||
			!mesh_takes(&inv->nodes[self], &inv->nodes[p->origin], &p->prefix)))
		return 0;
	if (direct)
		ret[n++] = make_candidate(inv, p, p->origin);
	if (inv->nodes[self].role == MESH_CLIENT) {
		int hub = mesh_client_hub(t, self);

		if (!direct && hub >= 0)
			ret[n++] = make_candidate(inv, p, (unsigned)hub);
		return n;
	}
	if (inv->nodes[p->origin].role == MESH_CLIENT)
		return n + by_servers(t, self, p, ret + n);
	if (direct && !p->network)
		return n;
	for (size_t i = 0; i < n_hubs; i++)
		if (mesh_direct(t, self, hubs[i]) && mesh_direct(t, hubs[i], p->origin))
			ret[n++] = make_candidate(inv, p, hubs[i]);
	return n;
}

size_t mesh_candidates_to(const struct mesh_topology_index *t, unsigned self, unsigned origin,
	const struct mesh_network *network, struct mesh_candidate *ret)
{
	struct origin_prefix p = {network->prefix, origin, network};

	return candidates_of(t, self, &p, ret);
}

/* Of an engine that picks a link-local address as source or next hop; ret has room. */
static void add_link_locals(const struct mesh_inventory *inv, const struct mesh_topology_index *t,
	struct mesh_view *ret)
{
	for (size_t i = 0; i < ret->n_peers; i++) {
		unsigned peer = ret->peers[i].node;
		ip_addr a;

		if (!mesh_direct(t, ret->self, peer) || !is_left_to_engines(inv, ret->self, peer))
			continue;
		a = mesh_link_local(&inv->nodes[peer]);
		ret->candidates[ret->n_candidates++] = make_candidate(
			inv, &(struct origin_prefix){ip_prefix_host(&a), peer, NULL}, peer);
	}
}

static void build_candidates(
	const struct mesh_topology_index *t, unsigned self, struct mesh_view *ret)
{
	const unsigned *hubs;
	size_t most = mesh_hubs(t, &hubs) + 1, n, cap = 0;
	AUTO_FREE struct origin_prefix *all =
		foreign_prefixes(mesh_topology_inventory(t), self, &n);

	for (size_t i = 0; i < n; i++) {
		if (cap - ret->n_candidates < most) {
			cap = 2 * cap + n + most;
			ret->candidates =
				mem_realloc(ret->candidates, cap, sizeof(*ret->candidates));
		}
		ret->n_candidates +=
			candidates_of(t, self, &all[i], ret->candidates + ret->n_candidates);
	}
	ret->candidates = mem_realloc(
		ret->candidates, ret->n_candidates + ret->n_peers + 1, sizeof(*ret->candidates));
	add_link_locals(mesh_topology_inventory(t), t, ret);
	if (ret->n_candidates)
		qsort(ret->candidates, ret->n_candidates, sizeof(*ret->candidates), candidate_cmp);
}

static const ip_addr *address_of(const struct mesh_node *node, int family)
{
	for (size_t i = 0; i < node->n_addresses; i++)
		if (node->addresses[i].addr.family == family)
			return &node->addresses[i].addr;
	return NULL;
}

static void set_probe_addresses(
	const struct mesh_node *self, const struct mesh_node *other, struct mesh_view_peer *ret)
{
	static const int families[] = {AF_INET, AF_INET6};

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		const ip_addr *local = address_of(self, families[i]);
		const ip_addr *remote = address_of(other, families[i]);

		if (local && remote) {
			ret->local = *local;
			ret->remote = *remote;
			return;
		}
	}
}

static void build_peers(const struct mesh_topology_index *t, unsigned self, struct mesh_view *ret)
{
	const struct mesh_inventory *inv = mesh_topology_inventory(t);
	AUTO_FREE unsigned *peers = NULL;

	ret->n_peers = mesh_peers_of(t, self, &peers);
	ret->peers = mem_zalloc(ret->n_peers + 1, sizeof(*ret->peers));
	for (size_t i = 0; i < ret->n_peers; i++) {
		const struct mesh_node *node = &inv->nodes[peers[i]];
		const struct mesh_link *link = mesh_link_between(t, self, peers[i]);
		struct mesh_view_peer *p = &ret->peers[i];

		p->node = peers[i];
		p->preshared_key_file = link ? link->preshared_key_file : NULL;
		p->endpoint = mesh_endpoint_of(t, self, peers[i]);
		p->keepalive = mesh_keepalive(t, self, peers[i]);
		p->runs_shuntd = inv->nodes[self].role != MESH_CLIENT && node->role != MESH_CLIENT;
		if (mesh_direct(t, self, peers[i]))
			set_probe_addresses(&inv->nodes[self], node, p);
	}
}

void mesh_view_build(const struct mesh_topology_index *t, unsigned node, struct mesh_view *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->inv = mesh_topology_inventory(t);
	ret->self = node;
	build_peers(t, node, ret);
	build_candidates(t, node, ret);
}

void mesh_view_done(struct mesh_view *v)
{
	free(v->peers);
	free(v->candidates);
	memset(v, 0, sizeof(*v));
}

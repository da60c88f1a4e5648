/* SPDX-License-Identifier: MIT */
#include "daemon/kernel_candidates.h"

#include "base/arena.h"
#include "base/map.h"
#include "mesh/routing.h"
#include <assert.h>

/* Whose an address is. */
enum holder { HOLDER_SELF, HOLDER_PEER, HOLDER_NODE, HOLDER_ENDPOINT };

struct known {
	ip_addr addr; /* the map's key */
	enum holder holder;
	const struct generation_peer *peer; /* HOLDER_PEER: direct with us */
	const struct mesh_node *node;	    /* of the first three */
};

struct kernel_judge {
	const struct generation *gen;
	bool has_engine;
	int ifindex;
	struct arena known;
	struct map *by_addr; /* of the overlay -> struct known */
	struct arena endpoints_known;
	struct map *endpoints; /* -> struct known */
};

/* --- what is known of addresses ------------------------------------------------------------------
 */

static void know(struct kernel_judge *j, const ip_addr *a, const struct known *what)
{
	struct known *k;

	if (map_get(j->by_addr, a, sizeof(*a)))
		return;
	k = arena_new(&j->known, struct known);
	*k = *what;
	k->addr = *a;
	map_put(j->by_addr, &k->addr, sizeof(k->addr), k);
}

static void know_node(struct kernel_judge *j, enum holder holder,
	const struct generation_peer *peer, const struct mesh_node *node)
{
	struct known what = {.holder = holder, .peer = peer, .node = node};

	for (size_t i = 0; i < node->n_addresses; i++)
		know(j, &node->addresses[i].addr, &what);
	if (holder != HOLDER_NODE && mesh_has_engine(node)) {
		ip_addr link_local = mesh_link_local(node);

		know(j, &link_local, &what);
	}
}

/* The first who claims an address has it: we, then those whom a packet can be handed to. */
static void know_nodes(struct kernel_judge *j)
{
	const struct generation *g = j->gen;

	know_node(j, HOLDER_SELF, NULL, g->self);
	for (size_t i = 0; i < g->n_peers; i++)
		if (mesh_direct(g->topology, g->self->index, g->peers[i].node->index))
			know_node(j, HOLDER_PEER, &g->peers[i], g->peers[i].node);
	for (size_t i = 0; i < g->inv->n_nodes; i++)
		know_node(j, HOLDER_NODE, NULL, &g->inv->nodes[i]);
}

static void know_endpoints(struct kernel_judge *j, const struct kernel_source_facts *f)
{
	for (size_t i = 0; i < f->n_endpoints; i++) {
		struct known *k = arena_new(&j->endpoints_known, struct known);

		k->holder = HOLDER_ENDPOINT;
		k->addr = f->endpoints[i];
		map_put(j->endpoints, &k->addr, sizeof(k->addr), k);
	}
}

static void forget_endpoints(struct kernel_judge *j)
{
	map_free(j->endpoints);
	arena_done(&j->endpoints_known);
	j->endpoints = NULL;
}

struct kernel_judge *kernel_judge_new(const struct kernel_source_facts *f)
{
	struct kernel_judge *j = mem_zalloc(1, sizeof(*j));

	j->gen = f->gen;
	j->has_engine = mesh_has_engine(f->gen->self);
	j->by_addr = map_new();
	if (j->has_engine)
		know_nodes(j);
	kernel_judge_update(j, f);
	return j;
}

void kernel_judge_update(struct kernel_judge *j, const struct kernel_source_facts *f)
{
	assert(f->gen == j->gen);
	j->ifindex = f->ifindex;
	forget_endpoints(j);
	j->endpoints = map_new();
	know_endpoints(j, f);
}

void kernel_judge_free(struct kernel_judge *j)
{
	if (!j)
		return;
	forget_endpoints(j);
	map_free(j->by_addr);
	arena_done(&j->known);
	free(j);
}

static const struct known *holder_of(const struct kernel_judge *j, const ip_addr *a)
{
	return map_get(j->by_addr, a, sizeof(*a));
}

/* NULL: it is no single address, or nobody's. */
static const struct known *holder_of_prefix(const struct kernel_judge *j, const ip_prefix *p)
{
	ip_addr a = ip_prefix_addr(p);
	const struct known *k;

	if (p->len != ip_family_bits(p->family))
		return NULL;
	k = holder_of(j, &a);
	return k ? k : map_get(j->endpoints, &a, sizeof(a));
}

/* --- who stands behind a next hop ----------------------------------------------------------------
 */

/* Those whose permit is the narrowest that holds the prefix; a cover's are none of its. */
static size_t origins_by_inventory(
	const struct kernel_judge *j, const ip_prefix *p, uint32_t ret[static KERNEL_ORIGINS_MAX])
{
	unsigned nodes[KERNEL_ORIGINS_MAX + 1]; /* we ourselves are none */
	size_t used = 0;
	size_t n = mesh_announcers_nearest(j->gen->announcers, p, nodes, ARRAY_SIZE(nodes));

	if (n > ARRAY_SIZE(nodes))
		n = ARRAY_SIZE(nodes);
	for (size_t i = 0; i < n && used < KERNEL_ORIGINS_MAX; i++)
		if (nodes[i] != j->gen->self->index)
			ret[used++] = nodes[i];
	return used;
}

/* Who stands behind a hub that isn't the one itself. */
static void find_behind(const struct kernel_judge *j, const ip_prefix *p, struct kernel_hop *hop)
{
	const struct known *address = holder_of_prefix(j, p);

	if (address && address->holder == HOLDER_NODE)
		hop->origins[hop->n_origins++] = address->node->index;
	else
		hop->n_origins = (uint8_t)origins_by_inventory(j, p, hop->origins);
}

/* Fills hop's origins; false: that peer may not say so. */
static bool find_origins(const struct kernel_judge *j, const ip_prefix *p,
	const struct generation_peer *peer, struct kernel_hop *hop)
{
	unsigned index = peer->node->index;
	bool is_hub = peer->node->role == MESH_HUB, may = mesh_may_announce(peer->node, p);

	hop->n_origins = 0;
	if (is_hub && !mesh_is_nearest_announcer(j->gen->announcers, p, index))
		find_behind(j, p, hop);
	if (!hop->n_origins && may)
		hop->origins[hop->n_origins++] = index;
	return hop->n_origins;
}

/* --- a route -------------------------------------------------------------------------------------
 */

struct hearing {
	const struct kernel_judge *judge;
	const struct route_view *view;
	struct kernel_hops *hops;
	struct kernel_refusal *refusal;
};

/* The first one counts. */
static void refuse(
	const struct hearing *h, enum kernel_trouble_kind kind, uint32_t peer, const ip_addr *hop)
{
	if (h->refusal->kind != KERNEL_N_TROUBLES)
		return;
	*h->refusal = (struct kernel_refusal){.kind = kind, .peer = peer, .hop = *hop};
}

static uint16_t cap_weight(unsigned weight)
{
	return weight > MESH_WEIGHT_MAX ? MESH_WEIGHT_MAX : weight ? (uint16_t)weight : 1;
}

/* A node's two addresses are one next hop. */
static struct kernel_hop *hop_of(struct kernel_hops *hops, uint32_t peer)
{
	for (size_t i = 0; i < hops->n; i++)
		if (hops->items[i].peer == peer)
			return &hops->items[i];
	assert(hops->n < ROUTE_HOPS_MAX);
	hops->items[hops->n] = (struct kernel_hop){.peer = peer};
	return &hops->items[hops->n++];
}

static void take_peer(
	const struct hearing *h, const struct generation_peer *peer, const struct route_hop *hop)
{
	const ip_prefix *p = &h->view->prefix;
	struct kernel_hop found = {.peer = peer->id}, *at;

	if (!find_origins(h->judge, p, peer, &found)) {
		bool nobody_offers = ip_prefix_is_default(p) && peer->node->role == MESH_HUB;

		refuse(h, nobody_offers ? KERNEL_DEFAULT_ROUTE : KERNEL_MAY_NOT_ANNOUNCE, peer->id,
			&hop->via);
		return;
	}
	at = hop_of(h->hops, peer->id);
	found.weight = cap_weight((unsigned)at->weight + cap_weight(hop->weight));
	*at = found;
}

static void take_hop(const struct hearing *h, const struct route_hop *hop)
{
	const struct known *k;

	if (!hop->via.family) {
		refuse(h, KERNEL_NO_GATEWAY, KERNEL_SOURCE_NOBODY, &hop->via);
		return;
	}
	k = holder_of(h->judge, &hop->via);
	if (k && k->holder == HOLDER_PEER)
		take_peer(h, k->peer, hop);
	else
		refuse(h, KERNEL_UNKNOWN_HOP, KERNEL_SOURCE_NOBODY, &hop->via);
}

/* The first next hop through our device; NULL: none. */
static const struct route_hop *first_into(const struct kernel_judge *j, const struct route_view *v)
{
	for (size_t i = 0; i < v->n_hops; i++)
		if (v->hops[i].ifindex == j->ifindex)
			return &v->hops[i];
	return NULL;
}

/* A route by which an engine resolves its next hops: the overlay, or a peer's address, straight to
 * the device or by that peer. It says what is so anyway. */
static bool is_resolving(const struct kernel_judge *j, const struct route_view *v)
{
	const struct known *of = holder_of_prefix(j, &v->prefix);
	ip_addr a = ip_prefix_addr(&v->prefix);

	for (size_t i = 0; i < v->n_hops; i++) {
		const struct route_hop *hop = &v->hops[i];
		const struct known *by = hop->via.family ? holder_of(j, &hop->via) : NULL;

		if (hop->ifindex == j->ifindex && hop->via.family &&
			(!of || !by || !of->peer || of->peer != by->peer))
			return false;
	}
	if (of)
		return of->holder == HOLDER_PEER;
	for (size_t i = 0; i < j->gen->inv->n_overlays; i++)
		if (ip_prefix_has_addr(&j->gen->inv->overlays[i].prefix, &a))
			return true;
	return false;
}

/* What nobody may announce, whoever does. */
static bool refuses_prefix(const struct hearing *h, const struct route_hop *first)
{
	const struct known *k = holder_of_prefix(h->judge, &h->view->prefix);
	uint32_t by = KERNEL_SOURCE_NOBODY;
	const struct known *hop = holder_of(h->judge, &first->via);

	if (!k || k->holder == HOLDER_NODE)
		return false;
	if (hop && hop->holder == HOLDER_PEER)
		by = hop->peer->id;
	refuse(h, k->holder == HOLDER_ENDPOINT ? KERNEL_ENDPOINT : KERNEL_OVERLAY_ADDRESS, by,
		&first->via);
	return true;
}

void kernel_judge_route(const struct kernel_judge *j, const struct route_view *v,
	struct kernel_hops *ret, struct kernel_refusal *ret_refusal)
{
	struct hearing h = {j, v, ret, ret_refusal};
	const struct route_hop *first;

	ret->n = 0;
	*ret_refusal = (struct kernel_refusal){.kind = KERNEL_N_TROUBLES};
	first = j->has_engine && j->ifindex ? first_into(j, v) : NULL;
	if (!first || is_resolving(j, v) || refuses_prefix(&h, first))
		return;
	for (size_t i = 0; i < v->n_hops && i < ROUTE_HOPS_MAX; i++)
		if (v->hops[i].ifindex == j->ifindex)
			take_hop(&h, &v->hops[i]);
}

void kernel_judge_again(
	const struct kernel_judge *j, const ip_prefix *prefix, struct kernel_hops *hops)
{
	const struct known *k = holder_of_prefix(j, prefix);
	size_t n = hops->n;

	hops->n = 0;
	if (!j->has_engine || (k && k->holder != HOLDER_NODE))
		return;
	for (size_t i = 0; i < n; i++) {
		struct kernel_hop hop = hops->items[i];
		const struct generation_peer *p = generation_peer_by_id(j->gen, hop.peer);

		if (p && mesh_direct(j->gen->topology, j->gen->self->index, p->node->index) &&
			find_origins(j, prefix, p, &hop))
			hops->items[hops->n++] = hop;
	}
}

/* --- candidates ----------------------------------------------------------------------------------
 */

static struct rib_candidate candidate_of(
	const struct kernel_judge *j, const struct kernel_hop *hop, uint32_t origin)
{
	const struct generation *g = j->gen;
	const struct mesh_node *peer = generation_peer_by_id(g, hop->peer)->node;
	bool transit = origin != peer->index;

	return (struct rib_candidate){
		.peer = hop->peer,
		.origin = g->ids[origin],
		.distance = hop->kind == KERNEL_HOP_LINGERS ? KERNEL_DISTANCE_LINGERS
							    : g->self->routing.distance,
		.transit = transit,
		.source = RIB_KERNEL,
		.hub_metric = transit ? peer->metric : 0,
		.place = peer->index,
		.origin_place = origin,
		.weight = cap_weight((transit ? cap_weight(peer->weight) : 1u) * hop->weight),
	};
}

size_t kernel_judge_candidates(
	const struct kernel_judge *j, const struct kernel_hops *hops, struct rib_candidate *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < hops->n; i++)
		for (size_t k = 0; k < hops->items[i].n_origins; k++)
			ret[n++] = candidate_of(j, &hops->items[i], hops->items[i].origins[k]);
	return n;
}

/* SPDX-License-Identifier: MIT */
#include "mesh/topology.h"

#include "base/mem.h"
#include <stdlib.h>
#include <string.h>

#define NO_RANK UINT32_MAX

struct mesh_topology_index {
	const struct mesh_inventory *inv;
	unsigned *hubs; /* in order of preference */
	size_t n_hubs;
	uint32_t *hub_rank; /* per node: place in hubs, NO_RANK for others */
	/* The explicit links of node i are ends[first[i]] to ends[first[i + 1] - 1]. */
	struct mesh_explicit *ends;
	size_t *first;
};

static int hub_cmp(const void *a, const void *b, void *nodes)
{
	const struct mesh_node *x = (const struct mesh_node *)nodes + *(const unsigned *)a;
	const struct mesh_node *y = (const struct mesh_node *)nodes + *(const unsigned *)b;

	if (x->metric != y->metric)
		return x->metric < y->metric ? -1 : 1;
	return x->index < y->index ? -1 : 1;
}

static void index_hubs(struct mesh_topology_index *t)
{
	const struct mesh_inventory *inv = t->inv;

	t->hubs = mem_zalloc(inv->n_nodes + 1, sizeof(*t->hubs));
	t->hub_rank = mem_zalloc(inv->n_nodes + 1, sizeof(*t->hub_rank));
	for (unsigned i = 0; i < inv->n_nodes; i++) {
		t->hub_rank[i] = NO_RANK;
		if (inv->nodes[i].role == MESH_HUB)
			t->hubs[t->n_hubs++] = i;
	}
	qsort_r(t->hubs, t->n_hubs, sizeof(*t->hubs), hub_cmp, (void *)(uintptr_t)inv->nodes);
	for (uint32_t i = 0; i < t->n_hubs; i++)
		t->hub_rank[t->hubs[i]] = i;
}

static int explicit_cmp(const void *a, const void *b)
{
	const struct mesh_explicit *x = a, *y = b;

	return x->peer < y->peer ? -1 : x->peer > y->peer;
}

static void index_links(struct mesh_topology_index *t)
{
	const struct mesh_inventory *inv = t->inv;
	AUTO_FREE size_t *fill = mem_zalloc(inv->n_nodes + 1, sizeof(*fill));

	t->first = mem_zalloc(inv->n_nodes + 1, sizeof(*t->first));
	t->ends = mem_zalloc(2 * inv->n_links + 1, sizeof(*t->ends));
	for (size_t i = 0; i < inv->n_links; i++) {
		t->first[inv->links[i].a + 1]++;
		t->first[inv->links[i].b + 1]++;
	}
	for (size_t i = 0; i < inv->n_nodes; i++) {
		t->first[i + 1] += t->first[i];
		fill[i] = t->first[i];
	}
	for (size_t i = 0; i < inv->n_links; i++) {
		const struct mesh_link *l = &inv->links[i];

		t->ends[fill[l->a]++] = (struct mesh_explicit){l->b, l};
		t->ends[fill[l->b]++] = (struct mesh_explicit){l->a, l};
	}
	for (size_t i = 0; i < inv->n_nodes; i++)
		qsort(t->ends + t->first[i], t->first[i + 1] - t->first[i], sizeof(*t->ends),
			explicit_cmp);
}

struct mesh_topology_index *mesh_topology_new(const struct mesh_inventory *inv)
{
	struct mesh_topology_index *t = mem_zalloc(1, sizeof(*t));

	t->inv = inv;
	index_hubs(t);
	index_links(t);
	return t;
}

void mesh_topology_free(struct mesh_topology_index *t)
{
	if (!t)
		return;
	free(t->hubs);
	free(t->hub_rank);
	free(t->ends);
	free(t->first);
	free(t);
}

const struct mesh_inventory *mesh_topology_inventory(const struct mesh_topology_index *t)
{
	return t->inv;
}

size_t mesh_explicit_of(
	const struct mesh_topology_index *t, unsigned node, const struct mesh_explicit **ret)
{
	*ret = t->ends + t->first[node];
	return t->first[node + 1] - t->first[node];
}

const struct mesh_link *mesh_link_between(
	const struct mesh_topology_index *t, unsigned a, unsigned b)
{
	const struct mesh_explicit *of_a, *of_b, *found;
	size_t n_a = mesh_explicit_of(t, a, &of_a);
	size_t n_b = mesh_explicit_of(t, b, &of_b);
	struct mesh_explicit want = {n_a <= n_b ? b : a, NULL};

	found = n_a <= n_b ? bsearch(&want, of_a, n_a, sizeof(want), explicit_cmp)
			   : bsearch(&want, of_b, n_b, sizeof(want), explicit_cmp);
	return found ? found->link : NULL;
}

bool mesh_linked(const struct mesh_topology_index *t, unsigned a, unsigned b)
{
	if (a == b)
		return false;
	if (t->inv->topology == MESH_FULL_MESH)
		return true;
	if (t->hub_rank[a] != NO_RANK || t->hub_rank[b] != NO_RANK)
		return true;
	return mesh_link_between(t, a, b);
}

bool mesh_is_server(const struct mesh_topology_index *t, unsigned hub, unsigned client)
{
	if (t->inv->topology == MESH_FULL_MESH || t->hub_rank[hub] == NO_RANK ||
		t->inv->nodes[client].role != MESH_CLIENT)
		return false;
	return mesh_link_between(t, hub, client) || mesh_client_hub(t, client) == (int)hub;
}

static int server_cmp(const void *a, const void *b, void *ranks)
{
	const uint32_t *rank = ranks;
	uint32_t x = rank[*(const unsigned *)a], y = rank[*(const unsigned *)b];

	return x < y ? -1 : x > y;
}

size_t mesh_servers_of(const struct mesh_topology_index *t, unsigned client, unsigned **ret)
{
	const struct mesh_explicit *links;
	size_t n_links = mesh_explicit_of(t, client, &links), n = 0;
	int first = mesh_client_hub(t, client);
	unsigned *list;

	*ret = NULL;
	if (first < 0 || t->inv->topology == MESH_FULL_MESH)
		return 0;
	list = mem_zalloc(n_links + 1, sizeof(*list));
	for (size_t i = 0; i < n_links; i++)
		if (t->hub_rank[links[i].peer] != NO_RANK)
			list[n++] = links[i].peer;
	if (!n)
		list[n++] = (unsigned)first;
	qsort_r(list, n, sizeof(*list), server_cmp, t->hub_rank);
	*ret = list;
	return n;
}

bool mesh_roams(const struct mesh_topology_index *t, unsigned client)
{
	AUTO_FREE unsigned *servers = NULL;

	return mesh_servers_of(t, client, &servers) > 1;
}

/* True if a is a client and b a hub that is none of its servers. */
static bool is_other_hub(const struct mesh_topology_index *t, unsigned a, unsigned b)
{
	return t->inv->nodes[a].role == MESH_CLIENT && t->hub_rank[b] != NO_RANK &&
	       !mesh_is_server(t, b, a);
}

bool mesh_direct(const struct mesh_topology_index *t, unsigned a, unsigned b)
{
	if (!mesh_linked(t, a, b))
		return false;
	if (t->inv->topology == MESH_FULL_MESH)
		return true;
	return !is_other_hub(t, a, b) && !is_other_hub(t, b, a);
}

bool mesh_lists(const struct mesh_topology_index *t, unsigned node, unsigned peer)
{
	if (!mesh_direct(t, node, peer))
		return false;
	return t->inv->nodes[node].role != MESH_CLIENT || t->hub_rank[peer] == NO_RANK ||
	       t->inv->topology == MESH_FULL_MESH || mesh_client_hub(t, node) == (int)peer;
}

/* A hub's peers, or anybody's in a full mesh. */
static size_t all_but(const struct mesh_topology_index *t, unsigned node, unsigned **ret)
{
	unsigned *list = mem_zalloc(t->inv->n_nodes, sizeof(*list));
	size_t n = 0;

	for (unsigned i = 0; i < t->inv->n_nodes; i++)
		if (i != node)
			list[n++] = i;
	*ret = list;
	return n;
}

static int node_cmp(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

	return x < y ? -1 : x > y;
}

size_t mesh_peers_of(const struct mesh_topology_index *t, unsigned node, unsigned **ret)
{
	return mesh_peers_by(t, node, mesh_client_hub(t, node), ret);
}

size_t mesh_peers_by(
	const struct mesh_topology_index *t, unsigned node, int client_hub, unsigned **ret)
{
	const struct mesh_explicit *links;
	size_t n_links = mesh_explicit_of(t, node, &links), n = 0;
	unsigned *list;

	if (t->inv->topology == MESH_FULL_MESH || t->hub_rank[node] != NO_RANK)
		return all_but(t, node, ret);
	list = mem_zalloc(n_links + t->n_hubs + 1, sizeof(*list));
	for (size_t i = 0; i < n_links; i++)
		if (t->hub_rank[links[i].peer] == NO_RANK)
			list[n++] = links[i].peer;
	for (size_t i = 0; i < t->n_hubs; i++)
		if (client_hub < 0 || client_hub == (int)t->hubs[i])
			list[n++] = t->hubs[i];
	qsort(list, n, sizeof(*list), node_cmp);
	*ret = list;
	return n;
}

size_t mesh_hubs(const struct mesh_topology_index *t, const unsigned **ret)
{
	*ret = t->hubs;
	return t->n_hubs;
}

bool mesh_hub_is_before(const struct mesh_topology_index *t, unsigned a, unsigned b)
{
	return t->hub_rank[a] < t->hub_rank[b];
}

int mesh_client_hub(const struct mesh_topology_index *t, unsigned client)
{
	const struct mesh_explicit *links;
	size_t n = mesh_explicit_of(t, client, &links);
	uint32_t best = NO_RANK;

	if (t->inv->nodes[client].role != MESH_CLIENT || t->n_hubs == 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (t->hub_rank[links[i].peer] < best)
			best = t->hub_rank[links[i].peer];
	return (int)t->hubs[best == NO_RANK ? 0 : best];
}

const struct mesh_endpoint *mesh_endpoint_of(
	const struct mesh_topology_index *t, unsigned node, unsigned peer)
{
	const struct mesh_link *link = mesh_link_between(t, node, peer);
	const struct mesh_endpoint *e = link ? &link->endpoints[link->b == peer] : NULL;

	return e && e->host ? e : &t->inv->nodes[peer].endpoint;
}

int mesh_keepalive(const struct mesh_topology_index *t, unsigned node, unsigned peer)
{
	const struct mesh_node *self = &t->inv->nodes[node];

	if (self->keepalive != MESH_KEEPALIVE_AUTO)
		return self->keepalive;
	if (!self->nat && mesh_endpoint_of(t, peer, node)->host)
		return 0;
	return mesh_endpoint_of(t, node, peer)->host ? MESH_KEEPALIVE_AUTO_SECONDS : 0;
}

/* SPDX-License-Identifier: MIT */
#include "mesh/routing.h"

#include "base/arena.h"
#include "base/trie.h"
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define LOW_24 UINT32_C(0x00ffffff)

bool mesh_has_engine(const struct mesh_node *node)
{
	return node->routing.engine != MESH_ENGINE_NONE && node->role != MESH_CLIENT;
}

/* --- numbers and names ---------------------------------------------------------------------------
 */

static const ip_addr *address_of(const struct mesh_node *node, int family)
{
	for (size_t i = 0; i < node->n_addresses; i++)
		if (node->addresses[i].addr.family == family)
			return &node->addresses[i].addr;
	return NULL;
}

static uint32_t number_of(const uint8_t bytes[static 4])
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	       bytes[3];
}

static void hash(const void *bytes, size_t n, uint8_t out[static 16])
{
	crypto_generichash(out, 16, bytes, n, NULL, 0);
}

/* 24 bits of a node without an IPv4 address, neither 0 nor all ones. */
static uint32_t hashed_24(const struct mesh_node *node)
{
	const ip_addr *a = address_of(node, AF_INET6);
	uint8_t h[16];
	uint32_t n;

	hash(a ? a->bytes : (const uint8_t *)node->name, a ? 16 : strlen(node->name), h);
	n = number_of(h) & LOW_24;
	return n == 0 || n == LOW_24 ? 1 : n;
}

uint32_t mesh_asn(const struct mesh_node *node)
{
	const ip_addr *a = address_of(node, AF_INET);

	if (node->routing.asn)
		return node->routing.asn;
	return MESH_ASN_FIRST + (a ? number_of(a->bytes) & LOW_24 : hashed_24(node));
}

ip_addr mesh_router_id(const struct mesh_node *node)
{
	const ip_addr *a = address_of(node, AF_INET);
	uint32_t n = hashed_24(node);
	uint8_t bytes[4] = {0, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};

	return a ? *a : ip_addr_from_bytes(AF_INET, bytes);
}

ip_addr mesh_link_local(const struct mesh_node *node)
{
	uint8_t bytes[16] = {0xfe, 0x80}, h[16];

	hash(node->name, strlen(node->name), h);
	memcpy(bytes + 8, h, 8);
	bytes[8] &= (uint8_t)~3; /* made up here, of one node: RFC 4291, appendix A */
	bytes[15] |= 1;		 /* never the anycast address of the link's routers */
	return ip_addr_from_bytes(AF_INET6, bytes);
}

/* --- sessions ------------------------------------------------------------------------------------
 */

static bool a_hub_has_engine(const struct mesh_topology_index *t)
{
	const struct mesh_inventory *inv = mesh_topology_inventory(t);
	const unsigned *hubs;
	size_t n = mesh_hubs(t, &hubs);

	for (size_t i = 0; i < n; i++)
		if (mesh_has_engine(&inv->nodes[hubs[i]]))
			return true;
	return false;
}

bool mesh_is_reflector_of(const struct mesh_topology_index *t, unsigned reflector, unsigned node)
{
	const struct mesh_node *nodes = mesh_topology_inventory(t)->nodes;
	const struct mesh_routing *r = &nodes[node].routing;

	if (reflector == node || !mesh_has_engine(&nodes[reflector]) ||
		!mesh_has_engine(&nodes[node]))
		return false;
	for (size_t i = 0; i < r->n_reflectors; i++)
		if (r->reflectors[i] == reflector)
			return true;
	if (r->n_reflectors)
		return false;
	return nodes[reflector].role == MESH_HUB || !a_hub_has_engine(t);
}

bool mesh_has_session(const struct mesh_topology_index *t, unsigned a, unsigned b)
{
	const struct mesh_node *nodes = mesh_topology_inventory(t)->nodes;

	if (a == b || !mesh_has_engine(&nodes[a]) || !mesh_has_engine(&nodes[b]) ||
		!mesh_direct(t, a, b))
		return false;
	return mesh_is_reflector_of(t, a, b) || mesh_is_reflector_of(t, b, a) ||
	       mesh_link_between(t, a, b);
}

bool mesh_session_addresses(const struct mesh_topology_index *t, unsigned a, unsigned b, int family,
	ip_addr *ret_a, ip_addr *ret_b)
{
	const struct mesh_node *nodes = mesh_topology_inventory(t)->nodes;
	const ip_addr *of_a = address_of(&nodes[a], family), *of_b = address_of(&nodes[b], family);

	if (!of_a || !of_b)
		return false;
	*ret_a = *of_a;
	*ret_b = *of_b;
	return true;
}

/* --- who may announce what -----------------------------------------------------------------------
 */

static bool permits(const ip_prefix *outer, const ip_prefix *p)
{
	return ip_prefix_is_default(outer) ? ip_prefix_eq(outer, p) : ip_prefix_contains(outer, p);
}

bool mesh_may_announce(const struct mesh_node *node, const ip_prefix *p)
{
	for (size_t i = 0; i < node->n_networks; i++)
		if (permits(&node->networks[i].prefix, p))
			return true;
	for (size_t i = 0; i < node->n_may_announce; i++)
		if (permits(&node->may_announce[i].prefix, p))
			return true;
	return false;
}

/* Who states one prefix, ascending. */
struct permit {
	VEC(unsigned) nodes;
};

struct mesh_announcers {
	struct trie *permits; /* each prefix: its struct permit */
	VEC(struct permit *) all;
};

static void add_permit(struct mesh_announcers *a, const ip_prefix *p, unsigned node)
{
	struct permit **slot = (struct permit **)trie_slot(a->permits, p);

	if (!*slot) {
		*slot = mem_zalloc(1, sizeof(**slot));
		vec_push(&a->all, *slot);
	}
	if (!(*slot)->nodes.n || (*slot)->nodes.items[(*slot)->nodes.n - 1] != node)
		vec_push(&(*slot)->nodes, node);
}

static void add_node(struct mesh_announcers *a, const struct mesh_node *node)
{
	for (size_t i = 0; i < node->n_networks; i++)
		add_permit(a, &node->networks[i].prefix, node->index);
	for (size_t i = 0; i < node->n_may_announce; i++)
		add_permit(a, &node->may_announce[i].prefix, node->index);
}

struct mesh_announcers *mesh_announcers_new(const struct mesh_inventory *inv)
{
	struct mesh_announcers *a = mem_zalloc(1, sizeof(*a));

	a->permits = trie_new();
	for (size_t i = 0; i < inv->n_nodes; i++)
		if (mesh_has_engine(&inv->nodes[i]))
			add_node(a, &inv->nodes[i]);
	return a;
}

void mesh_announcers_free(struct mesh_announcers *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->all.n; i++) {
		vec_done(&a->all.items[i]->nodes);
		free(a->all.items[i]);
	}
	vec_done(&a->all);
	trie_free(a->permits);
	free(a);
}

static int node_cmp(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

	return x < y ? -1 : x > y;
}

/* The permits that hold the prefix, from the narrowest to the widest. */
struct covers {
	const struct permit *items[129];
	size_t n;
};

static void covers_of(const struct mesh_announcers *a, const ip_prefix *p, struct covers *ret)
{
	const struct permit *found = trie_get(a->permits, p);
	ip_prefix at = *p;

	ret->n = 0;
	if (!found)
		found = trie_cover(a->permits, p, &at);
	for (; found; found = trie_cover(a->permits, &at, &at))
		if (!ip_prefix_is_default(&at) || ip_prefix_is_default(p))
			ret->items[ret->n++] = found;
}

static const struct permit *nearest(const struct mesh_announcers *a, const ip_prefix *p)
{
	struct covers c;

	covers_of(a, p, &c);
	return c.n ? c.items[0] : NULL;
}

size_t mesh_announcers_nearest(
	const struct mesh_announcers *a, const ip_prefix *p, unsigned *ret, size_t max)
{
	const struct permit *found = nearest(a, p);
	size_t n = 0;

	for (; found && n < found->nodes.n && n <= max; n++)
		if (n < max)
			ret[n] = found->nodes.items[n];
	return n;
}

bool mesh_is_nearest_announcer(const struct mesh_announcers *a, const ip_prefix *p, unsigned node)
{
	const struct permit *found = nearest(a, p);

	return found && bsearch(&node, found->nodes.items, found->nodes.n, sizeof(node), node_cmp);
}

static bool is_in_narrower(const struct covers *c, size_t level, unsigned node)
{
	for (size_t i = 0; i < level; i++)
		if (bsearch(&node, c->items[i]->nodes.items, c->items[i]->nodes.n, sizeof(node),
			    node_cmp))
			return true;
	return false;
}

size_t mesh_announcers_of(
	const struct mesh_announcers *a, const ip_prefix *p, unsigned *ret, size_t max)
{
	struct covers c;
	size_t n = 0;

	covers_of(a, p, &c);
	for (size_t level = 0; level < c.n && n <= max; level++)
		for (size_t i = 0; i < c.items[level]->nodes.n && n <= max; i++) {
			unsigned node = c.items[level]->nodes.items[i];

			if (is_in_narrower(&c, level, node))
				continue;
			if (n < max)
				ret[n] = node;
			n++;
		}
	return n;
}

/* --- what must not leave in clear ----------------------------------------------------------------
 */

typedef VEC(ip_prefix) prefix_list;

static int prefix_cmp(const void *a, const void *b)
{
	return ip_prefix_cmp(a, b);
}

static void add_guarded(const struct mesh_node *node, prefix_list *ret)
{
	for (size_t i = 0; i < node->n_networks; i++)
		if (!ip_prefix_is_default(&node->networks[i].prefix))
			vec_push(ret, node->networks[i].prefix);
	for (size_t i = 0; i < node->n_may_announce; i++)
		if (!ip_prefix_is_default(&node->may_announce[i].prefix))
			vec_push(ret, node->may_announce[i].prefix);
}

/* True of a network of the node itself: wherever that is, it isn't in the mesh. */
static bool is_own(const struct mesh_node *self, const ip_prefix *p)
{
	for (size_t i = 0; i < self->n_networks; i++)
		if (ip_prefix_eq(&self->networks[i].prefix, p))
			return true;
	return false;
}

size_t mesh_guarded(const struct mesh_inventory *inv, unsigned self, ip_prefix **ret)
{
	prefix_list all = {0};
	size_t n = 0;

	for (unsigned i = 0; i < inv->n_nodes; i++)
		if (i != self && mesh_has_engine(&inv->nodes[i]))
			add_guarded(&inv->nodes[i], &all);
	if (all.n)
		qsort(all.items, all.n, sizeof(*all.items), prefix_cmp);
	/* Covers stand before what they cover. */
	for (size_t i = 0; i < all.n; i++)
		if (!(n && ip_prefix_contains(&all.items[n - 1], &all.items[i])) &&
			!is_own(&inv->nodes[self], &all.items[i]))
			all.items[n++] = all.items[i];
	*ret = all.items;
	return n;
}

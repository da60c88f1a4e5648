/* SPDX-License-Identifier: MIT */
#include "mesh/free_address.h"

#include "base/mem.h"
#include "base/vec.h"
#include <stdlib.h>
#include <string.h>

typedef VEC(ip_addr) address_list;

static int addr_cmp(const void *a, const void *b)
{
	return ip_addr_cmp(a, b);
}

static void list_taken(const struct mesh_inventory *inv, int family, address_list *ret)
{
	for (size_t i = 0; i < inv->n_nodes; i++)
		for (size_t k = 0; k < inv->nodes[i].n_addresses; k++)
			if (inv->nodes[i].addresses[k].addr.family == family)
				vec_push(ret, inv->nodes[i].addresses[k].addr);
	if (ret->n)
		qsort(ret->items, ret->n, sizeof(*ret->items), addr_cmp);
}

/* The longest network that holds the address; NULL: none but default routes do. */
static const ip_prefix *network_of(const struct mesh_inventory *inv, const ip_addr *a)
{
	for (size_t i = 0; i < inv->n_nodes; i++)
		for (size_t k = 0; k < inv->nodes[i].n_networks; k++) {
			const ip_prefix *p = &inv->nodes[i].networks[k].prefix;

			if (!ip_prefix_is_default(p) && ip_prefix_has_addr(p, a))
				return p;
		}
	return NULL;
}

/* False: it was the last of all. */
static bool step(ip_addr *a)
{
	for (int i = (a->family == AF_INET ? 4 : 16) - 1; i >= 0; i--)
		if (++a->bytes[i])
			return true;
	return false;
}

/* Behind the last address of the prefix. */
static bool step_over(ip_addr *a, const ip_prefix *p)
{
	for (unsigned bit = p->len; bit < ip_family_bits(p->family); bit++)
		a->bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	return step(a);
}

/* What IPv4 gives to nobody; a /31 and a /32 have hosts alone. */
static bool is_broadcast(const ip_prefix *overlay, const ip_addr *a)
{
	ip_addr next = *a;

	return a->family == AF_INET && overlay->len < 31 &&
	       (!step(&next) || !ip_prefix_has_addr(overlay, &next));
}

static bool find_in(const struct mesh_inventory *inv, const ip_prefix *overlay, ip_addr *ret)
{
	address_list taken = {0};
	ip_addr a = ip_prefix_addr(overlay);
	/* The first is the network's own, or the anycast address of its routers. */
	bool more = overlay->len >= ip_family_bits(overlay->family) - 1 || step(&a), found = false;

	list_taken(inv, overlay->family, &taken);
	while (more && !found && ip_prefix_has_addr(overlay, &a) && !is_broadcast(overlay, &a)) {
		const ip_prefix *network = network_of(inv, &a);

		if (network)
			more = step_over(&a, network);
		else if (taken.n && bsearch(&a, taken.items, taken.n, sizeof(a), addr_cmp))
			more = step(&a);
		else
			found = true;
	}
	vec_done(&taken);
	if (found)
		*ret = a;
	return found;
}

bool mesh_free_address(const struct mesh_inventory *inv, int family, ip_addr *ret)
{
	for (size_t i = 0; i < inv->n_overlays; i++)
		if (inv->overlays[i].prefix.family == family)
			return find_in(inv, &inv->overlays[i].prefix, ret);
	return false;
}

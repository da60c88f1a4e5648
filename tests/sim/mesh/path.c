/* SPDX-License-Identifier: MIT */
#include "world.h"

const char *fate_name(enum fate f)
{
	static const char *const names[] = {"arrived", "no route", "lost on a dead line",
		"dropped by the source check", "dropped by its own origin", "circles"};

	return names[f];
}

/* The node itself, WORLD_NOBODY, or something else: the device. */
static unsigned route(const struct world_node *n, const ip_addr *a)
{
	void *value = trie_lookup(n->routes, a, NULL);

	return value ? (unsigned)((uintptr_t)value - 1) : WORLD_NOBODY;
}

static bool passes(const struct world *w, unsigned from, unsigned to)
{
	const struct world_node *n = &w->nodes[to];

	return n->is_on && n->has_device && !w->cut[from][to];
}

enum fate path_try(const struct world *w, unsigned from, const ip_addr *src, const ip_addr *dst,
	unsigned *ret_at)
{
	unsigned at = from;

	for (unsigned hops = 0; hops <= 2 * w->n_nodes; hops++) {
		const struct world_node *n = &w->nodes[at];
		unsigned next = route(n, dst);

		*ret_at = at;
		if (next == at)
			return ARRIVED;
		next = next == WORLD_NOBODY || !n->has_device ? WORLD_NOBODY : node_owner(n, dst);
		if (next == WORLD_NOBODY)
			return NO_ROUTE;
		if (!passes(w, at, next))
			return LINE_DEAD;
		if (route(&w->nodes[next], src) == next)
			return OWN_SOURCE;
		if (node_owner(&w->nodes[next], src) != at)
			return WRONG_SOURCE;
		at = next;
	}
	return CIRCLES;
}

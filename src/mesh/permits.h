/* SPDX-License-Identifier: MIT */
/*
 * Lists of prefixes as the filters of routing engines have them: what lies within one of them and
 * is long enough. Siblings that ask for the same length are one entry, which permits exactly what
 * both did: 10.20.0.0/24 and 10.20.1.0/24 are 10.20.0.0/23 from /24 on. A default route permits
 * itself alone. Of one family each.
 */
#ifndef SHUNT_MESH_PERMITS_H
#define SHUNT_MESH_PERMITS_H

#include "base/vec.h"
#include "mesh/inventory.h"

struct permit {
	ip_prefix prefix;
	uint8_t from; /* the shortest length that is permitted, at least that of the prefix */
};

struct permits {
	int family;
	bool has_default;
	VEC(struct permit) items; /* after permits_sort: disjoint, by ip_prefix_cmp */
};

void permits_init(struct permits *p, int family);
void permits_done(struct permits *p);
/* Of another family: nothing happens. */
void permits_add(struct permits *p, const ip_prefix *prefix);
/* All that the node may announce: its networks and what `may_announce` lists. */
void permits_add_node(struct permits *p, const struct mesh_node *node);
/* To be called once, after the last addition. */
void permits_sort(struct permits *p);

static inline bool permits_is_empty(const struct permits *p)
{
	return !p->has_default && p->items.n == 0;
}

/* The length of the shortest entry; 0: there is none. */
unsigned permits_shortest(const struct permits *p);
/* The prefixes that hold one of the entries and are shorter, but not shorter than `from`, each
 * once, by ip_prefix_cmp; *ret is malloc'd. Returns how many. From 0 the default route is among
 * them where there is an entry at all. */
size_t permits_covers(const struct permits *p, unsigned from, ip_prefix **ret);

#endif

/* SPDX-License-Identifier: MIT */
/* Findings about routing engines by themselves: whether what is stated of them means anything, and
 * whether each has numbers and addresses of its own. */
#include "base/map.h"
#include "mesh/check_parts.h"
#include "mesh/routing.h"
#include <stdlib.h>
#include <string.h>

static const struct mesh_node *node_at(const struct check *c, unsigned node)
{
	return &c->inv->nodes[node];
}

static bool has_engine(const struct check *c, unsigned node)
{
	return mesh_has_engine(node_at(c, node));
}

/* --- what means nothing, or lacks something ------------------------------------------------------
 */

/* What there is for the key to mean, and why it means nothing. */
static const char *idle_effect(struct check *c, const struct mesh_node *n)
{
	const char *key = n->routing.idle_key;

	if (n->role == MESH_CLIENT)
		return check_text(c,
			"%s is a client: no shuntd runs there, which could follow a routing "
			"engine, so `%s` means nothing.",
			n->name, key);
	if (mesh_has_engine(n))
		return check_text(c,
			"%s states `%s`, but its routing engine is `other`: there is nobody whom "
			"shuntd would know how to ask.",
			n->name, key);
	return check_text(c, "%s states `%s` and has no routing engine that it could be meant for.",
		n->name, key);
}

static const char *idle_fix(struct check *c, const struct mesh_node *n)
{
	if (n->role == MESH_CLIENT)
		return check_text(
			c, "Remove `routing` from %s, or run shuntd there (role spoke).", n->name);
	return check_text(c, "State its `engine` for %s (bird%s), or remove `%s`.", n->name,
		mesh_has_engine(n) ? " or frr" : ", frr or other", n->routing.idle_key);
}

static void report_idle(struct check *c, const struct mesh_node *n)
{
	check_add(c, &(struct mesh_finding){
			     .code = "routing-without-engine",
			     .severity = MESH_ERROR,
			     .nodes = &n->index,
			     .n_nodes = 1,
			     .pos = n->routing.idle_pos,
			     .effect = idle_effect(c, n),
			     .fix = idle_fix(c, n),
		     });
}

static void check_idle(struct check *c)
{
	for (unsigned i = 0; i < c->inv->n_nodes; i++)
		if (node_at(c, i)->routing.idle_key)
			report_idle(c, node_at(c, i));
	if (c->inv->idle_key)
		check_add(c, &(struct mesh_finding){
				     .code = "routing-without-engine",
				     .severity = MESH_ERROR,
				     .pos = c->inv->idle_pos,
				     .effect = check_text(c,
					     "`%s` stands under `defaults`, and no node has a "
					     "routing engine that it could be meant for.",
					     c->inv->idle_key),
				     .fix = check_text(c,
					     "State `engine` there or on nodes, or remove `%s`.",
					     c->inv->idle_key),
			     });
}

static void report_unknown_routes(struct check *c, const node_list *nodes)
{
	const char *names = check_names(c, nodes->items, nodes->n);

	check_add(c, &(struct mesh_finding){
			     .code = "engine-without-protocols",
			     .severity = MESH_ERROR,
			     .nodes = nodes->items,
			     .n_nodes = nodes->n,
			     .pos = node_at(c, nodes->items[0])->routing.pos,
			     .effect = check_text(c,
				     "Nothing says which of the kernel's routes are those of the "
				     "routing engine on %s (`other`), so none would be followed.",
				     names),
			     .fix = "State `protocols`: the numbers that `ip -N route` shows as "
				    "proto of its routes.",
		     });
}

static void check_other_engines(struct check *c)
{
	struct check_groups g = {.by_key = map_new()};

	for (unsigned i = 0; i < c->inv->n_nodes; i++) {
		const struct mesh_routing *r = &node_at(c, i)->routing;

		if (r->engine == MESH_ENGINE_OTHER && !r->n_protocols)
			check_groups_add(&g, &r->pos, sizeof(r->pos), i);
	}
	for (size_t i = 0; i < g.groups.n; i++)
		report_unknown_routes(c, &g.groups.items[i]->nodes);
	check_groups_done(&g);
}

/* --- numbers -------------------------------------------------------------------------------------
 */

/* What IANA keeps the number for; NULL: it may be somebody's. */
static const char *reserved_asn(uint32_t asn)
{
	if (asn == 23456)
		return "stands for all four-byte numbers towards those who know none (RFC 6793)";
	if (asn == 65535)
		return "is the last of its kind and kept back (RFC 7300)";
	if ((asn >= 64496 && asn <= 64511) || (asn >= 65536 && asn <= 65551))
		return "is for documentation only (RFC 5398), and filters drop it";
	return NULL;
}

static void report_reserved_asn(struct check *c, const node_list *nodes)
{
	const struct mesh_routing *r = &node_at(c, nodes->items[0])->routing;

	check_add(c, &(struct mesh_finding){
			     .code = "reserved-asn",
			     .severity = MESH_ERROR,
			     .nodes = nodes->items,
			     .n_nodes = nodes->n,
			     .pos = r->asn_pos,
			     .effect = check_text(c, "The AS number %u of %s %s.", r->asn,
				     check_names(c, nodes->items, nodes->n), reserved_asn(r->asn)),
			     .fix = "State a private one (64512 to 65534, 4200000000 to "
				    "4294967294), or none: each node then gets one.",
		     });
}

static void check_reserved_asns(struct check *c)
{
	struct check_groups g = {.by_key = map_new()};

	for (unsigned i = 0; i < c->inv->n_nodes; i++) {
		const struct mesh_routing *r = &node_at(c, i)->routing;

		if (has_engine(c, i) && reserved_asn(r->asn))
			check_groups_add(&g, &r->asn_pos, sizeof(r->asn_pos), i);
	}
	for (size_t i = 0; i < g.groups.n; i++)
		report_reserved_asn(c, &g.groups.items[i]->nodes);
	check_groups_done(&g);
}

/* The address that numbers are made of. */
static const ip_addr *source_of(const struct mesh_node *n)
{
	for (size_t i = 0; i < n->n_addresses; i++)
		if (n->addresses[i].addr.family == AF_INET)
			return &n->addresses[i].addr;
	return n->n_addresses ? &n->addresses[0].addr : NULL;
}

/* Of one address there is a finding already. */
static bool have_one_address(const struct check *c, const node_list *nodes)
{
	const ip_addr *first = source_of(node_at(c, nodes->items[0]));

	for (size_t i = 1; i < nodes->n; i++) {
		const ip_addr *a = source_of(node_at(c, nodes->items[i]));

		if (first && a && !ip_addr_eq(first, a))
			return false;
	}
	return true;
}

struct numbers {
	const char *code, *what, *effect;
	const char *fix; /* behind "Give NODE " */
};

static void report_twins(struct check *c, const struct numbers *k, const node_list *nodes,
	const char *number, struct mesh_pos pos)
{
	const char *names = check_names(c, nodes->items, nodes->n);

	check_add(c, &(struct mesh_finding){
			     .code = k->code,
			     .severity = MESH_ERROR,
			     .nodes = nodes->items,
			     .n_nodes = nodes->n,
			     .pos = pos,
			     .effect = check_text(c, "%s have the same %s, %s: %s.", names, k->what,
				     number, k->effect),
			     .fix = check_text(c, "Give %s %s.",
				     check_name(c, nodes->items[nodes->n - 1]), k->fix),
		     });
}

/* The last one whose number is derived; NULL: all state it, which is internal BGP. */
static const struct mesh_node *last_derived(const struct check *c, const node_list *nodes)
{
	for (size_t i = nodes->n; i; i--)
		if (!node_at(c, nodes->items[i - 1])->routing.asn)
			return node_at(c, nodes->items[i - 1]);
	return NULL;
}

static void check_derived_asns(struct check *c, const struct check_groups *g)
{
	for (size_t i = 0; i < g->groups.n; i++) {
		const node_list *nodes = &g->groups.items[i]->nodes;
		const struct mesh_node *derived = last_derived(c, nodes);

		if (nodes->n < 2 || !derived || have_one_address(c, nodes))
			continue;
		check_add(c, &(struct mesh_finding){
				     .code = "duplicate-asn",
				     .severity = MESH_ERROR,
				     .nodes = nodes->items,
				     .n_nodes = nodes->n,
				     .pos = derived->pos,
				     .effect = check_text(c,
					     "%s have the same AS number, %u, which for %s follows "
					     "from its address: they take each other's networks "
					     "for their own and drop them.",
					     check_names(c, nodes->items, nodes->n),
					     mesh_asn(derived), derived->name),
				     .fix = check_text(c, "State an `asn` for %s.", derived->name),
			     });
	}
}

static void check_asns(struct check *c)
{
	struct check_groups g = {.by_key = map_new()};
	AUTO_FREE uint32_t *asns = mem_zalloc(c->inv->n_nodes + 1, sizeof(*asns));

	for (unsigned i = 0; i < c->inv->n_nodes; i++) {
		asns[i] = mesh_asn(node_at(c, i));
		if (has_engine(c, i))
			check_groups_add(&g, &asns[i], sizeof(asns[i]), i);
	}
	check_derived_asns(c, &g);
	check_groups_done(&g);
}

static void check_addresses_like(
	struct check *c, ip_addr (*address)(const struct mesh_node *), const struct numbers *k)
{
	struct check_groups g = {.by_key = map_new()};
	AUTO_FREE ip_addr *all = mem_zalloc(c->inv->n_nodes + 1, sizeof(*all));
	char text[IP_ADDR_STRLEN];

	for (unsigned i = 0; i < c->inv->n_nodes; i++)
		if (has_engine(c, i)) {
			all[i] = address(node_at(c, i));
			check_groups_add(&g, &all[i], sizeof(all[i]), i);
		}
	for (size_t i = 0; i < g.groups.n; i++) {
		const node_list *nodes = &g.groups.items[i]->nodes;

		if (nodes->n > 1 && !have_one_address(c, nodes))
			report_twins(c, k, nodes, ip_addr_format(&all[nodes->items[0]], text),
				node_at(c, nodes->items[nodes->n - 1])->pos);
	}
	check_groups_done(&g);
}

/* --- all -----------------------------------------------------------------------------------------
 */

void check_engines(struct check *c)
{
	static const struct numbers router_id = {"duplicate-identifier", "router ID",
		"routers that share one take each other's messages for their own",
		"an IPv4 address of the overlay, which becomes its router ID, or another IPv6 one"};
	static const struct numbers link_local = {"duplicate-identifier", "link-local address",
		"it leads to one of them only", "another name, which the address is made of"};

	check_idle(c);
	check_other_engines(c);
	check_reserved_asns(c);
	check_asns(c);
	check_addresses_like(c, mesh_router_id, &router_id);
	check_addresses_like(c, mesh_link_local, &link_local);
}

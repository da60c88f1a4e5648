/* SPDX-License-Identifier: MIT */
/* Findings about what a node is by itself: its key, its addresses, its keepalive. */
#include "base/map.h"
#include "mesh/check_parts.h"

/* From here on, nodes with the same fault share a finding: a wrong default isn't ten thousand
 * causes. */
#define TOGETHER_FROM 20

static void report_weak_key(struct check *c, const struct mesh_node *n)
{
	const char *effect = "is a point of low order: whoever knows that can compute the keys of "
			     "its tunnels, and WireGuard refuses its handshakes";

	if (!n->key_valid)
		effect = "isn't 32 bytes in base64: no device accepts it, and no peer can be made "
			 "of it";
	check_add(c, &(struct mesh_finding){
			     .code = "weak-key",
			     .severity = MESH_ERROR,
			     .nodes = &n->index,
			     .n_nodes = 1,
			     .pos = n->key_pos,
			     .effect = check_text(c, "The public key of %s %s.", n->name, effect),
			     .fix = check_text(c,
				     "Make a key pair on %s with `shunt key %s` and state the "
				     "public key that it prints.",
				     n->name, n->private_key_file),
		     });
}

/* Nodes with one and the same key, chained in the order of the file. */
struct key_group {
	const struct mesh_node *last;
	node_list nodes;
};

static void report_duplicate_key(struct check *c, const struct key_group *g)
{
	const char *names = check_names(c, g->nodes.items, g->nodes.n);

	check_add(c, &(struct mesh_finding){
			     .code = "duplicate-key",
			     .severity = MESH_ERROR,
			     .nodes = g->nodes.items,
			     .n_nodes = g->nodes.n,
			     .pos = g->last->key_pos,
			     .effect = check_text(c,
				     "%s have the same public key: to WireGuard they are one peer, "
				     "and whoever spoke last gets the packets of all.",
				     names),
			     .fix = check_text(c,
				     "Make a key pair of its own on %s with `shunt key %s`.",
				     g->last->name, g->last->private_key_file),
		     });
}

static void add_to_key_group(
	struct map *groups, struct key_group *fresh, const struct mesh_node *n, size_t *used)
{
	struct key_group *g = map_get(groups, &n->public_key, sizeof(n->public_key));

	if (!g) {
		g = &fresh[(*used)++];
		map_put(groups, &n->public_key, sizeof(n->public_key), g);
	}
	g->last = n;
	vec_push(&g->nodes, n->index);
}

void check_keys(struct check *c)
{
	struct map *groups = map_new();
	AUTO_FREE struct key_group *all = mem_zalloc(c->inv->n_nodes + 1, sizeof(*all));
	size_t used = 0;

	for (size_t i = 0; i < c->inv->n_nodes; i++) {
		const struct mesh_node *n = &c->inv->nodes[i];

		if (!n->key_valid || wg_key_is_zero(&n->public_key) ||
			wg_key_is_low_order(&n->public_key))
			report_weak_key(c, n);
		else
			add_to_key_group(groups, all, n, &used);
	}
	for (size_t i = 0; i < used; i++) {
		if (all[i].nodes.n > 1)
			report_duplicate_key(c, &all[i]);
		vec_done(&all[i].nodes);
	}
	map_free(groups);
}

struct owned_address {
	const struct mesh_address *address;
	unsigned node;
};

static int owned_cmp(const void *a, const void *b)
{
	const struct owned_address *x = a, *y = b;
	int d = ip_addr_cmp(&x->address->addr, &y->address->addr);

	if (d)
		return d;
	if (x->node != y->node)
		return x->node < y->node ? -1 : 1;
	return x->address < y->address ? -1 : x->address > y->address;
}

static void report_duplicate_address(struct check *c, const struct owned_address *of, size_t n)
{
	ip_prefix host = ip_prefix_host(&of->address->addr);
	char text[IP_ADDR_STRLEN];
	node_list nodes = {0};

	for (size_t i = 0; i < n; i++)
		if (!nodes.n || nodes.items[nodes.n - 1] != of[i].node)
			vec_push(&nodes, of[i].node);
	ip_addr_format(&of->address->addr, text);
	check_add(c,
		&(struct mesh_finding){
			.code = "duplicate-address",
			.severity = MESH_ERROR,
			.nodes = nodes.items,
			.n_nodes = nodes.n,
			.prefixes = &host,
			.n_prefixes = 1,
			.pos = of[n - 1].address->pos,
			.effect = nodes.n > 1 ? check_text(c,
							"%s is the address of %s: it leads to one "
							"of them only, and whether the others are "
							"alive is measured there.",
							text, check_names(c, nodes.items, nodes.n))
					      : check_text(c, "%s lists the address %s twice.",
							check_name(c, nodes.items[0]), text),
			.fix = check_text(c, "Give %s another address of the overlay.",
				check_name(c, of[n - 1].node)),
		});
	vec_done(&nodes);
}

static void report_outside(struct check *c, const struct owned_address *of)
{
	ip_prefix host = ip_prefix_host(&of->address->addr);
	char text[IP_ADDR_STRLEN];
	prefix_list overlays = {0};

	for (size_t i = 0; i < c->inv->n_overlays; i++)
		vec_push(&overlays, c->inv->overlays[i].prefix);
	ip_addr_format(&of->address->addr, text);
	const char *list = check_prefixes(c, overlays.items, overlays.n);
	check_add(c, &(struct mesh_finding){
			     .code = "address-outside-overlay",
			     .severity = MESH_ERROR,
			     .nodes = &of->node,
			     .n_nodes = 1,
			     .prefixes = &host,
			     .n_prefixes = 1,
			     .pos = of->address->pos,
			     .effect = check_text(c,
				     "The address %s of %s isn't in the overlay (%s): whatever "
				     "routes, filters or announces the overlay as a whole leaves "
				     "it out.",
				     text, check_name(c, of->node), list),
			     .fix = check_text(c,
				     "Give %s an address in %s, or add a prefix that holds %s to "
				     "overlay.",
				     check_name(c, of->node), list, text),
		     });
	vec_done(&overlays);
}

void check_addresses(struct check *c)
{
	VEC(struct owned_address) all = {0};

	for (unsigned i = 0; i < c->inv->n_nodes; i++)
		for (size_t k = 0; k < c->inv->nodes[i].n_addresses; k++)
			vec_push(&all, (struct owned_address){&c->inv->nodes[i].addresses[k], i});
	if (all.n)
		qsort(all.items, all.n, sizeof(*all.items), owned_cmp);
	for (size_t i = 0, end; i < all.n; i = end) {
		for (end = i + 1; end < all.n && ip_addr_eq(&all.items[end].address->addr,
							 &all.items[i].address->addr);
			end++)
			;
		if (end - i > 1)
			report_duplicate_address(c, all.items + i, end - i);
	}
	for (size_t i = 0; i < all.n; i++)
		if (!trie_lookup(c->overlays, &all.items[i].address->addr, NULL))
			report_outside(c, &all.items[i]);
	vec_done(&all);
}

static void report_keepalive(struct check *c, const unsigned *nodes, size_t n)
{
	const char *names = check_names(c, nodes, n);

	check_add(c, &(struct mesh_finding){
			     .code = "nat-without-keepalive",
			     .severity = MESH_WARNING,
			     .nodes = nodes,
			     .n_nodes = n,
			     .pos = c->inv->nodes[nodes[0]].pos,
			     .effect = check_text(c,
				     "%s sits behind NAT with keepalive off: after a silence its "
				     "router forgets the mapping, and nobody reaches it until it "
				     "speaks first.",
				     names),
			     .fix = check_text(c,
				     "Set keepalive to auto (%d s towards peers with an endpoint) "
				     "for %s.",
				     MESH_KEEPALIVE_AUTO_SECONDS, names),
		     });
}

void check_keepalives(struct check *c)
{
	node_list silent = {0};

	for (unsigned i = 0; i < c->inv->n_nodes; i++)
		if (c->inv->nodes[i].nat && c->inv->nodes[i].keepalive == 0)
			vec_push(&silent, i);
	if (silent.n >= TOGETHER_FROM)
		report_keepalive(c, silent.items, silent.n);
	else
		for (size_t i = 0; i < silent.n; i++)
			report_keepalive(c, &silent.items[i], 1);
	vec_done(&silent);
}

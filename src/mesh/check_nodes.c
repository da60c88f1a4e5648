/* SPDX-License-Identifier: MIT */
/* Findings about what a node is by itself: its key, its addresses, its keepalive. */
#include "base/map.h"
#include "mesh/check_parts.h"
#include <stdlib.h>
#include <string.h>

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

		if (!n->public_key_text)
			continue; /* none was read, as the reader has said */
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

/* Only of overlays whose length some node has on its interface: elsewhere the address is one like
 * others. IPv4 loses the first and the last of a prefix, which are no host's (RFC 1122, 3.2.1.3),
 * but for /31 and /32 (RFC 3021); IPv6 the first, where every router of the link listens (RFC 4291,
 * 2.6.1), but for /127 and /128 (RFC 6164). */
static const char *whole_network_fault(const ip_prefix *overlay, const ip_addr *a)
{
	unsigned bits = ip_family_bits(a->family);
	ip_prefix host = ip_prefix_host(a);

	if (overlay->len + 2u > bits)
		return NULL;
	if (!memcmp(host.bytes, overlay->bytes, sizeof(host.bytes)))
		return a->family == AF_INET ? "network address" : "subnet-router anycast address";
	for (unsigned i = overlay->len; i < bits; i++)
		if (!(host.bytes[i / 8] & (0x80 >> i % 8)))
			return NULL;
	return a->family == AF_INET ? "broadcast address" : NULL;
}

static void report_no_host(
	struct check *c, const struct owned_address *of, const ip_prefix *overlay, const char *what)
{
	ip_prefix host = ip_prefix_host(&of->address->addr);
	char text[IP_ADDR_STRLEN];

	ip_addr_format(&of->address->addr, text);
	check_add(c, &(struct mesh_finding){
			     .code = "address-of-no-host",
			     .severity = MESH_ERROR,
			     .contained = true,
			     .nodes = &of->node,
			     .n_nodes = 1,
			     .prefixes = &host,
			     .n_prefixes = 1,
			     .pos = of->address->pos,
			     .effect = check_text(c,
				     "The address %s of %s is the %s of the overlay %s: other "
				     "nodes take it for all of them or for themselves, and never "
				     "reach %s.",
				     text, check_name(c, of->node), what, check_prefix(c, overlay),
				     check_name(c, of->node)),
			     .fix = check_text(c, "Give %s another address of the overlay.",
				     check_name(c, of->node)),
		     });
}

/* For each overlay prefix, whether it is the longest of any address. */
static bool *overlays_in_use(const struct check *c, const struct owned_address *all, size_t n)
{
	bool *used = mem_zalloc(c->inv->n_overlays + 1, sizeof(*used));

	for (size_t i = 0; i < n; i++) {
		const struct mesh_overlay *o =
			trie_lookup(c->overlays, &all[i].address->addr, NULL);

		if (o)
			used[o - c->inv->overlays] = true;
	}
	return used;
}

static void check_hosts(struct check *c, const struct owned_address *all, size_t n)
{
	AUTO_FREE bool *used = overlays_in_use(c, all, n);

	for (size_t i = 0; i < n; i++) {
		const ip_addr *a = &all[i].address->addr;
		const char *what = NULL;
		ip_prefix p;
		const struct mesh_overlay *o = trie_lookup(c->overlays, a, &p);

		for (; o && !what; o = trie_cover(c->overlays, &p, &p)) {
			if (used[o - c->inv->overlays])
				what = whole_network_fault(&o->prefix, a);
			if (what)
				report_no_host(c, &all[i], &o->prefix, what);
		}
	}
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
		if (end - i > 1 && !(c->partial && all.items[i].node == all.items[end - 1].node))
			report_duplicate_address(c, all.items + i, end - i);
	}
	for (size_t i = 0; i < all.n && !c->partial; i++)
		if (!trie_lookup(c->overlays, &all.items[i].address->addr, NULL))
			report_outside(c, &all.items[i]);
	check_hosts(c, all.items, all.n);
	vec_done(&all);
}

/* Why the kernel, or a tool on the way there, doesn't take the name; NULL: it does. */
static const char *interface_fault(const char *name)
{
	if (name[0] == '-')
		return "is an option to the tools that should set it up";
	if (!strcmp(name, "all") || !strcmp(name, "default"))
		return "stands for all interfaces in the kernel's settings, which refuses to make "
		       "one of that name";
	if (!strcmp(name, "lo"))
		return "is the loopback interface, which is there already";
	return NULL;
}

/* Nodes that have it from one place in the file share the finding. */
struct interface_group {
	const struct mesh_node *first;
	node_list nodes;
};

static void report_interface(struct check *c, const struct interface_group *g)
{
	const char *name = g->first->interface;

	check_add(
		c, &(struct mesh_finding){
			   .code = "impossible-interface",
			   .severity = MESH_ERROR,
			   .nodes = g->nodes.items,
			   .n_nodes = g->nodes.n,
			   .pos = g->first->interface_pos,
			   .effect = check_text(c, "%s can't have an interface named %s: that %s.",
				   check_names(c, g->nodes.items, g->nodes.n), name,
				   interface_fault(name)),
			   .fix = "Give it another name, like wg0.",
		   });
}

void check_interfaces(struct check *c)
{
	struct map *by_place = map_new();
	VEC(struct interface_group *) groups = {0};

	for (unsigned i = 0; i < c->inv->n_nodes; i++) {
		const struct mesh_node *n = &c->inv->nodes[i];
		struct interface_group *g;

		if (!interface_fault(n->interface))
			continue;
		g = map_get(by_place, &n->interface_pos, sizeof(n->interface_pos));
		if (!g) {
			g = mem_zalloc(1, sizeof(*g));
			g->first = n;
			map_put(by_place, &n->interface_pos, sizeof(n->interface_pos), g);
			vec_push(&groups, g);
		}
		vec_push(&g->nodes, i);
	}
	for (size_t i = 0; i < groups.n; i++) {
		report_interface(c, groups.items[i]);
		vec_done(&groups.items[i]->nodes);
		free(groups.items[i]);
	}
	vec_done(&groups);
	map_free(by_place);
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

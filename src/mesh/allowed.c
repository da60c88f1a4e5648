/* SPDX-License-Identifier: MIT */
/*
 * Nearly all nodes of a mesh see nearly the same: two spokes on the same hubs differ in their own
 * prefixes only. So winners are decided once per class, for an imagined node of that class which
 * carries no prefix and stands under no link:
 *
 *   full-mesh  every node of a full mesh: everybody is direct
 *   hub        everybody is direct but clients, which are behind their hub
 *   spoke      hubs are direct, all others are behind a hub
 *   client     one class per hub that clients use: everything is behind it
 *
 * and each of them, but clients, once more for nodes with routing engines: among these networks are
 * left out, and there is a link-local address of each direct one.
 *
 * A real node differs from its class in the prefixes that it carries itself (nobody is programmed
 * for them) and in those of its extra peers (direct with it, but not with the class). These changes
 * are few; select() finds them, print() writes a peer's list from the class's with the changes
 * applied. Class texts are kept, and so is one aggregate per owner of many prefixes, in which a
 * node's changes are made and undone.
 *
 * A default route of an origin that states who takes it is in no class; who takes it gains it.
 *
 * An extra peer only ever gains prefixes, and an owner in the class only loses some: a direct
 * candidate that the class doesn't have is all that a node can have more than its class.
 */
#include "mesh/allowed.h"

#include "base/vec.h"
#include "mesh/aggregate.h"
#include "mesh/routing.h"
#include "mesh/view.h"
#include <assert.h>
#include <string.h>

#define NOBODY (-1)

/* A prefix of the mesh. Its origins are origins[first_origin] to the next prefix's first. */
struct entry {
	ip_prefix prefix;
	uint32_t first_origin;
};

struct origin {
	ip_prefix prefix;
	unsigned node;
	uint32_t metric;
	enum { NETWORK, ADDRESS, LINK_LOCAL } what;
};

enum kind { FULL_MESH, HUB, SPOKE, CLIENT };

/* What a node of the class hands to one peer: list[first] to list[first + n - 1]. */
struct owner {
	uint32_t first;
	uint32_t n;
	bool has_text;
	size_t text, text_len; /* in texts */
	size_t n_written;
	struct mesh_aggregate *aggregate; /* NULL until needed */
};

struct class
{
	enum kind kind;
	int hub; /* of a client class; NOBODY: there is no hub */
	bool has_engine;
	int *winner;	      /* per entry: a node, or NOBODY */
	uint32_t *list;	      /* entries by owner, ascending */
	struct owner *owners; /* per node */
	struct buf texts;
};

/* The selected node isn't like its class: the owner loses the entry, or has it in addition. */
struct change {
	unsigned owner;
	uint32_t entry;
	bool gained;
};

struct mesh_allowed {
	const struct mesh_topology_index *t;
	const struct mesh_inventory *inv;
	struct entry *entries;
	size_t n_entries;
	struct origin *origins; /* by prefix */
	uint32_t *own;		/* entries by node, ascending: own[own_first[node]]... */
	size_t *own_first;
	VEC(unsigned) clients;
	VEC(struct class *) classes;

	unsigned node; /* selected */
	struct class *class;
	VEC(struct change) changes; /* by owner, then entry */
	size_t next_change;
	VEC(ip_prefix) scratch;
};

static int origin_cmp(const void *a, const void *b)
{
	const struct origin *x = a, *y = b;
	int d = ip_prefix_cmp(&x->prefix, &y->prefix);

	return d ? d : (x->node > y->node) - (x->node < y->node);
}

/* At ret, which has room. Returns how many. */
static size_t list_origins_of(const struct mesh_node *node, struct origin *ret)
{
	size_t n = 0;

	for (size_t k = 0; k < node->n_addresses; k++)
		ret[n++] = (struct origin){
			ip_prefix_host(&node->addresses[k].addr), node->index, 0, ADDRESS};
	for (size_t k = 0; k < node->n_networks; k++) {
		uint32_t metric = node->networks[k].metric;

		ret[n++] = (struct origin){node->networks[k].prefix, node->index,
			metric == MESH_METRIC_NONE ? 0 : metric, NETWORK};
	}
	if (mesh_has_engine(node)) {
		ip_addr address = mesh_link_local(node);

		ret[n++] = (struct origin){ip_prefix_host(&address), node->index, 0, LINK_LOCAL};
	}
	return n;
}

static size_t list_origins(struct mesh_allowed *a)
{
	const struct mesh_inventory *inv = a->inv;
	size_t n = 0;

	for (size_t i = 0; i < inv->n_nodes; i++)
		n += inv->nodes[i].n_networks + inv->nodes[i].n_addresses + 1;
	a->origins = mem_zalloc(n + 1, sizeof(*a->origins));
	n = 0;
	for (unsigned i = 0; i < inv->n_nodes; i++)
		n += list_origins_of(&inv->nodes[i], a->origins + n);
	qsort(a->origins, n, sizeof(*a->origins), origin_cmp);
	return n;
}

static void index_own(struct mesh_allowed *a)
{
	size_t n_nodes = a->inv->n_nodes, n = a->entries[a->n_entries].first_origin;
	AUTO_FREE size_t *fill = mem_zalloc(n_nodes + 1, sizeof(*fill));

	a->own = mem_zalloc(n + 1, sizeof(*a->own));
	a->own_first = mem_zalloc(n_nodes + 1, sizeof(*a->own_first));
	for (size_t i = 0; i < n; i++)
		a->own_first[a->origins[i].node + 1]++;
	for (size_t i = 0; i < n_nodes; i++) {
		a->own_first[i + 1] += a->own_first[i];
		fill[i] = a->own_first[i];
	}
	for (uint32_t e = 0; e < a->n_entries; e++)
		for (uint32_t o = a->entries[e].first_origin; o < a->entries[e + 1].first_origin;
			o++)
			a->own[fill[a->origins[o].node]++] = e;
}

static void index_prefixes(struct mesh_allowed *a)
{
	size_t n = list_origins(a);

	a->entries = mem_zalloc(n + 1, sizeof(*a->entries));
	for (size_t i = 0; i < n; i++)
		if (i == 0 || !ip_prefix_eq(&a->origins[i].prefix, &a->origins[i - 1].prefix))
			a->entries[a->n_entries++] =
				(struct entry){a->origins[i].prefix, (uint32_t)i};
	a->entries[a->n_entries].first_origin = (uint32_t)n;
	index_own(a);
}

struct mesh_allowed *mesh_allowed_new(const struct mesh_topology_index *t)
{
	struct mesh_allowed *a = mem_zalloc(1, sizeof(*a));

	a->t = t;
	a->inv = mesh_topology_inventory(t);
	index_prefixes(a);
	for (unsigned i = 0; i < a->inv->n_nodes; i++)
		if (a->inv->nodes[i].role == MESH_CLIENT)
			vec_push(&a->clients, i);
	return a;
}

static void class_free(struct class *c, size_t n_nodes)
{
	for (size_t i = 0; i < n_nodes; i++)
		mesh_aggregate_free(c->owners[i].aggregate);
	free(c->winner);
	free(c->list);
	free(c->owners);
	buf_done(&c->texts);
	free(c);
}

void mesh_allowed_free(struct mesh_allowed *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->classes.n; i++)
		class_free(a->classes.items[i], a->inv->n_nodes);
	vec_done(&a->classes);
	vec_done(&a->clients);
	vec_done(&a->changes);
	vec_done(&a->scratch);
	free(a->origins);
	free(a->entries);
	free(a->own);
	free(a->own_first);
	free(a);
}

/* Direct by a link of its own. A client's other servers aren't in the file for this one, and it is
 * at the first, as far as files go. */
static bool is_extra(
	const struct mesh_allowed *a, const struct class *c, unsigned self, unsigned origin)
{
	if (c->kind == CLIENT && a->inv->nodes[origin].role == MESH_HUB)
		return false;
	return mesh_lists(a->t, self, origin) && mesh_lists(a->t, origin, self);
}

/* The peer through which a node of the class reaches the origin; NOBODY: no way. self, if it isn't
 * NOBODY, is the node, with links of its own. */
static int via(const struct mesh_allowed *a, const struct class *c, int self, unsigned origin)
{
	enum mesh_role role = a->inv->nodes[origin].role;
	const unsigned *hubs;
	size_t n_hubs = mesh_hubs(a->t, &hubs);

	if (c->kind == FULL_MESH || (c->kind == HUB && role != MESH_CLIENT) ||
		(c->kind == SPOKE && role == MESH_HUB) ||
		(c->kind == CLIENT && c->hub == (int)origin) ||
		(self != NOBODY && is_extra(a, c, (unsigned)self, origin)))
		return (int)origin;
	if (c->kind == CLIENT)
		return c->hub;
	if (role == MESH_CLIENT)
		return mesh_client_hub(a->t, origin);
	return n_hubs ? (int)hubs[0] : NOBODY;
}

/* Whether a node of the class is a stranger to the origin: engines decide between the two, or it
 * has nothing to do with engines, or with this one. */
static bool is_out(
	const struct mesh_allowed *a, const struct class *c, const struct origin *o, int peer)
{
	if (o->what == LINK_LOCAL)
		return !c->has_engine || peer != (int)o->node;
	return o->what == NETWORK && c->has_engine && mesh_has_engine(&a->inv->nodes[o->node]);
}

/* A class as such takes what everybody takes. */
static bool takes(const struct mesh_allowed *a, int self, const struct origin *o)
{
	const struct mesh_node *origin = &a->inv->nodes[o->node];

	if (o->what != NETWORK || self != NOBODY)
		return o->what != NETWORK || mesh_takes(&a->inv->nodes[self], origin, &o->prefix);
	return !origin->takers.stated || !ip_prefix_is_default(&o->prefix);
}

static int decide(const struct mesh_allowed *a, const struct class *c, int self, uint32_t entry)
{
	struct mesh_candidate best = {0};
	bool found = false;

	for (uint32_t i = a->entries[entry].first_origin; i < a->entries[entry + 1].first_origin;
		i++) {
		const struct origin *o = &a->origins[i];
		int peer = via(a, c, self, o->node);

		if (peer == NOBODY || is_out(a, c, o, peer) || !takes(a, self, o))
			continue;
		bool transit = peer != (int)o->node;
		struct mesh_candidate candidate = {
			.origin = o->node,
			.via = (unsigned)peer,
			.metric = o->metric,
			.transit = transit,
			.hub_metric = transit ? a->inv->nodes[peer].metric : 0,
		};
		if (!found || mesh_candidate_cmp(&candidate, &best) < 0)
			best = candidate;
		found = true;
	}
	return found ? (int)best.via : NOBODY;
}

static struct class *class_new(
	const struct mesh_allowed *a, enum kind kind, int hub, bool has_engine)
{
	struct class *c = mem_zalloc(1, sizeof(*c));
	uint32_t next = 0;

	c->kind = kind;
	c->hub = hub;
	c->has_engine = has_engine;
	c->winner = mem_zalloc(a->n_entries + 1, sizeof(*c->winner));
	c->list = mem_zalloc(a->n_entries + 1, sizeof(*c->list));
	c->owners = mem_zalloc(a->inv->n_nodes + 1, sizeof(*c->owners));
	for (uint32_t e = 0; e < a->n_entries; e++) {
		c->winner[e] = decide(a, c, NOBODY, e);
		if (c->winner[e] != NOBODY)
			c->owners[c->winner[e]].n++;
	}
	for (size_t i = 0; i < a->inv->n_nodes; i++) {
		c->owners[i].first = next;
		next += c->owners[i].n;
		c->owners[i].n = 0;
	}
	for (uint32_t e = 0; e < a->n_entries; e++)
		if (c->winner[e] != NOBODY) {
			struct owner *o = &c->owners[c->winner[e]];
			c->list[o->first + o->n++] = e;
		}
	return c;
}

static struct class *class_of(struct mesh_allowed *a, unsigned node, int server)
{
	static const enum kind by_role[] = {
		[MESH_HUB] = HUB, [MESH_SPOKE] = SPOKE, [MESH_CLIENT] = CLIENT};
	enum kind kind =
		a->inv->topology == MESH_FULL_MESH ? FULL_MESH : by_role[a->inv->nodes[node].role];
	int hub = kind == CLIENT ? server : NOBODY;
	bool has_engine = mesh_has_engine(&a->inv->nodes[node]);

	for (size_t i = 0; i < a->classes.n; i++) {
		struct class *c = a->classes.items[i];

		if (c->kind == kind && c->hub == hub && c->has_engine == has_engine)
			return c;
	}
	vec_push(&a->classes, class_new(a, kind, hub, has_engine));
	return a->classes.items[a->classes.n - 1];
}

static int entry_cmp(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* The first entry behind e that is of IPv6, or the end. */
static uint32_t first_ipv6(const struct mesh_allowed *a, uint32_t e)
{
	uint32_t lo = e + 1, hi = (uint32_t)a->n_entries;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (a->entries[mid].prefix.family == AF_INET6)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

static bool carries(const struct mesh_allowed *a, unsigned node, uint32_t entry)
{
	return bsearch(&entry, a->own + a->own_first[node],
		a->own_first[node + 1] - a->own_first[node], sizeof(entry), entry_cmp);
}

/* The selected node's way to the entry isn't as its class's. */
static void decide_anew(struct mesh_allowed *a, uint32_t e)
{
	int was = a->class->winner[e];

	if (carries(a, a->node, e))
		return;
	int is = decide(a, a->class, (int)a->node, e);
	if (is == was)
		return;
	if (was != NOBODY)
		vec_push(&a->changes, (struct change){(unsigned)was, e, false});
	if (is != NOBODY)
		vec_push(&a->changes, (struct change){(unsigned)is, e, true});
}

/* ... since an origin of it is an extra peer. */
static void change_by_extra(struct mesh_allowed *a, unsigned extra)
{
	for (size_t i = a->own_first[extra]; i < a->own_first[extra + 1]; i++)
		decide_anew(a, a->own[i]);
}

/* ... since it is a default route that some take. */
static void change_by_takers(struct mesh_allowed *a)
{
	for (uint32_t e = 0; e < a->n_entries; e++) {
		/* They are the first of their family. */
		if (ip_prefix_is_default(&a->entries[e].prefix))
			decide_anew(a, e);
		else if (a->entries[e].prefix.family == AF_INET6)
			return;
		else
			e = first_ipv6(a, e) - 1;
	}
}

static void change_by_extras(struct mesh_allowed *a)
{
	const struct class *c = a->class;
	const struct mesh_explicit *links;
	size_t n_links = mesh_explicit_of(a->t, a->node, &links);

	for (size_t i = 0; c->kind == HUB && i < a->clients.n; i++)
		if (mesh_lists(a->t, a->clients.items[i], a->node))
			change_by_extra(a, a->clients.items[i]);
	if (c->kind != SPOKE && c->kind != CLIENT)
		return;
	for (size_t i = 0; i < n_links; i++)
		if (via(a, c, NOBODY, links[i].peer) != (int)links[i].peer)
			change_by_extra(a, links[i].peer);
}

static int change_cmp(const void *a, const void *b)
{
	const struct change *x = a, *y = b;

	if (x->owner != y->owner)
		return x->owner < y->owner ? -1 : 1;
	return x->entry < y->entry ? -1 : x->entry > y->entry;
}

void mesh_allowed_select(struct mesh_allowed *a, unsigned node)
{
	mesh_allowed_select_by(a, node, mesh_client_hub(a->t, node));
}

void mesh_allowed_select_by(struct mesh_allowed *a, unsigned node, int server)
{
	size_t kept = 0;

	a->node = node;
	a->class = class_of(a, node, server);
	a->changes.n = 0;
	a->next_change = 0;
	for (size_t i = a->own_first[node]; i < a->own_first[node + 1]; i++) {
		int owner = a->class->winner[a->own[i]];

		if (owner != NOBODY)
			vec_push(&a->changes, (struct change){(unsigned)owner, a->own[i], false});
	}
	change_by_extras(a);
	change_by_takers(a);
	if (a->changes.n)
		qsort(a->changes.items, a->changes.n, sizeof(*a->changes.items), change_cmp);
	/* Two origins of one prefix may both be extra peers. */
	for (size_t i = 0; i < a->changes.n; i++)
		if (kept == 0 || change_cmp(&a->changes.items[i], &a->changes.items[kept - 1]))
			a->changes.items[kept++] = a->changes.items[i];
	a->changes.n = kept;
}

/* True if the prefix belongs to some node of the mesh: asked for prefixes that the owner hasn't. */
static bool is_in_mesh(const ip_prefix *p, const void *data)
{
	const struct mesh_allowed *a = data;
	size_t lo = 0, hi = a->n_entries;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int d = ip_prefix_cmp(&a->entries[mid].prefix, p);

		if (d == 0)
			return true;
		if (d < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

static size_t print_plain(const ip_prefix *list, size_t n, struct buf *out)
{
	char text[IP_PREFIX_STRLEN];

	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_add(out, ", ", 2);
		buf_puts(out, ip_prefix_format(&list[i], text));
	}
	return n;
}

static size_t print_list(
	const struct mesh_allowed *a, const ip_prefix *list, size_t n, struct buf *out)
{
	size_t written;
	struct mesh_aggregate *aggregate;

	if (n <= MESH_ALLOWED_PLAIN_MAX)
		return print_plain(list, n, out);
	aggregate = mesh_aggregate_new(list, n, is_in_mesh, a);
	written = mesh_aggregate_print(aggregate, out);
	mesh_aggregate_free(aggregate);
	return written;
}

/* The owner's list in the class with changes applied, into scratch. */
static void apply(
	struct mesh_allowed *a, const struct owner *o, const struct change *changes, size_t n)
{
	const uint32_t *list = a->class->list + o->first;
	size_t k = 0;

	a->scratch.n = 0;
	for (size_t i = 0; i < o->n; i++) {
		for (; k < n && changes[k].entry < list[i]; k++)
			vec_push(&a->scratch, a->entries[changes[k].entry].prefix);
		if (k < n && changes[k].entry == list[i])
			k++;
		else
			vec_push(&a->scratch, a->entries[list[i]].prefix);
	}
	for (; k < n; k++)
		vec_push(&a->scratch, a->entries[changes[k].entry].prefix);
}

static struct mesh_allowed_count print_unchanged(
	struct mesh_allowed *a, struct owner *o, struct buf *out)
{
	struct class *c = a->class;

	if (!o->has_text) {
		apply(a, o, NULL, 0);
		o->text = c->texts.n;
		o->n_written = print_list(a, a->scratch.items, a->scratch.n, &c->texts);
		o->text_len = c->texts.n - o->text;
		o->has_text = true;
	}
	if (o->text_len)
		buf_add(out, c->texts.data + o->text, o->text_len);
	return (struct mesh_allowed_count){o->n, o->n_written};
}

/* A large list that only loses: in the class's aggregate, made once. */
static size_t print_without(struct mesh_allowed *a, struct owner *o, const struct change *losses,
	size_t n, struct buf *out)
{
	if (!o->aggregate) {
		apply(a, o, NULL, 0);
		o->aggregate = mesh_aggregate_new(a->scratch.items, a->scratch.n, is_in_mesh, a);
	}
	for (size_t i = 0; i < n; i++)
		mesh_aggregate_remove(o->aggregate, &a->entries[losses[i].entry].prefix);
	size_t written = mesh_aggregate_print(o->aggregate, out);
	mesh_aggregate_restore(o->aggregate);
	return written;
}

struct mesh_allowed_count mesh_allowed_print(struct mesh_allowed *a, unsigned peer, struct buf *out)
{
	struct owner *o = &a->class->owners[peer];
	const struct change *changes;
	size_t n = 0, n_gained = 0;

	while (a->next_change < a->changes.n && a->changes.items[a->next_change].owner < peer)
		a->next_change++;
	changes = a->changes.items + a->next_change;
	for (; a->next_change + n < a->changes.n && changes[n].owner == peer; n++)
		n_gained += changes[n].gained;
	if (n == 0)
		return print_unchanged(a, o, out);
	size_t total = o->n + n_gained - (n - n_gained);
	if (n_gained == 0 && total > MESH_ALLOWED_PLAIN_MAX)
		return (struct mesh_allowed_count){total, print_without(a, o, changes, n, out)};
	apply(a, o, changes, n);
	return (struct mesh_allowed_count){
		total, print_list(a, a->scratch.items, a->scratch.n, out)};
}

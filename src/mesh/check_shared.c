/* SPDX-License-Identifier: MIT */
/*
 * The one way in which two ends can still disagree (asymmetric-path): a prefix that several nodes
 * carry, after the loss of one of them.
 *
 * A node that isn't direct with the lost origin doesn't see the loss. It goes on sending through
 * its hub, which does see it and hands the packet to the next origin. If that origin is direct with
 * the sender it expects the sender's packets from the sender alone, and drops what comes from the
 * hub. So for every prefix with several origins a few nodes are tried, one of each kind: every
 * hub, every node with an entry under links with an origin, a plain spoke, a plain client of every
 * hub; each with the loss of an origin that a hub leans on, or of a hub. Their packets are walked
 * from hop to hop with the source check at each.
 *
 * Nodes whose devices hold several owners take each other's packets from any hub that is linked
 * with both; it needs both, since the answer comes by another way as well.
 */
#include "base/map.h"
#include "mesh/check_parts.h"
#include "mesh/view.h"
#include <stdlib.h>

#define NOBODY UINT32_MAX
/* More origins than this don't matter: a single loss makes the second best the best. */
#define ORIGINS_MAX 64
#define HOPS_MAX 4

/* One cause: the loss of one node, after which `to` drops what `from` hands on. */
struct cause {
	unsigned lost, from, to;
};

struct conflict {
	struct cause cause;
	node_list senders; /* one of each kind */
	prefix_list prefixes;
	struct mesh_pos pos;
};

struct trial {
	struct check *c;
	const unsigned *hubs;
	size_t n_hubs;
	node_list *kinds;	       /* the clients of every hub, and last the spokes */
	const struct carried *origins; /* of the prefix under trial, the preferred ones */
	size_t n_origins;
	size_t *carries; /* per node: the number of the last prefix seen that it carries */
	size_t number;	 /* of the prefix under trial, not 0 */
	unsigned lost;
	struct mesh_candidate *buf; /* room for the candidates to one origin */
	struct map *by_cause;
	VEC(struct conflict *) conflicts;
};

static bool is_client(const struct trial *t, unsigned node)
{
	return t->c->inv->nodes[node].role == MESH_CLIENT;
}

static bool carries(const struct trial *t, unsigned node)
{
	return t->carries[node] == t->number;
}

/* True if node knows that the candidate leads nowhere. A client knows nothing; others see the loss
 * of a direct peer. */
static bool is_seen_dead(const struct trial *t, unsigned node, const struct mesh_candidate *c)
{
	if (is_client(t, node))
		return false;
	return c->via == t->lost || (c->origin == t->lost && mesh_direct(t->c->t, node, c->origin));
}

/* A way to a client by another server than the one that it is at: its first, where it stays. */
static bool is_elsewhere(const struct trial *t, unsigned node, const struct mesh_candidate *c)
{
	unsigned server = c->via == c->origin ? node : c->via;

	return is_client(t, c->origin) && t->c->inv->nodes[server].role == MESH_HUB &&
	       mesh_client_hub(t->c->t, c->origin) != (int)server;
}

/* The candidate that node takes. False: the loss leaves it none. */
static bool best(const struct trial *t, unsigned node, struct mesh_candidate *ret)
{
	bool found = false;

	for (size_t i = 0; i < t->n_origins; i++) {
		size_t n = mesh_candidates_to(
			t->c->t, node, t->origins[i].node, t->origins[i].network, t->buf);

		for (size_t k = 0; k < n; k++) {
			if (is_seen_dead(t, node, &t->buf[k]) || is_elsewhere(t, node, &t->buf[k]))
				continue;
			if (!found || mesh_candidate_cmp(&t->buf[k], ret) < 0)
				*ret = t->buf[k];
			found = true;
		}
	}
	return found;
}

/* Whom node expects the packets of sender from. */
static unsigned expects_from(const struct trial *t, unsigned node, unsigned sender)
{
	const struct mesh_topology_index *topology = t->c->t;

	if (mesh_lists(topology, node, sender) && mesh_lists(topology, sender, node))
		return sender;
	if (is_client(t, node))
		return (unsigned)mesh_client_hub(topology, node);
	if (is_client(t, sender))
		return (unsigned)mesh_client_hub(topology, sender);
	for (size_t i = 0; i < t->n_hubs; i++)
		if (t->hubs[i] != t->lost)
			return t->hubs[i];
	return NOBODY;
}

/* Whether node takes the packets of sender from a hub that it doesn't lean on for it, and sender
 * the answers. */
static bool takes_from_any(const struct trial *t, unsigned node, unsigned sender, unsigned from)
{
	const struct mesh_node *nodes = t->c->inv->nodes;

	return mesh_owners_of(&nodes[node]) == MESH_OWNERS_MANY &&
	       mesh_owners_of(&nodes[sender]) == MESH_OWNERS_MANY && nodes[from].role == MESH_HUB &&
	       mesh_direct(t->c->t, node, from) && mesh_direct(t->c->t, from, sender);
}

/* Walks a packet of sender for the prefix. True if a source check drops it; ret says where. */
static bool is_dropped(const struct trial *t, unsigned sender, struct cause *ret)
{
	unsigned at = sender;

	for (unsigned hops = 0; hops < HOPS_MAX; hops++) {
		struct mesh_candidate c;

		if (carries(t, at) || !best(t, at, &c) || c.via == t->lost)
			return false;
		if (expects_from(t, c.via, sender) != at && !takes_from_any(t, c.via, sender, at)) {
			*ret = (struct cause){t->lost, at, c.via};
			return true;
		}
		at = c.via;
	}
	return false;
}

static struct conflict *conflict_of(struct trial *t, const struct cause *cause)
{
	struct conflict *found = map_get(t->by_cause, cause, sizeof(*cause));

	if (found)
		return found;
	found = mem_zalloc(1, sizeof(*found));
	found->cause = *cause;
	map_put(t->by_cause, &found->cause, sizeof(found->cause), found);
	vec_push(&t->conflicts, found);
	return found;
}

/* Where the prefix stands under the node, or under the preferred origin if it doesn't. */
static struct mesh_pos place_at(const struct trial *t, unsigned node)
{
	for (size_t i = 0; i < t->n_origins; i++)
		if (t->origins[i].node == node)
			return t->origins[i].network->pos;
	return t->origins[0].network->pos;
}

static void try_sender(struct trial *t, unsigned sender)
{
	struct cause cause;
	struct conflict *k;
	bool known = false;

	if (sender == t->lost || carries(t, sender) || !is_dropped(t, sender, &cause))
		return;
	k = conflict_of(t, &cause);
	if (!k->prefixes.n ||
		!ip_prefix_eq(&k->prefixes.items[k->prefixes.n - 1], &t->origins[0].prefix))
		vec_push(&k->prefixes, t->origins[0].prefix);
	if (k->pos.line == 0)
		k->pos = place_at(t, cause.to);
	for (size_t i = 0; i < k->senders.n; i++)
		known |= k->senders.items[i] == sender;
	if (!known)
		vec_push(&k->senders, sender);
}

static bool is_linked_with_origin(const struct trial *t, unsigned node)
{
	const struct mesh_explicit *ends;
	size_t n = mesh_explicit_of(t->c->t, node, &ends);

	for (size_t i = 0; i < n; i++)
		if (carries(t, ends[i].peer))
			return true;
	return false;
}

/* The first of its kind that is no origin and has no entry with one. */
static void try_plain(struct trial *t, const node_list *kind)
{
	for (size_t i = 0; i < kind->n; i++) {
		unsigned node = kind->items[i];

		if (node != t->lost && !carries(t, node) && !is_linked_with_origin(t, node)) {
			try_sender(t, node);
			return;
		}
	}
}

static void try_senders(struct trial *t)
{
	for (size_t i = 0; i <= t->n_hubs; i++)
		try_plain(t, &t->kinds[i]);
	for (size_t i = 0; i < t->n_hubs; i++)
		try_sender(t, t->hubs[i]);
	for (size_t i = 0; i < t->n_origins; i++) {
		const struct mesh_explicit *ends;
		size_t n = mesh_explicit_of(t->c->t, t->origins[i].node, &ends);

		for (size_t k = 0; k < n; k++)
			try_sender(t, ends[k].peer);
	}
}

/* Everything up, each hub lost, and the origin lost that each hub leans on. */
static void try_losses(struct trial *t)
{
	node_list losses = {0};

	t->lost = NOBODY;
	vec_push(&losses, NOBODY);
	for (size_t i = 0; i < t->n_hubs; i++) {
		struct mesh_candidate c;
		bool known = false;

		vec_push(&losses, t->hubs[i]);
		if (carries(t, t->hubs[i]) || !best(t, t->hubs[i], &c))
			continue;
		for (size_t k = 0; k < losses.n; k++)
			known |= losses.items[k] == c.origin;
		if (!known)
			vec_push(&losses, c.origin);
	}
	for (size_t i = 0; i < losses.n; i++) {
		t->lost = losses.items[i];
		try_senders(t);
	}
	vec_done(&losses);
}

static int by_metric(const void *a, const void *b)
{
	const struct carried *x = a, *y = b;

	if (x->network->metric != y->network->metric)
		return x->network->metric < y->network->metric ? -1 : 1;
	return x->node < y->node ? -1 : x->node > y->node;
}

static void report_conflict(struct check *c, const struct conflict *k)
{
	const char *prefixes = check_prefixes(c, k->prefixes.items, k->prefixes.n);
	const char *senders = check_names(c, k->senders.items, k->senders.n);
	const char *from = check_name(c, k->cause.from), *to = check_name(c, k->cause.to);
	const char *lost = k->cause.lost == NOBODY ? NULL : check_name(c, k->cause.lost);
	const char *when = lost ? check_text(c, "When %s is down", lost) : "With everything up";
	node_list nodes = {0};

	if (lost)
		vec_push(&nodes, k->cause.lost);
	vec_push(&nodes, k->cause.from);
	vec_push(&nodes, k->cause.to);
	for (size_t i = 0; i < k->senders.n; i++)
		if (k->senders.items[i] != k->cause.from)
			vec_push(&nodes, k->senders.items[i]);
	check_add(c,
		&(struct mesh_finding){
			.code = "asymmetric-path",
			.severity = MESH_WARNING,
			.nodes = nodes.items,
			.n_nodes = nodes.n,
			.prefixes = k->prefixes.items,
			.n_prefixes = k->prefixes.n,
			.pos = k->pos,
			.effect = check_text(c,
				"%s, %s and whoever is linked alike still send for %s by way of "
				"%s; but %s takes their packets from nobody but themselves and "
				"drops these.",
				when, senders, prefixes, from, to),
			.fix = check_text(c,
				"Let %s carry %s in place of %s, or link those nodes with %s too, "
				"so that they see its loss.",
				from, prefixes, to, lost ? lost : "the preferred origin"),
		});
	vec_done(&nodes);
}

static void try_prefix(struct trial *t, size_t from, size_t to)
{
	size_t n = to - from;
	AUTO_FREE struct carried *origins = mem_zalloc(n, sizeof(*origins));

	t->number = to;
	for (size_t i = 0; i < n; i++) {
		origins[i] = t->c->carried[from + i];
		t->carries[origins[i].node] = to;
	}
	qsort(origins, n, sizeof(*origins), by_metric);
	t->origins = origins;
	t->n_origins = n < ORIGINS_MAX ? n : ORIGINS_MAX;
	try_losses(t);
}

static void sort_by_kind(struct trial *t)
{
	t->kinds = mem_zalloc(t->n_hubs + 1, sizeof(*t->kinds));
	for (unsigned i = 0; i < t->c->inv->n_nodes; i++) {
		int hub = mesh_client_hub(t->c->t, i);
		size_t kind = t->n_hubs;

		for (size_t k = 0; k < t->n_hubs; k++)
			if ((int)t->hubs[k] == hub)
				kind = k;
		if (t->c->inv->nodes[i].role != MESH_HUB)
			vec_push(&t->kinds[kind], i);
	}
}

static void report_conflicts(struct trial *t)
{
	for (size_t i = 0; i < t->conflicts.n; i++) {
		struct conflict *k = t->conflicts.items[i];

		report_conflict(t->c, k);
		vec_done(&k->senders);
		vec_done(&k->prefixes);
		free(k);
	}
	vec_done(&t->conflicts);
}

void check_shared_prefixes(struct check *c)
{
	struct trial t = {.c = c};

	t.n_hubs = mesh_hubs(c->t, &t.hubs);
	if (c->inv->topology == MESH_FULL_MESH || t.n_hubs == 0)
		return;
	t.by_cause = map_new();
	t.buf = mem_zalloc(t.n_hubs + 1, sizeof(*t.buf));
	t.carries = mem_zalloc(c->inv->n_nodes, sizeof(*t.carries));
	sort_by_kind(&t);
	for (size_t i = 0, end; i < c->n_carried; i = end) {
		end = check_same_prefix(c, i);
		if (end - i > 1)
			try_prefix(&t, i, end);
	}
	report_conflicts(&t);
	for (size_t i = 0; i <= t.n_hubs; i++)
		vec_done(&t.kinds[i]);
	free(t.kinds);
	free(t.carries);
	map_free(t.by_cause);
	free(t.buf);
}

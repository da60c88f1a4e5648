/* SPDX-License-Identifier: MIT */
/*
 * What holds after each single operation of a daemon, whatever comes next (it may be its last one):
 * nothing foreign is touched, no prefix is without owner between two that it has, no packet that
 * belongs into the tunnel leaves in clear, and the journal names at least what is ours.
 */
#include "world.h"

#include "daemon/kernel_table.h"
#include "fib/want_own.h"
#include "routing_engine.h"
#include <linux/rtnetlink.h>

/* --- what may not leave in clear
 * ------------------------------------------------------------------
 */

static bool has_sample(const struct world *w, const ip_prefix *p)
{
	for (size_t i = 0; i < w->samples.n; i++)
		if (ip_prefix_eq(&w->samples.items[i].prefix, p))
			return true;
	return false;
}

static void add_sample(struct world *w, const ip_prefix *p, bool is_host)
{
	struct world_sample s = {*p, ip_prefix_addr(p), is_host};

	if (!is_host)
		s.address = world_sample_of(p);
	if (!has_sample(w, p))
		vec_push(&w->samples, s);
}

/* What a reload takes away may leave as it likes. */
static bool is_in_all_editions(const struct world *w, unsigned node, const ip_prefix *p)
{
	bool is = true;

	for (unsigned i = 0; i < WORLD_EDITIONS; i++)
		is &= mesh_carries(&w->builds[i].inv, node, p) != NULL;
	return is;
}

void watch_begin(struct world *w)
{
	for (unsigned n = 0; n < w->n_nodes; n++) {
		const struct mesh_node *node = &w->inv->nodes[n];

		for (size_t i = 0; i < node->n_networks; i++)
			if (is_in_all_editions(w, n, &node->networks[i].prefix))
				add_sample(w, &node->networks[i].prefix, false);
		for (size_t i = 0; i < node->n_addresses; i++) {
			ip_prefix host = ip_prefix_host(&node->addresses[i].addr);

			add_sample(w, &host, true);
		}
	}
}

void watch_end(struct world *w)
{
	for (unsigned i = 0; i < w->n_nodes; i++)
		vec_done(&w->nodes[i].guarded);
	vec_done(&w->samples);
}

void watch_machine(struct world *w, unsigned node)
{
	struct world_node *n = &w->nodes[node];

	n->guarded.n = 0;
	n->is_whole = false;
	for (size_t i = 0; i < w->samples.n; i++)
		vec_push(&n->guarded, false);
}

static void check_clear(struct world *w, unsigned node)
{
	struct world_node *n = &w->nodes[node];

	for (size_t i = 0; i < w->samples.n && n->is_whole; i++) {
		const struct world_sample *s = &w->samples.items[i];
		struct model_flow f = {.to = s->address};
		char text[IP_PREFIX_STRLEN];

		if (world_carries(w, node, &s->prefix))
			continue;
		if (model_way(n->model, &f) != MODEL_OUT)
			n->guarded.items[i] = true;
		else if (n->guarded.items[i])
			world_fail(w, "%s: packets for %s leave in clear", world_name(w, node),
				ip_prefix_format(&s->prefix, text));
	}
}

/* --- what is ours
 * ---------------------------------------------------------------------------------
 */

static bool is_nobodys(const struct model *m, const struct model_peer *p)
{
	wg_key nobody = want_nobody_key(), parking = device_parking_key(&m->public_key);

	return wg_key_eq(&p->key, &nobody) || wg_key_eq(&p->key, &parking);
}

/* What a routing engine may tell of is ours without the journal. */
static bool may_be_announced(const struct world *w, unsigned node, const ip_prefix *p)
{
	bool may = false;

	for (unsigned e = 0; e < WORLD_EDITIONS; e++)
		for (unsigned i = 0; i < w->n_nodes; i++)
			may |= i != node && routing_is_on(w, i) &&
			       mesh_carries(&w->builds[e].inv, i, p);
	return may && routing_is_on(w, node);
}

static int check_prefix(const ip_prefix *p, void *value, void *data)
{
	const struct world_node *n = data;
	const struct model_entry *e = value;
	bool is_foreign = e->peer ? e->peer->foreign : e->set->foreign;
	char text[IP_PREFIX_STRLEN];

	if (!is_foreign && !journal_has_prefix(&n->journal, p) &&
		!may_be_announced(n->w, n->index, p))
		world_fail(n->w, "%s: the journal doesn't name %s, which is ours",
			world_name(n->w, n->index), ip_prefix_format(p, text));
	return 0;
}

static void check_backstops(const struct world_node *n)
{
	struct rtnl_route only = {.type = RTN_UNREACHABLE, .protocol = RTNL_PROTO_SHUNT}, *routes;
	uint32_t overlays = kernel_overlay_table(MODEL_IFNAME);
	char text[IP_PREFIX_STRLEN];
	size_t count;

	model_route_list(n->model, &only, &routes, &count);
	for (size_t i = 0; i < count; i++)
		if (routes[i].table != overlays &&
			!journal_has_backstop(&n->journal, &routes[i].dst))
			world_fail(n->w, "%s: the journal doesn't name what refuses %s",
				world_name(n->w, n->index), ip_prefix_format(&routes[i].dst, text));
	free(routes);
}

static void check_journal(const struct world_node *n)
{
	const struct model *m = n->model;

	check_backstops(n);
	if (!m->exists)
		return;
	for (size_t i = 0; i < m->peers.n; i++)
		if (!m->peers.items[i]->foreign &&
			!journal_has_peer(&n->journal, &m->peers.items[i]->key) &&
			!is_nobodys(m, m->peers.items[i]))
			world_fail(n->w, "%s: the journal doesn't name a peer that is ours",
				world_name(n->w, n->index));
	for (size_t i = 0; i < m->addresses.n; i++)
		if (!m->addresses.items[i].foreign &&
			!journal_has_address(&n->journal, &m->addresses.items[i].prefix))
			world_fail(n->w, "%s: the journal doesn't name an address that is ours",
				world_name(n->w, n->index));
	if (m->fwmark && !journal_has_mark(&n->journal, m->fwmark))
		world_fail(
			n->w, "%s: the journal doesn't name the mark", world_name(n->w, n->index));
	trie_walk(m->entries, check_prefix, (void *)(uintptr_t)n);
}

/* --- after each operation
 * -------------------------------------------------------------------------
 */

void watch_plan(struct world *w, unsigned node)
{
	if (w->nodes[node].model)
		model_plan_begins(w->nodes[node].model);
}

void watch_node(struct world *w, unsigned node)
{
	struct world_node *n = &w->nodes[node];

	w->n_ops++;
	if (!n->model || node_is_client(w, node))
		return;
	if (n->model->violation)
		world_fail(w, "%s: %s", world_name(w, node), n->model->violation);
	check_clear(w, node);
	if (!n->journal_lags)
		check_journal(n);
	if (w->watcher)
		w->watcher(w, w->watcher_data);
}

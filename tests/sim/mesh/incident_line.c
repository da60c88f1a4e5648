/* SPDX-License-Identifier: MIT */
/*
 * What goes wrong without anybody's dying: a line that loses packets, which those who have another
 * way must leave; and a node on an old inventory, which must be named.
 */
#include "incident.h"
#include "mesh_paths.h"
#include "rules.h"

#define POOR_NS (60 * NS_PER_S)
#define POOR_LOSS 200	  /* in a thousand, one way */
#define POOR_BEARABLE 100 /* ... of a flow's packets in all that time */
#define LOOK_EVERY_NS (50 * NS_PER_MS)
#define ROLL_OUT_NS (75 * NS_PER_S) /* a quiet minute, and until it is told */

static const int families[] = {AF_INET, AF_INET6};

bool incident_is_line(const struct world *w, unsigned a, unsigned b)
{
	return a != b && rules_are_peers(w, a, b) && !node_is_client(w, a) &&
	       !node_is_client(w, b) && rules_is_in_service(w, a) && rules_is_in_service(w, b);
}

/* --- a line that loses packets -------------------------------------------------------------------
 */

/* A flow that has another way than that line, and what it has lost. */
struct flow {
	unsigned from, to;
	int family;
	unsigned permille; /* arrive, as of the last look */
	uint64_t lost;	   /* the sum over all looks */
};

typedef VEC(struct flow) flow_vec;

static void add_flows(const struct world *w, unsigned from, unsigned to, flow_vec *ret)
{
	for (unsigned k = 0; k < 2; k++) {
		const ip_prefix *p = world_network(w, to, families[k]);

		if (from != to && p && world_network(w, from, families[k]) &&
			w->nodes[from].is_on && oracle_must_arrive(w, from, p))
			vec_push(ret, ((struct flow){from, to, families[k], 1000, 0}));
	}
}

/* Between two hubs there is no way but their line and a third hub: that the owner of a cover would
 * hand it on is for when the line is dead. */
static bool is_between_hubs(const struct world *w, unsigned from, unsigned to)
{
	unsigned hubs = 0;

	for (unsigned n = 0; n < w->n_nodes; n++)
		hubs += w->inv->nodes[n].role == MESH_HUB;
	return hubs < 3 && w->inv->nodes[from].role == MESH_HUB &&
	       w->inv->nodes[to].role == MESH_HUB;
}

/* Those who stand behind one of its ends alone have no other. */
static flow_vec flows_without(struct world *w, unsigned a, unsigned b)
{
	flow_vec flows = {0};

	w->cut[a][b] = w->cut[b][a] = true;
	for (unsigned from = 0; from < w->n_nodes; from++)
		for (unsigned to = 0; to < w->n_nodes; to++)
			if (!node_is_client(w, from) && !node_is_client(w, to) &&
				!is_between_hubs(w, from, to))
				add_flows(w, from, to, &flows);
	w->cut[a][b] = w->cut[b][a] = false;
	return flows;
}

static void try_flow(const struct world *w, struct flow *f)
{
	ip_addr src = world_sample_of(world_network(w, f->from, f->family));
	ip_addr dst = world_sample_of(world_network(w, f->to, f->family));
	struct path path;

	path_follow(w, f->from, &src, &dst, &path);
	f->permille = path.permille;
}

static void check_lost(struct world *w, const flow_vec *flows, unsigned n_looks)
{
	for (size_t i = 0; i < flows->n; i++) {
		const struct flow *f = &flows->items[i];

		if (f->lost > (uint64_t)n_looks * POOR_BEARABLE)
			world_fail(w, "%s to %s lost %llu in a thousand beside a way that is whole",
				world_name(w, f->from), world_name(w, f->to),
				(unsigned long long)(f->lost / n_looks));
	}
}

void incident_watch_poor(struct world *w, unsigned a, unsigned b)
{
	flow_vec flows = flows_without(w, a, b);
	uint64_t seen = w->n_ops - 1;
	unsigned n_looks = 0;

	w->loss_permille[a][b] = POOR_LOSS;
	world_say(w, "(from %s to %s a fifth is lost)", world_name(w, a), world_name(w, b));
	for (int64_t t = 0; t < POOR_NS && !w->has_failed; t += LOOK_EVERY_NS, n_looks++) {
		for (size_t i = 0; i < flows.n; i++) {
			if (seen != w->n_ops)
				try_flow(w, &flows.items[i]);
			flows.items[i].lost += 1000 - flows.items[i].permille;
		}
		seen = w->n_ops;
		world_run(w, LOOK_EVERY_NS);
	}
	check_lost(w, &flows, n_looks);
	vec_done(&flows);
}

/* --- a node on an old inventory ------------------------------------------------------------------
 */

static bool are_peers_in_all(const struct world *w, unsigned a, unsigned b)
{
	bool are = true;

	for (unsigned i = 0; i < WORLD_EDITIONS; i++)
		are &= naive_tunnel(&w->builds[i].inv, NAIVE_NONE, a, b);
	return are;
}

static void check_named(struct world *w, unsigned n, unsigned old)
{
	if (node_is_client(w, n) || n == old || !are_peers_in_all(w, n, old) ||
		!rules_is_in_service(w, n))
		return;
	if (!node_names_inventory(&w->nodes[n]))
		world_fail(w, "%s doesn't say that %s runs another inventory", world_name(w, n),
			world_name(w, old));
	if (!node_names_inventory(&w->nodes[old]))
		world_fail(w, "%s doesn't say that %s runs another inventory", world_name(w, old),
			world_name(w, n));
}

void incident_watch_old(struct world *w, unsigned old)
{
	world_edit(w);
	for (unsigned i = 0; i < w->n_nodes; i++)
		if (i != old)
			node_reload(w, i);
	world_run(w, ROLL_OUT_NS);
	for (unsigned i = 0; i < w->n_nodes && !w->has_failed; i++)
		check_named(w, i, old);
}

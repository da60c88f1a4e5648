/* SPDX-License-Identifier: MIT */
#include "incident.h"
#include "routing_engine.h"

static void flip_daemon(struct world *w, unsigned n)
{
	if (w->nodes[n].daemon)
		node_kill(w, n);
	else
		node_start(w, n);
}

static void flip_power(struct world *w, unsigned n)
{
	node_power(w, n, !w->nodes[n].is_on);
	node_start(w, n);
}

static void flip_line(struct world *w, unsigned a, unsigned b, bool both)
{
	bool cut = !w->cut[a][b];

	w->cut[a][b] = cut;
	if (both || !cut)
		w->cut[b][a] = cut;
	world_say(w, "(the line from %s to %s is %s%s)", world_name(w, a), world_name(w, b),
		cut ? "cut" : "mended", both || !cut ? ", and back" : "");
}

static void flip_loss(struct world *w, unsigned a, unsigned b)
{
	w->loss_permille[a][b] = w->loss_permille[a][b] ? 0 : 150;
	world_say(w, "(from %s to %s %u in a thousand are lost)", world_name(w, a),
		world_name(w, b), w->loss_permille[a][b]);
}

/* Its daemon dies before one of the operations that a reload, a start or whatever comes makes. */
static void kill_amid(struct world *w, unsigned n, unsigned ops)
{
	struct world_node *node = &w->nodes[n];

	if (!node->is_on || node_is_client(w, n))
		return;
	world_say(w, "(%s's daemon dies before its operation %u from now on)", world_name(w, n),
		ops + 1);
	node->model->fuse = ops + 1;
	if (node->daemon)
		node_reload(w, n);
	else
		node_start(w, n);
}

static void refuse(struct world *w, unsigned n, unsigned ops)
{
	if (!w->nodes[n].is_on || node_is_client(w, n))
		return;
	world_say(w, "(%s: operation %u from now on is refused)", world_name(w, n), ops + 1);
	w->nodes[n].model->fails = ops + 1;
}

static void set_line(struct world *w, unsigned a, unsigned b, bool cut)
{
	if (w->cut[a][b] != cut)
		flip_line(w, a, b, true);
}

/* Packets go on meanwhile. */
static void run_a_moment(struct world *w)
{
	for (unsigned n = chance_below(&w->chance, 100); n && incident_check_circles(w); n--)
		world_run(w, 5 * NS_PER_MS);
}

static void lose_site(struct world *w, unsigned site)
{
	bool has_some = false;

	for (unsigned h = 0; h < w->n_nodes; h++)
		has_some |= w->inv->nodes[h].role == MESH_HUB && h != site && !w->cut[h][site];
	for (unsigned i = 0, first = chance_below(&w->chance, 3); i < w->n_nodes; i++) {
		unsigned h = (i + first) % (unsigned)w->n_nodes;

		if (w->inv->nodes[h].role != MESH_HUB || h == site)
			continue;
		set_line(w, h, site, has_some);
		run_a_moment(w);
	}
}

static void roll_out(struct world *w)
{
	unsigned first = chance_below(&w->chance, (unsigned)w->n_nodes);

	world_edit(w);
	for (unsigned i = 0; i < w->n_nodes && !w->has_failed; i++) {
		node_reload(w, (i + first) % (unsigned)w->n_nodes);
		world_run(w, (int64_t)chance_below(&w->chance, 1000) * NS_PER_MS);
	}
}

static void flip_engine(struct world *w, unsigned n)
{
	if (routing_runs(w, n))
		routing_kill(w, n);
	else
		routing_start(w, n, false);
}

bool incident_is_of_all(const struct incident *x)
{
	return x->what == ENGINE_RESTARTS && x->ops >= 32;
}

static void for_a_while(struct world *w)
{
	world_run(w, (int64_t)chance_below(&w->chance, 3000) * NS_PER_MS);
}

/* Alone, or each node's at once. */
static void each_engine(struct world *w, const struct incident *x,
	void (*fn)(struct world *w, unsigned n, bool yes))
{
	for (unsigned n = 0; n < w->n_nodes; n++)
		if (n == x->a || incident_is_of_all(x))
			fn(w, n, x->ops % 2);
}

static void kill_engine(struct world *w, unsigned n, bool unused)
{
	(void)unused;
	routing_kill(w, n);
}

/* Its daemon as well if it is two times the same, in either order. */
static void restart_engine(struct world *w, const struct incident *x)
{
	bool both = x->a == x->b;

	if (both && x->ops / 2 % 2)
		node_kill(w, x->a);
	each_engine(w, x, kill_engine);
	for_a_while(w);
	if (both)
		node_kill(w, x->a);
	if (both && x->ops / 4 % 2) {
		node_start(w, x->a);
		for_a_while(w);
	}
	each_engine(w, x, routing_start);
	if (both) {
		for_a_while(w);
		node_start(w, x->a);
	}
}

/* False: it is none of a routing engine's. */
static bool happens_to_engine(struct world *w, const struct incident *x)
{
	if (x->what < N_HAPPENINGS)
		return false;
	if (!routing_is_on(w, x->a))
		return true;
	if (x->what == ENGINE_DIES)
		flip_engine(w, x->a);
	else if (x->what == ENGINE_RESTARTS)
		restart_engine(w, x);
	else
		routing_flap(w, x->a);
	return true;
}

/* Some end by themselves, after one to ten seconds. */
int64_t incident_drain_ns(const struct world *w, const struct incident *x)
{
	bool ends = x->what == DRAIN && !w->nodes[x->a].drain.drained && x->ops % 4 == 3;

	return ends ? (1 + x->ops / 4) * NS_PER_S : 0;
}

static void drain(struct world *w, const struct incident *x)
{
	node_drain(w, x->a, !w->nodes[x->a].drain.drained, incident_drain_ns(w, x));
}

void incident_happen(struct world *w, const struct incident *x)
{
	if (happens_to_engine(w, x))
		return;
	switch (x->what) {
	case UNPLUG:
		node_unplug(w, x->a, false);
		break;
	case REPLUG:
		node_unplug(w, x->a, true);
		break;
	case KILL_AMID:
		kill_amid(w, x->a, x->ops);
		break;
	case REFUSE:
		refuse(w, x->a, x->ops);
		break;
	case FOREIGN:
		if (!node_is_client(w, x->a))
			foreign_arrive(w, x->a);
		break;
	case STEAL:
		if (!node_is_client(w, x->a))
			foreign_steal(w, x->a, x->b);
		break;
	case POWER:
		flip_power(w, x->a);
		break;
	case DAEMON:
		flip_daemon(w, x->a);
		break;
	case DRAIN:
		drain(w, x);
		break;
	case CUT_BOTH:
	case CUT_ONE_WAY:
		if (x->a != x->b)
			flip_line(w, x->a, x->b, x->what == CUT_BOTH);
		break;
	case RELOAD:
		node_reload(w, x->a);
		break;
	case EDIT:
		world_edit(w);
		break;
	case LOSS:
		if (x->a != x->b)
			flip_loss(w, x->a, x->b);
		break;
	case SWITCH:
		node_switch(w, x->a, x->ops % 2);
		break;
	case LOSE_SITE:
		lose_site(w, x->a);
		break;
	case ROLL_OUT:
		roll_out(w);
		break;
	default:
		break;
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * What must arrive once things are quiet, from the inventory and from who lives and which lines
 * carry, by the sentences of docs/decision.md and docs/liveness.md; none of the product's decisions
 * is asked. Two nodes that are no peers know nothing of each other.
 */
#include "world.h"

#include "mesh_paths.h"

static bool is_in_service(const struct world *w, unsigned n)
{
	return w->nodes[n].is_on && w->nodes[n].daemon;
}

static bool are_peers(const struct world *w, unsigned a, unsigned b)
{
	return naive_tunnel(w->inv, NAIVE_NONE, a, b);
}

/* How n must see p. */
static enum live_state expected(const struct world *w, unsigned n, unsigned p)
{
	if (!is_in_service(w, p) || !world_line_is_up(w, n, p))
		return LIVE_DOWN;
	return w->nodes[p].is_drained ? LIVE_LAST_RESORT : LIVE_UP;
}

bool oracle_is_settled(const struct world *w)
{
	for (unsigned n = 0; n < w->n_nodes; n++) {
		if (w->nodes[n].is_on && !w->nodes[n].daemon)
			return false;
		if (!w->nodes[n].is_on)
			continue;
		if (node_is_holding(&w->nodes[n]))
			return false;
		for (unsigned p = 0; p < w->n_nodes; p++)
			if (p != n && are_peers(w, n, p) &&
				node_verdict(&w->nodes[n], p) != expected(w, n, p))
				return false;
	}
	return true;
}

/* What speaks against a way, the gravest first; the smaller the better. */
struct way {
	unsigned next;
	bool origin_down, last_resort, transit;
	uint32_t metric;
};

static bool is_better(const struct way *a, const struct way *b)
{
	if (a->origin_down != b->origin_down)
		return b->origin_down;
	if (a->last_resort != b->last_resort)
		return b->last_resort;
	if (a->transit != b->transit)
		return b->transit;
	if (a->metric != b->metric)
		return a->metric < b->metric;
	return a->next < b->next;
}

/* False if it can't be used at all. */
static bool way_by(const struct world *w, unsigned n, unsigned next, unsigned to, struct way *ret)
{
	bool transit = next != to, knows = are_peers(w, n, to);
	enum live_state state;

	if (!are_peers(w, n, next) ||
		(transit && (w->inv->nodes[next].role != MESH_HUB || !are_peers(w, next, to))))
		return false;
	state = expected(w, n, next);
	*ret = (struct way){
		.next = next,
		.transit = transit,
		.metric = transit ? w->inv->nodes[next].metric : 0,
		.origin_down = transit && knows && expected(w, n, to) == LIVE_DOWN,
		.last_resort = state == LIVE_LAST_RESORT ||
			       (transit && knows && expected(w, n, to) == LIVE_LAST_RESORT),
	};
	return state != LIVE_DOWN;
}

static unsigned choose(const struct world *w, unsigned n, unsigned to)
{
	struct way best = {.next = WORLD_NOBODY}, x;

	for (unsigned next = 0; next < w->n_nodes; next++)
		if (next != n && way_by(w, n, next, to, &x) &&
			(best.next == WORLD_NOBODY || is_better(&x, &best)))
			best = x;
	return best.next;
}

bool oracle_must_arrive(const struct world *w, unsigned from, unsigned to)
{
	unsigned at = from;

	for (unsigned hops = 0; hops <= w->n_nodes; hops++) {
		unsigned next = choose(w, at, to);

		if (next == WORLD_NOBODY || next == from || choose(w, next, from) != at)
			return false;
		if (next == to)
			return true;
		at = next;
	}
	return false;
}

bool oracle_is_whole(const struct world *w)
{
	for (unsigned a = 0; a < w->n_nodes; a++)
		for (unsigned b = 0; b < w->n_nodes; b++)
			if (w->cut[a][b] && are_peers(w, a, b))
				return false;
	return true;
}

/* With all lines whole, whoever has a tunnel or a living hub in common reaches each other. */
static bool has_path(const struct world *w, unsigned from, unsigned to)
{
	if (are_peers(w, from, to))
		return true;
	for (unsigned h = 0; h < w->n_nodes; h++)
		if (is_in_service(w, h) && w->inv->nodes[h].role == MESH_HUB && h != from &&
			h != to && are_peers(w, h, from) && are_peers(w, h, to))
			return true;
	return false;
}

static ip_addr sample(const ip_prefix *p)
{
	ip_addr a = ip_prefix_addr(p);

	a.bytes[3] = 77;
	return a;
}

static bool check_pair(struct world *w, unsigned from, unsigned to, bool whole)
{
	ip_addr src = sample(&w->inv->nodes[from].networks[0].prefix);
	ip_addr dst = sample(&w->inv->nodes[to].networks[0].prefix);
	bool must = oracle_must_arrive(w, from, to);
	unsigned at;
	enum fate f = path_try(w, from, &src, &dst, &at);

	if (whole && has_path(w, from, to) && !must) {
		world_say(w, "the rules themselves lose %s to %s", world_name(w, from),
			world_name(w, to));
		return false;
	}
	if (node_owner(&w->nodes[from], &dst) != choose(w, from, to)) {
		world_say(w, "%s hands what is for %s to another than the rules say",
			world_name(w, from), world_name(w, to));
		return false;
	}
	if (f == CIRCLES || (must && (f != ARRIVED || at != to))) {
		world_say(w, "from %s to %s: %s at %s", world_name(w, from), world_name(w, to),
			fate_name(f), world_name(w, at));
		return false;
	}
	return true;
}

bool oracle_check(struct world *w, unsigned *ret_n_checked)
{
	bool whole = oracle_is_whole(w);

	for (unsigned from = 0; from < w->n_nodes; from++)
		for (unsigned to = 0; to < w->n_nodes; to++) {
			if (from == to || !w->nodes[from].is_on || !w->nodes[to].is_on ||
				!w->inv->nodes[from].n_networks || !w->inv->nodes[to].n_networks)
				continue;
			++*ret_n_checked;
			if (!check_pair(w, from, to, whole))
				return false;
		}
	return true;
}

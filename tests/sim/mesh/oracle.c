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
	unsigned next, origin;
	bool origin_down, last_resort, transit;
	uint32_t metric, hub_metric;
};

static bool is_better(const struct way *a, const struct way *b)
{
	if (a->origin_down != b->origin_down)
		return b->origin_down;
	if (a->last_resort != b->last_resort)
		return b->last_resort;
	if (a->metric != b->metric)
		return a->metric < b->metric;
	if (a->transit != b->transit)
		return b->transit;
	if (a->hub_metric != b->hub_metric)
		return a->hub_metric < b->hub_metric;
	return a->next != b->next ? a->next < b->next : a->origin < b->origin;
}

static const struct mesh_network *network_of(
	const struct world *w, unsigned node, const ip_prefix *p)
{
	const struct mesh_node *n = &w->inv->nodes[node];

	for (size_t i = 0; i < n->n_networks; i++)
		if (ip_prefix_eq(&n->networks[i].prefix, p))
			return &n->networks[i];
	return NULL;
}

/* False if it can't be used at all. */
static bool way_by(const struct world *w, unsigned n, unsigned next, unsigned origin,
	const struct mesh_network *network, struct way *ret)
{
	bool transit = next != origin, knows = are_peers(w, n, origin);
	enum live_state state;

	if (!are_peers(w, n, next) ||
		(transit && (w->inv->nodes[next].role != MESH_HUB || !are_peers(w, next, origin))))
		return false;
	state = expected(w, n, next);
	*ret = (struct way){
		.next = next,
		.origin = origin,
		.transit = transit,
		.metric = network->metric == MESH_METRIC_NONE ? 0 : network->metric,
		.hub_metric = transit ? w->inv->nodes[next].metric : 0,
		.origin_down = transit && knows && expected(w, n, origin) == LIVE_DOWN,
		.last_resort = state == LIVE_LAST_RESORT ||
			       (transit && knows && expected(w, n, origin) == LIVE_LAST_RESORT),
	};
	return state != LIVE_DOWN;
}

/* The best way of a node to a prefix that it doesn't carry; next is WORLD_NOBODY if there is none.
 */
static struct way best_way(const struct world *w, unsigned n, const ip_prefix *p)
{
	struct way best = {.next = WORLD_NOBODY}, x;

	for (unsigned origin = 0; origin < w->n_nodes; origin++) {
		const struct mesh_network *network = network_of(w, origin, p);

		for (unsigned next = 0; network && next < w->n_nodes; next++)
			if (next != n && origin != n && way_by(w, n, next, origin, network, &x) &&
				(best.next == WORLD_NOBODY || is_better(&x, &best)))
				best = x;
	}
	return best;
}

/* Rule 7: a way to an origin that is down as seen from here is worse than a cover that lives. What
 * is nobody's is the cover's anyway. The story's one cover is around everything else. */
static unsigned choose(const struct world *w, unsigned n, const ip_prefix *p)
{
	struct way way = best_way(w, n, p), cover = {.next = WORLD_NOBODY};
	ip_prefix all = mesh_build_prefix(STORY_COVER);

	if (!ip_prefix_eq(p, &all) && ip_prefix_contains(&all, p) && !network_of(w, n, &all))
		cover = best_way(w, n, &all);
	if (way.next == WORLD_NOBODY)
		return cover.next;
	return way.origin_down && cover.next != WORLD_NOBODY && !cover.origin_down ? cover.next
										   : way.next;
}

static unsigned choose_for(const struct world *w, unsigned n, unsigned of)
{
	return choose(w, n, &w->inv->nodes[of].networks[0].prefix);
}

bool oracle_must_arrive(const struct world *w, unsigned from, const ip_prefix *to)
{
	unsigned at = from;

	for (unsigned hops = 0; hops <= w->n_nodes; hops++) {
		unsigned next = choose(w, at, to);

		if (next == WORLD_NOBODY || next == from || choose_for(w, next, from) != at)
			return false;
		if (network_of(w, next, to))
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

	a.bytes[3] = p->len < 32 ? 77 : a.bytes[3];
	a.bytes[2] = p->len < 24 ? 200 : a.bytes[2];
	return a;
}

static bool complain(
	struct world *w, unsigned from, const ip_prefix *to, const char *what, unsigned at)
{
	char text[IP_PREFIX_STRLEN];

	world_say(w, "from %s to %s: %s at %s", world_name(w, from), ip_prefix_format(to, text),
		what, world_name(w, at));
	return false;
}

static bool check_flow(struct world *w, unsigned from, const ip_prefix *to)
{
	ip_addr src = sample(&w->inv->nodes[from].networks[0].prefix), dst = sample(to);
	bool must = oracle_must_arrive(w, from, to);
	unsigned at;
	enum fate f = path_try(w, from, &src, &dst, &at);

	if (node_owner(&w->nodes[from], &dst) != choose(w, from, to))
		return complain(w, from, to, "handed to another than the rules say", from);
	if (f == CIRCLES || (must && (f != ARRIVED || !network_of(w, at, to))))
		return complain(w, from, to, fate_name(f), at);
	return true;
}

/* A node's own network, which nobody else has. */
static bool check_pair(struct world *w, unsigned from, unsigned to, bool whole)
{
	const ip_prefix *p = &w->inv->nodes[to].networks[0].prefix;

	if (whole && has_path(w, from, to) && !oracle_must_arrive(w, from, p))
		return complain(w, from, p, "lost by the rules themselves", from);
	return check_flow(w, from, p);
}

/* What several nodes carry. */
static bool check_shared(struct world *w, unsigned from, const char *text)
{
	ip_prefix p = mesh_build_prefix(text);
	bool exists = false;

	for (unsigned i = 0; i < w->n_nodes; i++)
		exists |= network_of(w, i, &p) != NULL;
	return !exists || network_of(w, from, &p) || check_flow(w, from, &p);
}

bool oracle_check(struct world *w, unsigned *ret_n_checked)
{
	bool whole = oracle_is_whole(w), good = true;

	for (unsigned from = 0; from < w->n_nodes && good; from++) {
		if (!w->nodes[from].is_on)
			continue;
		for (unsigned to = 0; to < w->n_nodes && good; to++)
			if (from != to && w->nodes[to].is_on) {
				good = check_pair(w, from, to, whole);
				++*ret_n_checked;
			}
		good = good && check_shared(w, from, STORY_ANYCAST) &&
		       check_shared(w, from, STORY_COVER);
	}
	return good;
}

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
	return w->nodes[n].is_on && (w->nodes[n].daemon || node_is_client(w, n));
}

static bool are_peers(const struct world *w, unsigned a, unsigned b)
{
	return naive_tunnel(w->inv, NAIVE_NONE, a, b);
}

/* How n must see p, if it probes it. */
static enum live_state expected(const struct world *w, unsigned n, unsigned p)
{
	if (!is_in_service(w, p) || !world_line_is_up(w, n, p))
		return LIVE_DOWN;
	return w->nodes[p].is_drained ? LIVE_LAST_RESORT : LIVE_UP;
}

bool oracle_is_settled(const struct world *w)
{
	for (unsigned n = 0; n < w->n_nodes; n++) {
		if (!w->nodes[n].is_on || node_is_client(w, n))
			continue;
		if (!w->nodes[n].daemon)
			return false;
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

/* False if it can't be used at all. */
static bool way_by(const struct world *w, unsigned n, unsigned next, unsigned origin,
	const struct mesh_network *network, struct way *ret)
{
	bool transit = next != origin, knows = are_peers(w, n, origin);
	enum live_state state;

	if (!are_peers(w, n, next) ||
		(transit && (w->inv->nodes[next].role != MESH_HUB || !are_peers(w, next, origin))))
		return false;
	/* What is a client's has one way. */
	if (transit && knows && node_is_client(w, origin))
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
		const struct mesh_network *network = world_carries(w, origin, p);

		for (unsigned next = 0; network && next < w->n_nodes; next++)
			if (next != n && origin != n && way_by(w, n, next, origin, network, &x) &&
				(best.next == WORLD_NOBODY || is_better(&x, &best)))
				best = x;
	}
	return best;
}

/* The longest of those around p that somebody else carries and that has an owner; next is
 * WORLD_NOBODY if there is none. What the node itself has around p hides all that is wider. */
static struct way way_around(const struct world *w, unsigned n, const ip_prefix *p, bool to_all)
{
	struct way none = {.next = WORLD_NOBODY};

	for (size_t i = 0; i < story_n_shared; i++) {
		ip_prefix wider = mesh_build_prefix(story_shared[i]);
		struct way way;

		if (ip_prefix_eq(&wider, p) || !ip_prefix_contains(&wider, p))
			continue;
		if (world_carries(w, n, &wider) || (ip_prefix_is_default(&wider) && !to_all))
			return none;
		way = best_way(w, n, &wider);
		if (way.next != WORLD_NOBODY)
			return way;
	}
	return none;
}

/* A file that doesn't change sends everything one way. */
static unsigned choose_as_client(const struct world *w, unsigned n)
{
	return naive_home(w->inv, n);
}

/* What a client carries stays with it on its hub, whether it is heard or not: it may be idle. */
static unsigned client_of(const struct world *w, unsigned n, const ip_prefix *p)
{
	for (unsigned c = 0; c < w->n_nodes; c++)
		if (node_is_client(w, c) && are_peers(w, n, c) && world_carries(w, c, p))
			return c;
	return WORLD_NOBODY;
}

/* Rule 7: a way to an origin that is down as seen from here is worse than a cover that lives, but
 * for a default route. What is nobody's is the cover's anyway. */
static unsigned choose(const struct world *w, unsigned n, const ip_prefix *p)
{
	struct way way, cover;

	if (node_is_client(w, n))
		return choose_as_client(w, n);
	if (client_of(w, n, p) != WORLD_NOBODY)
		return client_of(w, n, p);
	way = best_way(w, n, p);
	if (way.next == WORLD_NOBODY)
		return way_around(w, n, p, true).next;
	cover = way_around(w, n, p, false);
	return way.origin_down && cover.next != WORLD_NOBODY && !cover.origin_down ? cover.next
										   : way.next;
}

static unsigned choose_for(const struct world *w, unsigned n, unsigned of, int family)
{
	return choose(w, n, world_network(w, of, family));
}

bool oracle_must_arrive(const struct world *w, unsigned from, const ip_prefix *to)
{
	unsigned at = from;

	for (unsigned hops = 0; hops <= w->n_nodes; hops++) {
		unsigned next = choose(w, at, to);

		if (next == WORLD_NOBODY || next == from || !is_in_service(w, next) ||
			!world_line_is_up(w, at, next) ||
			choose_for(w, next, from, to->family) != at)
			return false;
		if (world_carries(w, next, to))
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

static bool complain(
	struct world *w, unsigned from, const ip_prefix *to, const char *what, unsigned at)
{
	char text[IP_PREFIX_STRLEN];

	world_say(w, "from %s to %s: %s at %s", world_name(w, from), ip_prefix_format(to, text),
		what, world_name(w, at));
	return false;
}

static const char *name_of(const struct world *w, unsigned node)
{
	return node == WORLD_NOBODY ? "nobody" : world_name(w, node);
}

static bool all_carry(const struct world *w, uint32_t nodes, const ip_prefix *p)
{
	for (unsigned i = 0; i < w->n_nodes; i++)
		if (nodes >> i & 1 && !world_carries(w, i, p))
			return false;
	return true;
}

static bool check_flow(struct world *w, unsigned from, const ip_prefix *to)
{
	ip_addr src = world_sample_of(world_network(w, from, to->family));
	ip_addr dst = world_sample_of(to);
	bool must = oracle_must_arrive(w, from, to);
	unsigned wanted = choose(w, from, to);
	struct path path;

	path_follow(w, from, &src, &dst, &path);
	if (node_hops(w, from, &dst) != (wanted == WORLD_NOBODY ? 0 : 1U << wanted)) {
		world_say(w, "handed to %x, and not to %s", node_hops(w, from, &dst),
			name_of(w, wanted));
		return complain(w, from, to, "handed to another than the rules say", from);
	}
	if (path.fate == CIRCLES ||
		(must && (path.fate != ARRIVED || !all_carry(w, path.ends, to))))
		return complain(w, from, to, fate_name(path.fate), path.at);
	return true;
}

/* A node's own network, which nobody else has. */
static bool check_pair(struct world *w, unsigned from, unsigned to, int family, bool whole)
{
	const ip_prefix *p = world_network(w, to, family);

	if (!p)
		return true;
	if (whole && has_path(w, from, to) && !oracle_must_arrive(w, from, p))
		return complain(w, from, p, "lost by the rules themselves", from);
	return check_flow(w, from, p);
}

/* What several nodes may carry. */
static bool check_shared(struct world *w, unsigned from, const char *text)
{
	ip_prefix p = mesh_build_prefix(text);
	bool exists = false;

	for (unsigned i = 0; i < w->n_nodes; i++)
		exists |= world_carries(w, i, &p) != NULL;
	return !exists || world_carries(w, from, &p) || check_flow(w, from, &p);
}

static bool check_from(struct world *w, unsigned from, bool whole, unsigned *ret_n_checked)
{
	bool good = true;

	for (unsigned to = 0; to < w->n_nodes && good; to++)
		if (from != to && w->nodes[to].is_on) {
			good = check_pair(w, from, to, AF_INET, whole) &&
			       check_pair(w, from, to, AF_INET6, whole);
			++*ret_n_checked;
		}
	for (size_t i = 0; i < story_n_shared && good; i++)
		good = check_shared(w, from, story_shared[i]);
	return good;
}

bool oracle_check(struct world *w, unsigned *ret_n_checked)
{
	bool whole = oracle_is_whole(w), good = true;

	for (unsigned from = 0; from < w->n_nodes && good; from++)
		if (w->nodes[from].is_on)
			good = check_from(w, from, whole, ret_n_checked);
	return good;
}

/* SPDX-License-Identifier: MIT */
#include "rules.h"

#include "mesh_paths.h"
#include "route/rib.h"
#include "routing_engine.h"

bool rules_is_in_service(const struct world *w, unsigned n)
{
	return w->nodes[n].is_on && (w->nodes[n].daemon || node_is_client(w, n));
}

bool rules_are_peers(const struct world *w, unsigned a, unsigned b)
{
	return naive_tunnel(w->inv, NAIVE_NONE, a, b);
}

enum live_state rules_verdict(const struct world *w, unsigned n, unsigned p)
{
	if (!rules_is_in_service(w, p) || !world_line_is_up(w, n, p))
		return LIVE_DOWN;
	return w->nodes[p].drain.drained ? LIVE_LAST_RESORT : LIVE_UP;
}

static bool is_many(const struct world *w, unsigned n)
{
	return w->nodes[n].is_on && node_has_many(w, n);
}

/* --- what hubs report ----------------------------------------------------------------------------
 */

/* The one hears what the other says of itself. */
static bool hears(const struct world *w, unsigned n, unsigned p)
{
	return w->has_reports && rules_are_peers(w, n, p) && !node_is_client(w, n) &&
	       !node_is_client(w, p) && rules_is_in_service(w, n) && rules_is_in_service(w, p) &&
	       world_line_is_up(w, n, p);
}

static bool is_hub(const struct world *w, unsigned n)
{
	return w->inv->nodes[n].role == MESH_HUB;
}

bool rules_is_known_alive(const struct world *w, unsigned n, unsigned p)
{
	for (unsigned h = 0; h < w->n_nodes; h++)
		if (is_hub(w, h) && h != p && h != n && hears(w, n, h) && hears(w, h, p))
			return true;
	return false;
}

bool rules_is_told_of(const struct world *w, unsigned n, unsigned p)
{
	for (unsigned h = 0; h < w->n_nodes; h++)
		if (is_hub(w, h) && h != p && h != n && hears(w, n, h) && rules_are_peers(w, h, p))
			return true;
	return false;
}

/* The origin as n has it on the way by a hub. */
static enum live_state origin_state(
	const struct world *w, unsigned n, unsigned hub, unsigned origin)
{
	enum live_state own = rules_are_peers(w, n, origin) ? rules_verdict(w, n, origin) : LIVE_UP;

	/* A client is silent for as long as it likes: nobody says anything of it. */
	if (!hears(w, n, hub) || node_is_client(w, origin))
		return own;
	if (rules_verdict(w, hub, origin) == LIVE_DOWN)
		return LIVE_DOWN;
	return own == LIVE_DOWN ? LIVE_UP : own;
}

/* The same by an engine's route, which says that the hub has it. */
static enum live_state routed_state(
	const struct world *w, unsigned n, unsigned hub, unsigned origin)
{
	enum live_state s = origin_state(w, n, hub, origin);

	return s == LIVE_DOWN && !hears(w, n, hub) ? LIVE_UP : s;
}

enum answer { NO, MAYBE, YES };

/* Whether n knows that packets of one source may come to the origin from several peers: a hub that
 * has it says so, or it itself. Else what was known once may stand. */
static enum answer takes_many(const struct world *w, unsigned n, unsigned origin)
{
	bool is_told = hears(w, n, origin);

	if (node_is_client(w, origin))
		return NO;
	for (unsigned h = 0; h < w->n_nodes; h++)
		is_told |= is_hub(w, h) && hears(w, n, h) && hears(w, h, origin);
	if (!is_told)
		return MAYBE;
	return is_many(w, origin) ? YES : NO;
}

/* --- ways ----------------------------------------------------------------------------------------
 */

/* What speaks against a way, the gravest first; the smaller the better. */
struct way {
	unsigned next, origin;
	bool origin_down, last_resort, transit;
	uint8_t distance;
	uint32_t metric, hub_metric;
	unsigned weight;
};

/* Below 0: a is better; 0: they are equal, but for their places in the inventory. */
static int compare(const struct way *a, const struct way *b)
{
	if (a->origin_down != b->origin_down)
		return a->origin_down ? 1 : -1;
	if (a->last_resort != b->last_resort)
		return a->last_resort ? 1 : -1;
	if (a->distance != b->distance)
		return a->distance < b->distance ? -1 : 1;
	if (a->metric != b->metric)
		return a->metric < b->metric ? -1 : 1;
	if (a->transit != b->transit)
		return a->transit ? 1 : -1;
	if (a->hub_metric != b->hub_metric)
		return a->hub_metric < b->hub_metric ? -1 : 1;
	return 0;
}

/* Equal, were all up. */
static bool is_equal_at_best(struct way a, struct way b)
{
	a.origin_down = b.origin_down = a.last_resort = b.last_resort = false;
	return compare(&a, &b) == 0;
}

static bool is_better(const struct way *a, const struct way *b)
{
	int c = compare(a, b);

	if (c)
		return c < 0;
	return a->next != b->next ? a->next < b->next : a->origin < b->origin;
}

/* Of a network between two nodes with routing engines the engine says by whom it goes; behind a
 * next hop may be whoever carries it, if it isn't the next hop's own. */
static bool is_routed(const struct world *w, unsigned n, unsigned origin)
{
	return routing_is_on(w, n) && routing_is_on(w, origin);
}

static bool is_routed_by(
	const struct world *w, unsigned n, unsigned next, unsigned origin, const ip_prefix *p)
{
	bool is_hop = routing_hops(w, n, p) >> next & 1;

	return is_hop && (next == origin || !(routing_is_on(w, next) && world_carries(w, next, p)));
}

/* Whether there is one at all, whoever lives. */
static bool is_way(
	const struct world *w, unsigned n, unsigned next, unsigned origin, const ip_prefix *p)
{
	if (next != n && origin != n && is_routed(w, n, origin))
		return is_routed_by(w, n, next, origin, p);
	if (next == n || origin == n || !rules_are_peers(w, n, next))
		return false;
	if (next == origin)
		return true;
	/* What is a client's has one way. */
	if (rules_are_peers(w, n, origin) && node_is_client(w, origin))
		return false;
	return is_hub(w, next) && rules_are_peers(w, next, origin);
}

/* Whether engines lead there by hubs, and nothing else does: then no drain behind them counts. */
static bool is_by_hubs_alone(const struct world *w, unsigned n, const ip_prefix *p)
{
	for (unsigned o = 0; o < w->n_nodes; o++)
		if (world_carries(w, o, p) && (!is_routed(w, n, o) || is_way(w, n, o, o, p)))
			return false;
	return true;
}

/* False if it can't be used. */
static bool way_by(const struct world *w, unsigned n, unsigned next, unsigned origin,
	const struct mesh_network *network, struct way *ret)
{
	bool transit = next != origin, routed = is_routed(w, n, origin);
	enum live_state state, behind;

	if (!is_way(w, n, next, origin, &network->prefix))
		return false;
	state = rules_verdict(w, n, next);
	behind = !transit ? LIVE_UP
		 : routed ? routed_state(w, n, next, origin)
			  : origin_state(w, n, next, origin);
	if (behind == LIVE_LAST_RESORT && is_by_hubs_alone(w, n, &network->prefix))
		behind = LIVE_UP;
	*ret = (struct way){
		.next = next,
		.origin = origin,
		.transit = transit,
		.distance = routed ? RIB_DISTANCE_KERNEL : RIB_DISTANCE_INVENTORY,
		.metric = routed || network->metric == MESH_METRIC_NONE ? 0 : network->metric,
		.hub_metric = transit ? w->inv->nodes[next].metric : 0,
		.origin_down = behind == LIVE_DOWN,
		.last_resort = state == LIVE_LAST_RESORT || behind == LIVE_LAST_RESORT,
		.weight = transit  ? w->inv->nodes[next].weight
			  : routed ? 1
				   : network->weight,
	};
	ret->weight += !ret->weight; /* not stated */
	return state != LIVE_DOWN;
}

struct ways {
	struct way items[WORLD_NODES]; /* the best by each next hop */
	bool is[WORLD_NODES];
	unsigned best; /* WORLD_NOBODY: there is none */
};

static void find_ways(const struct world *w, unsigned n, const ip_prefix *p, struct ways *ret)
{
	struct way x;

	*ret = (struct ways){.best = WORLD_NOBODY};
	for (unsigned next = 0; next < w->n_nodes; next++) {
		for (unsigned origin = 0; origin < w->n_nodes; origin++) {
			const struct mesh_network *network = world_carries(w, origin, p);

			if (!network || !way_by(w, n, next, origin, network, &x) ||
				(ret->is[next] && !is_better(&x, &ret->items[next])))
				continue;
			ret->is[next] = true;
			ret->items[next] = x;
		}
		if (ret->is[next] && (ret->best == WORLD_NOBODY ||
					     is_better(&ret->items[next], &ret->items[ret->best])))
			ret->best = next;
	}
}

/* Several may share only what its origins take from several: all that they may be, as far as the
 * one who hands on chooses. */
static enum answer may_share(
	const struct world *w, unsigned n, const ip_prefix *p, const struct way *best)
{
	enum answer may = is_many(w, n) ? YES : NO, x_may;
	struct way x;
	bool is_usable;

	for (unsigned next = 0; next < w->n_nodes; next++)
		for (unsigned origin = 0; origin < w->n_nodes; origin++) {
			const struct mesh_network *network = world_carries(w, origin, p);

			if (!network || !is_way(w, n, next, origin, p) || next == origin)
				continue;
			is_usable = way_by(w, n, next, origin, network, &x);
			if (is_usable && !is_equal_at_best(x, *best))
				continue;
			x_may = takes_many(w, n, origin);
			/* Its rank may count all the same. */
			if (!is_usable || compare(&x, best) != 0)
				x_may = x_may == YES ? YES : MAYBE;
			may = x_may < may ? x_may : may;
		}
	return may;
}

/* The best ways of a node to a prefix that it doesn't carry. */
static struct choice best_of(const struct world *w, unsigned n, const ip_prefix *p)
{
	struct choice c = {0};
	struct ways ways;
	enum answer shares;

	find_ways(w, n, p, &ways);
	if (ways.best == WORLD_NOBODY)
		return c;
	shares = may_share(w, n, p, &ways.items[ways.best]);
	c.is_open = shares == MAYBE;
	c.is_relayed = ways.items[ways.best].transit;
	c.origin_down = ways.items[ways.best].origin_down;
	c.is_last_resort = ways.items[ways.best].last_resort;
	for (unsigned i = 0; i < w->n_nodes; i++)
		if (i == ways.best ||
			(shares && ways.is[i] &&
				compare(&ways.items[i], &ways.items[ways.best]) == 0)) {
			c.hops |= 1U << i;
			c.weight[i] = ways.items[i].weight;
		}
	return c;
}

static struct choice sole(unsigned n, bool is_relayed)
{
	struct choice c = {.hops = 1U << n, .is_relayed = is_relayed};

	c.weight[n] = 1;
	return c;
}

/* The longest of those around p that somebody else carries and that has an owner; nobody if there
 * is none. What the node itself has around p hides all that is wider. */
static struct choice choose_around(
	const struct world *w, unsigned n, const ip_prefix *p, bool to_all)
{
	struct choice none = {0};

	for (size_t i = 0; i < story_n_shared; i++) {
		ip_prefix wider = mesh_build_prefix(story_shared[i]);
		struct choice c;

		if (ip_prefix_eq(&wider, p) || !ip_prefix_contains(&wider, p))
			continue;
		if (world_carries(w, n, &wider) || (ip_prefix_is_default(&wider) && !to_all))
			return none;
		c = best_of(w, n, &wider);
		if (c.hops)
			return c;
	}
	return none;
}

/* What a client carries stays with it on its hub, whether it is heard or not: it may be idle. */
static unsigned client_of(const struct world *w, unsigned n, const ip_prefix *p)
{
	for (unsigned c = 0; c < w->n_nodes; c++)
		if (node_is_client(w, c) && rules_are_peers(w, n, c) && world_carries(w, c, p))
			return c;
	return WORLD_NOBODY;
}

/* Rule 7: a way to an origin that is down as seen from here is worse than a cover that lives, but
 * for a default route. What is nobody's is the cover's anyway. A client's file, which doesn't
 * change, sends everything one way. */
struct choice rules_choose(const struct world *w, unsigned n, const ip_prefix *p)
{
	struct choice c, cover;

	if (node_is_client(w, n))
		return sole(naive_home(w->inv, n), true);
	if (client_of(w, n, p) != WORLD_NOBODY)
		return sole(client_of(w, n, p), false);
	c = best_of(w, n, p);
	if (!c.hops)
		return choose_around(w, n, p, true);
	cover = choose_around(w, n, p, false);
	return c.origin_down && cover.hops && !cover.origin_down ? cover : c;
}

/* With one owner, from whom it would be sent to; else from all who may ever be. */
enum model_verdict rules_accept(
	const struct world *w, unsigned n, unsigned origin, int family, unsigned from)
{
	if (!is_many(w, n))
		return rules_choose(w, n, world_network(w, origin, family)).hops == 1U << from
			       ? MODEL_ACCEPT
			       : MODEL_REFUSE;
	if (!is_way(w, n, from, origin, world_network(w, origin, family)))
		return MODEL_REFUSE;
	return from == origin ? MODEL_ACCEPT : MODEL_ACCEPT_RELAY;
}

/* SPDX-License-Identifier: MIT */
/*
 * Findings about hubs between which no metric decides: an equal-cost set.
 *
 * Two nodes whose devices hold several owners share their flows among such hubs, and take them from
 * each: nothing is wrong with that. A device of one owner takes the packets of a source from the
 * first hub alone. So towards such a node shuntd cuts the set to that one (cut-set), and where
 * neither end is known to take more, the place in the file decides between hubs (asymmetric-path).
 * Clients are no ends here: all that is a client's goes through its one hub.
 *
 * The same holds where routing engines say by which hubs a network is reached: they supply the set,
 * and shuntd orders and cuts it by the hubs' metrics and the place in the file, as it does
 * elsewhere.
 *
 * A hub of one owner per prefix relays for such ends as well as any, with one exception: a prefix
 * that several nodes carry alike, of which it takes packets from the first of them only.
 */
#include "base/mem.h"
#include "mesh/check_parts.h"
#include "mesh/routing.h"

/* Hubs of one metric, in the order of the file. */
struct group {
	const unsigned *hubs;
	size_t n;
	uint32_t metric;
};

/* The nodes that lean on hubs for each other, by what is known of their devices. */
struct ends {
	node_list by_owners[MESH_OWNERS_MANY + 1];
};

static void sort_ends(const struct check *c, struct ends *ret)
{
	for (unsigned i = 0; i < c->inv->n_nodes; i++)
		if (c->inv->nodes[i].role == MESH_SPOKE)
			vec_push(&ret->by_owners[mesh_owners_of(&c->inv->nodes[i])], i);
}

static void ends_done(struct ends *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(e->by_owners); i++)
		vec_done(&e->by_owners[i]);
}

/* "have the same metric 20", or that there is none. */
static const char *sameness(struct check *c, const struct group *g)
{
	if (g->metric == MESH_METRIC_NONE)
		return g->n == 1 ? "states no metric" : "state no metric";
	return check_text(c, "have the same metric %u", g->metric);
}

static struct mesh_pos place_of(const struct check *c, const struct group *g)
{
	bool is_stated = g->metric != MESH_METRIC_NONE;

	return c->inv->nodes[g->hubs[is_stated ? g->n - 1 : 0]].pos;
}

static void report_undecided(struct check *c, const struct group *g)
{
	const char *names = check_names(c, g->hubs, g->n);
	const char *share = g->n == 1 ? ""
				      : "; or, for hubs that shall share flows, `device: shunt-wg` "
					"on all nodes that lean on them";

	check_add(c,
		&(struct mesh_finding){
			.code = "asymmetric-path",
			.severity = MESH_WARNING,
			.nodes = g->hubs,
			.n_nodes = g->n,
			.pos = place_of(c, g),
			.effect = check_text(c,
				"%s %s, so between nodes that aren't stated to hold several owners "
				"per prefix the place in the file decides between hubs: move an "
				"entry and all transit moves; a routing engine that isn't stated "
				"here may take any of them, and packets that come back by another "
				"are dropped.",
				names, sameness(c, g)),
			.fix = check_text(c,
				"State a metric for %s, a different one for each hub (the lowest "
				"wins)%s.",
				names, share),
		});
}

static void report_cut(
	struct check *c, const struct group *g, const node_list *many, const node_list *one)
{
	const char *hubs = check_names(c, g->hubs, g->n);
	const char *takers = check_names(c, one->items, one->n);
	const char *senders = check_names(c, many->items, many->n);
	bool is_one = one->n == 1;
	node_list nodes = {0};

	for (size_t i = 0; i < g->n; i++)
		vec_push(&nodes, g->hubs[i]);
	for (size_t i = 0; i < one->n; i++)
		vec_push(&nodes, one->items[i]);
	check_add(c,
		&(struct mesh_finding){
			.code = "cut-set",
			.severity = MESH_WARNING,
			.nodes = nodes.items,
			.n_nodes = nodes.n,
			.pos = place_of(c, g),
			.effect = check_text(c,
				"%s %s, and %s would share flows among them; but the device%s of "
				"%s "
				"hold%s one owner per prefix, and would drop what comes by another "
				"hub than %s. So shuntd sends to %s by %s alone.",
				hubs, sameness(c, g), senders, is_one ? "" : "s", takers,
				is_one ? "s" : "", check_name(c, g->hubs[0]),
				is_one ? "it" : "them", check_name(c, g->hubs[0])),
			.fix = check_text(c,
				"Run shunt-wg on %s and say so (`device: shunt-wg`), or state a "
				"different metric for each of %s.",
				takers, hubs),
		});
	vec_done(&nodes);
}

/* --- prefixes that several nodes carry alike, behind hubs that differ ----------------------------
 */

/* Between nodes with routing engines metrics of networks don't count. */
static bool are_equal(const struct check *c, const struct carried *a, const struct carried *b)
{
	return a->network->metric == b->network->metric ||
	       (mesh_has_engine(&c->inv->nodes[a->node]) &&
		       mesh_has_engine(&c->inv->nodes[b->node]));
}

/* True if of the entries from..to, which carry one prefix, two are equal by metric, and who isn't
 * the first of them holds several owners, so that it answers by any hub. */
static bool has_equal_origins(const struct check *c, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		for (size_t k = i + 1; k < to; k++) {
			const struct carried *a = &c->carried[i], *b = &c->carried[k];

			if (are_equal(c, a, b) && c->inv->nodes[a->node].role == MESH_SPOKE &&
				c->inv->nodes[b->node].role == MESH_SPOKE &&
				mesh_owners_of(&c->inv->nodes[b->node]) == MESH_OWNERS_MANY)
				return true;
		}
	return false;
}

static bool has_sender(const struct check *c, const node_list *many, size_t from, size_t to)
{
	size_t carriers = 0;

	for (size_t i = from; i < to; i++)
		carriers += c->inv->nodes[c->carried[i].node].role == MESH_SPOKE &&
			    mesh_owners_of(&c->inv->nodes[c->carried[i].node]) == MESH_OWNERS_MANY;
	return many->n > carriers;
}

static void report_strict_hubs(struct check *c, const struct group *g, const node_list *strict,
	const prefix_list *prefixes)
{
	const char *hubs = check_names(c, strict->items, strict->n);
	const char *list = check_prefixes(c, prefixes->items, prefixes->n);
	bool is_one = strict->n == 1;

	check_add(c,
		&(struct mesh_finding){
			.code = "asymmetric-path",
			.severity = MESH_WARNING,
			.nodes = strict->items,
			.n_nodes = strict->n,
			.prefixes = prefixes->items,
			.n_prefixes = prefixes->n,
			.pos = c->inv->nodes[strict->items[0]].pos,
			.effect = check_text(c,
				"%s %s, and flows for %s go to several nodes that carry it alike; "
				"what they answer by way of %s is dropped but for the first "
				"node's, since the device%s there hold%s one owner per prefix.",
				check_names(c, g->hubs, g->n), sameness(c, g), list, hubs,
				is_one ? "" : "s", is_one ? "s" : ""),
			.fix = check_text(c,
				"Run shunt-wg on %s and say so (`device: shunt-wg`), or state a "
				"different metric for %s on each node that carries it.",
				hubs, list),
		});
}

/* A hub of the group hands flows to several origins, and another takes their answers from one. */
static void check_strict_hubs(struct check *c, const struct group *g, const node_list *many)
{
	node_list strict = {0};
	prefix_list prefixes = {0};
	bool shares = false;

	for (size_t i = 0; i < g->n; i++) {
		enum mesh_owners o = mesh_owners_of(&c->inv->nodes[g->hubs[i]]);

		shares |= o == MESH_OWNERS_MANY;
		if (o == MESH_OWNERS_ONE)
			vec_push(&strict, g->hubs[i]);
	}
	for (size_t i = 0, end; shares && strict.n && i < c->n_carried; i = end) {
		end = check_same_prefix(c, i);
		if (has_equal_origins(c, i, end) && has_sender(c, many, i, end))
			vec_push(&prefixes, c->carried[i].prefix);
	}
	if (prefixes.n)
		report_strict_hubs(c, g, &strict, &prefixes);
	vec_done(&strict);
	vec_done(&prefixes);
}

static void check_group(struct check *c, const struct group *g, const struct ends *e)
{
	const node_list *many = &e->by_owners[MESH_OWNERS_MANY];
	const node_list *one = &e->by_owners[MESH_OWNERS_ONE];
	bool all_take = many->n && !one->n && !e->by_owners[MESH_OWNERS_UNKNOWN].n;
	bool is_set = g->n > 1;

	if (!is_set && g->metric != MESH_METRIC_NONE)
		return;
	if (is_set && many->n && one->n)
		report_cut(c, g, many, one);
	else if (!all_take)
		report_undecided(c, g);
	if (is_set)
		check_strict_hubs(c, g, many);
}

/* Hubs stand by metric, so those with the same one are neighbours and those without are last. */
void check_hub_metrics(struct check *c)
{
	const struct mesh_node *nodes = c->inv->nodes;
	const unsigned *hubs;
	size_t n = mesh_hubs(c->t, &hubs);
	struct ends ends = {0};

	if (n < 2)
		return;
	sort_ends(c, &ends);
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && nodes[hubs[end]].metric == nodes[hubs[i]].metric;
			end++)
			;
		check_group(c, &(struct group){hubs + i, end - i, nodes[hubs[i]].metric}, &ends);
	}
	ends_done(&ends);
}

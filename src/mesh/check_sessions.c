/* SPDX-License-Identifier: MIT */
/*
 * Findings about sessions between routing engines: whether they lead from each node to all others.
 *
 * What travels goes from a site to a hub, and from there to the other sites: a hub passes on to
 * sites what it learned from sites, and sites pass on nothing. So two sites know of each other's
 * networks where they have a session, or both have one with the same hub. Each prefix travels by a
 * session of its own family, IPv4 by one over IPv6, too (RFC 8950).
 *
 * No pair of sites is looked at: sites are told apart by the hubs that they have sessions with.
 */
#include "base/map.h"
#include "mesh/check_parts.h"
#include "mesh/routing.h"
#include <stdlib.h>
#include <string.h>

/* More hubs than this are judged by the first of them. */
#define HUBS_MAX 64

static const struct mesh_node *node_at(const struct check *c, unsigned node)
{
	return &c->inv->nodes[node];
}

/* --- reflectors that can't be --------------------------------------------------------------------
 */

/* What of the list, at which its nodes point, is no reflector for some of them. */
struct misfit {
	unsigned reflector;
	node_list nodes; /* that lack a tunnel with it; else one of those that name it */
	const char *why;
};

static const char *why_none(const struct check *c, unsigned reflector, const node_list *nodes)
{
	if (node_at(c, reflector)->role == MESH_CLIENT)
		return "is a client, where no routing engine can be";
	if (!mesh_has_engine(node_at(c, reflector)))
		return "has no routing engine";
	return nodes->n == 1 && nodes->items[0] == reflector ? "is that node itself" : NULL;
}

static void report_reflector(struct check *c, const struct misfit *m)
{
	node_list named = {0};

	vec_push(&named, m->reflector);
	for (size_t i = 0; i < m->nodes.n; i++)
		if (m->nodes.items[i] != m->reflector)
			vec_push(&named, m->nodes.items[i]);
	check_add(c, &(struct mesh_finding){
			     .code = "impossible-reflector",
			     .severity = MESH_ERROR,
			     .nodes = named.items,
			     .n_nodes = named.n,
			     .pos = node_at(c, m->nodes.items[0])->routing.reflectors_pos,
			     .effect = check_text(c,
				     "%s, which %s should have a session with, %s: no session "
				     "comes up.",
				     check_name(c, m->reflector),
				     check_names(c, m->nodes.items, m->nodes.n), m->why),
			     .fix = check_text(c,
				     "Name nodes with a routing engine and a tunnel to each of "
				     "these, or none: by default it is all hubs with a routing "
				     "engine."),
		     });
	vec_done(&named);
}

/* One of a list, for the nodes that have that list. */
static void check_reflector(struct check *c, unsigned reflector, const node_list *nodes)
{
	struct misfit m = {.reflector = reflector, .why = why_none(c, reflector, nodes)};

	for (size_t i = 0; i < nodes->n; i++)
		if (m.why || (nodes->items[i] != reflector &&
				     !mesh_direct(c->t, nodes->items[i], reflector)))
			vec_push(&m.nodes, nodes->items[i]);
	if (!m.why)
		m.why = m.nodes.n == 1 ? "has no tunnel with it" : "has no tunnel with them";
	if (m.nodes.n)
		report_reflector(c, &m);
	vec_done(&m.nodes);
}

static void report_no_relay(struct check *c, const struct mesh_routing *r, const node_list *nodes)
{
	const char *names = check_names(c, nodes->items, nodes->n);
	bool one = nodes->n == 1;

	check_add(
		c, &(struct mesh_finding){
			   .code = "split-routing",
			   .severity = MESH_WARNING,
			   .nodes = nodes->items,
			   .n_nodes = nodes->n,
			   .pos = r->reflectors_pos,
			   .effect = check_text(c,
				   "No reflector of %s is a hub (%s), and others pass on nothing: "
				   "%s learn%s the networks of the reflectors alone.",
				   names, check_names(c, r->reflectors, r->n_reflectors), names,
				   one ? "s" : ""),
			   .fix = "Let `reflectors` name a hub, or leave it out: then it is all "
				  "hubs with a routing engine.",
		   });
}

/* Sites whose list has somebody to have a session with, and no hub. */
static void check_relays(struct check *c, const struct mesh_routing *r, const node_list *nodes)
{
	node_list sites = {0};
	bool is_any = false;

	for (size_t i = 0; i < r->n_reflectors; i++) {
		const struct mesh_node *n = node_at(c, r->reflectors[i]);

		if (mesh_has_engine(n) && n->role == MESH_HUB)
			return;
		is_any |= mesh_has_engine(n);
	}
	for (size_t i = 0; i < nodes->n && is_any; i++)
		if (node_at(c, nodes->items[i])->role == MESH_SPOKE &&
			!(r->n_reflectors == 1 && r->reflectors[0] == nodes->items[i]))
			vec_push(&sites, nodes->items[i]);
	if (sites.n)
		report_no_relay(c, r, &sites);
	vec_done(&sites);
}

void check_reflectors(struct check *c)
{
	struct check_groups g = {.by_key = map_new()};

	for (unsigned i = 0; i < c->inv->n_nodes; i++) {
		const struct mesh_routing *r = &node_at(c, i)->routing;

		if (mesh_has_engine(node_at(c, i)) && r->n_reflectors)
			check_groups_add(&g, &r->reflectors_pos, sizeof(r->reflectors_pos), i);
	}
	for (size_t i = 0; i < g.groups.n; i++) {
		const node_list *nodes = &g.groups.items[i]->nodes;
		const struct mesh_routing *r = &node_at(c, nodes->items[0])->routing;

		for (size_t k = 0; k < r->n_reflectors; k++)
			check_reflector(c, r->reflectors[k], nodes);
		check_relays(c, r, nodes);
	}
	check_groups_done(&g);
}

/* --- who has sessions ----------------------------------------------------------------------------
 */

/* Of a node with an engine. */
struct speaker {
	bool has_session;  /* with anybody */
	bool carries_ipv6; /* one of these over IPv6 */
	uint64_t hubs;	   /* with which of the hubs with an engine, by their order */
};

struct speakers {
	struct speaker *of; /* per node */
	unsigned hubs[HUBS_MAX];
	size_t n_hubs;
};

static bool meet(const struct check *c, unsigned a, unsigned b, int family)
{
	ip_addr x, y;

	return mesh_session_addresses(c->t, a, b, family, &x, &y);
}

/* Notes the session of the two, if they have one. */
static void try_session(const struct check *c, struct speakers *s, unsigned a, unsigned b)
{
	bool in6 = meet(c, a, b, AF_INET6);

	if ((!in6 && !meet(c, a, b, AF_INET)) || !mesh_has_session(c->t, a, b))
		return;
	s->of[a].has_session = s->of[b].has_session = true;
	s->of[a].carries_ipv6 |= in6;
	s->of[b].carries_ipv6 |= in6;
}

static void try_hub(const struct check *c, struct speakers *s, size_t hub)
{
	unsigned of_hub = s->hubs[hub];

	for (unsigned i = 0; i < c->inv->n_nodes; i++) {
		if (i == of_hub || !mesh_has_session(c->t, i, of_hub))
			continue;
		try_session(c, s, i, of_hub);
		if (meet(c, i, of_hub, AF_INET) || meet(c, i, of_hub, AF_INET6))
			s->of[i].hubs |= UINT64_C(1) << hub;
	}
}

static void try_others(const struct check *c, struct speakers *s, unsigned node)
{
	const struct mesh_routing *r = &node_at(c, node)->routing;
	const struct mesh_explicit *links;
	size_t n = mesh_explicit_of(c->t, node, &links);

	for (size_t i = 0; i < n; i++)
		try_session(c, s, node, links[i].peer);
	for (size_t i = 0; i < r->n_reflectors; i++)
		try_session(c, s, node, r->reflectors[i]);
	/* In a full mesh without hubs that could reflect it is everybody. */
	for (unsigned i = 0; c->inv->topology == MESH_FULL_MESH && !s->n_hubs &&
			     i < c->inv->n_nodes && !s->of[node].carries_ipv6;
		i++)
		try_session(c, s, node, i);
}

static void find_sessions(const struct check *c, struct speakers *s)
{
	const unsigned *hubs;
	size_t n = mesh_hubs(c->t, &hubs);

	s->of = mem_zalloc(c->inv->n_nodes + 1, sizeof(*s->of));
	for (size_t i = 0; i < n && s->n_hubs < HUBS_MAX; i++)
		if (mesh_has_engine(node_at(c, hubs[i])))
			s->hubs[s->n_hubs++] = hubs[i];
	for (size_t i = 0; i < s->n_hubs; i++)
		try_hub(c, s, i);
	for (unsigned i = 0; i < c->inv->n_nodes; i++)
		if (mesh_has_engine(node_at(c, i)))
			try_others(c, s, i);
}

/* --- sessions that lack --------------------------------------------------------------------------
 */

static void check_lonely(struct check *c, const struct speakers *s)
{
	node_list lonely = {0};

	for (unsigned i = 0; i < c->inv->n_nodes; i++)
		if (mesh_has_engine(node_at(c, i)) && !s->of[i].has_session)
			vec_push(&lonely, i);
	if (lonely.n)
		check_add(c, &(struct mesh_finding){
				     .code = "no-session",
				     .severity = MESH_WARNING,
				     .nodes = lonely.items,
				     .n_nodes = lonely.n,
				     .pos = node_at(c, lonely.items[0])->pos,
				     .effect = check_text(c,
					     "No session leads to the routing engine of %s: its "
					     "networks reach no other node with one, nor theirs "
					     "this one.",
					     check_names(c, lonely.items, lonely.n)),
				     .fix = s->n_hubs ? "Link it with a node that has a routing "
							"engine and an overlay address of the same "
							"family, or let `reflectors` name one."
						      : "Give the hubs a routing engine, too: "
							"sessions are with them.",
			     });
	vec_done(&lonely);
}

static bool is_site(const struct check *c, unsigned node)
{
	return mesh_has_engine(node_at(c, node)) && node_at(c, node)->role == MESH_SPOKE;
}

static void report_apart(struct check *c, const node_list *a, const node_list *b)
{
	node_list named = {0};

	for (size_t i = 0; i < a->n; i++)
		vec_push(&named, a->items[i]);
	for (size_t i = 0; i < b->n; i++)
		vec_push(&named, b->items[i]);
	check_add(
		c, &(struct mesh_finding){
			   .code = "split-routing",
			   .severity = MESH_WARNING,
			   .nodes = named.items,
			   .n_nodes = named.n,
			   .pos = node_at(c, b->items[0])->routing.reflectors_pos,
			   .effect = check_text(c,
				   "%s and %s have sessions with different hubs: a hub passes on "
				   "to sites what it learned from sites alone, so the networks "
				   "of the ones don't reach the others.",
				   check_names(c, a->items, a->n), check_names(c, b->items, b->n)),
			   .fix = "Let `reflectors` of both name one hub in common, or leave it "
				  "out: then it is all hubs with a routing engine.",
		   });
	vec_done(&named);
}

/* Sites by the hubs that they have sessions with: two sets without a hub in common. */
static void check_apart(struct check *c, const struct speakers *s)
{
	struct check_groups g = {.by_key = map_new()};

	for (unsigned i = 0; i < c->inv->n_nodes; i++)
		if (is_site(c, i) && s->of[i].hubs)
			check_groups_add(&g, &s->of[i].hubs, sizeof(s->of[i].hubs), i);
	for (size_t i = 0; i < g.groups.n; i++)
		for (size_t k = 0; k < i; k++) {
			const node_list *a = &g.groups.items[k]->nodes;
			const node_list *b = &g.groups.items[i]->nodes;
			bool is_pair = a->n == 1 && b->n == 1;

			if (s->of[a->items[0]].hubs & s->of[b->items[0]].hubs ||
				(is_pair && mesh_has_session(c->t, a->items[0], b->items[0])))
				continue;
			report_apart(c, a, b);
			i = g.groups.n; /* one is enough to look at them all */
			break;
		}
	check_groups_done(&g);
}

static void report_single_hub(struct check *c, unsigned hub, const node_list *sites)
{
	node_list named = {0};
	bool one = sites->n == 1;

	vec_push(&named, hub);
	for (size_t i = 0; i < sites->n; i++)
		vec_push(&named, sites->items[i]);
	check_add(
		c, &(struct mesh_finding){
			   .code = "single-point-of-failure",
			   .severity = MESH_WARNING,
			   .nodes = named.items,
			   .n_nodes = named.n,
			   .pos = node_at(c, hub)->pos,
			   .effect = check_text(c,
				   "The routing engine%s of %s %s a session with %s and no other "
				   "hub: while that is down, %s networks are "
				   "withdrawn from all nodes with a routing engine, whatever other "
				   "hubs "
				   "there are.",
				   one ? "" : "s", check_names(c, sites->items, sites->n),
				   one ? "has" : "have", check_name(c, hub), one ? "its" : "their"),
			   .fix = "Give a second hub a routing engine, and an overlay address of "
				  "the same family, or let `reflectors` name two.",
		   });
	vec_done(&named);
}

/* Of the only hub of a mesh there is a finding already. */
static void check_single_hubs(struct check *c, const struct speakers *s)
{
	const unsigned *hubs;

	if (mesh_hubs(c->t, &hubs) < 2)
		return;
	for (size_t i = 0; i < s->n_hubs; i++) {
		node_list sites = {0};

		for (unsigned k = 0; k < c->inv->n_nodes; k++)
			if (is_site(c, k) && s->of[k].hubs == UINT64_C(1) << i)
				vec_push(&sites, k);
		if (sites.n)
			report_single_hub(c, s->hubs[i], &sites);
		vec_done(&sites);
	}
}

/* --- numbers that make a loop --------------------------------------------------------------------
 */

/* sites: those of one number whose engine is `other`; hub has another number. */
static void report_loop(struct check *c, unsigned hub, const node_list *sites)
{
	const struct mesh_node *first = node_at(c, sites->items[0]);
	node_list named = {0};
	bool one = sites->n == 1;

	vec_push(&named, hub);
	for (size_t i = 0; i < sites->n; i++)
		vec_push(&named, sites->items[i]);
	check_add(c, &(struct mesh_finding){
			     .code = "asn-loop",
			     .severity = MESH_WARNING,
			     .nodes = named.items,
			     .n_nodes = named.n,
			     .pos = first->routing.asn_pos,
			     .effect = check_text(c,
				     "%s share%s the AS number %u with other sites, whose networks "
				     "come by way of %s, which has another: a routing engine finds "
				     "its own number in them and drops them as a loop, unless it "
				     "is told to take it.",
				     check_names(c, sites->items, sites->n), one ? "s" : "",
				     mesh_asn(first), check_name(c, hub)),
			     .fix = check_text(c,
				     "Let the routing engine%s there take %s own number in a path "
				     "once (what `shunt render` writes does), give %s the same "
				     "number, or each node one of its own.",
				     one ? "" : "s", one ? "its" : "their", check_name(c, hub)),
		     });
	vec_done(&named);
}

/* Of sites with one number, those that have a session with a hub of another. What is rendered takes
 * its own number in a path. */
static void check_loops_of(struct check *c, const struct speakers *s, const node_list *sites)
{
	for (size_t hub = 0; hub < s->n_hubs; hub++) {
		node_list others = {0};
		size_t behind = 0;
		bool is_another =
			mesh_asn(node_at(c, s->hubs[hub])) != mesh_asn(node_at(c, sites->items[0]));

		for (size_t i = 0; i < sites->n && is_another; i++) {
			const struct mesh_node *n = node_at(c, sites->items[i]);
			bool has_session = s->of[n->index].hubs >> hub & 1;

			behind += has_session;
			if (has_session && n->routing.engine == MESH_ENGINE_OTHER)
				vec_push(&others, n->index);
		}
		if (behind > 1 && others.n)
			report_loop(c, s->hubs[hub], &others);
		vec_done(&others);
	}
}

static void check_loops(struct check *c, const struct speakers *s)
{
	struct check_groups g = {.by_key = map_new()};

	for (unsigned i = 0; i < c->inv->n_nodes; i++) {
		const struct mesh_routing *r = &node_at(c, i)->routing;

		if (is_site(c, i) && r->asn)
			check_groups_add(&g, &r->asn, sizeof(r->asn), i);
	}
	for (size_t i = 0; i < g.groups.n; i++)
		check_loops_of(c, s, &g.groups.items[i]->nodes);
	check_groups_done(&g);
}

/* --- prefixes that no session carries ------------------------------------------------------------
 */

/* IPv6 ones of the node; the place of the first. */
static struct mesh_pos ipv6_of(const struct mesh_node *n, prefix_list *ret)
{
	struct mesh_pos pos = {0};

	for (size_t i = 0; i < n->n_networks; i++)
		if (n->networks[i].prefix.family == AF_INET6) {
			vec_push(ret, n->networks[i].prefix);
			pos = pos.line ? pos : n->networks[i].pos;
		}
	for (size_t i = 0; i < n->n_may_announce; i++)
		if (n->may_announce[i].prefix.family == AF_INET6) {
			vec_push(ret, n->may_announce[i].prefix);
			pos = pos.line ? pos : n->may_announce[i].pos;
		}
	return pos;
}

static void check_families(struct check *c, const struct speakers *s)
{
	node_list nodes = {0};
	prefix_list prefixes = {0};
	struct mesh_pos pos = {0};

	for (unsigned i = 0; i < c->inv->n_nodes; i++) {
		size_t before = prefixes.n;
		struct mesh_pos first;

		if (!s->of[i].has_session || s->of[i].carries_ipv6)
			continue;
		first = ipv6_of(node_at(c, i), &prefixes);
		if (prefixes.n == before)
			continue;
		vec_push(&nodes, i);
		pos = pos.line ? pos : first;
	}
	if (nodes.n)
		check_add(c, &(struct mesh_finding){
				     .code = "family-not-carried",
				     .severity = MESH_ERROR,
				     .nodes = nodes.items,
				     .n_nodes = nodes.n,
				     .prefixes = prefixes.items,
				     .n_prefixes = prefixes.n,
				     .pos = pos,
				     .effect = check_text(c,
					     "%s of %s: no session of these nodes has an IPv6 "
					     "overlay address at both ends, and IPv6 routes can't "
					     "be carried over IPv4.",
					     check_prefixes(c, prefixes.items, prefixes.n),
					     check_names(c, nodes.items, nodes.n)),
				     .fix = "Give these nodes and the hubs an IPv6 overlay address "
					    "each; IPv4 addresses may go then (RFC 8950).",
			     });
	vec_done(&nodes);
	vec_done(&prefixes);
}

void check_sessions(struct check *c)
{
	struct speakers s = {0};

	find_sessions(c, &s);
	check_lonely(c, &s);
	check_apart(c, &s);
	check_single_hubs(c, &s);
	check_loops(c, &s);
	check_families(c, &s);
	free(s.of);
}

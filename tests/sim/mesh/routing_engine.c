/* SPDX-License-Identifier: MIT */
#include "routing_internal.h"

#include "base/mem.h"
#include "mesh/render_routing.h"
#include "mesh_paths.h"
#include <linux/rtnetlink.h>

#define HOLD_NS (9 * NS_PER_S)
#define GRACE_NS (30 * NS_PER_S)
#define CALLS_MS 1500		  /* one neighbor after the other */
#define LOOK_NS (100 * NS_PER_MS) /* for signals, and whether packets pass */

/* How near a prefix is, as a neighbor tells. */
enum { NOT_TOLD, OWN, OF_A_SITE };

static bool has_engine(const struct world *w, unsigned node)
{
	return w->inv->nodes[node].routing.engine != MESH_ENGINE_NONE && !node_is_client(w, node);
}

bool routing_is_on(const struct world *w, unsigned node)
{
	return w->routing && has_engine(w, node);
}

static instant in_a_while(const struct world *w, unsigned from_ms, unsigned to_ms)
{
	unsigned ms = from_ms + chance_below(&w->routing->chance, to_ms - from_ms);

	return instant_add(w->now, ms * NS_PER_MS);
}

/* It has reason to think. */
static void poke(struct world *w, unsigned node, instant at)
{
	struct speaker *s = speaker(w, node);

	s->at = instant_min(s->at, at);
}

/* --- the mesh ------------------------------------------------------------------------------------
 */

static void add_prefix(struct routing *r, const ip_prefix *p)
{
	for (size_t i = 0; i < r->prefixes.n; i++)
		if (ip_prefix_eq(&r->prefixes.items[i], p))
			return;
	assert(r->prefixes.n < PREFIXES);
	vec_push(&r->prefixes, *p);
}

struct routing *routing_new(struct world *w)
{
	struct routing *r = NULL;

	for (unsigned e = 0; e < WORLD_EDITIONS; e++)
		for (unsigned i = 0; i < w->builds[e].inv.n_nodes; i++) {
			const struct mesh_node *n = &w->builds[e].inv.nodes[i];

			if (n->routing.engine == MESH_ENGINE_NONE)
				continue;
			if (!r) {
				r = mem_zalloc(1, sizeof(*r));
				r->chance = (struct chance){w->chance.state ^ 0xb69};
			}
			for (size_t k = 0; k < n->n_networks; k++)
				add_prefix(r, &n->networks[k].prefix);
			r->speakers[i].at = INSTANT_NEVER;
		}
	for (unsigned i = 0; r && i < WORLD_NODES; i++)
		r->speakers[i].at = INSTANT_NEVER;
	return r;
}

void routing_free(struct routing *r)
{
	if (!r)
		return;
	vec_done(&r->prefixes);
	free(r);
}

static bool is_hub(const struct world *w, unsigned n)
{
	return w->inv->nodes[n].role == MESH_HUB;
}

/* By its configuration. Hubs are everybody's reflectors, and who stands under links with somebody
 * has a session with him. */
static bool calls(const struct world *w, unsigned a, unsigned b)
{
	const struct mesh_inventory *inv = &w->builds[speaker(w, a)->edition].inv;

	return a != b && has_engine(w, a) && has_engine(w, b) &&
	       (is_hub(w, a) || is_hub(w, b) || naive_listed(inv, a, b)) &&
	       naive_tunnel(inv, NAIVE_NONE, a, b);
}

static bool are_neighbors(const struct world *w, unsigned a, unsigned b)
{
	return calls(w, a, b) && calls(w, b, a);
}

/* As BIRD has it: IPv4 in a table of its own, IPv6 in main. */
static bool has_signal(const struct world *w, unsigned node, unsigned of, int family)
{
	const struct model *m = w->nodes[node].model;
	const struct mesh_node *peer = &w->inv->nodes[of];
	bool is_bird = w->inv->nodes[node].routing.engine == MESH_ENGINE_BIRD;
	uint32_t table = is_bird ? mesh_signal_table(MODEL_IFNAME) : RT_TABLE_MAIN;

	for (size_t i = 0; m && m->exists && i < peer->n_addresses; i++) {
		const ip_addr *a = &peer->addresses[i].addr;
		const struct rtnl_route *r;

		if (a->family != family)
			continue;
		r = model_table_look(m, table, a);
		return r && !r->type && r->ifindex == m->ifindex &&
		       r->dst.len == ip_family_bits(family);
	}
	return false;
}

/* Between them, and back. */
static bool packets_pass(const struct world *w, unsigned a, unsigned b)
{
	return path_leaves(w, a, b) && path_enters(w, a, b) && path_leaves(w, b, a) &&
	       path_enters(w, b, a);
}

/* --- sessions ------------------------------------------------------------------------------------
 */

/* The other side, or what it told before it died. */
static bool is_there(const struct world *w, unsigned b)
{
	const struct speaker *s = speaker(w, b);

	return s->runs || instant_diff(w->now, s->died_at) < GRACE_NS;
}

static void end_session(struct world *w, unsigned a, unsigned b)
{
	struct session *s = &speaker(w, a)->sessions[b];

	*s = (struct session){.retry_at = in_a_while(w, 50, 1500)};
}

/* Both ends come up together. */
static void begin_session(struct world *w, unsigned a, unsigned b)
{
	struct session *x = &speaker(w, a)->sessions[b], *y = &speaker(w, b)->sessions[a];

	x->is_up = y->is_up = true;
	x->heard_at = y->heard_at = w->now;
	poke(w, b, in_a_while(w, 1, 60));
}

/* The other side was started again by a configuration without it, and won't call any more. */
static bool is_left(const struct world *w, unsigned a, unsigned b)
{
	return speaker(w, b)->runs && !speaker(w, b)->sessions[a].is_up && !calls(w, b, a) &&
	       instant_diff(w->now, speaker(w, b)->died_at) >= GRACE_NS;
}

static void renew_session(struct world *w, unsigned a, unsigned b)
{
	struct session *s = &speaker(w, a)->sessions[b];
	bool passes = speaker(w, b)->runs && packets_pass(w, a, b);

	if (passes)
		s->heard_at = w->now;
	if (s->is_up &&
		(!is_there(w, b) || is_left(w, a, b) ||
			(speaker(w, b)->runs && instant_diff(w->now, s->heard_at) >= HOLD_NS)))
		end_session(w, a, b);
	else if (!s->is_up && passes && !instant_before(w->now, s->retry_at) &&
		 has_signal(w, a, b, AF_INET) && has_signal(w, b, a, AF_INET))
		begin_session(w, a, b);
}

/* Whoever reloads the daemon does so with the engine's configuration. It takes leave of neighbors
 * that aren't in it any more. */
static void configure(struct world *w, unsigned a)
{
	speaker(w, a)->edition = w->nodes[a].edition;
	for (unsigned b = 0; b < w->n_nodes; b++) {
		if (!speaker(w, a)->sessions[b].is_up || calls(w, a, b))
			continue;
		end_session(w, a, b);
		if (speaker(w, b)->runs && packets_pass(w, a, b))
			end_session(w, b, a);
		poke(w, b, in_a_while(w, 1, 20));
	}
}

/* What b tells a of the prefix: hubs pass on what they have of sites. */
static uint8_t told_by(const struct world *w, unsigned b, unsigned a, size_t i)
{
	uint8_t tells = speaker(w, b)->tells[i];

	(void)a;
	return tells == OWN || is_hub(w, b) ? tells : NOT_TOLD;
}

static void hear(struct world *w, unsigned a, unsigned b)
{
	struct session *s = &speaker(w, a)->sessions[b];

	if (!packets_pass(w, a, b) || !speaker(w, b)->knows)
		return;
	s->has_told = true;
	for (size_t i = 0; i < w->routing->prefixes.n; i++)
		s->told[i] = told_by(w, b, a, i);
}

/* Whoever starts himself is waited for by nobody. */
static bool waits_for(const struct world *w, unsigned a, unsigned b)
{
	return are_neighbors(w, a, b) && speaker(w, b)->runs && speaker(w, b)->knows &&
	       !speaker(w, a)->sessions[b].has_told && packets_pass(w, a, b);
}

/* It has started, and may be ready. */
static void find_out(struct world *w, unsigned a)
{
	struct speaker *s = speaker(w, a);
	bool waits = instant_before(w->now, s->knows_at);

	for (unsigned b = 0; b < w->n_nodes && instant_before(w->now, s->waits_until); b++)
		waits |= waits_for(w, a, b);
	s->knows |= !waits;
}

/* --- what it chooses -----------------------------------------------------------------------------
 */

static bool carries(const struct world *w, unsigned node, const ip_prefix *p)
{
	const struct mesh_inventory *inv = &w->builds[w->nodes[node].edition].inv;

	return mesh_carries(inv, node, p) != NULL;
}

/* The nearest whose next hop lives. *ret_of_site: a site told it, and not a hub. */
static uint32_t choose(const struct world *w, unsigned a, size_t i, bool *ret_of_site)
{
	const ip_prefix *p = &w->routing->prefixes.items[i];
	uint8_t best = OF_A_SITE + 1;
	uint32_t hops = 0;

	*ret_of_site = false;
	for (unsigned b = 0; b < w->n_nodes; b++) {
		const struct session *s = &speaker(w, a)->sessions[b];

		if (!s->is_up || s->told[i] == NOT_TOLD || s->told[i] > best ||
			!has_signal(w, a, b, p->family))
			continue;
		if (s->told[i] < best)
			hops = 0;
		best = s->told[i];
		hops |= 1U << b;
	}
	for (unsigned b = 0; b < w->n_nodes; b++)
		*ret_of_site |= (hops >> b & 1) && !is_hub(w, b);
	return hops;
}

/* --- it thinks -----------------------------------------------------------------------------------
 */

static void tell_all(struct world *w, unsigned a)
{
	for (unsigned b = 0; b < w->n_nodes; b++)
		if (speaker(w, a)->sessions[b].is_up)
			poke(w, b, in_a_while(w, 1, 80));
}

static void decide(struct world *w, unsigned a)
{
	struct speaker *s = speaker(w, a);
	bool changed = false;

	for (size_t i = 0; i < w->routing->prefixes.n; i++) {
		bool own = carries(w, a, &w->routing->prefixes.items[i]), of_site;
		uint32_t hops = own ? 0 : choose(w, a, i, &of_site);
		uint8_t tells = own && !s->is_mute ? OWN : hops && of_site ? OF_A_SITE : NOT_TOLD;

		changed |= s->tells[i] != tells;
		s->tells[i] = tells;
		if (hops != s->kernel[i].hops || (hops && s->kernel[i].port != s->port))
			routing_write(w, a, i, hops);
	}
	if (changed)
		tell_all(w, a);
}

static void think(struct world *w, unsigned a)
{
	struct speaker *s = speaker(w, a);

	s->at = instant_add(w->now, LOOK_NS);
	if (s->edition != w->nodes[a].edition)
		configure(w, a);
	for (unsigned b = 0; b < w->n_nodes; b++) {
		if (!s->sessions[b].is_up && !are_neighbors(w, a, b))
			continue;
		renew_session(w, a, b);
		if (s->sessions[b].is_up && speaker(w, b)->runs && calls(w, b, a))
			hear(w, a, b);
	}
	if (!instant_is_never(s->sweeps_at) && !instant_before(w->now, s->sweeps_at)) {
		s->sweeps_at = INSTANT_NEVER;
		routing_sweep(w, a);
	}
	find_out(w, a);
	if (s->knows && w->nodes[a].model->exists)
		decide(w, a);
}

instant routing_deadline(const struct world *w)
{
	instant at = INSTANT_NEVER;

	for (unsigned i = 0; w->routing && i < w->n_nodes; i++)
		if (speaker(w, i)->runs)
			at = instant_min(at, speaker(w, i)->at);
	return at;
}

void routing_step(struct world *w)
{
	for (unsigned i = 0; w->routing && i < w->n_nodes; i++)
		if (speaker(w, i)->runs && !instant_before(w->now, speaker(w, i)->at))
			think(w, i);
}

/* --- what happens to it --------------------------------------------------------------------------
 */

void routing_start(struct world *w, unsigned node, bool graceful)
{
	struct speaker *s;

	if (!routing_is_on(w, node) || speaker(w, node)->runs || !w->nodes[node].is_on)
		return;
	s = speaker(w, node);
	s->runs = true;
	s->edition = w->nodes[node].edition;
	s->port = 1000 * (node + 1) + ++s->starts;
	s->knows = false;
	memset(s->tells, 0, sizeof(s->tells));
	for (unsigned b = 0; b < w->n_nodes; b++)
		s->sessions[b] = (struct session){.retry_at = in_a_while(w, 1, CALLS_MS)};
	s->knows_at = in_a_while(w, 1500, 2600);
	s->waits_until = instant_add(w->now, GRACE_NS);
	s->sweeps_at = graceful ? INSTANT_NEVER : in_a_while(w, 20, 110);
	s->at = in_a_while(w, 1, 20);
	world_say(w, "(%s's engine starts%s)", world_name(w, node), graceful ? " gracefully" : "");
}

void routing_kill(struct world *w, unsigned node)
{
	if (!routing_is_on(w, node) || !speaker(w, node)->runs)
		return;
	speaker(w, node)->runs = false;
	speaker(w, node)->died_at = w->now;
	world_say(w, "(%s's engine is killed)", world_name(w, node));
}

bool routing_runs(const struct world *w, unsigned node)
{
	return speaker(w, node)->runs;
}

void routing_power(struct world *w, unsigned node, bool on)
{
	struct speaker *s;

	if (!routing_is_on(w, node))
		return;
	s = speaker(w, node);
	*s = (struct speaker){.starts = s->starts, .is_mute = s->is_mute, .at = INSTANT_NEVER};
	s->died_at = instant_add(w->now, -GRACE_NS);
	if (on)
		routing_start(w, node, false);
}

void routing_flap(struct world *w, unsigned node)
{
	struct speaker *s;

	if (!routing_is_on(w, node))
		return;
	s = speaker(w, node);
	s->is_mute = !s->is_mute;
	world_say(w, "(%s's engine announces its networks%s)", world_name(w, node),
		s->is_mute ? " no more" : " again");
	poke(w, node, in_a_while(w, 1, 10));
}

bool routing_withholds(const struct world *w, unsigned from, unsigned to)
{
	return (routing_is_on(w, from) && speaker(w, from)->is_mute) ||
	       (routing_is_on(w, to) && speaker(w, to)->is_mute);
}

bool routing_may_say(const struct world *w, unsigned a, unsigned b)
{
	return !routing_is_on(w, a) || !routing_is_on(w, b) || are_neighbors(w, a, b);
}

/* --- asked ---------------------------------------------------------------------------------------
 */

/* Nothing would be another after one more thought of all. */
static bool is_settled(const struct world *w, unsigned a)
{
	const struct speaker *s = speaker(w, a);
	bool unused;

	if (!s->runs || !s->knows || s->edition != w->nodes[a].edition)
		return false;
	for (unsigned b = 0; b < w->n_nodes; b++) {
		if (s->sessions[b].is_up !=
			(are_neighbors(w, a, b) && w->nodes[b].is_on && packets_pass(w, a, b)))
			return false;
		for (size_t i = 0; s->sessions[b].is_up && i < w->routing->prefixes.n; i++)
			if (s->sessions[b].told[i] != told_by(w, b, a, i))
				return false;
	}
	for (size_t i = 0; i < w->routing->prefixes.n; i++)
		if (!carries(w, a, &w->routing->prefixes.items[i]) &&
			s->kernel[i].hops != choose(w, a, i, &unused))
			return false;
	return true;
}

bool routing_is_settled(const struct world *w)
{
	for (unsigned n = 0; w->routing && n < w->n_nodes; n++)
		if (has_engine(w, n) && w->nodes[n].is_on && !is_settled(w, n))
			return false;
	return true;
}

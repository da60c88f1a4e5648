/* SPDX-License-Identifier: MIT */
#include "node_moves.h"

#include "route/decision.h"

struct step {
	const struct generation *gen, *before;
	const struct move_facts *facts;
	struct want_facts want;
	struct fib_plan *plan;
	bool leaves_out;
};

static wg_key key_of(const struct step *s, const struct rib_owners *o)
{
	const struct generation_peer *p = o->n ? generation_peer_by_id(s->gen, o->peer[0]) : NULL;
	wg_key nobody = {0};

	return p ? p->node->public_key : nobody;
}

static bool is_foreign(const struct step *s, const ip_prefix *p)
{
	for (size_t i = 0; i < s->facts->foreign.n; i++)
		if (ip_prefix_eq(&s->facts->foreign.items[i], p))
			return true;
	return false;
}

static int by_prefix(const void *key, const void *candidate)
{
	return ip_prefix_cmp(key, &((const struct mesh_candidate *)candidate)->prefix);
}

/* The journal doesn't name yet what came with the last reload; the sync does that, and gives it. */
static bool is_unnamed(const struct step *s, const ip_prefix *p)
{
	return s->before && !bsearch(p, s->before->view.candidates, s->before->view.n_candidates,
				    sizeof(*s->before->view.candidates), by_prefix);
}

static void take_turn(const ip_prefix *prefix, const struct rib_turn *t, void *data)
{
	struct step *s = data;
	struct rtnl_route route = want_route(&s->want, prefix);
	wg_key from = key_of(s, &t->old_owners), to = key_of(s, &t->owners);

	s->leaves_out |= is_foreign(s, prefix) || is_unnamed(s, prefix);
	if (is_unnamed(s, prefix))
		return;
	if (!wg_key_eq(&from, &to) && !is_foreign(s, prefix))
		fib_plan_owner(s->plan, s->want.ifname, prefix, &from, &to);
	if (t->old_route != t->route && !generation_prefix_is_connected(s->gen, prefix))
		fib_plan_route(s->plan, t->route ? FIB_AT_ROUTE_ADD : FIB_AT_ROUTE_WITHDRAW,
			t->route ? FIB_MISSING : FIB_UNWANTED, s->want.ifname, &route);
}

bool node_moves_plan(const struct engine *e, const struct move_facts *facts,
	const struct rib_diff *diff, struct fib_plan *ret)
{
	const struct generation *gen = engine_generation(e);
	struct step s = {
		.gen = gen, .before = engine_generation_before(e), .facts = facts, .plan = ret};

	s.want = (struct want_facts){
		.apart = facts->apart.items,
		.n_apart = facts->apart.n,
		.mark = facts->mark,
		.ifindex = facts->ifindex,
		.ifname = gen->self->interface,
	};
	rib_diff_each(diff, take_turn, &s);
	fib_plan_order(ret);
	return !s.leaves_out;
}

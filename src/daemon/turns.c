/* SPDX-License-Identifier: MIT */
#include "daemon/turns.h"

#include "route/decision.h"
#include <stdlib.h>

struct turning {
	const struct turns_facts *facts;
	struct fib_plan *plan;
	bool is_cut;
};

static int prefix_cmp(const void *a, const void *b)
{
	return ip_prefix_cmp(a, b);
}

static bool is_with_foreigner(const struct turns_facts *f, const ip_prefix *p)
{
	return f->n_foreign && bsearch(p, f->foreign, f->n_foreign, sizeof(*p), prefix_cmp);
}

static int by_prefix(const void *prefix, const void *candidate)
{
	return ip_prefix_cmp(prefix, &((const struct mesh_candidate *)candidate)->prefix);
}

/* Who dies with it on the device would not know it for ours. */
static bool is_unnamed(const struct turns_facts *f, const ip_prefix *p)
{
	const struct mesh_view *v = f->before ? &f->before->view : NULL;

	return v && !(v->n_candidates && bsearch(p, v->candidates, v->n_candidates,
						 sizeof(*v->candidates), by_prefix));
}

/* Zero for a peer that left with the last reload: the SYNC removes it whole. */
static wg_key key_of(const struct turning *t, uint32_t peer)
{
	static const wg_key nobody;
	const struct generation_peer *p = generation_peer_by_id(t->facts->gen, peer);

	return p ? p->node->public_key : nobody;
}

static void plan_owner(struct turning *t, const ip_prefix *p, const wg_key *from, const wg_key *to)
{
	if (!wg_key_is_zero(from) || !wg_key_is_zero(to))
		fib_plan_owner(t->plan, t->facts->want.ifname, p, from, to);
}

/*
 * On a device with one owner per prefix the addition to the new owner is the whole move; only a
 * prefix that is left without any owner is removed.
 */
static void plan_owners(struct turning *t, const ip_prefix *prefix, const struct rib_turn *turn)
{
	bool single = t->facts->max_owners == 1;
	bool removes = turn->owners.n == 0 || !single;
	wg_key nobody = {0};

	for (unsigned i = 0; i < turn->owners.n; i++) {
		bool moves = single && turn->old_owners.n;
		wg_key to = key_of(t, turn->owners.peer[i]);
		wg_key from = moves ? key_of(t, turn->old_owners.peer[0]) : nobody;

		if (!decision_owns(&turn->old_owners, turn->owners.peer[i]) && !wg_key_is_zero(&to))
			plan_owner(t, prefix, &from, &to);
	}
	for (unsigned i = 0; removes && i < turn->old_owners.n; i++) {
		wg_key from = key_of(t, turn->old_owners.peer[i]);

		if (!decision_owns(&turn->owners, turn->old_owners.peer[i]))
			plan_owner(t, prefix, &from, &nobody);
	}
}

/* rib_diff_fn */
static void take(const ip_prefix *prefix, const struct rib_turn *turn, void *data)
{
	struct turning *t = data;
	const struct turns_facts *f = t->facts;
	struct rtnl_route route = want_route(&f->want, prefix);

	if (is_unnamed(f, prefix)) {
		t->is_cut = true;
		return;
	}
	if (is_with_foreigner(f, prefix)) /* adding it would take it away */
		t->is_cut = true;
	else
		plan_owners(t, prefix, turn);
	if (turn->old_route == turn->route || generation_prefix_is_connected(f->gen, prefix))
		return;
	fib_plan_route(t->plan, turn->route ? FIB_AT_ROUTE_ADD : FIB_AT_ROUTE_WITHDRAW,
		turn->route ? FIB_MISSING : FIB_UNWANTED, f->want.ifname, &route);
}

bool turns_plan(const struct turns_facts *facts, const struct rib_diff *diff, struct fib_plan *ret)
{
	struct turning t = {.facts = facts, .plan = ret};

	vec_reserve(&ret->ops, rib_diff_count(diff));
	rib_diff_each(diff, take, &t);
	fib_plan_order(ret);
	return !t.is_cut;
}

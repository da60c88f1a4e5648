/* SPDX-License-Identifier: MIT */
#include "daemon/turns.h"

#include "base/map.h"
#include "fib/do.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct turning {
	const struct turns_facts *facts;
	struct fib_plan *plan;
	/* Numbers of owner sets of the difference: who is in it isn't on the device; nobody in it
	 * is sent to. */
	struct map *absent, *mute;
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

	return v && !generation_may_be_announced(f->gen, p) &&
	       !generation_may_be_announced(f->before, p) &&
	       !(v->n_candidates && bsearch(p, v->candidates, v->n_candidates,
					    sizeof(*v->candidates), by_prefix));
}

/* False for a peer that left with the last reload: the SYNC removes it whole. */
static bool key_of(const struct turning *t, uint32_t peer, wg_key *ret)
{
	const struct generation_peer *p = generation_peer_by_id(t->facts->gen, peer);

	if (p)
		*ret = p->node->public_key;
	return p;
}

/* --- signals to a routing engine -----------------------------------------------------------------
 */

/* Before the SYNC of a reload a peer may not be there yet, nor what the engine's packets go by. */
static bool may_signal(const struct turns_facts *f, const wg_key *peer)
{
	const struct generation *before = f->before;

	return !before || (mesh_has_engine(before->self) && generation_peer_by_key(before, peer));
}

static void plan_signal(struct turning *t, const ip_addr *peer, bool lives)
{
	const struct want_facts *want = &t->facts->want;
	struct rtnl_route routes[WANT_SIGNAL_ROUTES];
	size_t n = want_signal_routes(want, peer, routes);

	for (size_t i = 0; i < n; i++)
		fib_plan_route(t->plan, lives ? FIB_AT_SIGNAL_ADD : FIB_AT_SIGNAL_DEL,
			lives ? FIB_MISSING : FIB_UNWANTED, want->ifname,
			&routes[lives ? i : n - 1 - i]);
}

static void plan_signals(struct turning *t, const struct rib_level *l)
{
	const struct generation *g = t->facts->gen;
	const struct generation_peer *p = generation_peer_by_id(g, l->peer);
	const struct generation_signal *signals = NULL;
	bool lives = l->state != RIB_DOWN;
	size_t n = 0;

	if (p)
		signals = generation_signals_of(g, p, &n);
	if (n && lives && !may_signal(t->facts, &p->node->public_key)) {
		t->is_cut = true;
		return;
	}
	for (size_t i = 0; i < n; i++)
		plan_signal(t, &signals[i].addr, lives);
}

/* --- levels and sets of owners -----------------------------------------------------------------
 */

static void plan_levels(struct turning *t, const struct rib_diff *diff)
{
	for (size_t i = 0; i < diff->levels.n; i++) {
		const struct rib_level *l = &diff->levels.items[i];
		wg_key key;

		if (key_of(t, l->peer, &key))
			fib_plan_level(
				t->plan, t->facts->want.ifname, &key, fib_level_of(l->state));
	}
}

/* One that came with the reload isn't there yet: the SYNC adds it, and then says all of a set that
 * names it. */
static bool is_there(struct turning *t, const wg_key *key)
{
	const struct generation *before = t->facts->before;
	bool is = !before || generation_peer_by_key(before, key);

	t->is_cut |= !is;
	return is;
}

static size_t owners_there(struct turning *t, const struct rib_owner_set *s,
	struct device_owner ret[static RIB_MAX_OWNERS])
{
	size_t n = 0;
	wg_key key;

	assert(s->n <= RIB_MAX_OWNERS);
	for (size_t i = 0; i < s->n; i++)
		if (key_of(t, s->owners[i].peer, &key) && is_there(t, &key))
			ret[n++] = fib_owner_of(&s->owners[i], &key);
	return n;
}

static void plan_set(struct turning *t, const struct rib_owner_set *s)
{
	struct device_owner owners[RIB_MAX_OWNERS];
	size_t n = owners_there(t, s, owners);

	if (n)
		fib_plan_owners(t->plan, FIB_DIFFERS, t->facts->want.ifname, s->number, owners, n);
	if (n && !fib_owners_send(owners, n))
		map_put(t->mute, &s->number, sizeof(s->number), t);
	if (!n)
		map_put(t->absent, &s->number, sizeof(s->number), t);
}

/* What couldn't leave a set that goes stays there until the SYNC. */
static void plan_sets(struct turning *t, const struct rib_diff *diff)
{
	for (size_t i = 0; i < diff->owner_sets.n; i++)
		if (diff->owner_sets.items[i].n)
			plan_set(t, &diff->owner_sets.items[i]);
	t->is_cut |= map_count(t->absent) > 0;
	for (size_t i = 0; i < diff->owner_sets.n && !map_count(t->absent); i++)
		if (!diff->owner_sets.items[i].n)
			fib_plan_owners_gone(
				t->plan, t->facts->want.ifname, diff->owner_sets.items[i].number);
}

/* --- homes -------------------------------------------------------------------------------------
 */

/* False: the device hasn't it, or not yet. */
static bool home_of(const struct turning *t, const struct rib_home *h, struct fib_home *ret)
{
	*ret = (struct fib_home){0};
	switch (h->kind) {
	case RIB_AT_PEER:
		return key_of(t, h->peer, &ret->peer);
	case RIB_AT_OWNER_SET:
		if (map_get(t->absent, &h->owner_set, sizeof(h->owner_set)))
			return false;
		ret->owner_set = h->owner_set;
		return true;
	default:
		return true;
	}
}

/* On a device of one owner who would be sent to first has what a set should have: it was another
 * kind of device when the RIB was made. */
static struct rib_home on_device(
	const struct turning *t, const struct rib_home *home, const struct rib_owners *owners)
{
	if (t->facts->has_many_owners || home->kind != RIB_AT_OWNER_SET)
		return *home;
	return owners->n ? (struct rib_home){.kind = RIB_AT_PEER, .peer = owners->peer[0]}
			 : (struct rib_home){.kind = RIB_AT_NOBODY};
}

/* The addition to the new home is the whole move; only a prefix that is left without any is
 * removed. */
static void plan_home(struct turning *t, const ip_prefix *prefix, const struct rib_turn *turn)
{
	struct rib_home was = on_device(t, &turn->old_home, &turn->old_owners);
	struct rib_home shall = on_device(t, &turn->home, &turn->owners);
	struct fib_home from, to;
	struct fib_op *op;

	if (!home_of(t, &shall, &to))
		return;
	home_of(t, &was, &from);
	if (fib_home_eq(&from, &to))
		return;
	op = fib_plan_owner(t->plan, t->facts->want.ifname, prefix, &from, &to);
	if (map_get(t->mute, &to.owner_set, sizeof(to.owner_set)))
		op->stage = FIB_AT_PREFIX_YIELD;
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
		plan_home(t, prefix, turn);
	if (turn->old_route == turn->route || generation_prefix_is_connected(f->gen, prefix))
		return;
	/* What others may announce has its route all the time. */
	if (want_is_apart(f->want.guarded, f->want.n_guarded, prefix))
		return;
	fib_plan_route(t->plan, turn->route ? FIB_AT_ROUTE_ADD : FIB_AT_ROUTE_WITHDRAW,
		turn->route ? FIB_MISSING : FIB_UNWANTED, f->want.ifname, &route);
}

bool turns_plan(const struct turns_facts *facts, const struct rib_diff *diff, struct fib_plan *ret)
{
	struct turning t = {.facts = facts, .plan = ret, .absent = map_new(), .mute = map_new()};

	for (size_t i = 0; i < diff->levels.n; i++)
		plan_signals(&t, &diff->levels.items[i]);
	if (facts->has_many_owners) {
		plan_levels(&t, diff);
		plan_sets(&t, diff);
		rib_diff_each_move(diff, take, &t);
	} else {
		rib_diff_each(diff, take, &t);
	}
	fib_plan_order(ret);
	map_free(t.absent);
	map_free(t.mute);
	return !t.is_cut;
}

bool turns_split(struct fib_plan *plan, struct fib_plan *first)
{
	size_t n = 0, size = sizeof(*plan->ops.items);

	while (n < plan->ops.n && plan->ops.items[n].stage <= FIB_AT_SIGNAL_DEL)
		n++;
	if (!n || plan->ops.n <= FIB_CHUNK)
		return false;
	for (size_t i = 0; i < n; i++)
		vec_push(&first->ops, plan->ops.items[i]);
	plan->ops.n -= n;
	memmove(plan->ops.items, plan->ops.items + n, plan->ops.n * size);
	return true;
}

/* SPDX-License-Identifier: MIT */
/*
 * Routes and rules. After the device has its new allowed IPs come the missing routes, then the
 * rules, then what is stale goes. What is led into the device before and after is so all the time:
 *
 * - What a stale route holds, and a wanted one leads into the device, comes before that one goes: a
 *   cover is replaced by parts of it. It isn't ahead of its owner, since it was led there already.
 * - A stale route goes before its owner does, unless something else leads there in the end: then it
 *   goes when that is there. (A cover goes so whose part needs the mark: the rest of it is behind
 *   its owner for that moment, which costs packets that are to be lost anyway.)
 * - Of what goes last, what refuses is first: it would be what is left in its table.
 * - The overlay's own route on a node with a routing engine comes before an address goes with which
 *   the connected route goes, and goes when the rules ask for it no more. Its rule follows at once:
 *   addresses of host length lead nowhere, and what answers a peer would leave by a default route.
 *   On a device without an address, where nothing can be cut off, what refuses and the rule come
 *   first of all.
 * - Of signals those of the dead go first and those of the living come last.
 */
#include "fib/plan.h"

/* Routes to be searched. */
struct ways {
	const route_vec *sorted;
	const rule_vec *rules; /* routes count whose table these ask; NULL: all */
	bool lens[2][129];     /* of IPv4 and of IPv6: there are prefixes so long */
};

static void ways_of(struct ways *w, const route_vec *sorted, const rule_vec *rules)
{
	*w = (struct ways){.sorted = sorted, .rules = rules};
	for (size_t i = 0; i < sorted->n; i++)
		w->lens[sorted->items[i].dst.family == AF_INET6][sorted->items[i].dst.len] = true;
}

static size_t first_at(const route_vec *sorted, const ip_prefix *dst)
{
	size_t from = 0, to = sorted->n;

	while (from < to) {
		size_t at = from + (to - from) / 2;

		if (ip_prefix_cmp(&sorted->items[at].dst, dst) < 0)
			from = at + 1;
		else
			to = at;
	}
	return from;
}

static bool is_asked(const rule_vec *rules, uint32_t table, int family)
{
	for (size_t i = 0; i < rules->n; i++)
		if (rules->items[i].table == table && rules->items[i].family == family)
			return true;
	return !table;
}

/* Exactly that prefix leads into the device. */
static bool leads_there(const struct ways *w, const ip_prefix *dst)
{
	const route_vec *sorted = w->sorted;

	for (size_t i = first_at(sorted, dst);
		i < sorted->n && ip_prefix_eq(&sorted->items[i].dst, dst); i++) {
		const struct rtnl_route *r = &sorted->items[i];

		if (!r->type && (!w->rules || is_asked(w->rules, r->table, dst->family)))
			return true;
	}
	return false;
}

/* It or what holds it. */
static bool leads(const struct ways *w, const ip_prefix *dst)
{
	const bool *lens = w->lens[dst->family == AF_INET6];
	ip_addr a = ip_prefix_addr(dst);

	for (unsigned len = 0; len <= dst->len; len++) {
		ip_prefix p;

		if (!lens[len])
			continue;
		p = ip_prefix_of(&a, len);
		if (leads_there(w, &p))
			return true;
	}
	return false;
}

/* A part of it leads into the device by a table that not everybody asks yet. */
static bool has_part_apart(
	const route_vec *sorted, const struct want_facts *facts, const ip_prefix *dst)
{
	for (size_t i = first_at(sorted, dst);
		i < sorted->n && ip_prefix_contains(dst, &sorted->items[i].dst); i++)
		if (!sorted->items[i].type && sorted->items[i].table &&
			!want_is_overlay_way(facts, &sorted->items[i]) &&
			!want_is_signal(facts, &sorted->items[i]))
			return true;
	return false;
}

/* Nothing goes by it yet. */
static bool is_bare(const struct fib_state *is)
{
	return is->devices.n && !is->devices.items[0].addresses.n;
}

static enum fib_stage stage_of_missing(
	const struct want_facts *facts, const struct rtnl_route *r, bool leads_now, bool bare)
{
	if (bare && facts->has_engine && r->type)
		return FIB_AT_HELD;
	if (want_is_overlay_way(facts, r))
		return FIB_AT_OVERLAY_ADD;
	if (want_is_overlay_guard(facts, r))
		return FIB_AT_OVERLAY_GUARD;
	if (want_is_signal(facts, r))
		return FIB_AT_SIGNAL_ADD;
	return leads_now && !r->table ? FIB_AT_ROUTE_PART : FIB_AT_ROUTE_ADD;
}

/* In the main table alone: what would carry the tunnel's own packets waits for the device's mark.
 */
static void plan_missing(const struct want_diff *d, const struct fib_state *is,
	const struct fib_ours *ours, struct fib_plan *p)
{
	bool bare = is_bare(is);
	struct ways now;

	ways_of(&now, &d->stale, &is->rules);
	for (size_t i = 0; i < d->missing.n; i++) {
		const struct rtnl_route *r = &d->missing.items[i];
		bool leads_now = !r->type && leads(&now, &r->dst);
		bool moves = leads_now && leads_there(&now, &r->dst);
		enum fib_stage stage = stage_of_missing(ours->facts, r, leads_now, bare);

		fib_plan_route(p, stage, moves ? FIB_MOVES : FIB_MISSING, ours->facts->ifname, r);
	}
}

/* One that stands in another place from now on is no word about its peer. */
static void plan_stale_signal(const struct ways *then, const struct rtnl_route *r,
	const struct fib_ours *ours, struct fib_plan *p)
{
	bool moves = leads_there(then, &r->dst);

	fib_plan_route(p, moves ? FIB_AT_ROUTE_DEL : FIB_AT_SIGNAL_DEL,
		moves ? FIB_MOVES : FIB_UNWANTED, ours->facts->ifname, r);
}

static void plan_stale(const struct want_diff *d, const route_vec *want, bool refuses,
	const struct fib_ours *ours, struct fib_plan *p)
{
	struct ways then;

	ways_of(&then, want, NULL);
	for (size_t i = 0; i < d->stale.n; i++) {
		const struct rtnl_route *r = &d->stale.items[i];
		bool moves, last;

		if (rtnl_route_refuses(r) != refuses)
			continue;
		if (want_is_signal(ours->facts, r)) {
			plan_stale_signal(&then, r, ours, p);
			continue;
		}
		moves = !r->type && leads_there(&then, &r->dst);
		last = refuses || want_is_overlay_way(ours->facts, r) || leads(&then, &r->dst) ||
		       has_part_apart(want, ours->facts, &r->dst);
		fib_plan_route(p, last ? FIB_AT_ROUTE_DEL : FIB_AT_ROUTE_WITHDRAW,
			moves ? FIB_MOVES : FIB_UNWANTED, ours->facts->ifname, r);
	}
}

static void plan_routes(const struct fib_state *is, const struct fib_state *shall,
	const struct fib_ours *ours, struct fib_plan *p)
{
	struct want_diff d = {0};

	want_diff_routes(is->routes.items, is->routes.n, &shall->routes, ours, &d);
	plan_missing(&d, is, ours, p);
	plan_stale(&d, &shall->routes, true, ours, p);
	plan_stale(&d, &shall->routes, false, ours, p);
	for (size_t i = 0; i < d.leftover.n; i++)
		vec_push(&p->leftover, d.leftover.items[i]);
	want_diff_done(&d);
}

static bool has_rule(const rule_vec *list, const struct rtnl_rule *r)
{
	for (size_t i = 0; i < list->n; i++)
		if (rtnl_rule_is(&list->items[i], r))
			return true;
	return false;
}

static enum fib_stage stage_of_rule(
	const struct want_facts *facts, const struct rtnl_rule *r, bool bare)
{
	if (!facts->has_engine || r->priority != KERNEL_PRIORITY_OVERLAY)
		return FIB_AT_RULE_ADD;
	return bare ? FIB_AT_HELD_RULE : FIB_AT_OVERLAY_RULE;
}

static void plan_rules(const struct fib_state *is, const struct fib_state *shall,
	const struct fib_ours *ours, struct fib_plan *p)
{
	static const int families[] = {AF_INET, AF_INET6};
	rule_vec have = {0}, stale = {0};

	for (size_t i = 0; i < shall->rules.n; i++) {
		const struct rtnl_rule *r = &shall->rules.items[i];

		if (!has_rule(&is->rules, r))
			fib_plan_add(p, stage_of_rule(ours->facts, r, is_bare(is)), FIB_MISSING,
				ours->facts->ifname)
				->u.rule = *r;
	}
	for (size_t k = 0; k < ARRAY_SIZE(families); k++) {
		have.n = 0;
		for (size_t i = 0; i < is->rules.n; i++)
			if (is->rules.items[i].family == families[k])
				vec_push(&have, is->rules.items[i]);
		want_stale_rules(have.items, have.n, &shall->rules, ours, &stale);
		for (size_t i = 0; i < stale.n; i++)
			fib_plan_add(p, FIB_AT_RULE_DEL, FIB_UNWANTED, ours->facts->ifname)
				->u.rule = stale.items[i];
	}
	vec_done(&have);
	vec_done(&stale);
}

void plan_kernel(const struct fib_state *is, const struct fib_state *shall,
	const struct fib_ours *ours, struct fib_plan *p)
{
	plan_routes(is, shall, ours, p);
	plan_rules(is, shall, ours, p);
}

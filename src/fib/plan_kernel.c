/* SPDX-License-Identifier: MIT */
/*
 * Routes and rules. Only where a mark is given up do routes go home, and rules go, before the
 * device loses its mark. After the device has its new allowed IPs come the missing routes, then the
 * rules, then what is stale goes.
 */
#include "fib/plan.h"

static bool has_way(const route_vec *list, const ip_prefix *dst, bool apart)
{
	for (size_t i = 0; i < list->n; i++)
		if (!list->items[i].type && (!apart || list->items[i].table) &&
			ip_prefix_eq(&list->items[i].dst, dst))
			return true;
	return false;
}

/* want is sorted by destination first. */
static bool is_wanted_elsewhere(const route_vec *want, const ip_prefix *dst)
{
	size_t from = 0, to = want->n;

	while (from < to) {
		size_t at = from + (to - from) / 2;

		if (ip_prefix_cmp(&want->items[at].dst, dst) < 0)
			from = at + 1;
		else
			to = at;
	}
	for (; from < want->n && ip_prefix_eq(&want->items[from].dst, dst); from++)
		if (!want->items[from].type)
			return true;
	return false;
}

/* What refuses in the mark's table is all that is left of a way whose device is gone. */
static bool goes_home(const struct want_diff *d, const struct rtnl_route *r)
{
	return r->type || has_way(&d->stale, &r->dst, true);
}

static void plan_missing(
	const struct want_diff *d, const struct fib_ours *ours, bool gives_up, struct fib_plan *p)
{
	for (size_t i = 0; i < d->missing.n; i++) {
		const struct rtnl_route *r = &d->missing.items[i];
		bool home = gives_up && goes_home(d, r);

		fib_plan_route(p, home ? FIB_AT_ROUTE_HOME : FIB_AT_ROUTE_ADD,
			home ? FIB_MOVES : FIB_MISSING, ours->facts->ifname, r);
	}
}

static void plan_stale(const struct want_diff *d, const route_vec *want,
	const struct fib_ours *ours, struct fib_plan *p)
{
	for (size_t i = 0; i < d->stale.n; i++) {
		const struct rtnl_route *r = &d->stale.items[i];
		bool moves = !r->type && is_wanted_elsewhere(want, &r->dst);
		bool last = moves || rtnl_route_refuses(r);

		fib_plan_route(p, last ? FIB_AT_ROUTE_DEL : FIB_AT_ROUTE_WITHDRAW,
			moves ? FIB_MOVES : FIB_UNWANTED, ours->facts->ifname, r);
	}
}

static void plan_routes(const struct fib_state *is, const struct fib_state *shall,
	const struct fib_ours *ours, bool gives_up, struct fib_plan *p)
{
	struct want_diff d = {0};

	want_diff_routes(is->routes.items, is->routes.n, &shall->routes, ours, &d);
	plan_missing(&d, ours, gives_up, p);
	plan_stale(&d, &shall->routes, ours, p);
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

static void plan_rules(const struct fib_state *is, const struct fib_state *shall,
	const struct fib_ours *ours, bool gives_up, struct fib_plan *p)
{
	static const int families[] = {AF_INET, AF_INET6};
	rule_vec have = {0}, stale = {0};

	for (size_t i = 0; i < shall->rules.n; i++)
		if (!has_rule(&is->rules, &shall->rules.items[i]))
			fib_plan_add(p, FIB_AT_RULE_ADD, FIB_MISSING, ours->facts->ifname)->u.rule =
				shall->rules.items[i];
	for (size_t k = 0; k < ARRAY_SIZE(families); k++) {
		have.n = 0;
		for (size_t i = 0; i < is->rules.n; i++)
			if (is->rules.items[i].family == families[k])
				vec_push(&have, is->rules.items[i]);
		want_stale_rules(have.items, have.n, &shall->rules, ours, &stale);
		for (size_t i = 0; i < stale.n; i++)
			fib_plan_add(p, gives_up ? FIB_AT_RULE_EARLY : FIB_AT_RULE_DEL,
				FIB_UNWANTED, ours->facts->ifname)
				->u.rule = stale.items[i];
	}
	vec_done(&have);
	vec_done(&stale);
}

void plan_kernel(const struct fib_state *is, const struct fib_state *shall,
	const struct fib_ours *ours, bool gives_up, struct fib_plan *p)
{
	plan_routes(is, shall, ours, gives_up, p);
	plan_rules(is, shall, ours, gives_up, p);
}

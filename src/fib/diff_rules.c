/* SPDX-License-Identifier: MIT */
#include "fib/diff.h"

#include <string.h>

bool diff_is_own_table(const struct fib_ours *ours, uint32_t table)
{
	for (size_t i = 0; i < ours->n_marks; i++)
		if (ours->marks[i] == table)
			return true;
	return false;
}

static bool has_rule(const rule_vec *list, const struct rtnl_rule *r)
{
	for (size_t i = 0; i < list->n; i++)
		if (rtnl_rule_is(r, &list->items[i]))
			return true;
	return false;
}

static bool is_own_lookup(const struct fib_ours *ours, const struct rtnl_rule *r)
{
	return (r->priority == KERNEL_PRIORITY_MARK && diff_is_own_table(ours, r->table)) ||
	       ((r->priority == KERNEL_PRIORITY_REFUSED ||
			r->priority == KERNEL_PRIORITY_OVERLAY) &&
		       r->table == ours->facts->overlay_table);
}

/* The rule before a look-up, which may serve another daemon's look-up as well. */
static bool serves_another(const struct rtnl_rule *have, size_t n, const rule_vec *stale,
	const struct rtnl_rule *before)
{
	for (size_t i = 0; i < n; i++)
		if (have[i].priority == before->priority + 1 && !has_rule(stale, &have[i]) &&
			have[i].to.len == before->to.len &&
			(!before->to.len || ip_prefix_eq(&have[i].to, &before->to)))
			return true;
	return false;
}

/* --- what earlier versions have left -------------------------------------------------------------
 */

/* Rules about sources that come out of the tunnel, where want_own.h has a peer; shorter prefixes
 * later, and after all of them the place to go to, shared by all daemons. */
#define PRIORITY_SOURCES 32500
#define PRIORITY_SOURCES_END 32699

static bool is_of_sources(const struct rtnl_rule *r)
{
	return r->priority >= PRIORITY_SOURCES && r->priority < PRIORITY_SOURCES_END && r->iif[0] &&
	       (r->action == RTNL_RULE_BLACKHOLE || r->action == RTNL_RULE_GOTO);
}

static bool is_own_source(const struct fib_ours *ours, const struct rtnl_rule *r)
{
	return is_of_sources(r) && !strcmp(r->iif, ours->facts->ifname);
}

/* In an order in which nothing that may pass is dropped for a moment. */
static void add_sources(
	const struct rtnl_rule *have, size_t n, const struct fib_ours *ours, rule_vec *ret)
{
	bool used = false;

	for (size_t i = 0; i < n; i++)
		if (is_own_source(ours, &have[i]) && have[i].action == RTNL_RULE_BLACKHOLE)
			vec_push(ret, have[i]);
	for (size_t i = 0; i < n; i++)
		if (is_own_source(ours, &have[i]) && have[i].action == RTNL_RULE_GOTO)
			vec_push(ret, have[i]);
		else
			used |= is_of_sources(&have[i]) && have[i].action == RTNL_RULE_GOTO;
	for (size_t i = 0; i < n && !used; i++)
		if (have[i].priority == PRIORITY_SOURCES_END && have[i].action == RTNL_RULE_NOP)
			vec_push(ret, have[i]);
}

void want_stale_rules(const struct rtnl_rule *have, size_t n_have, const rule_vec *want,
	const struct fib_ours *ours, rule_vec *ret)
{
	ret->n = 0;
	for (size_t i = 0; i < n_have; i++)
		if (is_own_lookup(ours, &have[i]) && !has_rule(want, &have[i]))
			vec_push(ret, have[i]);
	for (size_t i = 0; i < n_have; i++) {
		uint32_t priority = have[i].priority;

		if ((priority == KERNEL_PRIORITY_SPECIFIC || priority == KERNEL_PRIORITY_OVERLAY) &&
			have[i].suppress_prefixlen >= 0 && !has_rule(want, &have[i]) &&
			!serves_another(have, n_have, ret, &have[i]))
			vec_push(ret, have[i]);
	}
	add_sources(have, n_have, ours, ret);
}

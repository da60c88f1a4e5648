/* SPDX-License-Identifier: MIT */
#include "fib/want.h"

#include <linux/rtnetlink.h>

static struct rtnl_rule rule(int family, uint32_t table, int suppress, uint32_t priority)
{
	return (struct rtnl_rule){
		.family = family,
		.table = table,
		.suppress_prefixlen = suppress,
		.priority = priority,
	};
}

/* With an engine main has nothing of the overlay that a packet should go by. */
static void add_engine_rule(const struct want_facts *f, const ip_prefix *o, rule_vec *out)
{
	struct rtnl_rule has = rule(o->family, f->overlay_table, -1, KERNEL_PRIORITY_OVERLAY);

	has.to = *o;
	vec_push(out, has);
}

static void add_overlay_rules(const struct want_facts *f, const ip_prefix *o, rule_vec *out)
{
	struct rtnl_rule has = rule(o->family, RT_TABLE_MAIN, o->len - 1, KERNEL_PRIORITY_OVERLAY);
	struct rtnl_rule none = rule(o->family, f->overlay_table, -1, KERNEL_PRIORITY_REFUSED);

	has.to = none.to = *o;
	vec_push(out, has);
	vec_push(out, none);
}

/* The other way round there would be a moment in which nothing but the tunnel is left. */
static void add_mark_rules(const struct want_facts *f, int family, rule_vec *out)
{
	struct rtnl_rule marked = rule(family, f->mark, -1, KERNEL_PRIORITY_MARK);

	marked.fwmark = f->mark;
	marked.invert = true;
	vec_push(out, rule(family, RT_TABLE_MAIN, 0, KERNEL_PRIORITY_SPECIFIC));
	vec_push(out, marked);
}

static bool has_apart(const struct want_facts *f, int family)
{
	for (size_t i = 0; i < f->n_apart; i++)
		if (f->apart[i].family == family)
			return true;
	return false;
}

void want_rules(const struct want_facts *f, rule_vec *ret)
{
	static const int families[] = {AF_INET, AF_INET6};

	ret->n = 0;
	for (size_t i = 0; i < f->n_overlays; i++)
		if (f->overlays[i].len && f->has_engine)
			add_engine_rule(f, &f->overlays[i], ret);
		else if (f->overlays[i].len)
			add_overlay_rules(f, &f->overlays[i], ret);
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		if (has_apart(f, families[i]))
			add_mark_rules(f, families[i], ret);
}

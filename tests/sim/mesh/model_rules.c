/* SPDX-License-Identifier: MIT */
#include "model.h"

#include "base/mem.h"
#include <linux/rtnetlink.h>
#include <string.h>

#define RULE_MAIN 32766

static void insert(struct model *m, const struct rtnl_rule *r, bool foreign)
{
	size_t at = 0;

	vec_push(&m->rules, ((struct model_rule){*r, foreign}));
	while (at + 1 < m->rules.n && m->rules.items[at].r.priority <= r->priority)
		at++;
	memmove(&m->rules.items[at + 1], &m->rules.items[at],
		(m->rules.n - 1 - at) * sizeof(*m->rules.items));
	m->rules.items[at] = (struct model_rule){*r, foreign};
}

void model_rules_begin(struct model *m)
{
	static const int families[] = {AF_INET, AF_INET6};

	for (size_t i = 0; i < 2; i++) {
		struct rtnl_rule local = {.family = families[i],
			.table = RT_TABLE_LOCAL,
			.suppress_prefixlen = -1,
			.protocol = RTPROT_KERNEL};
		struct rtnl_rule all = local;

		all.table = RT_TABLE_MAIN;
		all.priority = RULE_MAIN;
		insert(m, &local, true);
		insert(m, &all, true);
	}
}

int model_rule_add(struct model *m, const struct rtnl_rule *r, bool foreign)
{
	struct rtnl_rule fresh = *r;

	for (size_t i = 0; i < m->rules.n; i++)
		if (!m->rules.items[i].foreign && rtnl_rule_is(&m->rules.items[i].r, r))
			return 0;
	fresh.protocol = foreign ? RTPROT_STATIC : RTNL_PROTO_SHUNT;
	insert(m, &fresh, foreign);
	return 0;
}

int model_rule_del(struct model *m, const struct rtnl_rule *r)
{
	for (size_t i = 0; i < m->rules.n; i++) {
		if (m->rules.items[i].foreign || !rtnl_rule_is(&m->rules.items[i].r, r))
			continue;
		m->rules.n--;
		memmove(&m->rules.items[i], &m->rules.items[i + 1],
			(m->rules.n - i) * sizeof(*m->rules.items));
		return 0;
	}
	return 0;
}

int model_rule_list(const struct model *m, int family, struct rtnl_rule **ret, size_t *ret_n)
{
	size_t n = 0;

	*ret = mem_zalloc(m->rules.n + 1, sizeof(**ret));
	for (size_t i = 0; i < m->rules.n; i++)
		if (!m->rules.items[i].foreign && m->rules.items[i].r.family == family)
			(*ret)[n++] = m->rules.items[i].r;
	*ret_n = n;
	return 0;
}

/* --- one packet ----------------------------------------------------------------------------------
 */

static bool applies(const struct rtnl_rule *r, const struct model_flow *f)
{
	bool does = r->family == f->to.family;

	if (!does)
		return false;
	does = (!r->fwmark || r->fwmark == f->mark) && !r->iif[0] &&
	       (!r->to.family || ip_prefix_has_addr(&r->to, &f->to)) &&
	       (!r->from.family || (f->from.family && ip_prefix_has_addr(&r->from, &f->from)));
	return r->invert ? !does : does;
}

static enum model_way way_of(const struct model *m, const struct rtnl_route *r)
{
	if (r->type == RTN_LOCAL)
		return MODEL_LOCAL;
	if (r->type)
		return MODEL_NO_WAY;
	switch (r->ifindex) {
	case MODEL_UPLINK:
		return MODEL_OUT;
	case MODEL_INSIDE:
		return MODEL_IN;
	default:
		return m->exists && r->ifindex == m->ifindex ? MODEL_TUNNEL : MODEL_NO_WAY;
	}
}

/* A rule that suppresses short prefixes lets nothing through that refuses, as the kernel's doesn't
 * either: it looks at the length of a route that leads somewhere. */
static bool is_suppressed(const struct rtnl_rule *rule, const struct rtnl_route *r)
{
	return !r->type && rule->suppress_prefixlen >= 0 && r->dst.len <= rule->suppress_prefixlen;
}

enum model_way model_way(const struct model *m, const struct model_flow *f)
{
	for (size_t i = 0; i < m->rules.n; i++) {
		const struct rtnl_rule *rule = &m->rules.items[i].r;
		const struct rtnl_route *r;

		if (!applies(rule, f))
			continue;
		if (rule->action != RTNL_RULE_TABLE)
			return MODEL_NO_WAY;
		r = model_table_look(m, rule->table, &f->to);
		if (r && !is_suppressed(rule, r))
			return way_of(m, r);
	}
	return MODEL_NO_WAY;
}

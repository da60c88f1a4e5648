/* SPDX-License-Identifier: MIT */
#include "sys/rtnl_internal.h"

#include "base/mem.h"
#include "base/vec.h"
#include <errno.h>
#include <linux/fib_rules.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t kernel_actions[] = {
	[RTNL_RULE_TABLE] = FR_ACT_TO_TBL,
	[RTNL_RULE_GOTO] = FR_ACT_GOTO,
	[RTNL_RULE_NOP] = FR_ACT_NOP,
	[RTNL_RULE_BLACKHOLE] = FR_ACT_BLACKHOLE,
};

static bool parse_action(uint8_t action, enum rtnl_rule_action *ret)
{
	for (unsigned i = 0; i < sizeof(kernel_actions); i++) {
		if (kernel_actions[i] == action) {
			*ret = i;
			return true;
		}
	}
	return false;
}

static uint32_t table_of(const struct rtnl_rule *rule)
{
	if (rule->action != RTNL_RULE_TABLE)
		return RT_TABLE_UNSPEC;
	return rule->table ? rule->table : RT_TABLE_MAIN;
}

static int rule_change(struct rtnl *r, uint16_t type, uint16_t flags, const struct rtnl_rule *rule)
{
	struct nlmsghdr *h = nl_begin(r->nl, type, flags);
	struct fib_rule_hdr *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));

	m->family = (uint8_t)rule->family;
	m->action = kernel_actions[rule->action];
	m->flags = rule->invert ? FIB_RULE_INVERT : 0;
	mnl_attr_put_u8(h, FRA_PROTOCOL, RTNL_PROTO_SHUNT);
	if (rule->action == RTNL_RULE_TABLE)
		mnl_attr_put_u32(h, FRA_TABLE, table_of(rule));
	if (rule->action == RTNL_RULE_GOTO)
		mnl_attr_put_u32(h, FRA_GOTO, rule->target);
	if (rule->from.len) {
		m->src_len = rule->from.len;
		rtnl_put_addr(h, FRA_SRC, rule->from.family, rule->from.bytes);
	}
	if (rule->iif[0])
		mnl_attr_put_strz(h, FRA_IIFNAME, rule->iif);
	if (rule->fwmark)
		mnl_attr_put_u32(h, FRA_FWMARK, rule->fwmark);
	if (rule->suppress_prefixlen >= 0)
		mnl_attr_put_u32(h, FRA_SUPPRESS_PREFIXLEN, (uint32_t)rule->suppress_prefixlen);
	if (rule->priority)
		mnl_attr_put_u32(h, FRA_PRIORITY, rule->priority);
	return nl_talk(r->nl, h, NULL, NULL);
}

struct rule_walk {
	int family;
	VEC(struct rtnl_rule) found;
};

static void rule_restart(void *data)
{
	struct rule_walk *w = data;

	w->found.n = 0;
}

static void rule_source(struct rtnl_rule *rule, unsigned len, const struct nlattr *a)
{
	ip_addr from;

	if (mnl_attr_get_payload_len(a) != ip_family_bits(rule->family) / 8)
		return;
	from = ip_addr_from_bytes(rule->family, mnl_attr_get_payload(a));
	rule->from = ip_prefix_of(&from, len);
}

static void rule_attribute(struct rtnl_rule *rule, uint8_t *protocol, const struct nlattr *a)
{
	size_t n = mnl_attr_get_payload_len(a);
	uint16_t type = mnl_attr_get_type(a);

	if (type == FRA_PROTOCOL && n >= 1)
		*protocol = mnl_attr_get_u8(a);
	if (type == FRA_IIFNAME && n)
		snprintf(rule->iif, sizeof(rule->iif), "%.*s", (int)n,
			(const char *)mnl_attr_get_payload(a));
	if (n < 4)
		return;
	if (type == FRA_FWMARK)
		rule->fwmark = mnl_attr_get_u32(a);
	else if (type == FRA_TABLE)
		rule->table = mnl_attr_get_u32(a);
	else if (type == FRA_PRIORITY)
		rule->priority = mnl_attr_get_u32(a);
	else if (type == FRA_SUPPRESS_PREFIXLEN)
		rule->suppress_prefixlen = (int)mnl_attr_get_u32(a);
	else if (type == FRA_GOTO)
		rule->target = mnl_attr_get_u32(a);
}

static int on_rule(const struct nlmsghdr *h, void *data)
{
	const struct fib_rule_hdr *m = mnl_nlmsg_get_payload(h);
	struct rule_walk *w = data;
	struct rtnl_rule rule = {.suppress_prefixlen = -1};
	uint8_t protocol = 0;

	if (h->nlmsg_type != RTM_NEWRULE)
		return 0;
	if (mnl_nlmsg_get_payload_len(h) < sizeof(*m))
		return -EBADMSG;
	if (m->family != w->family || m->src_len > ip_family_bits(m->family) ||
		!parse_action(m->action, &rule.action))
		return 0;
	rule.family = m->family;
	rule.table = m->table;
	rule.invert = m->flags & FIB_RULE_INVERT;
	nl_for_each_attr (a, h, sizeof(*m)) {
		rule_attribute(&rule, &protocol, a);
		if (mnl_attr_get_type(a) == FRA_SRC)
			rule_source(&rule, m->src_len, a);
	}
	if (protocol == RTNL_PROTO_SHUNT)
		vec_push(&w->found, rule);
	return 0;
}

int rtnl_rule_list(struct rtnl *r, int family, struct rtnl_rule **ret, size_t *ret_n)
{
	struct nlmsghdr *h = nl_begin(r->nl, RTM_GETRULE, NLM_F_DUMP);
	struct fib_rule_hdr *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	struct rule_walk w = {.family = family};
	int err;

	m->family = (uint8_t)family;
	err = nl_dump(r->nl, h, on_rule, rule_restart, &w);
	if (err < 0) {
		vec_done(&w.found);
		return err;
	}
	*ret = w.found.items;
	*ret_n = w.found.n;
	return 0;
}

static bool same_source(const ip_prefix *a, const ip_prefix *b)
{
	return a->len == b->len && (!a->len || ip_prefix_eq(a, b));
}

bool rtnl_rule_is(const struct rtnl_rule *have, const struct rtnl_rule *want)
{
	return have->family == want->family && have->action == want->action &&
	       have->fwmark == want->fwmark && have->invert == want->invert &&
	       table_of(have) == table_of(want) && have->target == want->target &&
	       have->suppress_prefixlen == want->suppress_prefixlen &&
	       same_source(&have->from, &want->from) && !strcmp(have->iif, want->iif) &&
	       (!want->priority || have->priority == want->priority);
}

int rtnl_rule_add(struct rtnl *r, const struct rtnl_rule *rule)
{
	AUTO_FREE struct rtnl_rule *have = NULL;
	size_t n = 0;
	int err = rtnl_rule_list(r, rule->family, &have, &n);

	if (err < 0)
		return err;
	for (size_t i = 0; i < n; i++)
		if (rtnl_rule_is(&have[i], rule))
			return 0;
	return rule_change(r, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule);
}

int rtnl_rule_del(struct rtnl *r, const struct rtnl_rule *rule)
{
	int err = rule_change(r, RTM_DELRULE, 0, rule);

	return err == -ENOENT ? 0 : err;
}

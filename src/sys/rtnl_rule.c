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
	[RTNL_RULE_UNREACHABLE] = FR_ACT_UNREACHABLE,
	[RTNL_RULE_PROHIBIT] = FR_ACT_PROHIBIT,
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
	if (rule->to.len) {
		m->dst_len = rule->to.len;
		rtnl_put_addr(h, FRA_DST, rule->to.family, rule->to.bytes);
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
	bool all; /* others' too */
	VEC(struct rtnl_rule) found;
};

static void rule_restart(void *data)
{
	struct rule_walk *w = data;

	w->found.n = 0;
}

static ip_prefix rule_prefix(int family, unsigned len, const struct nlattr *a)
{
	ip_addr addr;

	if (mnl_attr_get_payload_len(a) != ip_family_bits(family) / 8)
		return (ip_prefix){0};
	addr = ip_addr_from_bytes(family, mnl_attr_get_payload(a));
	return ip_prefix_of(&addr, len);
}

/* Of some packets, not of all: a rule that isn't for those to whom the kernel gives no mark. */
static bool is_selector(uint16_t attribute)
{
	switch (attribute) {
	case FRA_SRC:
	case FRA_IIFNAME:
	case FRA_OIFNAME:
	case FRA_UID_RANGE:
	case FRA_IP_PROTO:
	case FRA_SPORT_RANGE:
	case FRA_DPORT_RANGE:
	case FRA_TUN_ID:
	case FRA_L3MDEV:
		return true;
	}
	return false;
}

static void rule_number(struct rtnl_rule *rule, uint16_t type, uint32_t value)
{
	if (type == FRA_FWMARK)
		rule->fwmark = value;
	else if (type == FRA_TABLE)
		rule->table = value;
	else if (type == FRA_PRIORITY)
		rule->priority = value;
	else if (type == FRA_SUPPRESS_PREFIXLEN)
		rule->suppress_prefixlen = (int)value;
	else if (type == FRA_GOTO)
		rule->target = value;
}

static void rule_attribute(
	struct rtnl_rule *rule, const struct fib_rule_hdr *m, const struct nlattr *a)
{
	size_t n = mnl_attr_get_payload_len(a);
	uint16_t type = mnl_attr_get_type(a);

	rule->selective |= is_selector(type);
	if (type == FRA_PROTOCOL && n >= 1)
		rule->protocol = mnl_attr_get_u8(a);
	else if (type == FRA_IIFNAME && n)
		snprintf(rule->iif, sizeof(rule->iif), "%.*s", (int)n,
			(const char *)mnl_attr_get_payload(a));
	else if (type == FRA_SRC)
		rule->from = rule_prefix(rule->family, m->src_len, a);
	else if (type == FRA_DST)
		rule->to = rule_prefix(rule->family, m->dst_len, a);
	else if (n >= 4)
		rule_number(rule, type, mnl_attr_get_u32(a));
}

static int on_rule(const struct nlmsghdr *h, void *data)
{
	const struct fib_rule_hdr *m = mnl_nlmsg_get_payload(h);
	struct rule_walk *w = data;
	struct rtnl_rule rule = {.suppress_prefixlen = -1};

	if (h->nlmsg_type != RTM_NEWRULE)
		return 0;
	if (mnl_nlmsg_get_payload_len(h) < sizeof(*m))
		return -EBADMSG;
	if (m->family != w->family || m->src_len > ip_family_bits(m->family) ||
		m->dst_len > ip_family_bits(m->family) || !parse_action(m->action, &rule.action))
		return 0;
	rule.family = m->family;
	rule.table = m->table;
	rule.invert = m->flags & FIB_RULE_INVERT;
	nl_for_each_attr (a, h, sizeof(*m))
		rule_attribute(&rule, m, a);
	/* `not fwmark M` is for nearly all packets, `fwmark M` or `not to P` for some. */
	rule.selective |= m->tos || (rule.fwmark ? !rule.invert : rule.invert);
	rule.selective |= rule.invert && rule.to.len;
	if (w->all || rule.protocol == RTNL_PROTO_SHUNT)
		vec_push(&w->found, rule);
	return 0;
}

static int list(struct rtnl *r, struct rule_walk *w, struct rtnl_rule **ret, size_t *ret_n)
{
	struct nlmsghdr *h = nl_begin(r->nl, RTM_GETRULE, NLM_F_DUMP);
	struct fib_rule_hdr *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	int err;

	m->family = (uint8_t)w->family;
	err = nl_dump(r->nl, h, on_rule, rule_restart, w);
	if (err < 0) {
		vec_done(&w->found);
		return err;
	}
	*ret = w->found.items;
	*ret_n = w->found.n;
	return 0;
}

int rtnl_rule_list(struct rtnl *r, int family, struct rtnl_rule **ret, size_t *ret_n)
{
	return list(r, &(struct rule_walk){.family = family}, ret, ret_n);
}

int rtnl_rule_list_all(struct rtnl *r, int family, struct rtnl_rule **ret, size_t *ret_n)
{
	return list(r, &(struct rule_walk){.family = family, .all = true}, ret, ret_n);
}

static bool same_prefix(const ip_prefix *a, const ip_prefix *b)
{
	return a->len == b->len && (!a->len || ip_prefix_eq(a, b));
}

bool rtnl_rule_is(const struct rtnl_rule *have, const struct rtnl_rule *want)
{
	return have->family == want->family && have->action == want->action &&
	       have->fwmark == want->fwmark && have->invert == want->invert &&
	       table_of(have) == table_of(want) && have->target == want->target &&
	       have->suppress_prefixlen == want->suppress_prefixlen &&
	       same_prefix(&have->from, &want->from) && same_prefix(&have->to, &want->to) &&
	       !strcmp(have->iif, want->iif) &&
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

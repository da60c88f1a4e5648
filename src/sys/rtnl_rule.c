/* SPDX-License-Identifier: MIT */
#include "sys/rtnl_internal.h"

#include "base/mem.h"
#include "base/vec.h"
#include <errno.h>
#include <linux/fib_rules.h>
#include <stdlib.h>

static int rule_change(struct rtnl *r, uint16_t type, uint16_t flags, const struct rtnl_rule *rule)
{
	struct nlmsghdr *h = nl_begin(r->nl, type, flags);
	struct fib_rule_hdr *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));

	m->family = (uint8_t)rule->family;
	m->action = FR_ACT_TO_TBL;
	m->flags = rule->invert ? FIB_RULE_INVERT : 0;
	mnl_attr_put_u8(h, FRA_PROTOCOL, RTNL_PROTO_SHUNT);
	mnl_attr_put_u32(h, FRA_TABLE, rule->table ? rule->table : RT_TABLE_MAIN);
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

static void rule_attribute(struct rtnl_rule *rule, uint8_t *protocol, const struct nlattr *a)
{
	size_t n = mnl_attr_get_payload_len(a);
	uint16_t type = mnl_attr_get_type(a);

	if (type == FRA_PROTOCOL && n >= 1)
		*protocol = mnl_attr_get_u8(a);
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
	if (m->family != w->family || m->action != FR_ACT_TO_TBL)
		return 0;
	rule.family = m->family;
	rule.table = m->table;
	rule.invert = m->flags & FIB_RULE_INVERT;
	nl_for_each_attr (a, h, sizeof(*m))
		rule_attribute(&rule, &protocol, a);
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

/* A priority of 0 in the wanted rule is any. */
static bool same_rule(const struct rtnl_rule *have, const struct rtnl_rule *want)
{
	uint32_t table = want->table ? want->table : RT_TABLE_MAIN;

	return have->fwmark == want->fwmark && have->invert == want->invert &&
	       have->table == table && have->suppress_prefixlen == want->suppress_prefixlen &&
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
		if (same_rule(&have[i], rule))
			return 0;
	return rule_change(r, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule);
}

int rtnl_rule_del(struct rtnl *r, const struct rtnl_rule *rule)
{
	int err = rule_change(r, RTM_DELRULE, 0, rule);

	return err == -ENOENT ? 0 : err;
}

/* SPDX-License-Identifier: MIT */
#include "daemon/kernel_defaults.h"

#include "sys/process.h"
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

/* Of the family's order of rules: just before the main table's own 32766. */
#define PRIORITY_SPECIFIC 32700
#define PRIORITY_MARK 32701

static bool has_default(const ip_prefix *prefixes, size_t n, int family)
{
	for (size_t i = 0; i < n; i++)
		if (prefixes[i].family == family && ip_prefix_is_default(&prefixes[i]))
			return true;
	return false;
}

/* The main table's rule serves every daemon of this machine, so the last one takes it away. */
static int remove_rules(struct fib *f, int family, uint32_t mark)
{
	struct rtnl_rule *rules;
	bool others = false;
	size_t n;
	int err = rtnl_rule_list(f->rtnl, family, &rules, &n);

	if (err)
		return err == -EAFNOSUPPORT ? 0 : err;
	for (size_t i = 0; i < n && !err; i++) {
		if (rules[i].priority != PRIORITY_MARK)
			continue;
		if (rules[i].table == mark)
			err = rtnl_rule_del(f->rtnl, &rules[i]);
		else
			others = true;
	}
	for (size_t i = 0; i < n && !err && !others; i++)
		if (rules[i].priority == PRIORITY_SPECIFIC)
			err = rtnl_rule_del(f->rtnl, &rules[i]);
	free(rules);
	return err;
}

static int remove_all_rules(struct fib *f, uint32_t mark)
{
	int err = remove_rules(f, AF_INET, mark);

	return err ? err : remove_rules(f, AF_INET6, mark);
}

static int add_rules(struct fib *f, int family)
{
	struct rtnl_rule marked = {family, f->fwmark, true, f->fwmark, -1, PRIORITY_MARK};
	struct rtnl_rule specific = {family, 0, false, RT_TABLE_MAIN, 0, PRIORITY_SPECIFIC};
	/* The other way round there would be a moment in which nothing but the tunnel is left. */
	int err = rtnl_rule_add(f->rtnl, &specific);

	return err ? err : rtnl_rule_add(f->rtnl, &marked);
}

static int free_table(struct fib *f, uint32_t *ret)
{
	for (uint32_t t = KERNEL_MARK_FIRST; t <= KERNEL_MARK_LAST; t++) {
		struct rtnl_route only = {.table = t};
		struct rtnl_route *routes;
		size_t n;
		int err = rtnl_route_list_where(f->rtnl, &only, &routes, &n);

		if (err)
			return err;
		free(routes);
		if (!n) {
			*ret = t;
			return 0;
		}
	}
	return -ENOSPC;
}

/* Somebody else's route on our device stands in that table: wg-quick's, say. */
static bool is_used_by_others(struct fib *f, uint32_t mark)
{
	struct rtnl_route only = {.table = mark, .ifindex = f->ifindex};
	struct rtnl_route *routes;
	bool used = false;
	size_t n;

	if (rtnl_route_list_where(f->rtnl, &only, &routes, &n))
		return true;
	for (size_t i = 0; i < n; i++)
		used |= routes[i].protocol != RTNL_PROTO_SHUNT;
	free(routes);
	return used;
}

static int give_up_mark(struct fib *f, uint32_t now, bool *ret_clear)
{
	bool ours = now >= KERNEL_MARK_FIRST && now <= KERNEL_MARK_LAST;
	uint32_t mark = f->fwmark ? f->fwmark : ours ? now : 0;
	int err;

	if (!mark)
		return 0;
	err = remove_all_rules(f, mark);
	if (err)
		return err;
	*ret_clear = ours && now == mark && !is_used_by_others(f, mark);
	f->fwmark = 0;
	return 0;
}

int kernel_defaults_mark(
	struct fib *f, const ip_prefix *prefixes, size_t n, uint32_t now, bool *ret_clear)
{
	*ret_clear = false;
	if (!has_default(prefixes, n, AF_INET) && !has_default(prefixes, n, AF_INET6))
		return give_up_mark(f, now, ret_clear);
	if (f->fwmark)
		return 0;
	f->fwmark = now;
	return now ? 0 : free_table(f, &f->fwmark);
}

int kernel_defaults_sync(struct fib *f, const ip_prefix *prefixes, size_t n)
{
	bool v4 = has_default(prefixes, n, AF_INET), v6 = has_default(prefixes, n, AF_INET6);
	int err;

	if (!f->fwmark)
		return 0;
	err = v4 ? add_rules(f, AF_INET) : remove_rules(f, AF_INET, f->fwmark);
	if (!err)
		err = v6 ? add_rules(f, AF_INET6) : remove_rules(f, AF_INET6, f->fwmark);
	/* Replies to marked packets must pass the reverse path check by the mark's route. */
	if (v4 && sysctl_write_int("net/ipv4/conf/all/src_valid_mark", 1))
		fib_problem(f, mem_strdup("sysctl -w net/ipv4/conf/all/src_valid_mark=1"),
			"net.ipv4.conf.all.src_valid_mark could not be set to 1, which a default "
			"route through the tunnel needs");
	return err;
}

void kernel_defaults_remove(struct fib *f)
{
	if (f->fwmark)
		remove_all_rules(f, f->fwmark);
}

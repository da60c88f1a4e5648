/* SPDX-License-Identifier: MIT */
/*
 * A default route through the tunnel would carry the tunnel's own packets. As wg-quick does, it
 * goes into a table of its own, under a rule for packets without the device's mark; the main table
 * keeps its say for everything more specific than a default (suppress_prefixlength 0).
 */
#include "daemon/kernel_routes.h"

#include "sys/process.h"
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

/* Of the family's order of rules: just before the main table's own 32766. */
#define RULE_PRIORITY 32700

static bool address_is_wanted(const struct generation *g, const ip_prefix *a)
{
	for (size_t i = 0; i < g->n_addresses; i++)
		if (ip_prefix_eq(&g->addresses[i], a))
			return true;
	return false;
}

static bool address_is_in(const ip_prefix *list, size_t n, const ip_prefix *a)
{
	for (size_t i = 0; i < n; i++)
		if (ip_prefix_eq(&list[i], a))
			return true;
	return false;
}

/* An address that can't be had (IPv6 switched off, say) is a problem to show and no reason to give
 * up the others. */
static int add_address(struct fib *f, const ip_prefix *a, struct fib_counts *counts)
{
	char text[IP_PREFIX_STRLEN];
	int err = rtnl_addr_add(f->rtnl, f->ifindex, a);

	if (!err) {
		counts->addresses_added++;
		return 0;
	}
	if (err == -ENODEV)
		return err;
	fib_problem(f, "the address %s could not be set on %s: %s", ip_prefix_format(a, text),
		f->gen->self->interface, strerror(-err));
	return 0;
}

static int sync_addresses(struct fib *f, struct fib_counts *counts)
{
	const struct generation *g = f->gen;
	ip_prefix *there;
	const ip_prefix *ours;
	size_t n_there, n_ours;
	int err = rtnl_addr_list(f->rtnl, f->ifindex, &there, &n_there);

	if (err)
		return err;
	for (size_t i = 0; i < g->n_addresses && !err; i++) {
		if (address_is_in(there, n_there, &g->addresses[i]))
			continue;
		err = add_address(f, &g->addresses[i], counts);
	}
	n_ours = state_addresses(f->state, &ours);
	for (size_t i = 0; i < n_ours && !err; i++) {
		if (address_is_wanted(g, &ours[i]) || !address_is_in(there, n_there, &ours[i]))
			continue;
		err = rtnl_addr_del(f->rtnl, f->ifindex, &ours[i]);
		counts->addresses_removed++;
	}
	free(there);
	return err;
}

int kernel_link_sync(struct fib *f, struct fib_counts *counts)
{
	struct rtnl_link link;
	int err = rtnl_link_get(f->rtnl, f->gen->self->interface, &link);

	if (err)
		return err;
	f->ifindex = link.index;
	if (!(link.flags & IFF_UP) || link.mtu != f->gen->self->mtu) {
		err = rtnl_link_set(f->rtnl, link.index, true, f->gen->self->mtu);
		if (err)
			return err;
	}
	return sync_addresses(f, counts);
}

static struct rtnl_route route_of(const struct fib *f, const ip_prefix *prefix)
{
	return (struct rtnl_route){
		.dst = *prefix,
		.ifindex = f->ifindex,
		.table = ip_prefix_is_default(prefix) ? f->fwmark : 0,
		.protocol = RTNL_PROTO_SHUNT,
	};
}

int kernel_route_set(struct fib *f, const ip_prefix *prefix, bool there)
{
	struct rtnl_route r = route_of(f, prefix);
	char text[IP_PREFIX_STRLEN];
	int err;

	if (generation_prefix_is_connected(f->gen, prefix))
		return 0;
	err = there ? rtnl_route_add(f->rtnl, &r) : rtnl_route_del(f->rtnl, &r);
	if (!err || err == -ENODEV)
		return err;
	ip_prefix_format(prefix, text);
	if (err == -EEXIST)
		fib_problem(f,
			"a route to %s that isn't ours is in the way; see `ip route show %s` and "
			"remove it",
			text, text);
	else
		fib_problem(f, "the kernel's route to %s could not be %s: %s", text,
			there ? "set" : "removed", strerror(-err));
	return 1;
}

static int by_prefix(const void *a, const void *b)
{
	return ip_prefix_cmp(a, b);
}

static bool is_wanted(
	const struct fib *f, const struct rtnl_route *r, const ip_prefix *routes, size_t n)
{
	struct rtnl_route want = route_of(f, &r->dst);

	return (r->table == RT_TABLE_MAIN ? 0 : r->table) == want.table &&
	       bsearch(&r->dst, routes, n, sizeof(*routes), by_prefix) &&
	       !generation_prefix_is_connected(f->gen, &r->dst);
}

static int sync_rules(struct fib *f, int family, bool wanted)
{
	struct rtnl_rule marked = {family, f->fwmark, true, f->fwmark, -1, RULE_PRIORITY + 1};
	struct rtnl_rule specific = {family, 0, false, RT_TABLE_MAIN, 0, RULE_PRIORITY};
	struct rtnl_rule *rules;
	size_t n;
	int err;

	if (wanted) {
		err = rtnl_rule_add(f->rtnl, &marked);
		return err ? err : rtnl_rule_add(f->rtnl, &specific);
	}
	err = rtnl_rule_list(f->rtnl, family, &rules, &n);
	if (err)
		return err == -EAFNOSUPPORT ? 0 : err;
	for (size_t i = 0; i < n && !err; i++)
		if (rules[i].priority == RULE_PRIORITY || rules[i].priority == RULE_PRIORITY + 1)
			err = rtnl_rule_del(f->rtnl, &rules[i]);
	free(rules);
	return err;
}

static bool has_default(const ip_prefix *routes, size_t n, int family)
{
	for (size_t i = 0; i < n; i++)
		if (routes[i].family == family && ip_prefix_is_default(&routes[i]))
			return true;
	return false;
}

static int sync_defaults(struct fib *f, const ip_prefix *routes, size_t n)
{
	bool v4 = has_default(routes, n, AF_INET);
	int err = sync_rules(f, AF_INET, v4);

	if (!err)
		err = sync_rules(f, AF_INET6, has_default(routes, n, AF_INET6));
	/* Replies to marked packets must pass the reverse path check by the mark's route. */
	if (v4 && sysctl_write_int("net/ipv4/conf/all/src_valid_mark", 1))
		fib_problem(f, "net.ipv4.conf.all.src_valid_mark could not be set to 1, which a "
			       "default route through the tunnel needs");
	return err;
}

int kernel_routes_sync(struct fib *f, const ip_prefix *routes, size_t n, struct fib_counts *counts)
{
	struct rtnl_route *there = NULL;
	ip_prefix *present;
	size_t n_there = 0, n_present = 0;
	int err = rtnl_route_list(f->rtnl, RTNL_PROTO_SHUNT, &there, &n_there);

	if (err)
		return err;
	present = mem_zalloc(n_there + 1, sizeof(*present));
	for (size_t i = 0; i < n_there && !err; i++) {
		if (there[i].ifindex != f->ifindex)
			continue;
		if (is_wanted(f, &there[i], routes, n)) {
			present[n_present++] = there[i].dst;
		} else {
			rtnl_route_del(f->rtnl, &there[i]);
			counts->routes_removed++;
		}
	}
	if (n_present)
		qsort(present, n_present, sizeof(*present), by_prefix);
	for (size_t i = 0; i < n && !err; i++) {
		if (bsearch(&routes[i], present, n_present, sizeof(*present), by_prefix) ||
			generation_prefix_is_connected(f->gen, &routes[i]))
			continue;
		err = kernel_route_set(f, &routes[i], true);
		counts->routes_added += err == 0;
		err = err < 0 ? err : 0;
	}
	if (!err)
		err = sync_defaults(f, routes, n);
	free(present);
	free(there);
	return err;
}

uint32_t kernel_routes_fwmark(const struct fib *f, const ip_prefix *routes, size_t n)
{
	if (!has_default(routes, n, AF_INET) && !has_default(routes, n, AF_INET6))
		return 0;
	return f->fwmark ? f->fwmark : KERNEL_ROUTES_MARK;
}

void kernel_rules_remove(struct fib *f)
{
	sync_rules(f, AF_INET, false);
	sync_rules(f, AF_INET6, false);
}

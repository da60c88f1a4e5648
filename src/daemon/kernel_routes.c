/* SPDX-License-Identifier: MIT */
#include "daemon/kernel_routes.h"

#include "sys/process.h"
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

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
	fib_problem(f, NULL, "the address %s could not be set on %s: %s", ip_prefix_format(a, text),
		f->gen->self->interface, strerror(-err));
	return 0;
}

/* Those of ours that the inventory doesn't name any more. */
static int remove_addresses(
	struct fib *f, const ip_prefix *there, size_t n_there, struct fib_counts *counts)
{
	const ip_prefix *ours;
	size_t n = state_addresses(f->state, &ours);
	AUTO_FREE char *promote =
		mem_printf("net/ipv4/conf/%s/promote_secondaries", f->gen->self->interface);
	int err = 0, before = 1;

	for (size_t i = 0; i < n && !err; i++) {
		if (address_is_in(f->gen->addresses, f->gen->n_addresses, &ours[i]) ||
			!address_is_in(there, n_there, &ours[i]))
			continue;
		/* Or the first address of a subnet takes all others of it along. */
		if (sysctl_read_int(promote, &before) || !before)
			sysctl_write_int(promote, 1);
		err = rtnl_addr_del(f->rtnl, f->ifindex, &ours[i]);
		counts->addresses_removed++;
		if (!before)
			sysctl_write_int(promote, 0);
	}
	return err;
}

static int sync_addresses(struct fib *f, struct fib_counts *counts)
{
	const struct generation *g = f->gen;
	ip_prefix *there;
	size_t n_there;
	int err = rtnl_addr_list(f->rtnl, f->ifindex, &there, &n_there);

	if (err)
		return err;
	for (size_t i = 0; i < g->n_addresses && !err; i++) {
		if (address_is_in(there, n_there, &g->addresses[i]))
			continue;
		err = add_address(f, &g->addresses[i], counts);
	}
	if (!err)
		err = remove_addresses(f, there, n_there, counts);
	free(there);
	return err;
}

static void switch_off(struct fib *f, const char *path, const char *why)
{
	int value;

	if (sysctl_read_int(path, &value) || !value || !sysctl_write_int(path, 0))
		return;
	fib_problem(f, mem_printf("sysctl -w %s=0", path),
		"%s is on and could not be switched off: %s", path, why);
}

/* A hub sends out by the interface by which it came in, and the kernel would tell the sender a
 * better way that there isn't. It takes either setting for both. */
static void stop_redirects(struct fib *f)
{
	static const char why[] = "the hub sends ICMP redirects for what it relays";
	AUTO_FREE char *own =
		mem_printf("net/ipv4/conf/%s/send_redirects", f->gen->self->interface);

	if (f->gen->self->role != MESH_HUB)
		return;
	switch_off(f, "net/ipv4/conf/all/send_redirects", why);
	switch_off(f, own, why);
}

int kernel_link_sync(struct fib *f, struct fib_counts *counts)
{
	struct rtnl_link link;
	int err = rtnl_link_get(f->rtnl, f->gen->self->interface, &link);

	if (err)
		return err;
	f->ifindex = link.index;
	stop_redirects(f);
	if (!(link.flags & IFF_UP) || link.mtu != f->gen->self->mtu) {
		err = rtnl_link_set(f->rtnl, link.index, true, f->gen->self->mtu);
		if (err)
			return err;
	}
	return sync_addresses(f, counts);
}

static struct rtnl_route route_of(const struct fib *f, const ip_prefix *prefix)
{
	struct want_facts facts = {
		.apart = f->apart.items,
		.n_apart = f->apart.n,
		.mark = f->fwmark,
		.ifindex = f->ifindex,
	};

	return want_route(&facts, prefix);
}

static bool is_same_way(const struct rtnl_route *have, const struct rtnl_route *want)
{
	return ip_prefix_eq(&have->dst, &want->dst) && have->ifindex == want->ifindex &&
	       (have->table ? have->table : RT_TABLE_MAIN) ==
		       (want->table ? want->table : RT_TABLE_MAIN) &&
	       have->metric == want->metric;
}

/* Somebody else's route to our own device (wg-quick's, say) does what ours would. */
static bool is_served_by_other(struct fib *f, const struct rtnl_route *want)
{
	struct rtnl_route only = {.ifindex = f->ifindex};
	struct rtnl_route *routes;
	bool served = false;
	size_t n;

	if (rtnl_route_list_where(f->rtnl, &only, &routes, &n))
		return false;
	for (size_t i = 0; i < n && !served; i++)
		served = is_same_way(&routes[i], want);
	free(routes);
	return served;
}

static void note_route(struct fib *f, const struct rtnl_route *r, bool there, int err)
{
	char text[IP_PREFIX_STRLEN];
	const char *family = r->dst.family == AF_INET6 ? "-6 " : "";

	ip_prefix_format(&r->dst, text);
	if (err != -EEXIST)
		fib_problem(f, NULL, "the kernel's route to %s could not be %s: %s", text,
			there ? "set" : "removed", strerror(-err));
	else if (r->table)
		fib_problem(f, mem_printf("ip %sroute del %s table %u", family, text, r->table),
			"a route to %s in table %u that isn't ours is in the way", text, r->table);
	else
		fib_problem(f, mem_printf("ip %sroute del %s", family, text),
			"a route to %s that isn't ours is in the way", text);
}

int kernel_route_add(struct fib *f, const struct rtnl_route *r)
{
	int err = rtnl_route_add(f->rtnl, r);

	if (!err || err == -ENODEV)
		return err;
	if (err != -EEXIST || !is_served_by_other(f, r))
		note_route(f, r, true, err);
	return 1;
}

int kernel_route_set(struct fib *f, const ip_prefix *prefix, bool there)
{
	struct rtnl_route r = route_of(f, prefix);
	int err;

	if (generation_prefix_is_connected(f->gen, prefix))
		return 0;
	if (there)
		return kernel_route_add(f, &r);
	err = rtnl_route_del(f->rtnl, &r);
	if (!err || err == -ENODEV)
		return err;
	note_route(f, &r, false, err);
	return 1;
}

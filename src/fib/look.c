/* SPDX-License-Identifier: MIT */
#include "fib/look.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

int fib_look_link(struct fib_io *io, const char *ifname, struct fib_device *ret)
{
	struct rtnl_link link;
	int err = io->ops->link_get(io, ifname, &link);

	if (err)
		return err;
	snprintf(ret->name, sizeof(ret->name), "%s", ifname);
	ret->ifindex = link.index;
	ret->up = link.flags & IFF_UP;
	ret->mtu = link.mtu;
	return 0;
}

static int look_addresses(struct fib_io *io, struct fib_device *ret)
{
	ip_prefix *list;
	size_t n;
	int err = io->ops->addr_list(io, ret->ifindex, &list, &n);

	if (err)
		return err;
	for (size_t i = 0; i < n; i++)
		vec_push(&ret->addresses, list[i]);
	free(list);
	want_sort(&ret->addresses);
	return 0;
}

static void look_mark(struct fib_io *io, struct fib_device *ret)
{
	char table[FIB_NFT_TABLE_MAX];

	fib_nft_table(ret->name, table);
	ret->mark_error = io->ops->mark_get(io, table, &ret->mark);
}

static int add_routes(struct fib_io *io, const struct rtnl_route *only, route_vec *ret)
{
	struct rtnl_route *list;
	size_t n;
	int err = io->ops->route_list(io, only, &list, &n);

	if (err)
		return err;
	vec_reserve(ret, ret->n + n);
	for (size_t i = 0; i < n; i++)
		vec_push(ret, list[i]);
	free(list);
	return 0;
}

static int look_routes(struct fib_io *io, int ifindex, route_vec *ret)
{
	struct rtnl_route into = {.ifindex = ifindex};
	struct rtnl_route refusing = {.protocol = RTNL_PROTO_SHUNT, .type = RTN_UNREACHABLE};
	int err = ifindex ? add_routes(io, &into, ret) : 0;

	if (!err)
		err = add_routes(io, &refusing, ret);
	if (!err && ret->n)
		qsort(ret->items, ret->n, sizeof(*ret->items), want_route_cmp);
	return err;
}

/* A kernel without the family has none of its packets either. */
static int look_rules(struct fib_io *io, int family, rule_vec *ret)
{
	struct rtnl_rule *list;
	size_t n;
	int err = io->ops->rule_list(io, family, &list, &n);

	if (err)
		return err == -EAFNOSUPPORT ? 0 : err;
	for (size_t i = 0; i < n; i++)
		vec_push(ret, list[i]);
	free(list);
	return 0;
}

int fib_look_kernel(struct fib_io *io, int ifindex, struct fib_state *ret)
{
	int err = look_routes(io, ifindex, &ret->routes);

	if (!err)
		err = look_rules(io, AF_INET, &ret->rules);
	if (!err)
		err = look_rules(io, AF_INET6, &ret->rules);
	return err;
}

static void look_sysctls(struct fib_io *io, struct fib_state *ret)
{
	for (size_t i = 0; i < ret->sysctls.n; i++)
		if (io->ops->sysctl_get(
			    io, ret->sysctls.items[i].path, &ret->sysctls.items[i].value))
			ret->sysctls.items[i].value = -1;
}

static int look_device(struct fib_io *io, const char *ifname, struct fib_device *ret)
{
	int err = fib_look_link(io, ifname, ret);

	if (!err)
		err = look_addresses(io, ret);
	if (!err)
		err = io->ops->device_get(io, &ret->wg);
	if (!err)
		look_mark(io, ret);
	return err;
}

int fib_look(struct fib_io *io, const char *ifname, struct fib_state *ret)
{
	struct fib_state fresh = {0};
	struct fib_device device = {0};
	int err = look_device(io, ifname, &device);

	vec_push(&fresh.devices, device);
	if (!err)
		err = fib_look_kernel(io, device.ifindex, &fresh);
	if (err) {
		fib_state_done(&fresh);
		return err;
	}
	for (size_t i = 0; i < ret->sysctls.n; i++)
		vec_push(&fresh.sysctls, ret->sysctls.items[i]);
	look_sysctls(io, &fresh);
	fib_state_done(ret);
	*ret = fresh;
	return 0;
}

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
	ret->makes_link_local = link.makes_link_local;
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

/* A kernel without the family has none of its packets either; one without rules has one table. */
static int look_rules(struct fib_io *io, int family, rule_vec *ret, bool *ret_none)
{
	struct rtnl_rule *list;
	size_t n;
	int err = io->ops->rule_list(io, family, &list, &n);

	*ret_none = err == -EAFNOSUPPORT || err == -EOPNOTSUPP;
	if (err)
		return *ret_none ? 0 : err;
	for (size_t i = 0; i < n; i++)
		vec_push(ret, list[i]);
	free(list);
	return 0;
}

int fib_look_kernel(struct fib_io *io, int ifindex, struct fib_state *ret)
{
	int err = look_routes(io, ifindex, &ret->routes);

	if (!err)
		err = look_rules(io, AF_INET, &ret->rules, &ret->no_rules[0]);
	if (!err)
		err = look_rules(io, AF_INET6, &ret->rules, &ret->no_rules[1]);
	return err;
}

static void look_sysctls(struct fib_io *io, const fib_sysctls *asked, fib_sysctls *ret)
{
	for (size_t i = 0; i < asked->n; i++) {
		struct fib_sysctl s = asked->items[i];

		if (io->ops->sysctl_get(io, s.path, &s.value))
			s.value = -1;
		vec_push(ret, s);
	}
}

static int look_device(struct fib_io *io, const struct fib_question *q, struct fib_device *ret)
{
	int err = fib_look_link(io, q->ifname, ret);

	if (!err)
		err = look_addresses(io, ret);
	if (!err)
		err = io->ops->device_get(io, &ret->wg);
	if (err)
		return err;
	look_mark(io, ret);
	ret->port_is_taken =
		q->port && q->port != ret->wg.listen_port && io->ops->port_is_taken(io, q->port);
	return 0;
}

int fib_look(struct fib_io *io, const struct fib_question *q, struct fib_state *ret)
{
	struct fib_state fresh = {0};
	struct fib_device device = {0};
	int err = look_device(io, q, &device);

	vec_push(&fresh.devices, device);
	if (!err)
		err = fib_look_kernel(io, device.ifindex, &fresh);
	if (err) {
		fib_state_done(&fresh);
		return err;
	}
	look_sysctls(io, &q->sysctls, &fresh.sysctls);
	fib_state_done(ret);
	*ret = fresh;
	return 0;
}

/* --- a table --- */

/* What a daemon of ours leaves behind when its device is gone has no interface any more. */
static bool may_be_ours(const struct rtnl_route *r, int ifindex)
{
	return r->protocol == RTNL_PROTO_SHUNT && (rtnl_route_refuses(r) || r->ifindex == ifindex);
}

struct table_use {
	bool any, others;
};

static int look_use(struct fib_io *io, uint32_t table, int ifindex, struct table_use *ret)
{
	struct rtnl_route only = {.table = table, .type = RTNL_ANY_TYPE};
	struct rtnl_route *routes;
	size_t n;
	int err = io->ops->route_list(io, &only, &routes, &n);

	if (err)
		return err;
	*ret = (struct table_use){.any = n};
	for (size_t i = 0; i < n; i++)
		ret->others |= !may_be_ours(&routes[i], ifindex);
	free(routes);
	return 0;
}

int fib_look_table(struct fib_io *io, const struct fib_table_question *q, uint32_t *ret)
{
	uint32_t found = 0;
	struct table_use use;
	int err = 0;

	for (size_t i = 0; i < q->ours.n && !found && !err; i++) {
		uint32_t t = q->ours.items[i];

		if (t < q->first || t > q->last)
			continue;
		err = look_use(io, t, q->ifindex, &use);
		found = !err && !use.others ? t : 0;
	}
	for (uint32_t t = q->first; t <= q->last && !found && !err; t++) {
		err = look_use(io, t, q->ifindex, &use);
		found = !err && !use.any ? t : 0;
	}
	if (err)
		return err;
	*ret = found ? found : *ret;
	return found ? 0 : -ENOSPC;
}

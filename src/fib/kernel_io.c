/* SPDX-License-Identifier: MIT */
#include "fib/kernel_io.h"

#include "base/mem.h"
#include "sys/process.h"
#include "sys/udp_port.h"

static struct kernel_io *of(struct fib_io *io)
{
	return container_of(io, struct kernel_io, io);
}

/* --- links, addresses, routes, rules --- */

static int link_get(struct fib_io *io, const char *ifname, struct rtnl_link *ret)
{
	return rtnl_link_get(of(io)->rtnl, ifname, ret);
}

static int link_set(struct fib_io *io, int ifindex, bool up, unsigned mtu)
{
	return rtnl_link_set(of(io)->rtnl, ifindex, up, mtu);
}

static int link_quiet(struct fib_io *io, int ifindex)
{
	return rtnl_link_quiet(of(io)->rtnl, ifindex);
}

static int addr_list(struct fib_io *io, int ifindex, ip_prefix **ret, size_t *ret_n)
{
	return rtnl_addr_list(of(io)->rtnl, ifindex, ret, ret_n);
}

static int addr_add(struct fib_io *io, int ifindex, const ip_prefix *address)
{
	return rtnl_addr_add(of(io)->rtnl, ifindex, address);
}

static int addr_del(struct fib_io *io, int ifindex, const ip_prefix *address)
{
	return rtnl_addr_del(of(io)->rtnl, ifindex, address);
}

static int route_list(
	struct fib_io *io, const struct rtnl_route *only, struct rtnl_route **ret, size_t *ret_n)
{
	return rtnl_route_list_where(of(io)->rtnl, only, ret, ret_n);
}

static int route_add(struct fib_io *io, const struct rtnl_route *route)
{
	return rtnl_route_add(of(io)->rtnl, route);
}

static int route_del(struct fib_io *io, const struct rtnl_route *route)
{
	return rtnl_route_del(of(io)->rtnl, route);
}

static int rule_list(struct fib_io *io, int family, struct rtnl_rule **ret, size_t *ret_n)
{
	return rtnl_rule_list(of(io)->rtnl, family, ret, ret_n);
}

static int rule_add(struct fib_io *io, const struct rtnl_rule *rule)
{
	return rtnl_rule_add(of(io)->rtnl, rule);
}

static int rule_del(struct fib_io *io, const struct rtnl_rule *rule)
{
	return rtnl_rule_del(of(io)->rtnl, rule);
}

/* --- the device --- */

static int get(struct fib_io *io, struct device_state *ret)
{
	return device_get(of(io)->device, ret);
}

static int set(struct fib_io *io, const struct device_change *change)
{
	return device_set(of(io)->device, change);
}

/* --- nftables --- */

static int open_nft(struct kernel_io *k)
{
	return k->nft ? 0 : nft_open(&k->nft);
}

static int mark_get(struct fib_io *io, const char *table, struct nft_mark *ret)
{
	int err = open_nft(of(io));

	return err ? err : nft_mark_get(of(io)->nft, table, ret);
}

static int mark_set(struct fib_io *io, const char *table, const struct nft_mark *mark)
{
	int err = open_nft(of(io));

	return err ? err : nft_mark_set(of(io)->nft, table, mark);
}

static int mark_remove(struct fib_io *io, const char *table)
{
	int err = open_nft(of(io));

	return err ? err : nft_mark_remove(of(io)->nft, table);
}

/* --- the rest --- */

static int sysctl_get(struct fib_io *io, const char *path, int *ret)
{
	return sysctl_read_int(path, ret);
}

static int sysctl_set(struct fib_io *io, const char *path, int value)
{
	return sysctl_write_int(path, value);
}

static bool port_is_taken(struct fib_io *io, uint16_t port)
{
	return udp_port_is_taken(port);
}

static const struct fib_io_ops ops = {
	.link_get = link_get,
	.link_set = link_set,
	.link_quiet = link_quiet,
	.addr_list = addr_list,
	.addr_add = addr_add,
	.addr_del = addr_del,
	.route_list = route_list,
	.route_add = route_add,
	.route_del = route_del,
	.rule_list = rule_list,
	.rule_add = rule_add,
	.rule_del = rule_del,
	.device_get = get,
	.device_set = set,
	.mark_get = mark_get,
	.mark_set = mark_set,
	.mark_remove = mark_remove,
	.sysctl_get = sysctl_get,
	.sysctl_set = sysctl_set,
	.port_is_taken = port_is_taken,
};

void kernel_io_init(struct kernel_io *k, struct device *device, struct rtnl *rtnl)
{
	*k = (struct kernel_io){.io = {&ops}, .device = device, .rtnl = rtnl};
}

void kernel_io_done(struct kernel_io *k)
{
	nft_close(k->nft);
	k->nft = NULL;
}

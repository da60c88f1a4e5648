/* SPDX-License-Identifier: MIT */
/*
 * What LOOK and DO ask of a device and of the kernel: one table of operations. The real ones are
 * kernel_io.h's; the simulation has a model of both.
 *
 * Each operation has the contract of the function that it is named after: rtnl_* (sys/rtnl.h),
 * device_get and device_set (device/device.h), nft_mark_* (sys/nft.h), sysctl_*_int
 * (sys/process.h), udp_port_is_taken (sys/udp_port.h). An io is of one thread at a time.
 */
#ifndef SHUNT_FIB_IO_H
#define SHUNT_FIB_IO_H

#include "device/device.h"
#include "sys/nft.h"
#include "sys/rtnl.h"

struct fib_io {
	const struct fib_io_ops *ops;
};

struct fib_io_ops {
	int (*link_get)(struct fib_io *io, const char *ifname, struct rtnl_link *ret);
	int (*link_set)(struct fib_io *io, int ifindex, bool up, unsigned mtu);
	int (*link_quiet)(struct fib_io *io, int ifindex);
	int (*addr_list)(struct fib_io *io, int ifindex, ip_prefix **ret, size_t *ret_n);
	int (*addr_add)(struct fib_io *io, int ifindex, const ip_prefix *address);
	int (*addr_del)(struct fib_io *io, int ifindex, const ip_prefix *address);
	/* As rtnl_route_list_where. */
	int (*route_list)(struct fib_io *io, const struct rtnl_route *only, struct rtnl_route **ret,
		size_t *ret_n);
	int (*route_add)(struct fib_io *io, const struct rtnl_route *route);
	int (*route_del)(struct fib_io *io, const struct rtnl_route *route);
	int (*rule_list)(struct fib_io *io, int family, struct rtnl_rule **ret, size_t *ret_n);
	int (*rule_add)(struct fib_io *io, const struct rtnl_rule *rule);
	int (*rule_del)(struct fib_io *io, const struct rtnl_rule *rule);
	int (*device_get)(struct fib_io *io, struct device_state *ret);
	int (*device_set)(struct fib_io *io, const struct device_change *change);
	/* Of nftables; also what opening it gave, when it can't be asked. */
	int (*mark_get)(struct fib_io *io, const char *table, struct nft_mark *ret);
	int (*mark_set)(struct fib_io *io, const char *table, const struct nft_mark *mark);
	int (*mark_remove)(struct fib_io *io, const char *table);
	int (*sysctl_get)(struct fib_io *io, const char *path, int *ret);
	int (*sysctl_set)(struct fib_io *io, const char *path, int value);
	bool (*port_is_taken)(struct fib_io *io, uint16_t port);
};

#endif

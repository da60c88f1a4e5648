/* SPDX-License-Identifier: MIT */
/* What is: each thing is read once, and never a part of it. */
#ifndef SHUNT_FIB_LOOK_H
#define SHUNT_FIB_LOOK_H

#include "fib/io.h"
#include "fib/state.h"

/*
 * The link of the device, its addresses, the device itself, routes, rules, the mark in nftables,
 * and the settings of the kernel whose paths stand in ret->sysctls. 0; or negative errno as
 * rtnl_link_get and device_get have it, and ret is as it was but for sysctls.
 */
int fib_look(struct fib_io *io, const char *ifname, struct fib_state *ret);
/* The link alone. */
int fib_look_link(struct fib_io *io, const char *ifname, struct fib_device *ret);
/* Routes into the device (0: none) and ours that refuse, and our rules. */
int fib_look_kernel(struct fib_io *io, int ifindex, struct fib_state *ret);

#endif

/* SPDX-License-Identifier: MIT */
/* What is: each thing is read once, and never a part of it. */
#ifndef SHUNT_FIB_LOOK_H
#define SHUNT_FIB_LOOK_H

#include "fib/io.h"
#include "fib/question.h"

/*
 * The link of the device, its addresses, the device itself, routes, rules, the mark in nftables,
 * the settings of the kernel, and whether the port can be had. 0; or negative errno as
 * rtnl_link_get and device_get have it, and ret is as it was.
 */
int fib_look(struct fib_io *io, const struct fib_question *q, struct fib_state *ret);
/* The link alone. */
int fib_look_link(struct fib_io *io, const char *ifname, struct fib_device *ret);
/* Routes into the device (0: none) and ours that refuse, and our rules. */
int fib_look_kernel(struct fib_io *io, int ifindex, struct fib_state *ret);

/* 0; -ENOSPC: none is free; or what reading the tables gave. */
int fib_look_table(struct fib_io *io, const struct fib_table_question *q, uint32_t *ret);

#endif

/* SPDX-License-Identifier: MIT */
/* What is: each thing is read once, and never a part of it. */
#ifndef SHUNT_FIB_LOOK_H
#define SHUNT_FIB_LOOK_H

#include "fib/io.h"
#include "fib/state.h"

struct fib_question {
	char ifname[IFNAMSIZ];
	uint16_t port;	     /* that the device shall listen on; 0: any */
	fib_sysctls sysctls; /* whose values are asked for; by their paths */
};

void fib_question_done(struct fib_question *q);

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

/* A table is looked for by its number: one of those that were ours, if by now nobody else has
 * routes in it, else the first that is empty. */
struct fib_table_question {
	uint32_t first, last; /* none but from first to last */
	VEC(uint32_t) ours;   /* in the order of preference */
	int ifindex;	      /* of the device: routes into it may be ours */
};

void fib_table_question_done(struct fib_table_question *q);
/* 0; -ENOSPC: none is free; or what reading the tables gave. */
int fib_look_table(struct fib_io *io, const struct fib_table_question *q, uint32_t *ret);

#endif

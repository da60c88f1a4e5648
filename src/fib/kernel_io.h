/* SPDX-License-Identifier: MIT */
/* The operations of fib/io.h on a real device and this kernel. */
#ifndef SHUNT_FIB_KERNEL_IO_H
#define SHUNT_FIB_KERNEL_IO_H

#include "fib/io.h"

struct kernel_io {
	struct fib_io io;      /* to be handed on */
	struct device *device; /* borrowed; its owner may put another in its place between two
				  operations */
	struct rtnl *rtnl;     /* borrowed, likewise */
	struct nft *nft;       /* own; NULL: not opened yet, which the first use does */
};

/* Neither device nor rtnl need be there yet: only what needs them asks them. */
void kernel_io_init(struct kernel_io *k, struct device *device, struct rtnl *rtnl);
/* Leaves device and rtnl to their owner. Accepts a zeroed one. */
void kernel_io_done(struct kernel_io *k);

#endif

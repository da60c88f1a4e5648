/* SPDX-License-Identifier: MIT */
/* What the work on the FIB stands on, for all who do a part of it: what it is done with, whose it
 * is, and what it left to say. */
#ifndef SHUNT_DAEMON_FIB_CONTEXT_H
#define SHUNT_DAEMON_FIB_CONTEXT_H

#include "daemon/changes.h"
#include "daemon/generation.h"
#include "daemon/state.h"
#include "fib/kernel_io.h"
#include "fib/state.h"
#include "fib/tell.h"
#include "fib/trouble.h"
#include "route/rib.h"

struct fib {
	struct device *device;
	struct rtnl *rtnl;
	struct kernel_io io; /* by which it is worked on: of these two */
	struct fib_state is; /* the mirror: as of the last look, and what was done since */
	struct rib *rib;
	struct state *state;
	const struct generation *gen;
	/* The endpoint each peer of gen should have, in the order of gen->peers; AF_UNSPEC: not
	 * resolved (yet). Owned by the caller. */
	const sock_addr *endpoints;
	int ifindex;
	uint32_t fwmark; /* of the device, and the table of what stands apart; 0: nothing does */
	/* Prefixes whose routes would carry the tunnel's own packets, sorted (fib/want.h).
	 * Whoever changes the inventory forgets them, and the sync finds them anew. */
	prefix_vec apart;
	struct changes *changes; /* gets in names what a sync changes; NULL: nobody asks */
	/* What the last sync could not do, for status. */
	fib_troubles problems;
	/* What foreign peers owned at the last sync, sorted. */
	VEC(ip_prefix) foreign;
};

/* Not the device, rtnetlink and what else is the owner's. */
void fib_done(struct fib *f);

#endif

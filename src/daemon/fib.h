/* SPDX-License-Identifier: MIT */
/*
 * The FIB at work: what the RIB wants, put on the device and into the kernel's routes.
 *
 * fib_apply does the difference of one RIB step, at once and with nothing read back. fib_sync looks
 * at the device, addresses, routes and rules, mends whatever differs, and so serves the start
 * (adopting what is there), a reload, a device that was made anew, and drift. A failed apply is
 * followed by a sync. Both make a plan (fib/plan.h), which has the order, and do it.
 */
#ifndef SHUNT_DAEMON_FIB_H
#define SHUNT_DAEMON_FIB_H

#include "daemon/changes.h"
#include "daemon/generation.h"
#include "daemon/state.h"
#include "fib/state.h"
#include "fib/tell.h"
#include "route/rib.h"

struct fib_trouble {
	char *what, *fix; /* fix: a command, or NULL */
};

struct fib {
	struct device *device;
	struct rtnl *rtnl;
	struct nft *nft;     /* NULL: not opened yet */
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
	VEC(struct fib_trouble) problems;
	/* Prefixes that were found with foreign peers by the last sync, sorted. */
	VEC(ip_prefix) foreign;
};

/* 0, or negative errno of the device or the kernel; -ENODEV: the device is gone. */
int fib_apply(struct fib *f, const struct rib_diff *diff);
/* mirror, if not NULL, gets what the device reports after the sync; the caller releases it. */
int fib_sync(struct fib *f, struct device_state *mirror, struct fib_counts *ret);
bool fib_counts_are_zero(const struct fib_counts *c);
/* Takes away our rules, the routes that refuse, and our table in nftables, before the device goes;
 * its routes and addresses go with it. */
void fib_remove(struct fib *f);
void fib_done(struct fib *f);

/* The endpoint lies in a carried prefix whose route would take the tunnel's packets to it: a sync
 * is due before it is used. */
bool fib_endpoint_is_caught(const struct fib *f, const sock_addr *endpoint);

/* For status: a sentence that stands until the next sync. fix: the command that mends it, malloc'd
 * and taken over; NULL: there is none. */
void fib_problem(struct fib *f, char *fix, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif

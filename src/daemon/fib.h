/* SPDX-License-Identifier: MIT */
/*
 * The FIB at work: what the RIB wants, put on the device and into the kernel's routes.
 *
 * fib_apply does the difference of one RIB step, at once and with nothing read back. fib_sync reads
 * the device, addresses, routes and rules, mends whatever differs, and so serves the start
 * (adopting what is there), a reload, a device that was made anew, and drift. A failed apply is
 * followed by a sync.
 *
 * Order within both: allowed IPs are added before the kernel's route sends packets to them, a route
 * that goes is taken away before its allowed IP, and a prefix moves by being added.
 */
#ifndef SHUNT_DAEMON_FIB_H
#define SHUNT_DAEMON_FIB_H

#include "daemon/changes.h"
#include "daemon/generation.h"
#include "daemon/state.h"
#include "device/device.h"
#include "fib/want.h"
#include "route/rib.h"
#include "sys/rtnl.h"

struct fib_trouble {
	char *what, *fix; /* fix: a command, or NULL */
};

struct fib {
	struct device *device;
	struct rtnl *rtnl;
	struct nft *nft; /* NULL: not opened yet (kernel_mark.h) */
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

struct fib_counts {
	unsigned settings_changed; /* of the device itself: key, port, mark */
	unsigned peers_added, peers_changed, endpoints_set, peers_removed;
	unsigned prefixes_added, prefixes_moved, prefixes_removed;
	unsigned routes_added, routes_removed, addresses_added, addresses_removed;
};

/* 0, or negative errno of the device or the kernel; -ENODEV: the device is gone. */
int fib_apply(struct fib *f, const struct rib_diff *diff);
/* mirror, if not NULL, gets what the device reports after the sync; the caller releases it. */
int fib_sync(struct fib *f, struct device_state *mirror, struct fib_counts *ret);
bool fib_counts_are_zero(const struct fib_counts *c);
void fib_done(struct fib *f);

/* For status: a sentence that stands until the next sync. fix: the command that mends it, malloc'd
 * and taken over; NULL: there is none. */
void fib_problem(struct fib *f, char *fix, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif

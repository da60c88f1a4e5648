/* SPDX-License-Identifier: MIT */
/* A plan, told: in numbers, in lines of names, and what of it could not be done. Pure. */
#ifndef SHUNT_FIB_TELL_H
#define SHUNT_FIB_TELL_H

#include "base/buf.h"
#include "fib/do.h"
#include "fib/plan.h"
#include "fib/trouble.h"

struct fib_counts {
	unsigned settings_changed; /* of the device itself: key, port, mark */
	unsigned peers_added, peers_changed, endpoints_set, peers_removed;
	unsigned prefixes_added, prefixes_moved, prefixes_removed;
	unsigned owner_sets_set, owner_sets_removed, levels_set;
	unsigned routes_added, routes_removed, addresses_added, addresses_removed;
};

/* Of what was done. A peer counts as changed also where only its prefixes are others. */
struct fib_counts fib_tell_counts(const struct fib_plan *p);

/* Prefixes that go from some to others, in names; it ends with the call. */
struct fib_moved {
	const char *from, *to; /* "nobody", or several with commas between */
	ip_prefix first;
	size_t n;
};

/* Names of peers by their public keys, and where the lines go. */
struct fib_teller {
	const char *(*name)(const wg_key *key, void *data); /* never NULL; borrowed for the call */
	void (*line)(const char *text, void *data);	    /* the text ends with the call */
	void *data;					    /* theirs */
	/* Beside its line; NULL: that is enough. */
	void (*moved)(const struct fib_moved *m, void *data);
};

/* What the plan makes of the devices, before it is done: settings, peers, and one line for each
 * pair of owners. A set of owners is told as who is sent to, in order. */
void fib_tell(const struct fib_plan *p, const struct fib_state *is, const struct fib_state *shall,
	const struct fib_teller *t);

/* A sentence on an operation that failed, malloc'd; NULL: nobody needs to know. *ret_fix: a command
 * that mends it, malloc'd, or NULL. */
char *fib_tell_failure(
	const struct fib_op *op, int err, const struct fib_state *shall, char **ret_fix);
/* The same of all failures of a plan, behind those of ret. shall: NULL as for fib_doing. */
void fib_tell_failures(const struct fib_plan *p, const fib_failures *failures,
	const struct fib_state *shall, fib_troubles *ret);
/* The same of another's route into the device that leads to nobody. */
char *fib_tell_leftover(const struct rtnl_route *r, const char *ifname, char **ret_fix);

#endif

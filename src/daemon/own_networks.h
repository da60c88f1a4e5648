/* SPDX-License-Identifier: MIT */
/* Whether this node's own networks are reached from here, asked of the kernel some at a time, since
 * a node may have many. */
#ifndef SHUNT_DAEMON_OWN_NETWORKS_H
#define SHUNT_DAEMON_OWN_NETWORKS_H

#include "base/vec.h"
#include "daemon/fib_facts.h"
#include "daemon/generation.h"
#include "sys/rtnl.h"

struct own_trouble {
	size_t network;	 /* its place among the node's */
	const char *why; /* static */
};

typedef VEC(struct own_trouble) own_troubles;

/* Zeroed before the first step. */
struct own_networks {
	uint64_t generation; /* that all of this is of */
	size_t next;
	own_troubles found;   /* of the last round */
	own_troubles finding; /* of this one */
};

void own_networks_done(struct own_networks *o);
/* Asks for the next few; a new generation begins anew. */
void own_networks_step(struct own_networks *o, const struct generation *g,
	const struct fib_facts *fib, struct rtnl *rtnl);
typedef void own_networks_fn(const char *what, const char *fix, void *data);
/* What stands in the way of each that isn't reached. Nothing of another generation. */
void own_networks_check(
	const struct own_networks *o, const struct generation *g, own_networks_fn *fn, void *data);

#endif

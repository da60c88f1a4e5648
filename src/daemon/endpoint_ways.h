/* SPDX-License-Identifier: MIT */
/*
 * Whether the tunnel's own packets find a way to each peer that isn't the tunnel itself, asked of
 * the kernel some at a time. Networks of the inventory that hold an endpoint stand apart
 * (fib/want.h); what a routing engine or a person writes into the main table may hold one, too, and
 * isn't ours to move.
 */
#ifndef SHUNT_DAEMON_ENDPOINT_WAYS_H
#define SHUNT_DAEMON_ENDPOINT_WAYS_H

#include "base/vec.h"
#include "daemon/endpoints.h"
#include "daemon/fib_facts.h"
#include "sys/rtnl.h"

struct endpoint_trouble {
	size_t peer; /* its place among the generation's */
	ip_addr endpoint;
	ip_prefix route; /* which leads there by our device */
};

typedef VEC(struct endpoint_trouble) endpoint_troubles;

/* Zeroed before the first step. */
struct endpoint_ways {
	uint64_t generation; /* that all of this is of */
	size_t next;
	endpoint_troubles found;   /* of the last round */
	endpoint_troubles finding; /* of this one */
};

void endpoint_ways_done(struct endpoint_ways *w);
/* Asks for the next few, where the device sends to now; a new generation begins anew. */
void endpoint_ways_step(struct endpoint_ways *w, const struct generation *g,
	const struct endpoints *e, const struct fib_facts *fib, struct rtnl *rtnl);
typedef void endpoint_ways_fn(const char *what, const char *fix, void *data);
/* Each that isn't reached so. Nothing of another generation. */
void endpoint_ways_check(const struct endpoint_ways *w, const struct generation *g,
	endpoint_ways_fn *fn, void *data);

#endif

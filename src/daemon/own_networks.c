/* SPDX-License-Identifier: MIT */
#include "daemon/own_networks.h"

#include <errno.h>

/* In one step: some milliseconds. */
#define STEP 256

void own_networks_done(struct own_networks *o)
{
	vec_done(&o->found);
	vec_done(&o->finding);
}

/* What keeps packets for the prefix from leaving by another interface than ours; NULL: nothing. A
 * default route is where packets go whose way is unknown. */
static const char *trouble_of(const ip_prefix *p, const struct fib_facts *fib, struct rtnl *rtnl)
{
	ip_addr first = ip_prefix_addr(p);
	struct rtnl_route r;
	int err;

	if (ip_prefix_is_default(p))
		return NULL;
	err = rtnl_route_get(rtnl, &first, fib->fwmark, &r);
	if (err)
		return err == -ENETUNREACH ? "no route leads to it" : NULL;
	if (r.ifindex == fib->ifindex)
		return "its route leads back into the tunnel";
	return ip_prefix_is_default(&r.dst) ? "only the default route leads to it" : NULL;
}

static void begin(struct own_networks *o, uint64_t generation)
{
	if (o->generation != generation)
		o->found.n = 0;
	o->generation = generation;
	o->next = 0;
	o->finding.n = 0;
}

static void end_round(struct own_networks *o)
{
	own_troubles last = o->found;

	o->found = o->finding;
	o->finding = last;
	begin(o, o->generation);
}

void own_networks_step(struct own_networks *o, const struct generation *g,
	const struct fib_facts *fib, struct rtnl *rtnl)
{
	const struct mesh_node *self = g->self;

	if (o->generation != g->number)
		begin(o, g->number);
	for (size_t i = 0; i < STEP && o->next < self->n_networks; i++, o->next++) {
		const char *why = trouble_of(&self->networks[o->next].prefix, fib, rtnl);

		if (why)
			vec_push(&o->finding, ((struct own_trouble){o->next, why}));
	}
	if (o->next == self->n_networks)
		end_round(o);
}

void own_networks_check(
	const struct own_networks *o, const struct generation *g, own_networks_fn *fn, void *data)
{
	for (size_t i = 0; i < o->found.n && o->generation == g->number; i++) {
		const struct own_trouble *t = &o->found.items[i];
		const ip_prefix *p = &g->self->networks[t->network].prefix;
		AUTO_FREE char *what = NULL, *fix = NULL;
		char text[IP_PREFIX_STRLEN];

		ip_prefix_format(p, text);
		what = mem_printf("%s, a network of %s, isn't reached from here: %s", text,
			g->self->name, t->why);
		fix = mem_printf("ip %sroute add %s via GATEWAY (or dev INTERFACE)",
			p->family == AF_INET6 ? "-6 " : "", text);
		fn(what, fix, data);
	}
}

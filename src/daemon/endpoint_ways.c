/* SPDX-License-Identifier: MIT */
#include "daemon/endpoint_ways.h"

/* In one step: some milliseconds. */
#define STEP 256

void endpoint_ways_done(struct endpoint_ways *w)
{
	vec_done(&w->found);
	vec_done(&w->finding);
}

static void begin(struct endpoint_ways *w, uint64_t generation)
{
	if (w->generation != generation)
		w->found.n = 0;
	w->generation = generation;
	w->next = 0;
	w->finding.n = 0;
}

static void end_round(struct endpoint_ways *w)
{
	endpoint_troubles last = w->found;

	w->found = w->finding;
	w->finding = last;
	begin(w, w->generation);
}

/* As a packet of the device is sent, with its mark. */
static void ask(struct endpoint_ways *w, size_t peer, const sock_addr *at,
	const struct fib_facts *fib, struct rtnl *rtnl)
{
	ip_addr a = sock_addr_ip(at);
	struct rtnl_route r;

	if (!rtnl_route_get(rtnl, &a, fib->fwmark, &r) && r.ifindex == fib->ifindex)
		vec_push(&w->finding, ((struct endpoint_trouble){peer, a, r.dst}));
}

void endpoint_ways_step(struct endpoint_ways *w, const struct generation *g,
	const struct endpoints *e, const struct fib_facts *fib, struct rtnl *rtnl)
{
	if (w->generation != g->number)
		begin(w, g->number);
	for (size_t i = 0; fib->ifindex && i < STEP && w->next < g->n_peers; i++, w->next++) {
		sock_addr at = endpoints_set_on_device(e, g->peers[w->next].id);

		if (at.sa.sa_family != AF_UNSPEC)
			ask(w, w->next, &at, fib, rtnl);
	}
	if (w->next == g->n_peers)
		end_round(w);
}

void endpoint_ways_check(
	const struct endpoint_ways *w, const struct generation *g, endpoint_ways_fn *fn, void *data)
{
	for (size_t i = 0; i < w->found.n && w->generation == g->number; i++) {
		const struct endpoint_trouble *t = &w->found.items[i];
		char endpoint[IP_ADDR_STRLEN], route[IP_PREFIX_STRLEN];
		AUTO_FREE char *what = NULL, *fix = NULL;

		ip_addr_format(&t->endpoint, endpoint);
		what = mem_printf("the route to %s holds %s, the endpoint of %s, and leads into "
				  "the tunnel: its own packets go round and arrive nowhere",
			ip_prefix_format(&t->route, route), endpoint, g->peers[t->peer].node->name);
		fix = mem_printf("ip %sroute add %s via GATEWAY, the uplink's; or leave %s out of "
				 "what is announced",
			t->endpoint.family == AF_INET6 ? "-6 " : "", endpoint, route);
		fn(what, fix, data);
	}
}

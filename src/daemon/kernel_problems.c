/* SPDX-License-Identifier: MIT */
#include "daemon/kernel_problems.h"

#include "base/buf.h"
#include <stdlib.h>
#include <string.h>

struct telling {
	const struct generation *gen;
	const struct kernel_trouble *trouble;
	struct buf what, fix;
};

static const char *engine_of(const struct telling *t)
{
	switch (t->gen->self->routing.engine) {
	case MESH_ENGINE_BIRD:
		return "BIRD";
	case MESH_ENGINE_FRR:
		return "FRR";
	default:
		return "the routing engine";
	}
}

static const char *by_engine(
	const struct telling *t, const char *bird, const char *frr, const char *other)
{
	switch (t->gen->self->routing.engine) {
	case MESH_ENGINE_BIRD:
		return bird;
	case MESH_ENGINE_FRR:
		return frr;
	default:
		return other;
	}
}

static const char *peer_of(const struct telling *t)
{
	return t->trouble->peer == KERNEL_SOURCE_NOBODY
		       ? NULL
		       : names_text(&t->gen->names, t->trouble->peer);
}

/* "10.20.3.0/24 and 11 more" */
static void put_prefixes(struct telling *t)
{
	char text[IP_PREFIX_STRLEN];

	buf_puts(&t->what, ip_prefix_format(&t->trouble->first, text));
	if (t->trouble->n > 1)
		buf_printf(&t->what, " and %zu more", t->trouble->n - 1);
}

static void put_hop(struct telling *t, const char *before)
{
	char text[IP_ADDR_STRLEN];

	if (t->trouble->hop.family)
		buf_printf(&t->what, "%s%s", before, ip_addr_format(&t->trouble->hop, text));
}

static void tell_no_gateway(struct telling *t)
{
	const char *ifname = t->gen->self->interface;

	buf_printf(&t->what, "%s has no gateway in its route to ", engine_of(t));
	put_prefixes(t);
	buf_printf(&t->what, ", so nobody can tell which peer of %s shall carry it%s", ifname,
		by_engine(t,
			": BIRD leaves the gateway out where the next hop resolves by a route "
			"without one",
			"", ""));
	buf_puts(&t->fix,
		by_engine(t,
			"let its bgp protocols have `multihop 1` and resolve next hops "
			"(`igp table shunt_peers4`, `shunt_peers6`) by the peers that live, as "
			"the include file of `shunt render` does; then `birdc configure`",
			"give the route its gateway: `ip route PREFIX ADDRESS",
			"give the route its gateway: `ip route replace PREFIX via ADDRESS"));
	if (t->gen->self->routing.engine == MESH_ENGINE_FRR)
		buf_printf(&t->fix,
			" %s onlink` in FRR's configuration, with the overlay address "
			"of a peer",
			ifname);
	if (t->gen->self->routing.engine == MESH_ENGINE_OTHER)
		buf_printf(&t->fix, " dev %s onlink`, with the overlay address of a peer", ifname);
}

static void tell_unknown_hop(struct telling *t)
{
	buf_printf(&t->what, "%s's route to ", engine_of(t));
	put_prefixes(t);
	put_hop(t, " leads by ");
	buf_printf(&t->what, ", which is the overlay address of no peer of %s", t->gen->self->name);
	buf_puts(&t->fix,
		by_engine(t, "let who passes it on say `next hop self` in its bgp protocol",
			"let who passes it on say `neighbor ADDRESS next-hop-self force`",
			"give the route the overlay address of a peer as gateway"));
}

static void tell_overlay_address(struct telling *t)
{
	buf_printf(&t->what, "%s's route to ", engine_of(t));
	put_prefixes(t);
	buf_puts(&t->what, " isn't followed: overlay addresses of this node and of its peers stay "
			   "where they are, whatever is announced");
	buf_puts(&t->fix, "leave overlay addresses out of what is announced, as the filters of "
			  "`shunt render` do");
}

static void tell_endpoint(struct telling *t)
{
	buf_printf(&t->what, "%s's route to ", engine_of(t));
	put_prefixes(t);
	buf_puts(&t->what, " isn't followed: a tunnel's own packets go there, and would go by the "
			   "tunnel");
	buf_puts(&t->fix, "leave endpoints out of what is announced over the mesh");
}

static void tell_default_route(struct telling *t)
{
	const char *peer = peer_of(t);

	buf_printf(&t->what,
		"the default route by way of %s isn't followed: no node may announce "
		"one",
		peer ? peer : "a peer");
	buf_puts(&t->fix, "state it under `may_announce` of the node that offers it, or announce "
			  "none");
}

static void tell_may_not_announce(struct telling *t)
{
	const char *peer = peer_of(t);

	buf_printf(&t->what, "%s announces ", peer ? peer : "a peer");
	put_prefixes(t);
	buf_puts(&t->what, ", which neither it may nor anybody behind it: not followed");
	buf_puts(&t->fix, "if that shall be, state it under `networks` or `may_announce` of the "
			  "node that has it, in the inventory");
}

static void tell_held(struct telling *t)
{
	char text[IP_PREFIX_STRLEN];

	buf_printf(&t->what,
		"%zu routes went without a word of who made them (the first: %s), as when a "
		"routing engine starts anew: they keep their owners while a next hop lives, for a "
		"minute",
		t->trouble->n, ip_prefix_format(&t->trouble->first, text));
}

static void tell(struct telling *t)
{
	switch (t->trouble->kind) {
	case KERNEL_NO_GATEWAY:
		tell_no_gateway(t);
		break;
	case KERNEL_UNKNOWN_HOP:
		tell_unknown_hop(t);
		break;
	case KERNEL_OVERLAY_ADDRESS:
		tell_overlay_address(t);
		break;
	case KERNEL_ENDPOINT:
		tell_endpoint(t);
		break;
	case KERNEL_DEFAULT_ROUTE:
		tell_default_route(t);
		break;
	case KERNEL_MAY_NOT_ANNOUNCE:
		tell_may_not_announce(t);
		break;
	case KERNEL_HELD_SWEPT:
		tell_held(t);
		break;
	case KERNEL_N_TROUBLES:
		break;
	}
}

/* By kind, then by the first prefix: the same from one time to the next. */
static int trouble_cmp(const void *a, const void *b)
{
	const struct kernel_trouble *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return ip_prefix_cmp(&x->first, &y->first);
}

void kernel_problems_of(const struct generation *gen, const struct kernel_trouble *troubles,
	size_t n, kernel_problems_fn *fn, void *data)
{
	struct kernel_trouble *sorted = mem_zalloc(n + 1, sizeof(*sorted));

	if (n)
		memcpy(sorted, troubles, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), trouble_cmp);
	for (size_t i = 0; i < n; i++) {
		struct telling t = {.gen = gen, .trouble = &sorted[i]};

		tell(&t);
		fn(buf_str(&t.what), t.fix.n ? buf_str(&t.fix) : NULL, data);
		buf_done(&t.what);
		buf_done(&t.fix);
	}
	free(sorted);
}

void kernel_problems_of_reading(int err, kernel_problems_fn *fn, void *data)
{
	AUTO_FREE char *what = mem_printf("the kernel's routes can't be read: %s; what the routing "
					  "engine changes isn't followed until they can, and it is "
					  "tried again",
		strerror(-err));

	fn(what, NULL, data);
}

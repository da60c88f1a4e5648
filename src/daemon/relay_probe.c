/* SPDX-License-Identifier: MIT */
#include "daemon/relay_probe.h"

#include <stdlib.h>
#include <sys/random.h>

#define ECHO_SIZE 64

/* Fair enough for a choice of whom to ask. */
static unsigned chance_below(unsigned n)
{
	uint32_t chance = 0;

	return getrandom(&chance, sizeof(chance), GRND_NONBLOCK) < 0 ? 0 : chance % n;
}

static const ip_addr *address_of(const struct mesh_node *n, int family)
{
	for (size_t i = 0; i < n->n_addresses; i++)
		if (n->addresses[i].addr.family == family)
			return &n->addresses[i].addr;
	return NULL;
}

/* --- who is reached through whom ---------------------------------------------------------------
 */

static struct relay_watch *watch_of(
	struct relay_probe *p, uint32_t hub, int family, instant first_at)
{
	struct relay_watch fresh = {.hub = hub, .family = family};

	for (size_t i = 0; i < p->watches.n; i++)
		if (p->watches.items[i].hub == hub && p->watches.items[i].family == family)
			return &p->watches.items[i];
	relay_init(&fresh.relay, first_at);
	vec_push(&p->watches, fresh);
	return &p->watches.items[p->watches.n - 1];
}

/* The hub that packets to the address go to now; false: none, or there is no hub between. */
static bool hub_to(struct daemon *d, const ip_addr *addr, uint32_t node, uint32_t *ret)
{
	struct rib_answer a;

	if (!rib_lookup(d->rib, addr, &a) || !a.owners.n || a.owners.peer[0] == node ||
		rib_peer_state(d->rib, a.owners.peer[0]) != RIB_UP)
		return false;
	*ret = a.owners.peer[0];
	return true;
}

static void look_at_node(
	struct relay_probe *p, struct daemon *d, const struct mesh_node *n, int family, instant now)
{
	const ip_addr *addr = address_of(n, family);
	struct relay_watch *w;
	uint32_t hub;

	if (!addr || !hub_to(d, addr, d->gen->ids[n->index], &hub))
		return;
	w = watch_of(p, hub, family,
		instant_add(
			now, RELAY_PERIOD / 3 + (int64_t)chance_below(1000) * RELAY_PERIOD / 3000));
	if (chance_below(++w->n_sites) == 0)
		w->site = n;
}

/* A hub that isn't used (any more) is watched no more; used again it begins anew. */
static void forget_unused(struct relay_probe *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->watches.n; i++)
		if (p->watches.items[i].n_sites)
			p->watches.items[n++] = p->watches.items[i];
	p->watches.n = n;
}

static void look(struct relay_probe *p, struct daemon *d, const struct echoes *e, instant now)
{
	const struct mesh_inventory *inv = d->gen->inv;

	for (size_t i = 0; i < p->watches.n; i++)
		p->watches.items[i].n_sites = 0;
	for (size_t i = 0; i < inv->n_nodes; i++) {
		const struct mesh_node *n = &inv->nodes[i];

		if (n == d->gen->self || n->role == MESH_CLIENT)
			continue; /* a stock client may be off, or not answer */
		if (echoes_has(e, AF_INET))
			look_at_node(p, d, n, AF_INET, now);
		if (echoes_has(e, AF_INET6))
			look_at_node(p, d, n, AF_INET6, now);
	}
	forget_unused(p);
	p->look_at = instant_add(now, RELAY_PERIOD);
}

/* --- asking --------------------------------------------------------------------------------------
 */

/* An address of a network behind the site that goes by the same hub. */
static bool network_of(struct daemon *d, const struct relay_watch *w, ip_addr *ret)
{
	for (size_t i = 0; i < w->site->n_networks; i++) {
		const ip_prefix *p = &w->site->networks[i].prefix;
		uint32_t hub;

		if (p->family != w->family || ip_prefix_is_default(p))
			continue;
		*ret = ip_prefix_addr(p);
		if (hub_to(d, ret, d->gen->ids[w->site->index], &hub) && hub == w->hub)
			return true;
	}
	return false;
}

static void ask(struct daemon *d, struct relay_watch *w, struct echoes *e, instant now)
{
	struct echo_tag tag = {.kind = ECHO_KIND_RELAY, .who = w->hub, .size = ECHO_SIZE};
	bool with_network = relay_wants_network(&w->relay);
	ip_addr network;

	relay_on_asked(&w->relay, d->gen->ids[w->site->index], now);
	echoes_send(e, address_of(w->site, w->family), &tag);
	tag.network = true;
	if (with_network && network_of(d, w, &network))
		echoes_send(e, &network, &tag);
}

instant relay_probe_step(struct relay_probe *p, struct daemon *d, struct echoes *e, instant now)
{
	bool is_due = !instant_before(now, p->look_at);
	instant next;

	for (size_t i = 0; i < p->watches.n; i++) {
		struct relay_watch *w = &p->watches.items[i];

		w->is_due = relay_step(&w->relay, now);
		is_due |= w->is_due;
	}
	if (is_due)
		look(p, d, e, now);
	next = p->look_at;
	for (size_t i = 0; i < p->watches.n; i++) {
		struct relay_watch *w = &p->watches.items[i];

		if (w->is_due)
			ask(d, w, e, now);
		w->is_due = false;
		next = instant_min(next, relay_deadline(&w->relay));
	}
	return next;
}

void relay_probe_on_answer(
	struct relay_probe *p, const struct daemon *d, const struct echo_answer *a, instant now)
{
	const struct generation_peer *hub = generation_peer_by_id(d->gen, a->tag.who);
	const ip_addr *its = hub ? address_of(hub->node, a->from.family) : NULL;

	for (size_t i = 0; i < p->watches.n; i++) {
		struct relay_watch *w = &p->watches.items[i];

		if (w->hub != a->tag.who || w->family != a->from.family || !w->relay.is_asked)
			continue;
		if (!a->unreachable)
			relay_on_reply(&w->relay, now);
		else if (its && ip_addr_eq(its, &a->from))
			relay_on_unreachable(&w->relay, a->tag.network);
	}
}

void relay_probe_name(const struct relay_probe *p, const struct daemon *d,
	void (*fn)(const char *what, const char *fix, void *data), void *data)
{
	for (size_t i = 0; i < p->watches.n; i++) {
		const struct relay_watch *w = &p->watches.items[i];
		const struct generation_peer *hub = generation_peer_by_id(d->gen, w->hub);
		const char *version = w->family == AF_INET ? "IPv4" : "IPv6";
		AUTO_FREE char *what = NULL, *fix = NULL;

		if (!relay_is_silent(&w->relay) || !hub || rib_peer_state(d->rib, w->hub) != RIB_UP)
			continue;
		if (w->n_sites == 1)
			what = mem_printf("%s answers no %s echo through %s, which is up: either "
					  "%s doesn't relay (its forward policy?), or %s is down",
				engine_name(d->engine, w->relay.site), version, hub->node->name,
				hub->node->name, engine_name(d->engine, w->relay.site));
		else
			what = mem_printf(
				"none of the sites asked answers an %s echo through %s, "
				"which is up: it seems not to relay (its forward policy?)",
				version, hub->node->name);
		fix = mem_printf(
			"look at `shunt status` and `nft list ruleset` on %s", hub->node->name);
		fn(what, fix, data);
	}
}

void relay_probe_done(struct relay_probe *p)
{
	vec_done(&p->watches);
}

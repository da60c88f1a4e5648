/* SPDX-License-Identifier: MIT */
#include "daemon/shall_internal.h"

#include "base/map.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

static void add_owner_set(struct shall_rib *r, const struct rib_owner_set *s)
{
	struct rib_owner_set *known;
	struct rib_owner *owners;

	if (!r->by_number)
		r->by_number = map_new();
	if (map_get(r->by_number, &s->number, sizeof(s->number)))
		return;
	owners = arena_array(&r->arena, struct rib_owner, s->n + 1);
	memcpy(owners, s->owners, s->n * sizeof(*owners));
	known = arena_new(&r->arena, struct rib_owner_set);
	*known = (struct rib_owner_set){s->number, owners, s->n};
	vec_push(&r->owner_sets, *known);
	map_put(r->by_number, &known->number, sizeof(known->number),
		(void *)(uintptr_t)r->owner_sets.n);
}

/* Nobody but a routing engine tells of it: what the inventory has keeps a route, or is released. */
static bool is_engines(const struct rib_desire *d)
{
	return !d->route && d->on_dead != RIB_RELEASE;
}

void shall_rib_add(struct shall_rib *r, const struct rib_desire *d)
{
	uint32_t at = (uint32_t)r->prefixes.n;
	/* An engine's default route would carry the tunnel's own packets: ours stands apart. */
	bool engines = is_engines(d), is_world = ip_prefix_is_default(&d->prefix);

	assert(!at || ip_prefix_cmp(&r->prefixes.items[at - 1].prefix, &d->prefix) < 0);
	vec_push(&r->prefixes, ((struct want_prefix){d->prefix, d->route || (engines && is_world),
				       d->on_dead == RIB_RELEASE, engines && !is_world}));
	if (d->home.kind == RIB_AT_OWNER_SET)
		add_owner_set(r, &d->owner_set);
	if (d->home.kind != RIB_AT_NOBODY)
		vec_push(&r->homes, ((struct shall_home){at, d->home,
					    d->owners.n ? d->owners.peer[0] : SHALL_NOBODY}));
}

void shall_rib_take_states(struct shall_rib *r, const struct rib *rib, const struct generation *gen)
{
	assert(!r->states.n);
	for (size_t i = 0; i < gen->n_peers; i++)
		vec_push(&r->states, rib_peer_state(rib, gen->peers[i].id));
}

void shall_rib_done(struct shall_rib *r)
{
	vec_done(&r->prefixes);
	vec_done(&r->homes);
	vec_done(&r->owner_sets);
	vec_done(&r->states);
	map_free(r->by_number);
	r->by_number = NULL;
	arena_done(&r->arena);
}

void shall_done(struct shall *s)
{
	fib_state_done(&s->state);
	fib_troubles_done(&s->problems);
	for (size_t i = 0; i < s->lines.n; i++)
		free(s->lines.items[i]);
	vec_done(&s->lines);
	vec_done(&s->apart);
	vec_done(&s->backstops);
	vec_done(&s->journaled);
	vec_done(&s->peers);
	vec_done(&s->own);
	vec_done(&s->signals);
	vec_done(&s->marks);
	fib_table_question_done(&s->table);
}

void shall_ask(const struct shall_input *in, struct fib_question *ret)
{
	snprintf(ret->ifname, sizeof(ret->ifname), "%s", in->gen->self->interface);
	ret->port = in->gen->self->listen_port;
	shall_add_sysctls(in->gen, in->apart, in->n_apart, &ret->sysctls);
}

static bool lives(const struct shall_rib *rib, size_t peer)
{
	return !rib->states.n || rib->states.items[peer] != RIB_DOWN;
}

static void find_signals(struct shall *s)
{
	const struct generation *g = s->in->gen;

	for (size_t i = 0; i < g->n_signals; i++)
		vec_push(&s->signals, ((struct want_signal){g->signals[i].addr,
					      lives(s->in->rib, g->signals[i].peer)}));
}

/* As far as it is decided yet. */
static void fill_facts(struct shall *s, const struct fib_state *is, int ifindex)
{
	const struct shall_rib *rib = s->in->rib;

	generation_facts(s->in->gen, &s->facts);
	s->facts.carried = rib ? rib->prefixes.items : NULL;
	s->facts.n_carried = rib ? rib->prefixes.n : 0;
	s->facts.signals = s->signals.items;
	s->facts.n_signals = s->signals.n;
	s->facts.apart = s->apart.items;
	s->facts.n_apart = s->apart.n;
	s->facts.mark = s->mark;
	s->facts.ifindex = ifindex;
	if (is)
		memcpy(s->facts.no_rules, is->no_rules, sizeof(s->facts.no_rules));
}

static void find_backstops(struct shall *s)
{
	for (size_t i = 0; i < s->state.routes.n; i++) {
		const struct rtnl_route *r = &s->state.routes.items[i];

		if (rtnl_route_refuses(r) && r->table != s->facts.overlay_table)
			vec_push(&s->backstops, r->dst);
	}
}

static void list_journaled(struct shall *s)
{
	const struct generation *g = s->in->gen;

	vec_reserve(&s->journaled, s->facts.n_carried + s->own.n);
	for (size_t i = 0; i < s->facts.n_carried; i++)
		if (!s->facts.carried[i].engines)
			vec_push(&s->journaled, s->facts.carried[i].prefix);
	for (size_t i = 0; i < s->own.n; i++)
		vec_push(&s->journaled, s->own.items[i]);
	for (size_t i = 0; i < g->n_peers; i++)
		vec_push(&s->peers, g->peers[i].node->public_key);
	find_backstops(s);
}

struct journal_content shall_journal(const struct shall *s)
{
	return (struct journal_content){
		.peers = s->peers.items,
		.n_peers = s->peers.n,
		.prefixes = s->journaled.items,
		.n_prefixes = s->journaled.n,
		.within = s->in->gen->guarded,
		.n_within = s->in->gen->n_guarded,
		.addresses = s->in->gen->addresses,
		.n_addresses = s->in->gen->n_addresses,
		.backstops = s->backstops.items,
		.n_backstops = s->backstops.n,
		.mark = s->mark,
	};
}

int shall_make(const struct shall_input *in, const struct fib_state *is, struct shall *ret)
{
	const struct fib_device *device = &is->devices.items[0];
	bool clear_mark;
	int err;

	assert(is->devices.n == 1 && !ret->in);
	ret->in = in;
	find_signals(ret);
	fill_facts(ret, is, device->ifindex);
	shall_decide_own(ret);
	shall_decide_apart(ret, &device->wg);
	err = shall_decide_mark(ret, is, &clear_mark);
	if (err)
		return err;
	fill_facts(ret, is, device->ifindex);
	shall_fill_ours(ret);
	want_routes(&ret->facts, &ret->state.routes);
	want_rules(&ret->facts, &ret->state.rules);
	list_journaled(ret);
	shall_add_sysctls(in->gen, ret->apart.items, ret->apart.n, &ret->state.sysctls);
	shall_add_device(ret, device, clear_mark);
	return 0;
}

void shall_ended(const struct shall_input *in, int ifindex, struct shall *ret)
{
	assert(!ret->in);
	ret->in = in;
	for (size_t i = 0; i < in->n_apart; i++)
		vec_push(&ret->apart, in->apart[i]);
	ret->mark = in->mark;
	fill_facts(ret, NULL, ifindex);
	shall_add_known_marks(ret, 0);
	shall_fill_ours(ret);
}

/* SPDX-License-Identifier: MIT */
/* Whether device and kernel are as the RIB wants them, which the engine believes after a SYNC. */
#include "node_daemon.h"

#include "node_fib.h"
#include <stdarg.h>
#include <stdio.h>

static const struct model *machine(const struct daemon *d)
{
	return daemon_self(d)->model;
}

static const struct model_peer *peer_of(const struct daemon *d, uint32_t id)
{
	const struct generation_peer *p = generation_peer_by_id(engine_generation(d->engine), id);

	return p ? model_peer(machine(d), &p->node->public_key) : NULL;
}

__attribute__((format(printf, 3, 4))) static void wrong(
	const struct daemon *d, const ip_prefix *p, const char *fmt, ...)
{
	char text[IP_PREFIX_STRLEN], what[128];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	world_fail(d->w, "%s: after a sync %s %s", world_name(d->w, d->node),
		ip_prefix_format(p, text), what);
}

static const char *name_of(const struct daemon *d, const struct model_peer *p)
{
	return p && node_of_key(d->w, &p->key) != WORLD_NOBODY
		       ? world_name(d->w, node_of_key(d->w, &p->key))
		       : "nobody";
}

/* Whom it is never sent to has no weight; the order of equals is nobody's matter. */
static bool has_member(const struct daemon *d, const struct model_set *s, const struct rib_owner *o)
{
	unsigned weight = o->weight ? o->weight : 1;

	for (size_t i = 0; i < s->members.n; i++) {
		const struct model_member *x = &s->members.items[i];

		if (x->peer == peer_of(d, o->peer))
			return x->rank == o->rank && x->weight == (o->sends ? weight : 0) &&
			       x->is_relay == o->is_relay;
	}
	return false;
}

static void check_set(
	const struct daemon *d, const struct rib_desire *want, const struct model_entry *is)
{
	const struct rib_owner_set *shall = &want->owner_set;

	if (!is || !is->set || is->set->number != shall->number) {
		wrong(d, &want->prefix, "isn't in the set that it shall be in");
		return;
	}
	if (is->set->members.n != shall->n)
		wrong(d, &want->prefix, "has %zu owners and not %zu", is->set->members.n, shall->n);
	for (size_t i = 0; i < shall->n; i++)
		if (!has_member(d, is->set, &shall->owners[i]))
			wrong(d, &want->prefix, "isn't %s's as it shall be",
				name_of(d, peer_of(d, shall->owners[i].peer)));
}

static void check_alone(
	const struct daemon *d, const struct rib_desire *want, const struct model_entry *is)
{
	const struct model_peer *shall = want->owners.n ? peer_of(d, want->owners.peer[0]) : NULL;

	if (is && is->set)
		wrong(d, &want->prefix, "is in a set and not %s's alone", name_of(d, shall));
	else if ((is ? is->peer : NULL) != shall)
		wrong(d, &want->prefix, "is %s's and not %s's", name_of(d, is ? is->peer : NULL),
			name_of(d, shall));
}

static bool is_foreign(const struct model_entry *e)
{
	return e && (e->peer ? e->peer->foreign : e->set->foreign);
}

/* What others may announce has one whatever the RIB says. */
static bool shall_have_route(const struct generation *g, const struct rib_desire *want)
{
	return want->route || want_is_apart(g->guarded, g->n_guarded, &want->prefix);
}

static int check_one(const struct rib_desire *want, void *data)
{
	const struct daemon *d = data;
	const struct generation *g = engine_generation(d->engine);
	const struct model_entry *is = model_entry(machine(d), &want->prefix);

	if (is_foreign(is))
		;
	else if (want->home.kind == RIB_AT_OWNER_SET && machine(d)->max_owners > 1)
		check_set(d, want, is);
	else
		check_alone(d, want, is);
	if (!generation_prefix_is_connected(g, &want->prefix) &&
		shall_have_route(g, want) != model_has_route(machine(d), &want->prefix))
		wrong(d, &want->prefix, "has a route and shall have none, or the other way round");
	return 0;
}

/* Of those whom a set may send to. */
static void check_levels(const struct daemon *d)
{
	static const enum device_level same[] = {[RIB_DOWN] = DEVICE_DOWN,
		[RIB_LAST_RESORT] = DEVICE_LAST_RESORT,
		[RIB_UP] = DEVICE_UP};
	const struct generation *gen = engine_generation(d->engine);

	for (size_t i = 0; i < gen->n_peers; i++) {
		const struct model_peer *p =
			model_peer(machine(d), &gen->peers[i].node->public_key);

		if (p && p->level != same[rib_peer_state(engine_rib(d->engine), gen->peers[i].id)])
			world_fail(d->w, "%s: after a sync %s has the wrong level",
				world_name(d->w, d->node), name_of(d, p));
	}
}

static int is_in(const struct rib_desire *want, void *number)
{
	return want->home.kind == RIB_AT_OWNER_SET &&
	       want->home.owner_set == *(const uint64_t *)number;
}

/* Sets of ours that nothing shall be in; what is foreign may have left one empty. */
static void check_unused(const struct daemon *d)
{
	for (size_t i = 0; i < machine(d)->sets.n; i++) {
		uint64_t number = machine(d)->sets.items[i]->number;

		if (RIB_IS_OWNER_SET(number) &&
			!rib_desires_after(engine_rib(d->engine), NULL, SIZE_MAX, is_in, &number))
			world_fail(d->w, "%s: after a sync there is a set that nothing is to be in",
				world_name(d->w, d->node));
	}
}

void node_check_line(const struct daemon *d)
{
	if (!machine(d)->exists)
		return;
	rib_desires_after(engine_rib(d->engine), NULL, SIZE_MAX, check_one, (void *)(uintptr_t)d);
	if (!node_has_many(d->w, d->node))
		return;
	check_levels(d);
	check_unused(d);
}

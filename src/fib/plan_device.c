/* SPDX-License-Identifier: MIT */
/*
 * A WireGuard device. Two tables are made first: where a prefix stands now, and where it should.
 * Ours are the peers and prefixes that shall be or that the journal says we made, and the sets of
 * owners whose numbers are ours; whatever else stands on the device is foreign. A prefix that we
 * want but that a foreign peer or set has is a conflict.
 */
#include "fib/plan.h"

#include "base/map.h"
#include "route/rib.h"
#include <assert.h>
#include <string.h>

struct work {
	const struct fib_device *is, *shall;
	const struct fib_ours *ours;
	struct fib_plan *plan;
	struct map *homes;  /* prefix -> const struct fib_home, now */
	struct map *wanted; /* prefix -> const struct fib_home that shall be */
	struct arena arena; /* of both */
	wg_key parking;
};

static const struct fib_home nowhere;

/* Maps hold pointers to values that they don't change. */
static void add_homes(struct map *homes, const ip_prefix *list, size_t n, struct fib_home *home)
{
	for (size_t i = 0; i < n; i++)
		if (!map_get(homes, &list[i], sizeof(*list)))
			map_put(homes, &list[i], sizeof(*list), home);
}

static struct map *homes_of(struct arena *a, const struct device_state *s)
{
	struct map *homes = map_new();

	for (size_t i = 0; i < s->n_peers; i++) {
		struct fib_home *h = arena_new(a, struct fib_home);

		*h = fib_home_peer(&s->peers[i].key);
		add_homes(homes, s->peers[i].allowed, s->peers[i].n_allowed, h);
	}
	for (size_t i = 0; i < s->n_sets; i++) {
		struct fib_home *h = arena_new(a, struct fib_home);

		*h = fib_home_set(s->sets[i].number);
		add_homes(homes, s->sets[i].allowed, s->sets[i].n_allowed, h);
	}
	return homes;
}

static bool is_foreign(const struct work *w, const wg_key *key)
{
	return !device_state_peer(&w->shall->wg, key) && !wg_key_eq(key, &w->parking) &&
	       !(w->ours->has_peer && w->ours->has_peer(key, w->ours->data));
}

static bool is_foreign_home(const struct work *w, const struct fib_home *h)
{
	return wg_key_is_zero(&h->peer) ? !RIB_IS_OWNER_SET(h->owner_set) : is_foreign(w, &h->peer);
}

static bool is_our_prefix(const struct work *w, const ip_prefix *p)
{
	const struct fib_ours *o = w->ours;

	return (o->has_prefix && o->has_prefix(p, o->data)) ||
	       (o->is_announced && o->is_announced(p, o->data)) ||
	       (o->is_carried && o->is_carried(p, o->data));
}

/* --- prefixes ----------------------------------------------------------------------------------
 */

static bool is_sent_to(const struct work *w, const struct fib_home *h)
{
	const struct device_owner_set *s = device_state_set(&w->shall->wg, h->owner_set);

	return !wg_key_is_zero(&h->peer) || (s && fib_owners_send(s->owners, s->n_owners));
}

static void plan_turn(
	struct work *w, const ip_prefix *p, const struct fib_home *from, const struct fib_home *to)
{
	struct fib_op *op = fib_plan_owner(w->plan, w->shall->name, p, from, to);

	if (op->stage == FIB_AT_PREFIX_ADD && !is_sent_to(w, to))
		op->stage = FIB_AT_PREFIX_YIELD;
}

/* n prefixes that shall stand there. */
static void plan_owned(struct work *w, const ip_prefix *list, size_t n, const struct fib_home *home)
{
	for (size_t i = 0; i < n; i++) {
		const ip_prefix *p = &list[i];
		const struct fib_home *now = map_get(w->homes, p, sizeof(*p));
		const struct fib_home *want = map_get(w->wanted, p, sizeof(*p));

		if (!fib_home_eq(want, home) || (now && fib_home_eq(now, home)))
			continue;
		if (now && is_foreign_home(w, now))
			vec_push(&w->plan->conflicts, ((struct fib_conflict){*p, *now}));
		else
			plan_turn(w, p, now ? now : &nowhere, home);
	}
}

/* What goes without a successor, of those that stand there now. */
static void plan_withdrawn(
	struct work *w, const ip_prefix *list, size_t n, const struct fib_home *home)
{
	for (size_t i = 0; i < n; i++)
		if (!map_get(w->wanted, &list[i], sizeof(*list)) && is_our_prefix(w, &list[i]))
			fib_plan_owner(w->plan, w->shall->name, &list[i], home, &nowhere);
}

static void note_foreign(struct work *w, const ip_prefix *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		vec_push(&w->plan->foreign, list[i]);
}

/* --- one peer ----------------------------------------------------------------------------------
 */

static void change_psk(
	const struct device_peer *is, const struct device_peer *shall, struct device_peer_change *c)
{
	bool has = is && is->has_psk;

	if (shall->has_psk && !(has && wg_key_eq(&shall->psk, &is->psk))) {
		c->set_psk = true;
		c->psk = shall->psk;
	} else if (!shall->has_psk && !shall->leave_psk && has) {
		c->set_psk = true; /* to none */
	}
}

bool fib_peer_change(const struct device_peer *is, const struct device_peer *shall,
	struct device_peer_change *ret)
{
	*ret = (struct device_peer_change){.key = shall->key, .update_only = is != NULL};
	change_psk(is, shall, ret);
	ret->set_endpoint = !is && shall->endpoint.sa.sa_family != AF_UNSPEC;
	ret->endpoint = shall->endpoint;
	ret->set_keepalive = shall->keepalive != (is ? is->keepalive : 0);
	ret->keepalive = shall->keepalive;
	ret->set_level = !is && shall->level != DEVICE_UP;
	ret->level = shall->level;
	return !is || ret->set_psk || ret->set_keepalive;
}

static void plan_settings(
	struct work *w, const struct device_peer *is, const struct device_peer *shall)
{
	struct device_peer_change c;

	if (fib_peer_change(is, shall, &c))
		fib_plan_add(
			w->plan, FIB_AT_PEER_SET, is ? FIB_DIFFERS : FIB_MISSING, w->shall->name)
			->u.peer.key = shall->key;
	wg_key_wipe(&c.psk);
	/* One that it has may be the better one: the peer may have roamed. */
	if (is && is->endpoint.sa.sa_family == AF_UNSPEC &&
		shall->endpoint.sa.sa_family != AF_UNSPEC)
		fib_plan_endpoint(
			w->plan, FIB_MISSING, w->shall->name, &shall->key, &shall->endpoint);
	if (is && is->level != shall->level)
		fib_plan_level(w->plan, w->shall->name, &shall->key, shall->level);
}

static void plan_peer(struct work *w, const struct device_peer *shall)
{
	const struct device_peer *is = device_state_peer(&w->is->wg, &shall->key);
	struct fib_home home = fib_home_peer(&shall->key);

	plan_settings(w, is, shall);
	plan_owned(w, shall->allowed, shall->n_allowed, &home);
	if (is)
		plan_withdrawn(w, is->allowed, is->n_allowed, &home);
}

static void plan_unwanted_peer(struct work *w, const struct device_peer *is)
{
	if (is_foreign(w, &is->key))
		note_foreign(w, is->allowed, is->n_allowed);
	else
		fib_plan_add(w->plan, FIB_AT_PEER_DEL, FIB_UNWANTED, w->shall->name)->u.peer.key =
			is->key;
}

/* --- one set of owners -------------------------------------------------------------------------
 */

static void plan_set(struct work *w, const struct device_owner_set *shall)
{
	const struct device_owner_set *is = device_state_set(&w->is->wg, shall->number);
	struct fib_home home = fib_home_set(shall->number);

	assert(RIB_IS_OWNER_SET(shall->number) && shall->n_owners);
	if (!is || !fib_owners_eq(is->owners, is->n_owners, shall->owners, shall->n_owners))
		fib_plan_owners(w->plan, is ? FIB_DIFFERS : FIB_MISSING, w->shall->name,
			shall->number, shall->owners, shall->n_owners);
	plan_owned(w, shall->allowed, shall->n_allowed, &home);
	if (is)
		plan_withdrawn(w, is->allowed, is->n_allowed, &home);
}

static void plan_unwanted_set(struct work *w, const struct device_owner_set *is)
{
	struct fib_home home = fib_home_set(is->number);

	if (!RIB_IS_OWNER_SET(is->number)) {
		note_foreign(w, is->allowed, is->n_allowed);
		return;
	}
	plan_withdrawn(w, is->allowed, is->n_allowed, &home);
	fib_plan_owners_gone(w->plan, w->shall->name, is->number);
}

/* --- the device --------------------------------------------------------------------------------
 */

static void plan_itself(struct work *w)
{
	const struct fib_device *shall = w->shall;
	const struct device_state *is = &w->is->wg;
	bool key = shall->wg.has_key &&
		   !(is->has_key && wg_key_eq(&is->public_key, &shall->wg.public_key));
	bool port = shall->wg.listen_port && shall->wg.listen_port != is->listen_port;
	bool fwmark = !shall->leave_fwmark && shall->wg.fwmark != is->fwmark;
	bool unmark = fwmark && !shall->wg.fwmark;
	struct fib_op *op;

	if (key || port || (fwmark && !unmark)) {
		op = fib_plan_add(w->plan, FIB_AT_DEVICE, FIB_DIFFERS, shall->name);
		op->u.settings.key = key;
		op->u.settings.port = port;
		op->u.settings.fwmark = fwmark && !unmark;
	}
	if (unmark) {
		op = fib_plan_add(w->plan, FIB_AT_UNMARK, FIB_UNWANTED, shall->name);
		op->u.settings.key = op->u.settings.port = false;
		op->u.settings.fwmark = true;
	}
}

static void plan_unwanted(struct work *w)
{
	const struct device_state *is = &w->is->wg, *shall = &w->shall->wg;

	for (size_t i = 0; i < is->n_peers; i++)
		if (!device_state_peer(shall, &is->peers[i].key))
			plan_unwanted_peer(w, &is->peers[i]);
	for (size_t i = 0; i < is->n_sets; i++)
		if (!device_state_set(shall, is->sets[i].number))
			plan_unwanted_set(w, &is->sets[i]);
}

void plan_device(const struct fib_device *is, const struct fib_device *shall,
	const struct fib_ours *ours, struct fib_plan *p)
{
	struct work w = {
		.is = is,
		.shall = shall,
		.ours = ours,
		.plan = p,
		.parking = device_parking_key(&is->wg.public_key),
	};

	w.homes = homes_of(&w.arena, &is->wg);
	w.wanted = homes_of(&w.arena, &shall->wg);
	plan_itself(&w);
	for (size_t i = 0; i < shall->wg.n_peers; i++)
		plan_peer(&w, &shall->wg.peers[i]);
	for (size_t i = 0; i < shall->wg.n_sets; i++)
		plan_set(&w, &shall->wg.sets[i]);
	plan_unwanted(&w);
	map_free(w.homes);
	map_free(w.wanted);
	arena_done(&w.arena);
}

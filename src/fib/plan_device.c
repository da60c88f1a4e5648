/* SPDX-License-Identifier: MIT */
/*
 * A WireGuard device. Two tables are made first: who owns a prefix now, and who should. Ours are
 * the peers and prefixes that shall be or that the journal says we made; whatever else stands on
 * the device is foreign. A prefix that we want but that a foreign peer owns is a conflict.
 */
#include "fib/plan.h"

#include "base/map.h"
#include <string.h>

struct work {
	const struct fib_device *is, *shall;
	const struct fib_ours *ours;
	struct fib_plan *plan;
	struct map *owners; /* prefix -> const struct device_peer, now */
	struct map *wanted; /* prefix -> const struct device_peer that shall be */
	wg_key parking;
};

static const wg_key nobody;

/* Maps hold pointers to values that they don't change. */
static struct map *owners_of(const struct device_state *s)
{
	struct map *owners = map_new();

	for (size_t i = 0; i < s->n_peers; i++)
		for (size_t k = 0; k < s->peers[i].n_allowed; k++) {
			const ip_prefix *p = &s->peers[i].allowed[k];

			if (!map_get(owners, p, sizeof(*p)))
				map_put(owners, p, sizeof(*p), &s->peers[i]);
		}
	return owners;
}

static bool is_foreign(const struct work *w, const wg_key *key)
{
	return !device_state_peer(&w->shall->wg, key) && !wg_key_eq(key, &w->parking) &&
	       !(w->ours->has_peer && w->ours->has_peer(key, w->ours->data));
}

static bool is_our_prefix(const struct work *w, const ip_prefix *p)
{
	const struct fib_ours *o = w->ours;

	return (o->has_prefix && o->has_prefix(p, o->data)) ||
	       (o->is_carried && o->is_carried(p, o->data));
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
}

static void plan_owned(struct work *w, const struct device_peer *shall)
{
	for (size_t i = 0; i < shall->n_allowed; i++) {
		const ip_prefix *p = &shall->allowed[i];
		const struct device_peer *owner = map_get(w->owners, p, sizeof(*p));

		if (map_get(w->wanted, p, sizeof(*p)) != shall ||
			(owner && wg_key_eq(&owner->key, &shall->key)))
			continue;
		if (owner && is_foreign(w, &owner->key))
			vec_push(&w->plan->conflicts, ((struct fib_conflict){*p, owner->key}));
		else
			fib_plan_owner(w->plan, w->shall->name, p, owner ? &owner->key : &nobody,
				&shall->key);
	}
}

/* What goes without a successor. */
static void plan_withdrawn(struct work *w, const struct device_peer *is)
{
	for (size_t i = 0; i < is->n_allowed; i++) {
		const ip_prefix *p = &is->allowed[i];

		if (!map_get(w->wanted, p, sizeof(*p)) && is_our_prefix(w, p))
			fib_plan_owner(w->plan, w->shall->name, p, &is->key, &nobody);
	}
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

static void note_foreign(struct work *w, const struct device_peer *is)
{
	for (size_t i = 0; i < is->n_allowed; i++)
		vec_push(&w->plan->foreign, is->allowed[i]);
}

static void plan_unwanted(struct work *w, const struct device_peer *is)
{
	if (is_foreign(w, &is->key))
		note_foreign(w, is);
	else
		fib_plan_add(w->plan, FIB_AT_PEER_DEL, FIB_UNWANTED, w->shall->name)->u.peer.key =
			is->key;
}

void plan_device(const struct fib_device *is, const struct fib_device *shall,
	const struct fib_ours *ours, struct fib_plan *p)
{
	struct work w = {
		.is = is,
		.shall = shall,
		.ours = ours,
		.plan = p,
		.owners = owners_of(&is->wg),
		.wanted = owners_of(&shall->wg),
		.parking = device_parking_key(&is->wg.public_key),
	};

	plan_itself(&w);
	for (size_t i = 0; i < shall->wg.n_peers; i++) {
		const struct device_peer *want = &shall->wg.peers[i];
		const struct device_peer *have = device_state_peer(&is->wg, &want->key);

		plan_settings(&w, have, want);
		plan_owned(&w, want);
		if (have)
			plan_withdrawn(&w, have);
	}
	for (size_t i = 0; i < is->wg.n_peers; i++)
		if (!device_state_peer(&shall->wg, &is->wg.peers[i].key))
			plan_unwanted(&w, &is->wg.peers[i]);
	map_free(w.owners);
	map_free(w.wanted);
}

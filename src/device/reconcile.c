/* SPDX-License-Identifier: MIT */
/*
 * The difference of two devices. Two tables are made first: who owns a prefix now (from the mirror)
 * and who should (from the wish). A wanted prefix with another owner is added to its new peer,
 * which moves it; the old owner's removal is never asked for, since it would have nothing left to
 * remove. Should two wanted peers name one prefix, the first one has it, or every run would move it
 * again.
 */
#include "device/reconcile.h"

#include "base/map.h"
#include "base/secret.h"
#include "base/vec.h"
#include <stdlib.h>
#include <string.h>

struct reconcile {
	struct device_change change;
	struct device_peer_change *peers; /* what change.peers points at */
	size_t room;
	VEC(struct device_conflict) conflicts;
	struct reconcile_counts counts;
};

/* While it is made. */
struct work {
	struct reconcile *r;
	const struct device_state *mirror;
	const struct desired_device *want;
	const struct device_ownership *own;
	struct map *owners;	   /* prefix -> const struct device_peer, now */
	struct map *wanted_owners; /* prefix -> const struct desired_peer */
	struct map *wanted_peers;  /* key -> const struct desired_peer */
	wg_key parking;
};

/* Maps hold pointers to values that they don't change. */
static void *unconst(const void *p)
{
	return (void *)(uintptr_t)p;
}

static void work_start(struct work *w)
{
	w->owners = map_new();
	w->wanted_owners = map_new();
	w->wanted_peers = map_new();
	w->parking = device_parking_key(&w->mirror->public_key);
	for (size_t i = 0; i < w->mirror->n_peers; i++) {
		const struct device_peer *p = &w->mirror->peers[i];

		for (size_t j = 0; j < p->n_allowed; j++)
			map_put(w->owners, &p->allowed[j], sizeof(ip_prefix), unconst(p));
	}
	for (size_t i = 0; i < w->want->n_peers; i++) {
		const struct desired_peer *p = &w->want->peers[i];

		map_put(w->wanted_peers, &p->key, sizeof(p->key), unconst(p));
		for (size_t j = 0; j < p->n_allowed; j++)
			if (!map_get(w->wanted_owners, &p->allowed[j], sizeof(ip_prefix)))
				map_put(w->wanted_owners, &p->allowed[j], sizeof(ip_prefix),
					unconst(p));
	}
}

static void work_end(struct work *w)
{
	map_free(w->owners);
	map_free(w->wanted_owners);
	map_free(w->wanted_peers);
}

static bool peer_is_foreign(const struct work *w, const wg_key *key)
{
	return !map_get(w->wanted_peers, key, sizeof(*key)) && !wg_key_eq(key, &w->parking) &&
	       !(w->own->peer_is_ours && w->own->peer_is_ours(key, w->own->data));
}

static bool prefix_is_ours(const struct work *w, const ip_prefix *p)
{
	return w->own->prefix_is_ours && w->own->prefix_is_ours(p, w->own->data);
}

/* --- one peer ------------------------------------------------------------------------------- */

/* The prefixes to add to a wanted peer; have is NULL for a new one. */
static void diff_added(struct work *w, const struct desired_peer *want,
	const struct device_peer *have, struct device_peer_change *c)
{
	VEC(ip_prefix) add = {0};
	unsigned moved = 0;

	for (size_t i = 0; i < want->n_allowed; i++) {
		const ip_prefix *p = &want->allowed[i];
		const struct device_peer *owner = map_get(w->owners, p, sizeof(*p));

		if (map_get(w->wanted_owners, p, sizeof(*p)) != want || (owner && owner == have))
			continue;
		if (owner && peer_is_foreign(w, &owner->key)) {
			vec_push(&w->r->conflicts, ((struct device_conflict){*p, owner->key}));
			continue;
		}
		vec_push(&add, *p);
		moved += owner != NULL;
	}
	w->r->counts.prefixes_moved += moved;
	w->r->counts.prefixes_added += (unsigned)add.n - moved;
	c->add = add.items;
	c->n_add = add.n;
}

/* The prefixes of a wanted peer that go without a successor. */
static void diff_removed(
	struct work *w, const struct device_peer *have, struct device_peer_change *c)
{
	VEC(ip_prefix) del = {0};

	for (size_t i = 0; i < have->n_allowed; i++) {
		const ip_prefix *p = &have->allowed[i];

		if (!map_get(w->wanted_owners, p, sizeof(*p)) && prefix_is_ours(w, p))
			vec_push(&del, *p);
	}
	c->del = del.items;
	c->n_del = del.n;
}

static bool sets_something(const struct device_peer_change *c)
{
	return c->set_psk || c->set_endpoint || c->set_keepalive || c->n_add || c->n_del;
}

static void keep_change(struct reconcile *r, const struct device_peer_change *c)
{
	r->counts.prefixes_removed += (unsigned)c->n_del;
	r->peers[r->change.n_peers++] = *c;
}

static void add_peer(struct work *w, const struct desired_peer *want)
{
	struct device_peer_change c = {.key = want->key};

	c.set_psk = want->has_psk;
	if (want->has_psk)
		c.psk = want->psk;
	c.set_endpoint = want->endpoint.sa.sa_family != AF_UNSPEC;
	c.endpoint = want->endpoint;
	c.set_keepalive = want->keepalive != 0;
	c.keepalive = want->keepalive;
	diff_added(w, want, NULL, &c);
	w->r->counts.peers_added++;
	keep_change(w->r, &c);
	wg_key_wipe(&c.psk);
}

static void diff_psk(const struct desired_peer *want, const struct device_peer *have,
	struct device_peer_change *c)
{
	if (want->has_psk && !(have->has_psk && wg_key_eq(&want->psk, &have->psk))) {
		c->set_psk = true;
		c->psk = want->psk;
	} else if (!want->has_psk && !want->psk_unknown && have->has_psk) {
		c->set_psk = true; /* to none */
	}
}

static void diff_endpoint(const struct desired_peer *want, const struct device_peer *have,
	struct device_peer_change *c)
{
	bool has = have->endpoint.sa.sa_family != AF_UNSPEC;

	if (want->endpoint.sa.sa_family == AF_UNSPEC)
		return;
	if (has && !(want->force_endpoint && !sock_addr_eq(&want->endpoint, &have->endpoint)))
		return;
	c->set_endpoint = true;
	c->endpoint = want->endpoint;
}

static void change_peer(
	struct work *w, const struct desired_peer *want, const struct device_peer *have)
{
	struct device_peer_change c = {.key = want->key, .update_only = true};

	diff_psk(want, have, &c);
	diff_endpoint(want, have, &c);
	c.set_keepalive = want->keepalive != have->keepalive;
	c.keepalive = want->keepalive;
	diff_added(w, want, have, &c);
	diff_removed(w, have, &c);
	if (sets_something(&c)) {
		w->r->counts.peers_changed++;
		w->r->counts.endpoints_set += c.set_endpoint;
		keep_change(w->r, &c);
	}
	wg_key_wipe(&c.psk);
}

/* --- the device ----------------------------------------------------------------------------- */

static void diff_device(struct work *w)
{
	const struct desired_device *want = w->want;
	const struct device_state *have = w->mirror;
	struct device_change *c = &w->r->change;
	wg_key public_key;

	if (want->has_private_key) {
		public_key = wg_key_public(&want->private_key);
		c->set_private_key = !have->has_key || !wg_key_eq(&public_key, &have->public_key);
		if (c->set_private_key)
			c->private_key = want->private_key;
	}
	c->set_listen_port = want->listen_port && want->listen_port != have->listen_port;
	c->listen_port = want->listen_port;
	c->set_fwmark = want->set_fwmark && want->fwmark != have->fwmark;
	c->fwmark = want->fwmark;
	w->r->counts.settings_changed =
		(unsigned)c->set_private_key + c->set_listen_port + c->set_fwmark;
}

static void diff_peers(struct work *w)
{
	for (size_t i = 0; i < w->want->n_peers; i++) {
		const struct desired_peer *want = &w->want->peers[i];
		const struct device_peer *have = device_state_peer(w->mirror, &want->key);

		if (map_get(w->wanted_peers, &want->key, sizeof(want->key)) != want)
			continue; /* named twice */
		if (have)
			change_peer(w, want, have);
		else
			add_peer(w, want);
	}
	/* Those that go come last, when others have what they owned. */
	for (size_t i = 0; i < w->mirror->n_peers; i++) {
		const wg_key *key = &w->mirror->peers[i].key;
		struct device_peer_change gone = {.key = *key, .remove = true};

		if (map_get(w->wanted_peers, key, sizeof(*key)) || peer_is_foreign(w, key))
			continue;
		w->r->counts.peers_removed++;
		keep_change(w->r, &gone);
	}
}

struct reconcile *reconcile_new(const struct device_state *mirror,
	const struct desired_device *want, const struct device_ownership *own)
{
	struct reconcile *r = secret_zalloc(1, sizeof(*r));
	struct work w = {.r = r, .mirror = mirror, .want = want, .own = own};

	/* All of it at once: growing would leave preshared keys behind in freed memory. */
	r->room = mirror->n_peers + want->n_peers + 1;
	r->peers = secret_zalloc(r->room, sizeof(*r->peers));
	r->change.peers = r->peers;
	work_start(&w);
	diff_device(&w);
	diff_peers(&w);
	work_end(&w);
	return r;
}

const struct device_change *reconcile_change(const struct reconcile *r)
{
	return &r->change;
}

bool reconcile_is_empty(const struct reconcile *r)
{
	const struct device_change *c = &r->change;

	return !c->n_peers && !c->set_private_key && !c->set_listen_port && !c->set_fwmark;
}

size_t reconcile_conflicts(const struct reconcile *r, const struct device_conflict **ret)
{
	*ret = r->conflicts.items;
	return r->conflicts.n;
}

struct reconcile_counts reconcile_counts(const struct reconcile *r)
{
	return r->counts;
}

void reconcile_free(struct reconcile *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->change.n_peers; i++) {
		free(unconst(r->peers[i].add));
		free(unconst(r->peers[i].del));
	}
	secret_free(r->peers, r->room * sizeof(*r->peers));
	vec_done(&r->conflicts);
	secret_free(r, sizeof(*r));
}

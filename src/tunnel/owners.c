/* SPDX-License-Identifier: MIT */
#include "tunnel/owners.h"

#include "base/map.h"
#include "sys/clock.h"
#include "tunnel/device.h"
#include "tunnel/groups.h"
#include "tunnel/peer.h"
#include "wg/relay_memory.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define RELAYED_PAIRS 32768 /* of addresses that are remembered: 2.3 MB, on relays alone */
#define INGRESS_PAIRS 256

/* A number's set. The table's set has it as its data. */
struct tunnel_owners {
	uint64_t number;
	struct cryptokey_set *set;
	bool has_relay; /* among its owners; counted in the tunnel */
};

/* --- what is remembered --------------------------------------------------------------------------
 */

/* Switches it on or off; once made it stays, since rx and tx may hold it. */
static int remember(_Atomic(struct relay_memory *) *memory, struct relay_memory **made,
	size_t n_pairs, bool is_on)
{
	uint64_t seed;

	if (is_on && !*made) {
		randombytes_buf(&seed, sizeof(seed));
		*made = relay_memory_new(n_pairs, seed);
		if (!*made)
			return -ENOMEM;
	}
	atomic_store_explicit(memory, is_on ? *made : NULL, memory_order_release);
	return 0;
}

static int remember_relayed(struct tunnel *t)
{
	return remember(&t->relays, &t->relays_made, RELAYED_PAIRS, t->n_relay_sets);
}

uint64_t owners_relayed_forgotten(struct tunnel *t)
{
	struct relay_memory *m = atomic_load_explicit(&t->relays, memory_order_acquire);

	return m ? relay_memory_evicted(m) : 0;
}

/* --- sets ----------------------------------------------------------------------------------------
 */

struct tunnel_owners *tunnel_owners_find(struct tunnel *t, uint64_t number)
{
	return map_get(t->owners, &number, sizeof(number));
}

int tunnel_owners_add(struct tunnel *t, uint64_t number, struct tunnel_owners **ret)
{
	struct tunnel_owners *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->number = number;
	pthread_mutex_lock(&t->map_lock);
	s->set = cryptokey_set_new(t->table, s);
	pthread_mutex_unlock(&t->map_lock);
	if (!s->set) {
		free(s);
		return -ENOMEM;
	}
	map_put(t->owners, &s->number, sizeof(s->number), s);
	*ret = s;
	return 0;
}

void owners_note_peer(struct tunnel_peer *p)
{
	pthread_mutex_lock(&p->lock);
	timers_set_sought(&p->timers, p->owner.n_sending, sys_now());
	peer_rearm(p);
	pthread_mutex_unlock(&p->lock);
}

static void note_peers(const struct tunnel_owner *owners, size_t n)
{
	for (size_t i = 0; i < n; i++)
		owners_note_peer(owners[i].peer);
}

/* First what remembers, and then what needs it. -ENOMEM: nothing changed. */
static int note_relays(struct tunnel *t, struct tunnel_owners *s, bool has_relay)
{
	size_t n_before = t->n_relay_sets;
	int err;

	t->n_relay_sets += has_relay - (size_t)s->has_relay;
	err = remember_relayed(t);
	if (err)
		t->n_relay_sets = n_before;
	else
		s->has_relay = has_relay;
	return err;
}

static bool has_relay(const struct tunnel_owner *owners, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (owners[i].is_relay)
			return true;
	return false;
}

static int define(
	struct tunnel *t, struct tunnel_owners *s, const struct tunnel_owner *owners, size_t n)
{
	struct cryptokey_member m[CRYPTOKEY_MAX_OWNERS];
	int err;

	for (size_t i = 0; i < n; i++)
		m[i] = (struct cryptokey_member){&owners[i].peer->owner, owners[i].rank,
			owners[i].weight, owners[i].is_relay};
	pthread_mutex_lock(&t->map_lock);
	err = cryptokey_set_define(t->table, s->set, m, n);
	pthread_mutex_unlock(&t->map_lock);
	return err;
}

int tunnel_owners_define(
	struct tunnel *t, struct tunnel_owners *s, const struct tunnel_owner *owners, size_t n)
{
	struct tunnel_owner old[CRYPTOKEY_MAX_OWNERS];
	size_t n_old = tunnel_owners_get(s, old);
	bool had_relay = s->has_relay;
	int err;

	if (n > CRYPTOKEY_MAX_OWNERS)
		return -EINVAL;
	err = note_relays(t, s, had_relay || has_relay(owners, n));
	if (err)
		return err;
	err = define(t, s, owners, n);
	note_relays(t, s, err ? had_relay : has_relay(owners, n));
	if (err)
		return err;
	note_peers(old, n_old);
	note_peers(owners, n);
	for (size_t i = 0; i < n_old; i++)
		wishes_add(old[i].peer, WISH_CHOOSE_AGAIN);
	return 0;
}

size_t tunnel_owners_remove_some(struct tunnel *t, struct tunnel_owners *s, size_t max)
{
	size_t n;

	if (tunnel_owners_preferred(s) || s->has_relay)
		tunnel_owners_define(t, s, NULL, 0);
	pthread_mutex_lock(&t->map_lock);
	n = cryptokey_set_remove_some(t->table, s->set, max);
	pthread_mutex_unlock(&t->map_lock);
	return n;
}

void owners_note_left(struct tunnel *t)
{
	struct tunnel_owner left[CRYPTOKEY_MAX_OWNERS];

	if (!t->n_relay_sets)
		return;
	for (struct tunnel_owners *s = NULL; (s = tunnel_owners_next(t, s));)
		if (s->has_relay)
			note_relays(t, s, has_relay(left, tunnel_owners_get(s, left)));
}

void tunnel_owners_remove(struct tunnel *t, struct tunnel_owners *s)
{
	struct tunnel_owner old[CRYPTOKEY_MAX_OWNERS];
	size_t n_old = tunnel_owners_get(s, old);

	map_remove(t->owners, &s->number, sizeof(s->number));
	pthread_mutex_lock(&t->map_lock);
	cryptokey_set_remove(t->table, s->set);
	pthread_mutex_unlock(&t->map_lock);
	note_relays(t, s, false);
	note_peers(old, n_old);
	free(s);
}

void owners_free(struct tunnel *t)
{
	struct tunnel_owners *s;

	while (t->table && (s = tunnel_owners_next(t, NULL)))
		tunnel_owners_remove(t, s);
	map_free(t->owners);
	relay_memory_free(t->relays_made);
	relay_memory_free(t->ingress_made);
	groups_free(t);
}

int tunnel_owners_bind(struct tunnel *t, struct tunnel_owners *s, const ip_prefix *prefix)
{
	int err;

	pthread_mutex_lock(&t->map_lock);
	err = cryptokey_bind(t->table, prefix, s->set);
	pthread_mutex_unlock(&t->map_lock);
	return err;
}

void tunnel_owners_unbind(struct tunnel *t, struct tunnel_owners *s, const ip_prefix *prefix)
{
	pthread_mutex_lock(&t->map_lock);
	cryptokey_unbind(t->table, prefix, s->set);
	pthread_mutex_unlock(&t->map_lock);
}

/* --- what they are -------------------------------------------------------------------------------
 */

struct tunnel_owners *tunnel_owners_next(struct tunnel *t, struct tunnel_owners *prev)
{
	struct cryptokey_set *next = cryptokey_set_next(t->table, prev ? prev->set : NULL);

	return next ? next->data : NULL;
}

uint64_t tunnel_owners_number(const struct tunnel_owners *s)
{
	return s->number;
}

size_t tunnel_owners_get(
	const struct tunnel_owners *s, struct tunnel_owner ret[static CRYPTOKEY_MAX_OWNERS])
{
	struct cryptokey_member m[CRYPTOKEY_MAX_OWNERS];
	size_t n = cryptokey_set_members(s->set, m);

	for (size_t i = 0; i < n; i++)
		ret[i] = (struct tunnel_owner){container_of(m[i].owner, struct tunnel_peer, owner),
			m[i].rank, m[i].weight, m[i].is_relay};
	return n;
}

struct tunnel_peer *tunnel_owners_preferred(const struct tunnel_owners *s)
{
	struct cryptokey_owner *o = cryptokey_set_preferred(s->set);

	return o ? container_of(o, struct tunnel_peer, owner) : NULL;
}

size_t tunnel_owners_allowed(
	const struct tunnel_owners *s, const struct list **at, ip_prefix *ret, size_t max)
{
	return cryptokey_list(s->set, at, ret, max);
}

/* --- peers as owners -----------------------------------------------------------------------------
 */

void tunnel_peer_set_level(struct tunnel *t, struct tunnel_peer *p, enum cryptokey_level level)
{
	cryptokey_owner_set_level(&p->owner, level);
	if (level != CRYPTOKEY_UP)
		wishes_add(p, WISH_CHOOSE_AGAIN);
}

int tunnel_peer_set_multicast(struct tunnel *t, struct tunnel_peer *p, bool is_on)
{
	int err;

	cryptokey_owner_set_multicast(&p->owner, is_on);
	err = groups_update(t, p);
	if (err)
		cryptokey_owner_set_multicast(&p->owner, false);
	return err;
}

int tunnel_set_multicast(struct tunnel *t, bool is_on)
{
	int err = remember(&t->ingress, &t->ingress_made, INGRESS_PAIRS, is_on);

	if (err)
		return err;
	t->has_multicast = is_on;
	err = groups_update_all(t);
	if (err) {
		t->has_multicast = false;
		remember(&t->ingress, &t->ingress_made, INGRESS_PAIRS, false);
	}
	return err;
}

/* fe80:: itself is a router's anycast address (RFC 4291 section 2.6.1). */
static bool is_link_local(const ip_addr *a)
{
	static const uint8_t network[16] = {0xfe, 0x80};

	return a->family == AF_INET6 && !memcmp(a->bytes, network, 8) &&
	       memcmp(a->bytes, network, 16);
}

static void set_link_local(struct tunnel *t, struct tunnel_peer *p, const ip_addr *a)
{
	if (p->link_local.family)
		map_remove(t->by_link_local, p->link_local.bytes, sizeof(p->link_local.bytes));
	p->link_local = a ? *a : (ip_addr){0};
	if (a)
		map_put(t->by_link_local, p->link_local.bytes, sizeof(p->link_local.bytes), p);
}

void owners_forget_link_local(struct tunnel *t, struct tunnel_peer *p)
{
	set_link_local(t, p, NULL);
}

int tunnel_peer_set_link_local(struct tunnel *t, struct tunnel_peer *p, const ip_addr *a)
{
	struct tunnel_peer *whose = NULL;

	if (a && !is_link_local(a))
		return -EINVAL;
	if (a)
		whose = map_get(t->by_link_local, a->bytes, sizeof(a->bytes));
	if (whose == p && whose)
		return 0;
	if (whose) {
		set_link_local(t, whose, NULL);
		groups_update(t, whose);
	}
	set_link_local(t, p, a);
	return groups_update(t, p);
}

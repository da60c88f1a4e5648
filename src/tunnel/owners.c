/* SPDX-License-Identifier: MIT */
#include "tunnel/owners.h"

#include "base/map.h"
#include "tunnel/device.h"
#include "tunnel/peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A number's set. The table's set has it as its data. */
struct tunnel_owners {
	uint32_t number;
	struct cryptokey_set *set;
};

/* --- sets ----------------------------------------------------------------------------------------
 */

struct tunnel_owners *tunnel_owners_find(struct tunnel *t, uint32_t number)
{
	return map_get(t->owners, &number, sizeof(number));
}

int tunnel_owners_add(struct tunnel *t, uint32_t number, struct tunnel_owners **ret)
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

int tunnel_owners_define(
	struct tunnel *t, struct tunnel_owners *s, const struct tunnel_owner *owners, size_t n)
{
	struct cryptokey_member m[CRYPTOKEY_MAX_OWNERS];
	int err;

	if (n > CRYPTOKEY_MAX_OWNERS)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		m[i] = (struct cryptokey_member){&owners[i].peer->owner, owners[i].rank,
			owners[i].weight, owners[i].is_relay};
	pthread_mutex_lock(&t->map_lock);
	err = cryptokey_set_define(t->table, s->set, m, n);
	pthread_mutex_unlock(&t->map_lock);
	return err;
}

void tunnel_owners_remove(struct tunnel *t, struct tunnel_owners *s)
{
	map_remove(t->owners, &s->number, sizeof(s->number));
	pthread_mutex_lock(&t->map_lock);
	cryptokey_set_remove(t->table, s->set);
	pthread_mutex_unlock(&t->map_lock);
	free(s);
}

void owners_free(struct tunnel *t)
{
	struct tunnel_owners *s;

	while (t->table && (s = tunnel_owners_next(t, NULL)))
		tunnel_owners_remove(t, s);
	map_free(t->owners);
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

uint32_t tunnel_owners_number(const struct tunnel_owners *s)
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

int tunnel_owners_walk(
	const struct tunnel_owners *s, int (*fn)(const ip_prefix *p, void *data), void *data)
{
	return cryptokey_walk(s->set, fn, data);
}

/* --- peers as owners -----------------------------------------------------------------------------
 */

void tunnel_peer_set_level(struct tunnel *t, struct tunnel_peer *p, enum cryptokey_level level)
{
	cryptokey_owner_set_level(&p->owner, level);
}

void tunnel_peer_set_multicast(struct tunnel *t, struct tunnel_peer *p, bool is_on)
{
	cryptokey_owner_set_multicast(&p->owner, is_on);
}

void tunnel_set_multicast(struct tunnel *t, bool is_on)
{
	t->has_multicast = is_on;
}

static bool is_link_local(const ip_addr *a)
{
	static const uint8_t network[16] = {0xfe, 0x80};

	return a->family == AF_INET6 && !memcmp(a->bytes, network, 8) &&
	       memcmp(a->bytes, network, 16);
}

static void take_from_others(struct tunnel *t, const ip_addr *a)
{
	list_for_each (at, &t->peers) {
		struct tunnel_peer *p = container_of(at, struct tunnel_peer, in_order);

		if (ip_addr_eq(&p->link_local, a))
			p->link_local = (ip_addr){0};
	}
}

int tunnel_peer_set_link_local(struct tunnel *t, struct tunnel_peer *p, const ip_addr *a)
{
	if (!a) {
		p->link_local = (ip_addr){0};
		return 0;
	}
	if (!is_link_local(a))
		return -EINVAL;
	take_from_others(t, a);
	p->link_local = *a;
	return 0;
}

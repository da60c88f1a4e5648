/* SPDX-License-Identifier: MIT */
#include "fib/state.h"

#include "base/secret.h"
#include <stdio.h>
#include <string.h>

static void device_done(struct fib_device *d)
{
	vec_done(&d->addresses);
	device_state_done(&d->wg);
	wg_key_wipe(&d->private_key);
}

void fib_state_done(struct fib_state *s)
{
	for (size_t i = 0; i < s->devices.n; i++)
		device_done(&s->devices.items[i]);
	vec_done(&s->devices);
	vec_done(&s->routes);
	vec_done(&s->rules);
	vec_done(&s->sysctls);
}

struct fib_device *fib_state_device(const struct fib_state *s, const char *name)
{
	for (size_t i = 0; i < s->devices.n; i++)
		if (!strcmp(s->devices.items[i].name, name))
			return &s->devices.items[i];
	return NULL;
}

const ip_prefix *fib_same_address(const ip_prefix *have, const ip_prefix *a)
{
	ip_addr x = ip_prefix_addr(have), y = ip_prefix_addr(a);

	return ip_addr_eq(&x, &y) ? have : NULL;
}

void fib_nft_table(const char *ifname, char out[static FIB_NFT_TABLE_MAX])
{
	snprintf(out, FIB_NFT_TABLE_MAX, "shunt-%s", ifname);
}

enum device_level fib_level_of(enum rib_state state)
{
	return state == RIB_UP		  ? DEVICE_UP
	       : state == RIB_LAST_RESORT ? DEVICE_LAST_RESORT
					  : DEVICE_DOWN;
}

struct device_owner fib_owner_of(const struct rib_owner *o, const wg_key *key)
{
	return (struct device_owner){.key = *key,
		.rank = o->rank,
		.weight = (uint16_t)(!o->sends	 ? 0
				     : o->weight ? o->weight
						 : 1),
		.is_relay = o->is_relay};
}

bool fib_owners_send(const struct device_owner *owners, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (owners[i].weight)
			return true;
	return false;
}

static bool has_owner(const struct device_owner *owners, size_t n, const struct device_owner *o)
{
	for (size_t i = 0; i < n; i++)
		if (wg_key_eq(&owners[i].key, &o->key))
			return owners[i].rank == o->rank && owners[i].weight == o->weight &&
			       owners[i].is_relay == o->is_relay;
	return false;
}

bool fib_owners_eq(
	const struct device_owner *a, size_t n_a, const struct device_owner *b, size_t n_b)
{
	for (size_t i = 0; n_a == n_b && i < n_a; i++)
		if (!has_owner(b, n_b, &a[i]))
			return false;
	return n_a == n_b;
}

struct device_owner *fib_copy_owners(struct arena *a, const struct device_owner *owners, size_t n)
{
	struct device_owner *copy = arena_array(a, struct device_owner, n + 1);

	if (n)
		memcpy(copy, owners, n * sizeof(*copy));
	return copy;
}

void fib_copy_device(const struct device_state *from, struct device_state *ret)
{
	*ret = *from;
	ret->sets = device_owner_sets_copy(from->sets, from->n_sets);
	ret->peers = NULL;
	if (!from->n_peers)
		return;
	ret->peers = secret_zalloc(from->n_peers, sizeof(*ret->peers));
	memcpy(ret->peers, from->peers, from->n_peers * sizeof(*ret->peers));
	for (size_t i = 0; i < from->n_peers; i++) {
		struct device_peer *p = &ret->peers[i];
		size_t size = p->n_allowed * sizeof(*p->allowed);

		if (p->allowed) {
			p->allowed = mem_alloc(size ? size : 1);
			memcpy(p->allowed, from->peers[i].allowed, size);
		}
	}
}

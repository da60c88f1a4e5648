/* SPDX-License-Identifier: MIT */
#include "device/internal.h"

#include "base/secret.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* room: for how many it was allocated. */
static void peers_free(struct device_peer *peers, size_t n, size_t room)
{
	for (size_t i = 0; i < n; i++)
		free(peers[i].allowed);
	secret_free(peers, room * sizeof(*peers));
}

void device_state_done(struct device_state *s)
{
	peers_free(s->peers, s->n_peers, s->n_peers);
	device_owner_sets_free(s->sets, s->n_sets);
	*s = (struct device_state){0};
}

static int peer_cmp(const void *a, const void *b)
{
	const struct device_peer *x = a, *y = b;

	return memcmp(x->key.bytes, y->key.bytes, WG_KEY_LEN);
}

const struct device_peer *device_state_peer(const struct device_state *s, const wg_key *key)
{
	struct device_peer wanted = {.key = *key};

	if (!s->n_peers)
		return NULL;
	return bsearch(&wanted, s->peers, s->n_peers, sizeof(*s->peers), peer_cmp);
}

static int prefix_cmp(const void *a, const void *b)
{
	return ip_prefix_cmp(a, b);
}

/* Gives the last peer what was gathered of its allowed IPs. */
static void finish_peer(struct state_builder *b)
{
	struct device_peer *p;

	if (!b->peers.n)
		return;
	p = &b->peers.items[b->peers.n - 1];
	p->n_allowed = b->allowed.n;
	if (b->allowed.n) {
		p->allowed = mem_alloc(b->allowed.n * sizeof(*p->allowed));
		memcpy(p->allowed, b->allowed.items, b->allowed.n * sizeof(*p->allowed));
		qsort(p->allowed, p->n_allowed, sizeof(*p->allowed), prefix_cmp);
	}
	b->allowed.n = 0;
}

/* Into secret memory of room for cap: preshared keys stay nowhere else. */
static void peers_move(struct state_builder *b, size_t cap)
{
	struct device_peer *items = secret_zalloc(cap, sizeof(*items));

	if (b->peers.n)
		memcpy(items, b->peers.items, b->peers.n * sizeof(*items));
	secret_free(b->peers.items, b->peers.cap * sizeof(*items));
	b->peers.items = items;
	b->peers.cap = cap;
}

static void peers_grow(struct state_builder *b)
{
	size_t cap = b->peers.cap ? b->peers.cap * 2 : 64;

	peers_move(b, cap);
}

struct device_peer *state_builder_peer(struct state_builder *b, const wg_key *key)
{
	struct device_peer *last = b->peers.n ? &b->peers.items[b->peers.n - 1] : NULL;

	if (last && wg_key_eq(&last->key, key))
		return last;
	if (b->peers.n == DEVICE_PEERS_MAX)
		return NULL;
	finish_peer(b);
	if (b->peers.n == b->peers.cap)
		peers_grow(b);
	last = &b->peers.items[b->peers.n++];
	*last = (struct device_peer){.key = *key};
	return last;
}

bool state_builder_allowed(struct state_builder *b, const ip_prefix *p)
{
	if (!b->peers.n || !p->family || b->n_prefixes == DEVICE_PREFIXES_MAX)
		return false;
	b->n_prefixes++;
	vec_push(&b->allowed, ip_prefix_masked(p));
	return true;
}

int state_builder_finish(struct state_builder *b, struct device_state *ret)
{
	finish_peer(b);
	if (b->peers.n)
		qsort(b->peers.items, b->peers.n, sizeof(*b->peers.items), peer_cmp);
	for (size_t i = 1; i < b->peers.n; i++)
		if (wg_key_eq(&b->peers.items[i - 1].key, &b->peers.items[i].key))
			return -EPROTO;
	if (b->peers.n)
		peers_move(b, b->peers.n);
	*ret = b->state;
	ret->peers = b->peers.items;
	ret->n_peers = b->peers.n;
	if (!ret->max_owners)
		ret->max_owners = 1;
	state_builder_finish_sets(b, ret);
	vec_done(&b->allowed);
	*b = (struct state_builder){0};
	return 0;
}

void state_builder_reset(struct state_builder *b)
{
	peers_free(b->peers.items, b->peers.n, b->peers.cap);
	state_builder_reset_sets(b);
	vec_done(&b->allowed);
	*b = (struct state_builder){0};
}

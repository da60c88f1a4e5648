/* SPDX-License-Identifier: MIT */
/*
 * Neighbouring operations on one device become one change: a move is one message. In it peers come
 * first, each once; then sets of owners in the order of the operations, so that what yields comes
 * after what gains; then what goes (device/device.h).
 */
#include "fib/do.h"

#include "base/map.h"
#include "base/secret.h"
#include <assert.h>
#include <string.h>

bool op_is_of_device(const struct fib_op *op)
{
	switch (op->type) {
	case FIB_DEVICE:
	case FIB_PEER_SET:
	case FIB_ENDPOINT:
	case FIB_LEVEL:
	case FIB_OWNERS_SET:
	case FIB_PREFIX_ADD:
	case FIB_PREFIX_DEL:
	case FIB_OWNERS_DEL:
	case FIB_PEER_DEL:
		return true;
	default:
		return false;
	}
}

size_t op_weight(const struct fib_op *op)
{
	return 1 + (op->type == FIB_OWNERS_SET ? op->u.owners.n : 0);
}

struct work {
	const struct fib_op *ops;
	size_t n;
	const struct fib_device *shall; /* NULL: owners and levels only */
	const struct device_state *is;
	struct map *places; /* key -> its place in peers, from 1 on */
	struct device_peer_change *peers;
	size_t n_peers;
	VEC(struct device_owner_set_change) sets;
	ip_prefix *prefixes; /* what the lists of both point into */
};

static struct device_peer_change *change_of(const struct work *w, const wg_key *key)
{
	uintptr_t place = (uintptr_t)map_get(w->places, key, sizeof(*key));

	assert(place);
	return &w->peers[place - 1];
}

/* Preshared keys must not be moved about, so the peers are counted first. */
static void make_peers(struct work *w)
{
	w->places = map_new();
	for (size_t i = 0; i < w->n; i++) {
		const wg_key *key = fib_op_peer(&w->ops[i]);

		if (key && !map_get(w->places, key, sizeof(*key)))
			map_put(w->places, key, sizeof(*key), (void *)++w->n_peers);
	}
	w->peers = secret_zalloc(w->n_peers + 1, sizeof(*w->peers));
	for (size_t i = 0; i < w->n; i++) {
		const wg_key *key = fib_op_peer(&w->ops[i]);
		struct device_peer_change *c = key ? change_of(w, key) : NULL;

		if (!c)
			continue;
		c->key = *key;
		c->update_only = true;
		c->n_add += w->ops[i].type == FIB_PREFIX_ADD;
		c->n_del += w->ops[i].type == FIB_PREFIX_DEL;
	}
}

/* Each peer's additions lie together, and so do its removals. *at: where there is room. */
static void make_prefixes_of_peers(struct work *w, size_t *at)
{
	for (size_t i = 0; i < w->n_peers; i++) {
		struct device_peer_change *c = &w->peers[i];

		c->add = &w->prefixes[*at];
		*at += c->n_add;
		c->del = &w->prefixes[*at];
		*at += c->n_del;
		c->n_add = c->n_del = 0;
	}
	for (size_t i = 0; i < w->n; i++) {
		const struct fib_op *op = &w->ops[i];
		const wg_key *key = fib_op_peer(op);
		struct device_peer_change *c;

		if (!key || (op->type != FIB_PREFIX_ADD && op->type != FIB_PREFIX_DEL))
			continue;
		c = change_of(w, key);
		if (op->type == FIB_PREFIX_ADD)
			w->prefixes[c->add - w->prefixes + (ptrdiff_t)c->n_add++] =
				op->u.owner.prefix;
		else
			w->prefixes[c->del - w->prefixes + (ptrdiff_t)c->n_del++] =
				op->u.owner.prefix;
	}
}

/* --- sets of owners ----------------------------------------------------------------------------
 */

/* False if the operation is of no set. */
static bool set_of(const struct fib_op *op, uint64_t *ret)
{
	switch (op->type) {
	case FIB_OWNERS_SET:
	case FIB_OWNERS_DEL:
		*ret = op->u.owners.number;
		return true;
	case FIB_PREFIX_ADD:
		*ret = op->u.owner.to.owner_set;
		return *ret;
	case FIB_PREFIX_DEL:
		*ret = op->u.owner.from.owner_set;
		return *ret;
	default:
		return false;
	}
}

/* One that comes behind what it would have to come before begins another change of the same set. */
static bool goes_with(const struct device_owner_set_change *c, const struct fib_op *op)
{
	if (c->remove || op->type == FIB_OWNERS_DEL)
		return false;
	if (op->type == FIB_OWNERS_SET)
		return !c->n_owners && !c->n_add && !c->n_del;
	return op->type == FIB_PREFIX_DEL || !c->n_del;
}

static void add_set(struct work *w, const struct fib_op *op, uint64_t number, ip_prefix *room)
{
	struct device_owner_set_change *c = w->sets.n ? &w->sets.items[w->sets.n - 1] : NULL;

	if (!c || c->number != number || !goes_with(c, op)) {
		vec_push(&w->sets, (struct device_owner_set_change){.number = number});
		c = &w->sets.items[w->sets.n - 1];
	}
	if (op->type == FIB_OWNERS_SET) {
		c->owners = op->u.owners.owners;
		c->n_owners = op->u.owners.n;
	} else if (op->type == FIB_OWNERS_DEL) {
		c->remove = true;
	} else {
		*room = op->u.owner.prefix;
		if (op->type == FIB_PREFIX_ADD && !c->n_add++)
			c->add = room;
		if (op->type == FIB_PREFIX_DEL && !c->n_del++)
			c->del = room;
	}
}

/* A run of operations on one set is one change of it. */
static void make_sets(struct work *w, size_t at)
{
	for (size_t i = 0; i < w->n; i++) {
		const struct fib_op *op = &w->ops[i];
		uint64_t number;

		if (!set_of(op, &number))
			continue;
		add_set(w, op, number, &w->prefixes[at]);
		at += op->type == FIB_PREFIX_ADD || op->type == FIB_PREFIX_DEL;
	}
}

/* --- settings ----------------------------------------------------------------------------------
 */

static void take_settings(
	const struct work *w, const struct fib_op *op, struct device_peer_change *c)
{
	const struct device_peer *want = device_state_peer(&w->shall->wg, &op->u.peer.key);
	struct device_peer_change own;

	if (!want)
		return;
	fib_peer_change(device_state_peer(w->is, &op->u.peer.key), want, &own);
	c->update_only = own.update_only;
	c->set_psk = own.set_psk;
	c->psk = own.psk;
	if (own.set_endpoint) { /* an operation of its own, else; and so with the level */
		c->set_endpoint = true;
		c->endpoint = own.endpoint;
	}
	if (own.set_level) {
		c->set_level = true;
		c->level = own.level;
	}
	c->set_keepalive = own.set_keepalive;
	c->keepalive = own.keepalive;
	wg_key_wipe(&own.psk);
}

/* There may be two of them: a mark that goes is cleared last. */
static void take_own(const struct work *w, const struct fib_op *op, struct device_change *c)
{
	if (op->u.settings.key) {
		c->set_private_key = true;
		c->private_key = w->shall->private_key;
	}
	if (op->u.settings.port) {
		c->set_listen_port = true;
		c->listen_port = w->shall->wg.listen_port;
	}
	if (op->u.settings.fwmark) {
		c->set_fwmark = true;
		c->fwmark = w->shall->wg.fwmark;
	}
}

static void take(struct work *w, const struct fib_op *op, struct device_change *c)
{
	struct device_peer_change *peer;

	switch (op->type) {
	case FIB_DEVICE:
		take_own(w, op, c);
		break;
	case FIB_PEER_SET:
		take_settings(w, op, change_of(w, &op->u.peer.key));
		break;
	case FIB_ENDPOINT:
		peer = change_of(w, &op->u.endpoint.key);
		peer->set_endpoint = true;
		peer->endpoint = op->u.endpoint.to;
		break;
	case FIB_LEVEL:
		peer = change_of(w, &op->u.level.key);
		peer->set_level = true;
		peer->level = op->u.level.to;
		break;
	case FIB_PEER_DEL:
		change_of(w, &op->u.peer.key)->remove = true;
		break;
	default:
		break;
	}
}

int do_device(struct fib_io *io, const struct fib_op *ops, size_t n, const struct fib_device *shall,
	const struct fib_device *is)
{
	struct work w = {.ops = ops, .n = n, .shall = shall, .is = &is->wg};
	struct device_change c = {0};
	size_t at = 0;
	int err;

	make_peers(&w);
	w.prefixes = mem_zalloc(n + 1, sizeof(*w.prefixes));
	make_prefixes_of_peers(&w, &at);
	make_sets(&w, at);
	for (size_t i = 0; i < n; i++)
		take(&w, &ops[i], &c);
	c.peers = w.peers;
	c.n_peers = w.n_peers;
	c.sets = w.sets.items;
	c.n_sets = w.sets.n;
	err = io->ops->device_set(io, &c);
	wg_key_wipe(&c.private_key);
	secret_free(w.peers, (w.n_peers + 1) * sizeof(*w.peers));
	vec_done(&w.sets);
	free(w.prefixes);
	map_free(w.places);
	return err;
}

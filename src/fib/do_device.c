/* SPDX-License-Identifier: MIT */
/* Neighbouring operations on one device become one change: a move is one message. */
#include "fib/do.h"

#include "base/map.h"
#include "base/secret.h"
#include <assert.h>
#include <string.h>

bool op_is_of_device(const struct fib_op *op)
{
	return op->type == FIB_DEVICE || fib_op_peer(op);
}

struct work {
	const struct fib_op *ops;
	size_t n;
	const struct fib_device *shall; /* NULL: owners only */
	const struct device_state *is;
	struct map *places; /* key -> its place in peers, from 1 on */
	struct device_peer_change *peers;
	size_t n_peers;
	ip_prefix *prefixes; /* what the peers' lists point into */
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

/* Each peer's additions lie together, and so do its removals. */
static void make_prefixes(struct work *w)
{
	size_t at = 0;

	w->prefixes = mem_zalloc(w->n + 1, sizeof(*w->prefixes));
	for (size_t i = 0; i < w->n_peers; i++) {
		struct device_peer_change *c = &w->peers[i];

		c->add = &w->prefixes[at];
		at += c->n_add;
		c->del = &w->prefixes[at];
		at += c->n_del;
		c->n_add = c->n_del = 0;
	}
	for (size_t i = 0; i < w->n; i++) {
		const struct fib_op *op = &w->ops[i];
		struct device_peer_change *c;

		if (op->type != FIB_PREFIX_ADD && op->type != FIB_PREFIX_DEL)
			continue;
		c = change_of(w, fib_op_peer(op));
		if (op->type == FIB_PREFIX_ADD)
			w->prefixes[c->add - w->prefixes + (ptrdiff_t)c->n_add++] =
				op->u.owner.prefix;
		else
			w->prefixes[c->del - w->prefixes + (ptrdiff_t)c->n_del++] =
				op->u.owner.prefix;
	}
}

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
	if (own.set_endpoint) { /* an operation of its own, else */
		c->set_endpoint = true;
		c->endpoint = own.endpoint;
	}
	c->set_keepalive = own.set_keepalive;
	c->keepalive = own.keepalive;
	wg_key_wipe(&own.psk);
}

static void take_endpoint(const struct fib_op *op, struct device_peer_change *c)
{
	c->set_endpoint = true;
	c->endpoint = op->u.endpoint.to;
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

static void take_rest(struct work *w, struct device_change *c)
{
	for (size_t i = 0; i < w->n; i++) {
		const struct fib_op *op = &w->ops[i];

		if (op->type == FIB_PEER_SET) {
			take_settings(w, op, change_of(w, &op->u.peer.key));
		} else if (op->type == FIB_ENDPOINT) {
			take_endpoint(op, change_of(w, &op->u.endpoint.key));
		} else if (op->type == FIB_PEER_DEL) {
			change_of(w, &op->u.peer.key)->remove = true;
		} else if (op->type == FIB_DEVICE) {
			take_own(w, op, c);
		}
	}
}

int do_device(struct fib_io *io, const struct fib_op *ops, size_t n, const struct fib_device *shall,
	const struct fib_device *is)
{
	struct work w = {.ops = ops, .n = n, .shall = shall, .is = &is->wg};
	struct device_change c = {0};
	int err;

	make_peers(&w);
	make_prefixes(&w);
	take_rest(&w, &c);
	c.peers = w.peers;
	c.n_peers = w.n_peers;
	err = io->ops->device_set(io, &c);
	wg_key_wipe(&c.private_key);
	secret_free(w.peers, (w.n_peers + 1) * sizeof(*w.peers));
	free(w.prefixes);
	map_free(w.places);
	return err;
}

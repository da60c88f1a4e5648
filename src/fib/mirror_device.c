/* SPDX-License-Identifier: MIT */
#include "fib/do.h"

#include "base/secret.h"
#include <assert.h>
#include <string.h>

/* So many changes are made one by one; more of them in one pass over what their peers have. */
#define SINGLES_MAX 32

struct turn {
	wg_key peer;
	ip_prefix prefix;
	bool add;
};

typedef VEC(struct turn) turns;

static int by_peer_and_prefix(const void *a, const void *b)
{
	const struct turn *x = a, *y = b;
	int c = memcmp(x->peer.bytes, y->peer.bytes, WG_KEY_LEN);

	return c ? c : ip_prefix_cmp(&x->prefix, &y->prefix);
}

/* What a peer gets, and what goes from one. */
static void collect(const struct fib_op *ops, size_t n, turns *ret)
{
	for (size_t i = 0; i < n; i++) {
		const struct fib_op *op = &ops[i];

		if (!op->done || (op->type != FIB_PREFIX_ADD && op->type != FIB_PREFIX_DEL))
			continue;
		if (!wg_key_is_zero(&op->u.owner.from))
			vec_push(ret, ((struct turn){op->u.owner.from, op->u.owner.prefix, false}));
		if (op->type == FIB_PREFIX_ADD)
			vec_push(ret, ((struct turn){op->u.owner.to, op->u.owner.prefix, true}));
	}
}

static struct device_peer *peer_at(struct device_state *is, const wg_key *key)
{
	const struct device_peer *p = device_state_peer(is, key);

	return p ? &is->peers[p - is->peers] : NULL;
}

/* The place of the first that isn't before it. */
static size_t place_of(const struct device_peer *p, const ip_prefix *prefix)
{
	size_t from = 0, to = p->n_allowed;

	while (from < to) {
		size_t at = from + (to - from) / 2;

		if (ip_prefix_cmp(&p->allowed[at], prefix) < 0)
			from = at + 1;
		else
			to = at;
	}
	return from;
}

static void turn_single(struct device_state *is, const struct turn *t)
{
	struct device_peer *p = peer_at(is, &t->peer);
	size_t at, size = sizeof(ip_prefix);
	bool has;

	if (!p)
		return;
	at = place_of(p, &t->prefix);
	has = at < p->n_allowed && ip_prefix_eq(&p->allowed[at], &t->prefix);
	if (has == t->add)
		return;
	if (t->add) {
		p->allowed = mem_realloc(p->allowed, p->n_allowed + 1, size);
		memmove(&p->allowed[at + 1], &p->allowed[at], (p->n_allowed - at) * size);
		p->allowed[at] = t->prefix;
		p->n_allowed++;
	} else {
		p->n_allowed--;
		memmove(&p->allowed[at], &p->allowed[at + 1], (p->n_allowed - at) * size);
	}
}

/* n turns of one peer, by prefix. */
static void turn_peer(struct device_peer *p, const struct turn *t, size_t n)
{
	ip_prefix *out = mem_zalloc(p->n_allowed + n + 1, sizeof(*out));
	size_t n_out = 0, i = 0;

	for (size_t k = 0; k < n; k++) {
		while (i < p->n_allowed && ip_prefix_cmp(&p->allowed[i], &t[k].prefix) < 0)
			out[n_out++] = p->allowed[i++];
		if (i < p->n_allowed && ip_prefix_eq(&p->allowed[i], &t[k].prefix))
			i++;
		if (t[k].add)
			out[n_out++] = t[k].prefix;
	}
	while (i < p->n_allowed)
		out[n_out++] = p->allowed[i++];
	free(p->allowed);
	p->allowed = out;
	p->n_allowed = n_out;
}

static void turn_all(struct device_state *is, turns *all)
{
	for (size_t i = 0; i < all->n && all->n <= SINGLES_MAX; i++)
		turn_single(is, &all->items[i]);
	if (all->n <= SINGLES_MAX)
		return;
	qsort(all->items, all->n, sizeof(*all->items), by_peer_and_prefix);
	for (size_t i = 0, end; i < all->n; i = end) {
		struct device_peer *p = peer_at(is, &all->items[i].peer);

		for (end = i + 1;
			end < all->n && wg_key_eq(&all->items[end].peer, &all->items[i].peer);
			end++)
			;
		if (p)
			turn_peer(p, &all->items[i], end - i);
	}
}

/* --- peers -------------------------------------------------------------------------------------
 */

static int by_key(const void *a, const void *b)
{
	const struct device_peer *x = a, *y = b;

	return memcmp(x->key.bytes, y->key.bytes, WG_KEY_LEN);
}

/* Into secret memory of just that size, as device_state_done goes by it. */
static void resize(struct device_state *is, size_t n)
{
	struct device_peer *peers = n ? secret_zalloc(n, sizeof(*peers)) : NULL;
	size_t keep = n < is->n_peers ? n : is->n_peers;

	if (keep)
		memcpy(peers, is->peers, keep * sizeof(*peers));
	secret_free(is->peers, is->n_peers * sizeof(*peers));
	is->peers = peers;
	is->n_peers = n;
}

static bool is_new(const struct device_state *is, const struct fib_op *op)
{
	return op->done && op->type == FIB_PEER_SET && !device_state_peer(is, &op->u.peer.key);
}

static void add_peers(struct device_state *is, const struct fib_op *ops, size_t n)
{
	size_t fresh = 0, at = is->n_peers;

	for (size_t i = 0; i < n; i++)
		fresh += is_new(is, &ops[i]);
	if (!fresh)
		return;
	/* Those that are new stay out of the search until all of them are there. */
	resize(is, at + fresh);
	is->n_peers = at;
	for (size_t i = 0; i < n; i++)
		if (is_new(is, &ops[i]))
			is->peers[at++].key = ops[i].u.peer.key;
	is->n_peers = at;
	qsort(is->peers, at, sizeof(*is->peers), by_key);
}

static void set_peers(
	struct device_state *is, const struct fib_op *ops, size_t n, const struct fib_device *shall)
{
	for (size_t i = 0; i < n; i++) {
		const struct device_peer *want;
		struct device_peer *p;
		struct device_peer_change c;

		if (!ops[i].done || ops[i].type != FIB_PEER_SET)
			continue;
		p = peer_at(is, &ops[i].u.peer.key);
		want = device_state_peer(&shall->wg, &ops[i].u.peer.key);
		assert(p && want);
		fib_peer_change(p, want, &c);
		if (c.set_psk) {
			p->psk = c.psk;
			p->has_psk = !wg_key_is_zero(&c.psk);
		}
		if (ops[i].reason == FIB_MISSING) /* else an operation of its own */
			p->endpoint = want->endpoint;
		p->keepalive = c.set_keepalive ? c.keepalive : p->keepalive;
		wg_key_wipe(&c.psk);
	}
}

static void set_endpoints(struct device_state *is, const struct fib_op *ops, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct device_peer *p = ops[i].done && ops[i].type == FIB_ENDPOINT
						? peer_at(is, &ops[i].u.endpoint.key)
						: NULL;

		if (p)
			p->endpoint = ops[i].u.endpoint.to;
	}
}

static void remove_peers(struct device_state *is, const struct fib_op *ops, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		struct device_peer *p = ops[i].done && ops[i].type == FIB_PEER_DEL
						? peer_at(is, &ops[i].u.peer.key)
						: NULL;

		if (!p)
			continue;
		free(p->allowed);
		p->allowed = NULL;
		p->n_allowed = SIZE_MAX; /* goes below */
	}
	for (size_t i = 0; i < is->n_peers; i++)
		kept += is->peers[i].n_allowed != SIZE_MAX;
	if (kept == is->n_peers)
		return;
	kept = 0;
	for (size_t i = 0; i < is->n_peers; i++)
		if (is->peers[i].n_allowed != SIZE_MAX)
			is->peers[kept++] = is->peers[i];
	resize(is, kept);
}

static void set_device(
	struct device_state *is, const struct fib_op *ops, size_t n, const struct fib_device *shall)
{
	for (size_t i = 0; i < n; i++) {
		if (!ops[i].done || ops[i].type != FIB_DEVICE)
			continue;
		if (ops[i].u.settings.key) {
			is->has_key = true;
			is->public_key = shall->wg.public_key;
		}
		if (ops[i].u.settings.port)
			is->listen_port = shall->wg.listen_port;
		if (ops[i].u.settings.fwmark)
			is->fwmark = shall->wg.fwmark;
	}
}

void mirror_device(
	struct device_state *is, const struct fib_op *ops, size_t n, const struct fib_device *shall)
{
	turns all = {0};

	if (shall) {
		set_device(is, ops, n, shall);
		add_peers(is, ops, n);
		set_peers(is, ops, n, shall);
	}
	set_endpoints(is, ops, n);
	collect(ops, n, &all);
	turn_all(is, &all);
	vec_done(&all);
	remove_peers(is, ops, n);
}

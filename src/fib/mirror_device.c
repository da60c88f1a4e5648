/* SPDX-License-Identifier: MIT */
#include "fib/do.h"

#include "base/secret.h"
#include <assert.h>
#include <string.h>

/* So many changes are made one by one; more of them in one pass over what their homes have. */
#define SINGLES_MAX 32

struct turn {
	struct fib_home home;
	ip_prefix prefix;
	bool add;
};

typedef VEC(struct turn) turns;

static int by_home_and_prefix(const void *a, const void *b)
{
	const struct turn *x = a, *y = b;
	int c = memcmp(&x->home, &y->home, sizeof(x->home));

	return c ? c : ip_prefix_cmp(&x->prefix, &y->prefix);
}

/* What a home gets, and what goes from one. */
static void collect(const struct fib_op *ops, size_t n, turns *ret)
{
	for (size_t i = 0; i < n; i++) {
		const struct fib_op *op = &ops[i];

		if (!op->done || (op->type != FIB_PREFIX_ADD && op->type != FIB_PREFIX_DEL))
			continue;
		if (!fib_home_is_nowhere(&op->u.owner.from))
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

static struct device_owner_set *set_at(struct device_state *is, uint64_t number)
{
	const struct device_owner_set *s = device_state_set(is, number);

	return s ? &is->sets[s - is->sets] : NULL;
}

/* What stands at one home; sorted. */
struct standing {
	ip_prefix **list;
	size_t *n;
};

/* False if it isn't there. */
static bool standing_at(struct device_state *is, const struct fib_home *h, struct standing *ret)
{
	struct device_peer *p = h->owner_set ? NULL : peer_at(is, &h->peer);
	struct device_owner_set *s = h->owner_set ? set_at(is, h->owner_set) : NULL;

	if (p)
		*ret = (struct standing){&p->allowed, &p->n_allowed};
	if (s)
		*ret = (struct standing){&s->allowed, &s->n_allowed};
	return p || s;
}

/* The place of the first that isn't before it. */
static size_t place_of(const ip_prefix *list, size_t n, const ip_prefix *prefix)
{
	size_t from = 0, to = n;

	while (from < to) {
		size_t at = from + (to - from) / 2;

		if (ip_prefix_cmp(&list[at], prefix) < 0)
			from = at + 1;
		else
			to = at;
	}
	return from;
}

static void turn_single(struct device_state *is, const struct turn *t)
{
	size_t at, n, size = sizeof(ip_prefix);
	struct standing s;
	bool has;

	if (!standing_at(is, &t->home, &s))
		return;
	n = *s.n;
	at = place_of(*s.list, n, &t->prefix);
	has = at < n && ip_prefix_eq(&(*s.list)[at], &t->prefix);
	if (has == t->add)
		return;
	if (t->add) {
		*s.list = mem_realloc(*s.list, n + 1, size);
		memmove(&(*s.list)[at + 1], &(*s.list)[at], (n - at) * size);
		(*s.list)[at] = t->prefix;
		*s.n = n + 1;
	} else {
		*s.n = n - 1;
		memmove(&(*s.list)[at], &(*s.list)[at + 1], (n - 1 - at) * size);
	}
}

/* n turns of one home, by prefix. */
static void turn_home(const struct standing *s, const struct turn *t, size_t n)
{
	ip_prefix *out = mem_zalloc(*s->n + n + 1, sizeof(*out)), *list = *s->list;
	size_t n_out = 0, i = 0;

	for (size_t k = 0; k < n; k++) {
		while (i < *s->n && ip_prefix_cmp(&list[i], &t[k].prefix) < 0)
			out[n_out++] = list[i++];
		if (i < *s->n && ip_prefix_eq(&list[i], &t[k].prefix))
			i++;
		if (t[k].add)
			out[n_out++] = t[k].prefix;
	}
	while (i < *s->n)
		out[n_out++] = list[i++];
	free(list);
	*s->list = out;
	*s->n = n_out;
}

static void turn_all(struct device_state *is, turns *all)
{
	for (size_t i = 0; i < all->n && all->n <= SINGLES_MAX; i++)
		turn_single(is, &all->items[i]);
	if (all->n <= SINGLES_MAX)
		return;
	qsort(all->items, all->n, sizeof(*all->items), by_home_and_prefix);
	for (size_t i = 0, end; i < all->n; i = end) {
		struct standing s;

		for (end = i + 1;
			end < all->n && fib_home_eq(&all->items[end].home, &all->items[i].home);
			end++)
			;
		if (standing_at(is, &all->items[i].home, &s))
			turn_home(&s, &all->items[i], end - i);
	}
}

/* --- sets of owners ----------------------------------------------------------------------------
 */

static int by_number(const void *a, const void *b)
{
	const struct device_owner_set *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

/* A prefix that is added to one makes it, too. */
static uint64_t set_made_by(const struct fib_op *op)
{
	if (op->done && op->type == FIB_OWNERS_SET)
		return op->u.owners.number;
	return op->done && op->type == FIB_PREFIX_ADD ? op->u.owner.to.owner_set : 0;
}

static void add_sets(struct device_state *is, const struct fib_op *ops, size_t n)
{
	size_t fresh = 0, n_sets = is->n_sets;

	for (size_t i = 0; i < n; i++) {
		uint64_t number = set_made_by(&ops[i]);

		fresh += number && !device_state_set(is, number);
	}
	if (!fresh)
		return;
	is->sets = mem_realloc(is->sets, n_sets + fresh, sizeof(*is->sets));
	for (size_t i = 0; i < n; i++) {
		uint64_t number = set_made_by(&ops[i]);

		if (number && !device_state_set(is, number)) {
			is->sets[is->n_sets++] = (struct device_owner_set){.number = number};
			qsort(is->sets, is->n_sets, sizeof(*is->sets), by_number);
		}
	}
}

/* As a device tells them: by rank, who is never sent to last, and as they were named among equals.
 */
static bool is_before(const struct device_owner *a, const struct device_owner *b)
{
	return !a->weight != !b->weight ? a->weight != 0 : a->rank < b->rank;
}

static void set_owners(struct device_owner_set *s, const struct device_owner *owners, size_t n)
{
	free(s->owners);
	s->owners = mem_zalloc(n + 1, sizeof(*s->owners));
	s->n_owners = n;
	for (size_t i = 0; i < n; i++) {
		size_t at = i;

		for (; at && is_before(&owners[i], &s->owners[at - 1]); at--)
			s->owners[at] = s->owners[at - 1];
		s->owners[at] = owners[i];
	}
}

static void set_sets(struct device_state *is, const struct fib_op *ops, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct device_owner_set *s = ops[i].done && ops[i].type == FIB_OWNERS_SET
						     ? set_at(is, ops[i].u.owners.number)
						     : NULL;

		if (s)
			set_owners(s, ops[i].u.owners.owners, ops[i].u.owners.n);
	}
}

static void remove_set(struct device_state *is, struct device_owner_set *s)
{
	size_t at = (size_t)(s - is->sets);

	free(s->owners);
	free(s->allowed);
	is->n_sets--;
	memmove(s, s + 1, (is->n_sets - at) * sizeof(*s));
	if (!is->n_sets) {
		free(is->sets);
		is->sets = NULL;
	}
}

static void remove_sets(struct device_state *is, const struct fib_op *ops, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct device_owner_set *s = ops[i].done && ops[i].type == FIB_OWNERS_DEL
						     ? set_at(is, ops[i].u.owners.number)
						     : NULL;

		if (s)
			remove_set(is, s);
	}
}

/* Who is removed is no owner any more. */
static void leave_sets(struct device_state *is, const wg_key *key)
{
	for (size_t i = 0; i < is->n_sets; i++) {
		struct device_owner_set *s = &is->sets[i];
		size_t n = 0;

		for (size_t k = 0; k < s->n_owners; k++)
			if (!wg_key_eq(&s->owners[k].key, key))
				s->owners[n++] = s->owners[k];
		s->n_owners = n;
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
		if (ops[i].reason == FIB_MISSING) { /* else operations of their own */
			p->endpoint = want->endpoint;
			p->level = want->level;
		}
		p->keepalive = c.set_keepalive ? c.keepalive : p->keepalive;
		wg_key_wipe(&c.psk);
	}
}

static void set_endpoints_and_levels(struct device_state *is, const struct fib_op *ops, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct fib_op *op = &ops[i];
		bool is_one = op->done && (op->type == FIB_ENDPOINT || op->type == FIB_LEVEL);
		struct device_peer *p = is_one ? peer_at(is, fib_op_peer(op)) : NULL;

		if (p && op->type == FIB_ENDPOINT)
			p->endpoint = op->u.endpoint.to;
		else if (p)
			p->level = op->u.level.to;
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
		leave_sets(is, &p->key);
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
	set_endpoints_and_levels(is, ops, n);
	add_sets(is, ops, n);
	set_sets(is, ops, n);
	collect(ops, n, &all);
	turn_all(is, &all);
	vec_done(&all);
	remove_sets(is, ops, n);
	remove_peers(is, ops, n);
}

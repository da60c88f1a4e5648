/* SPDX-License-Identifier: MIT */
#include "daemon/fib.h"

#include "base/secret.h"
#include "daemon/kernel_mark.h"
#include "daemon/kernel_plan.h"
#include "daemon/kernel_routes.h"
#include "daemon/listen_port.h"
#include "device/reconcile.h"
#include "fib/want_own.h"
#include "route/decision.h"
#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* More than a sync has on the stack at its deepest. */
#define STACK_BYTES (128 * 1024)

void fib_problem(struct fib *f, char *fix, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	vec_push(&f->problems, ((struct fib_trouble){mem_strdup(text), fix}));
}

static void forget_problems(struct fib *f)
{
	for (size_t i = 0; i < f->problems.n; i++) {
		free(f->problems.items[i].what);
		free(f->problems.items[i].fix);
	}
	f->problems.n = 0;
}

void fib_done(struct fib *f)
{
	forget_problems(f);
	vec_done(&f->problems);
	vec_done(&f->foreign);
	vec_done(&f->apart);
	nft_close(f->nft);
}

/* --- the difference of a step ------------------------------------------------------------------
 */

struct move {
	uint32_t peer;
	bool add;
	ip_prefix prefix;
};

static int by_peer(const void *a, const void *b)
{
	const struct move *x = a, *y = b;

	if (x->peer != y->peer)
		return x->peer < y->peer ? -1 : 1;
	if (x->add != y->add)
		return x->add ? -1 : 1;
	return ip_prefix_cmp(&x->prefix, &y->prefix);
}

static int prefix_cmp(const void *a, const void *b)
{
	return ip_prefix_cmp(a, b);
}

static bool is_with_foreigner(const struct fib *f, const ip_prefix *p)
{
	return f->foreign.n && bsearch(p, f->foreign.items, f->foreign.n, sizeof(*p), prefix_cmp);
}

/* What a difference comes to. */
struct work {
	const struct fib *f;
	VEC(struct move) moves;
	VEC(ip_prefix) routes_added, routes_removed;
};

/*
 * On a device with one owner per prefix the addition to the new owner is the whole move; only a
 * prefix that is left without any owner is removed.
 */
static void moves_of_turn(struct work *w, const ip_prefix *prefix, const struct rib_turn *t)
{
	bool removes = t->owners.n == 0 || device_max_owners(w->f->device) > 1;

	if (is_with_foreigner(w->f, prefix)) /* adding it would take it away */
		return;
	for (unsigned i = 0; i < t->owners.n; i++)
		if (!decision_owns(&t->old_owners, t->owners.peer[i]))
			vec_push(&w->moves, ((struct move){t->owners.peer[i], true, *prefix}));
	for (unsigned i = 0; removes && i < t->old_owners.n; i++)
		if (!decision_owns(&t->owners, t->old_owners.peer[i]))
			vec_push(&w->moves, ((struct move){t->old_owners.peer[i], false, *prefix}));
}

static void take_turn(const ip_prefix *prefix, const struct rib_turn *t, void *data)
{
	struct work *w = data;

	moves_of_turn(w, prefix, t);
	if (t->old_route && !t->route)
		vec_push(&w->routes_removed, *prefix);
	if (!t->old_route && t->route)
		vec_push(&w->routes_added, *prefix);
}

static int apply_moves(const struct fib *f, struct move *moves, size_t n)
{
	struct device_change change = {0};
	struct device_peer_change *peers = mem_zalloc(n + 1, sizeof(*peers));
	ip_prefix *prefixes = mem_zalloc(n + 1, sizeof(*prefixes));
	struct device_peer_change *p = NULL;
	int err;

	if (n)
		qsort(moves, n, sizeof(*moves), by_peer);
	for (size_t i = 0; i < n; i++) {
		const struct generation_peer *g = generation_peer_by_id(f->gen, moves[i].peer);

		if (!g) /* a peer that left with the last reload; the sync removes it whole */
			continue;
		prefixes[i] = moves[i].prefix;
		if (!p || moves[i - 1].peer != moves[i].peer) {
			p = &peers[change.n_peers++];
			p->key = g->node->public_key;
			p->update_only = true;
		}
		if (moves[i].add) {
			p->add = p->n_add ? p->add : &prefixes[i];
			p->n_add++;
		} else {
			p->del = p->n_del ? p->del : &prefixes[i];
			p->n_del++;
		}
	}
	change.peers = peers;
	err = change.n_peers ? device_set(f->device, &change) : 0;
	free(prefixes);
	free(peers);
	return err;
}

int fib_apply(struct fib *f, const struct rib_diff *diff)
{
	struct work w = {.f = f};
	int err;

	rib_diff_each(diff, take_turn, &w);
	for (size_t i = 0; i < w.routes_removed.n; i++)
		kernel_route_set(f, &w.routes_removed.items[i], false);
	err = apply_moves(f, w.moves.items, w.moves.n);
	for (size_t i = 0; i < w.routes_added.n && !err; i++)
		kernel_route_set(f, &w.routes_added.items[i], true);
	vec_done(&w.moves);
	vec_done(&w.routes_added);
	vec_done(&w.routes_removed);
	return err;
}

/* --- the sync ----------------------------------------------------------------------------------
 */

struct owned {
	uint32_t peer;
	ip_prefix prefix;
};

struct wanted {
	VEC(struct owned) owned;	 /* by peer, then prefix, after sorting */
	VEC(ip_prefix) prefixes;	 /* every prefix of the RIB */
	VEC(struct want_prefix) carried; /* the same */
	prefix_vec own;			 /* ours that nobody's key owns (fib/want_own.h) */
	struct kernel_plan kernel;
	ip_prefix *allowed;
	struct desired_peer *peers;
};

static int collect(const struct rib_answer *a, void *data)
{
	struct wanted *w = data;

	vec_push(&w->prefixes, a->prefix);
	for (unsigned i = 0; i < a->owners.n; i++)
		vec_push(&w->owned, (struct owned){a->owners.peer[i], a->prefix});
	vec_push(&w->carried, (struct want_prefix){a->prefix, a->route, a->on_dead == RIB_RELEASE});
	return 0;
}

static int owned_by_peer(const void *a, const void *b)
{
	const struct owned *x = a, *y = b;

	if (x->peer != y->peer)
		return x->peer < y->peer ? -1 : 1;
	return ip_prefix_cmp(&x->prefix, &y->prefix);
}

/* Our networks, and our IPv6 addresses. */
static void own_sources(const struct generation *g, prefix_vec *ret)
{
	for (size_t i = 0; i < g->self->n_networks; i++)
		vec_push(ret, g->self->networks[i].prefix);
	for (size_t i = 0; i < g->n_addresses; i++) {
		ip_addr a = ip_prefix_addr(&g->addresses[i]);

		if (a.family == AF_INET6)
			vec_push(ret, ip_prefix_host(&a));
	}
}

static void decide_own(const struct fib *f, struct wanted *w)
{
	struct want_facts facts = {.carried = w->carried.items, .n_carried = w->carried.n};
	prefix_vec sources = {0};

	own_sources(f->gen, &sources);
	want_own(&facts, sources.items, sources.n, &w->own);
	vec_done(&sources);
	for (size_t i = 0; i < w->own.n; i++)
		vec_push(&w->prefixes, w->own.items[i]);
}

/* How many peers the device shall have. */
static size_t count_peers(const struct fib *f, const struct wanted *w)
{
	return f->gen->n_peers + (w->own.n != 0);
}

static void desired_peers(const struct fib *f, struct wanted *w)
{
	const struct generation *g = f->gen;

	if (w->owned.n)
		qsort(w->owned.items, w->owned.n, sizeof(*w->owned.items), owned_by_peer);
	w->allowed = mem_zalloc(w->owned.n + 1, sizeof(*w->allowed));
	w->peers = secret_zalloc(g->n_peers + 1, sizeof(*w->peers));
	for (size_t i = 0; i < g->n_peers; i++) {
		const struct generation_peer *gp = &g->peers[i];

		w->peers[i] = (struct desired_peer){
			.key = gp->node->public_key,
			.has_psk = !wg_key_is_zero(&gp->psk),
			.psk_unknown = gp->psk_error != 0,
			.psk = gp->psk,
			.endpoint = f->endpoints[i],
			.keepalive = (uint16_t)gp->view->keepalive,
		};
	}
	for (size_t i = 0; i < w->owned.n; i++) {
		const struct generation_peer *gp = generation_peer_by_id(g, w->owned.items[i].peer);
		struct desired_peer *p;

		w->allowed[i] = w->owned.items[i].prefix;
		if (!gp)
			continue;
		p = &w->peers[gp - g->peers];
		if (!p->n_allowed)
			p->allowed = &w->allowed[i];
		p->n_allowed++;
	}
	w->peers[g->n_peers] = (struct desired_peer){
		.key = want_nobody_key(), .allowed = w->own.items, .n_allowed = w->own.n};
}

static void wanted_done(struct wanted *w, size_t n_peers)
{
	secret_free(w->peers, (n_peers + 1) * sizeof(*w->peers));
	free(w->allowed);
	vec_done(&w->owned);
	vec_done(&w->prefixes);
	vec_done(&w->carried);
	vec_done(&w->own);
	kernel_plan_done(&w->kernel);
}

static bool peer_is_ours(const wg_key *key, void *data)
{
	const struct fib *f = data;
	wg_key nobody = want_nobody_key();

	return wg_key_eq(key, &nobody) || state_has_peer(f->state, key) ||
	       generation_peer_by_key(f->gen, key);
}

static bool prefix_is_ours(const ip_prefix *p, void *data)
{
	const struct fib *f = data;
	struct rib_answer a;

	return state_has_prefix(f->state, p) || rib_explain(f->rib, p, &a);
}

static int write_journal(const struct fib *f, const struct wanted *w, bool exactly)
{
	const struct generation *g = f->gen;
	wg_key *keys = mem_zalloc(g->n_peers + 1, sizeof(*keys));
	struct state_journal j = {
		.peers = keys,
		.n_peers = g->n_peers,
		.prefixes = w->prefixes.items,
		.n_prefixes = w->prefixes.n,
		.addresses = g->addresses,
		.n_addresses = g->n_addresses,
		.backstops = w->kernel.backstops.items,
		.n_backstops = w->kernel.backstops.n,
		.mark = f->fwmark,
	};
	int err;

	for (size_t i = 0; i < g->n_peers; i++)
		keys[i] = g->peers[i].node->public_key;
	err = state_journal(f->state, &j, exactly);
	free(keys);
	return err;
}

static void note_conflicts(struct fib *f, const struct reconcile *r)
{
	const struct device_conflict *c;
	size_t n = reconcile_conflicts(r, &c);

	f->foreign.n = 0;
	for (size_t i = 0; i < n; i++) {
		char prefix[IP_PREFIX_STRLEN], key[WG_KEY_BASE64_LEN];

		wg_key_to_base64(&c[i].foreign_owner, key);
		fib_problem(f, mem_printf("wg set %s peer %s remove", f->gen->self->interface, key),
			"%s is held by a peer that the inventory doesn't name (%s) and was not "
			"taken from it",
			ip_prefix_format(&c[i].prefix, prefix), key);
		vec_push(&f->foreign, c[i].prefix);
	}
	if (n)
		qsort(f->foreign.items, n, sizeof(*f->foreign.items), prefix_cmp);
}

/* The port that the device should get; 0: leave the one that it has. */
static uint16_t port_to_have(struct fib *f, uint16_t now)
{
	AUTO_BUF why = {0};

	if (!listen_port_check(f->gen, now, &why))
		return f->gen->self->listen_port;
	fib_problem(
		f, NULL, "%s stays on port %u: %s", f->gen->self->interface, now, buf_str(&why));
	return 0;
}

/* As it is after what was set. */
static int read_again(struct fib *f, struct device_state *mirror)
{
	struct device_state fresh = {0};
	int err = device_get(f->device, &fresh);

	if (err)
		return err;
	device_state_done(mirror);
	*mirror = fresh;
	return 0;
}

static int sync_device(struct fib *f, const struct wanted *w, struct device_state *mirror,
	bool clear_mark, struct fib_counts *ret)
{
	const struct generation *g = f->gen;
	struct device_ownership own = {peer_is_ours, prefix_is_ours, f};
	struct desired_device want = {
		.has_private_key = true,
		.private_key = g->private_key,
		.listen_port = port_to_have(f, mirror->listen_port),
		/* A mark that an operator has set for purposes of his own stays. */
		.set_fwmark = f->fwmark || clear_mark,
		.fwmark = f->fwmark,
		.peers = w->peers,
		.n_peers = count_peers(f, w),
	};
	struct reconcile *r = reconcile_new(mirror, &want, &own);
	struct reconcile_counts c = reconcile_counts(r);
	int err = 0;

	ret->peers_added = c.peers_added;
	ret->peers_changed = c.peers_changed;
	ret->endpoints_set = c.endpoints_set;
	ret->peers_removed = c.peers_removed;
	ret->prefixes_added = c.prefixes_added;
	ret->prefixes_moved = c.prefixes_moved;
	ret->prefixes_removed = c.prefixes_removed;
	ret->settings_changed = c.settings_changed;
	note_conflicts(f, r);
	if (!reconcile_is_empty(r)) {
		err = device_set(f->device, reconcile_change(r));
		if (!err && f->changes)
			changes_of_device(f->changes, g, mirror, reconcile_change(r));
		if (!err)
			err = read_again(f, mirror);
	}
	reconcile_free(r);
	wg_key_wipe(&want.private_key);
	return err;
}

static void note_journal(struct fib *f, int err)
{
	if (err)
		fib_problem(f, NULL,
			"the journal in the state directory could not be written: %s; what was put "
			"on the device meanwhile may not be known as ours after a restart",
			strerror(-err));
}

static int sync_all(
	struct fib *f, struct wanted *w, struct device_state *mirror, struct fib_counts *counts)
{
	struct kernel_plan *k = &w->kernel;
	int err = kernel_link_sync(f, counts);

	if (!err)
		err = device_get(f->device, mirror);
	if (!err)
		err = kernel_plan_make(f, w->carried.items, w->carried.n, mirror, k);
	if (!err)
		err = kernel_plan_begin(f, k);
	if (!err)
		err = sync_device(f, w, mirror, k->clear_mark, counts);
	if (!err)
		err = kernel_plan_finish(f, k, counts);
	if (!err)
		kernel_mark_sync(f, mirror->listen_port);
	return err;
}

int fib_sync(struct fib *f, struct device_state *mirror, struct fib_counts *ret)
{
	struct fib_counts counts = {0};
	struct device_state own_mirror = {0};
	struct wanted w = {0};
	int err, journal;

	forget_problems(f);
	rib_walk(f->rib, collect, &w);
	decide_own(f, &w);
	desired_peers(f, &w);
	journal = write_journal(f, &w, false);
	err = sync_all(f, &w, mirror ? mirror : &own_mirror, &counts);
	if (!err && !journal)
		journal = write_journal(f, &w, true);
	note_journal(f, journal);
	wanted_done(&w, f->gen->n_peers);
	device_state_done(&own_mirror);
	*ret = counts;
	sodium_stackzero(STACK_BYTES); /* copies of keys that the compiler made on the way */
	return err;
}

bool fib_counts_are_zero(const struct fib_counts *c)
{
	static const struct fib_counts zero;

	return !memcmp(c, &zero, sizeof(zero));
}

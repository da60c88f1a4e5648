/* SPDX-License-Identifier: MIT */
#include "daemon/transit_watch.h"

#include "daemon/daemon.h"
#include "daemon/log.h"
#include "sys/clock.h"
#include "sys/transit_tap.h"
#include <string.h>
#include <unistd.h>

#define LOOK_EVERY_MS 250
#define PACKETS_A_LOOK 512

/* Of ours; others: somebody else carries it as well, so that who comes here for it could go there.
 */
struct own {
	ip_prefix prefix;
	bool others;
};

struct transit_watch {
	struct daemon *d;
	uv_timer_t timer;
	int tap; /* -1: none */
	int ifindex;
	uint64_t generation; /* that own is of */
	VEC(struct own) own;
	struct transit *seen;
	bool was_refused; /* and said */
};

struct transit_watch *transit_watch_new(struct daemon *d)
{
	struct transit_watch *w = mem_zalloc(1, sizeof(*w));

	w->d = d;
	w->tap = -1;
	w->seen = transit_new();
	uv_timer_init(&d->loop, &w->timer);
	w->timer.data = w;
	return w;
}

static void close_tap(struct transit_watch *w)
{
	if (w->tap >= 0)
		close(w->tap);
	w->tap = -1;
}

void transit_watch_free(struct transit_watch *w)
{
	if (!w)
		return;
	close_tap(w);
	vec_done(&w->own);
	transit_free(w->seen);
	free(w);
}

struct transit *transit_watch_seen(struct transit_watch *w)
{
	return w->tap < 0 ? NULL : w->seen;
}

/* --- what is ours ------------------------------------------------------------------------------
 */

static bool carries(const struct mesh_node *n, const ip_prefix *p)
{
	for (size_t i = 0; i < n->n_networks; i++)
		if (ip_prefix_cmp(&n->networks[i].prefix, p) == 0)
			return true;
	return false;
}

static bool do_others_carry(const struct generation *g, const ip_prefix *p)
{
	for (size_t i = 0; i < g->inv->n_nodes; i++)
		if (&g->inv->nodes[i] != g->self && carries(&g->inv->nodes[i], p))
			return true;
	return false;
}

static void take_own(struct transit_watch *w, const struct generation *g)
{
	w->own.n = 0;
	w->generation = g->number;
	for (size_t i = 0; i < g->self->n_networks; i++) {
		const ip_prefix *p = &g->self->networks[i].prefix;

		vec_push(&w->own, ((struct own){*p, do_others_carry(g, p)}));
	}
	for (size_t i = 0; i < g->self->n_addresses; i++)
		vec_push(&w->own,
			((struct own){ip_prefix_host(&g->self->addresses[i].addr), false}));
}

/* The longest that holds the address; NULL: none. */
static const struct own *own_of(const struct transit_watch *w, const ip_addr *addr)
{
	const struct own *best = NULL;

	for (size_t i = 0; i < w->own.n; i++) {
		const struct own *o = &w->own.items[i];

		if (ip_prefix_has_addr(&o->prefix, addr) &&
			(!best || o->prefix.len > best->prefix.len))
			best = o;
	}
	return best;
}

/* --- packets -----------------------------------------------------------------------------------
 */

/* Where it goes to; false: it ends here, or nowhere. */
static bool find_target(const struct transit_watch *w, const ip_addr *to, struct transit_use *ret)
{
	const struct own *own = own_of(w, to);
	const struct generation *g = w->d->gen;
	struct rib_answer a;
	bool is_carried = rib_lookup(w->d->rib, to, &a);

	if (own && (!is_carried || own->prefix.len >= a.prefix.len)) {
		ret->prefix = own->prefix;
		ret->to = g->ids[g->self->index];
		return own->others;
	}
	if (!is_carried)
		return false;
	ret->prefix = a.prefix;
	ret->to = a.candidates[0].origin;
	return true;
}

static uint32_t node_behind(const struct transit_watch *w, const ip_addr *from)
{
	struct rib_answer a;

	return rib_lookup(w->d->rib, from, &a) ? a.candidates[0].origin : TRANSIT_NOBODY;
}

static void take(struct transit_watch *w, instant now)
{
	struct transit_use use;
	ip_addr to;

	for (unsigned i = 0; i < PACKETS_A_LOOK && transit_tap_next(w->tap, &use.source, &to);
		i++) {
		if (!find_target(w, &to, &use))
			continue;
		use.from = node_behind(w, &use.source);
		transit_see(w->seen, &use, now);
	}
}

/* --- the watch ---------------------------------------------------------------------------------
 */

static bool is_wanted(const struct daemon *d)
{
	return d->leave.is_leaving || state_drained_until(d->state) != STATE_NOT_DRAINED;
}

static void tell_refused(struct transit_watch *w, int err)
{
	if (!w->was_refused)
		log_warning("who still sends through this node can't be seen: %s", strerror(-err));
	w->was_refused = true;
}

static void on_timer(uv_timer_t *t)
{
	struct transit_watch *w = t->data;

	if (w->tap >= 0)
		take(w, sys_now());
}

static void begin(struct transit_watch *w, instant now)
{
	w->ifindex = w->d->fib.ifindex;
	w->tap = transit_tap_open((unsigned)w->ifindex);
	if (w->tap < 0) {
		tell_refused(w, w->tap);
		w->tap = -1;
		return;
	}
	w->was_refused = false;
	transit_begin(w->seen, now);
	uv_timer_start(&w->timer, on_timer, LOOK_EVERY_MS, LOOK_EVERY_MS);
}

void transit_watch_step(struct transit_watch *w, instant now)
{
	bool wanted = is_wanted(w->d);

	if (w->tap >= 0 && (!wanted || w->ifindex != w->d->fib.ifindex)) {
		close_tap(w);
		uv_timer_stop(&w->timer);
	}
	if (!wanted)
		return;
	if (w->generation != w->d->gen->number)
		take_own(w, w->d->gen);
	if (w->tap < 0)
		begin(w, now);
}

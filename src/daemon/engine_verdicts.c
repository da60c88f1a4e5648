/* SPDX-License-Identifier: MIT */
/* Who is up, and what that moves. */
#include "daemon/engine_internal.h"

#include <assert.h>

static enum rib_state rib_state_of(enum live_state s)
{
	switch (s) {
	case LIVE_UP:
		return RIB_UP;
	case LIVE_LAST_RESORT:
		return RIB_LAST_RESORT;
	default:
		return RIB_DOWN;
	}
}

/* One that roams may be idle here, and is at another server only if that has it. */
static enum rib_state verdict_state(const struct engine *e, const struct live_event *v)
{
	const struct generation_peer *p = generation_peer_by_id(e->gen, v->peer);

	return p && p->roams ? RIB_UP : rib_state_of(v->state);
}

enum live_state engine_live_state(enum rib_state s)
{
	return s == RIB_UP ? LIVE_UP : s == RIB_LAST_RESORT ? LIVE_LAST_RESORT : LIVE_DOWN;
}

enum live_probe engine_probe_of(const struct generation_peer *p)
{
	if (p->view->remote.family == 0)
		return LIVE_PROBE_NONE;
	switch (p->node->liveness.probe) {
	case MESH_PROBE_ECHO:
		return LIVE_PROBE_ECHO;
	case MESH_PROBE_HANDSHAKE:
		return LIVE_PROBE_HANDSHAKE;
	default:
		return LIVE_PROBE_BFD;
	}
}

enum rib_state engine_unheard(const struct generation_peer *p)
{
	return engine_probe_of(p) == LIVE_PROBE_NONE || p->roams ? RIB_UP : RIB_DOWN;
}

static struct live_peer_config probe_config(const struct engine *e, const struct generation_peer *p)
{
	return (struct live_peer_config){
		.peer = p->id,
		.probe = engine_probe_of(p),
		.signals = p->view->runs_shuntd,
		.is_transit = p->node->role == MESH_HUB,
		/* At the start those are up, or last resort, whom the device was found to use. */
		.adopted_as = e->is_probing ? LIVE_DOWN
					    : engine_live_state(rib_peer_state(e->rib, p->id)),
		.local = p->view->local,
		.remote = p->view->remote,
		.interval_ns = p->node->liveness.interval_ns,
		.multiplier = p->node->liveness.multiplier,
		.hold_ns = p->node->liveness.hold_ns,
		.generation = e->gen->number,
		.authenticates = p->view->runs_shuntd,
	};
}

void engine_emit_probe_set(struct engine *e, instant now, engine_actions *out)
{
	struct engine_action *a = engine_emit(e, ENGINE_PROBE_SET, out);

	e->probes.n = 0;
	for (size_t i = 0; i < e->gen->n_peers; i++)
		vec_push(&e->probes, probe_config(e, &e->gen->peers[i]));
	a->u.probe.peers = e->probes.items;
	a->u.probe.n = e->probes.n;
	e->is_probing = true;
	reports_probing(e->reports, now);
}

/* --- what moves ----------------------------------------------------------------------------------
 */

struct moved_lines {
	VEC(struct engine_line) lines;
};

static void add_to_line(const ip_prefix *prefix, const struct rib_turn *t, void *data)
{
	struct moved_lines *m = data;
	uint32_t from = t->old_owners.n ? t->old_owners.peer[0] : ENGINE_NOBODY;
	uint32_t to = t->owners.n ? t->owners.peer[0] : ENGINE_NOBODY;
	struct engine_line l = {
		.type = ENGINE_LINE_MOVED, .moved = {.from = from, .to = to, *prefix, 1}};

	for (size_t i = m->lines.n; i-- > 0;) {
		struct engine_line *at = &m->lines.items[i];

		if (at->moved.from != from || at->moved.to != to)
			continue;
		at->moved.n++;
		if (ip_prefix_cmp(prefix, &at->moved.first) < 0)
			at->moved.first = *prefix;
		return;
	}
	vec_push(&m->lines, l);
}

void engine_moved_lines(const struct rib_diff *move,
	void (*fn)(const struct engine_line *l, void *data), void *data)
{
	struct moved_lines m = {0};

	rib_diff_each(move, add_to_line, &m);
	for (size_t i = 0; i < m.lines.n; i++)
		fn(&m.lines.items[i], data);
	vec_done(&m.lines);
}

/* Where somebody looks at peers' states: a device of many owners, or a routing engine. */
static bool has_levels(const struct engine *e)
{
	return e->max_owners > 1 || e->device_has_many ||
	       e->gen->self->routing.engine != MESH_ENGINE_NONE;
}

/* The move goes before its lines, which take a look at each prefix. */
void engine_emit_move(struct engine *e, engine_actions *out)
{
	const struct rib_diff *d = &e->diff;

	if (!d->sets.n && !d->prefixes.n && !d->owner_sets.n && !(d->levels.n && has_levels(e)))
		return;
	engine_emit(e, ENGINE_MOVE, out)->u.move = &e->diff;
	engine_emit(e, ENGINE_MOVED_LINES, out)->u.move = &e->diff;
	e->fib.moves++;
}

/* Only with our own FIB programmed may the peers come back to us. */
void engine_go_on_if_in_line(struct engine *e, engine_actions *out)
{
	if (!e->is_hold_over || !e->fib.was_in_line || e->fib.moves)
		return;
	engine_emit(e, ENGINE_HOLD_CLEAR, out);
	e->is_hold_over = false;
}

/* A SYNC that is under way doesn't mend what was refused, for it may have read before that. */
void engine_on_moved(struct engine *e, int err, instant now, engine_actions *out)
{
	assert(e->fib.moves);
	e->fib.moves--;
	if (!err) {
		engine_go_on_if_in_line(e, out);
		return;
	}
	engine_emit_line(e, ENGINE_LINE_REFUSED, out)->err = err;
	e->fib.was_in_line = false;
	e->fib.was_refused = true;
	engine_ask_sync(e, "mended", now, out);
}

/* --- verdicts ------------------------------------------------------------------------------------
 */

static bool is_probed_alike(const struct generation_peer *a, const struct generation_peer *b)
{
	return engine_probe_of(a) == engine_probe_of(b) &&
	       ip_addr_eq(&a->view->local, &b->view->local) &&
	       ip_addr_eq(&a->view->remote, &b->view->remote) &&
	       wg_key_eq(&a->node->public_key, &b->node->public_key);
}

/* What waited while another configuration came speaks of the one before: that peer may be none any
 * more, or be found elsewhere. But until PROBE_SET the prober knows of no other, and a move must
 * not wait for a device to be brought into line. */
static bool is_of_now(const struct engine *e, const struct live_event *v)
{
	const struct generation_peer *now, *before;

	if (v->generation == e->gen->number)
		return true;
	if (!e->before || v->generation != e->before->number)
		return false;
	now = generation_peer_by_id(e->gen, v->peer);
	before = generation_peer_by_id(e->before, v->peer);
	return now && before && is_probed_alike(now, before);
}

/* Whether it counts. Of verdicts that were asked for only those that say something new. */
static bool counts(const struct engine *e, const struct live_event *v, bool asked)
{
	return v->type == LIVE_EVENT_PEER && is_of_now(e, v) &&
	       (!asked || rib_peer_state(e->rib, v->peer) != verdict_state(e, v));
}

static void emit_verdict(
	struct engine *e, const struct live_event *v, instant now, engine_actions *out)
{
	struct engine_line *l = engine_emit_line(e, ENGINE_LINE_VERDICT, out);

	l->peer = v->peer;
	l->state = v->state;
	l->cause = v->cause;
	l->at = v->at;
	/* It may be lost because it roamed to where its packets are caught by a route into the
	 * tunnel: only the device knows. */
	if (v->state == LIVE_DOWN)
		looks_on_doubt(&e->looks, now);
}

static void emit_self(const struct engine *e, const struct live_event *v, engine_actions *out)
{
	struct engine_line *l = engine_emit_line(e, ENGINE_LINE_SELF, out);

	l->self.drained = v->drained;
	l->self.holding = v->holding;
	l->self.flapping = v->flapping;
}

void engine_on_verdicts(
	struct engine *e, const struct engine_event *event, instant now, engine_actions *out)
{
	const struct live_event *v = event->u.verdicts.events;
	size_t n = event->u.verdicts.n;
	VEC(struct rib_event) events = {0};
	VEC(size_t) told = {0};

	assert(e->is_probing);
	for (size_t i = 0; i < n; i++) {
		struct rib_event r = {.type = RIB_EVENT_PEER};

		e->is_hold_over |= v[i].type == LIVE_EVENT_HOLD_OVER;
		if (v[i].type == LIVE_EVENT_PEER && is_of_now(e, &v[i]))
			reports_on_verdict(e->reports, &v[i], now);
		if (!counts(e, &v[i], event->type == ENGINE_PROBED))
			continue;
		r.u.peer.id = v[i].peer;
		r.u.peer.state = verdict_state(e, &v[i]);
		vec_push(&events, r);
		vec_push(&told, i);
	}
	if (events.n) {
		rib_step(e->rib, events.items, events.n, &e->diff);
		engine_emit_move(e, out);
	}
	engine_go_on_if_in_line(e, out);
	for (size_t i = 0; i < told.n; i++)
		emit_verdict(e, &v[told.items[i]], now, out);
	for (size_t i = 0; i < n; i++)
		if (v[i].type == LIVE_EVENT_SELF)
			emit_self(e, &v[i], out);
	vec_done(&events);
	vec_done(&told);
}

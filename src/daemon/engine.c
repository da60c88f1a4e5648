/* SPDX-License-Identifier: MIT */
#include "daemon/engine_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct engine *engine_new(instant now)
{
	struct engine *e = mem_zalloc(1, sizeof(*e));

	looks_init(&e->looks);
	e->endpoints = endpoints_new();
	e->handshakes = handshakes_new();
	e->reports = reports_new();
	e->feed.slice = ENGINE_SLICE;
	e->started_at = now;
	e->check_at = INSTANT_NEVER;
	return e;
}

void engine_free(struct engine *e)
{
	if (!e)
		return;
	endpoints_free(e->endpoints);
	handshakes_free(e->handshakes);
	reports_free(e->reports);
	rib_diff_done(&e->diff);
	engine_feed_done(e);
	if (e->rib)
		rib_free(e->rib);
	generation_put(e->before);
	generation_put(e->gen);
	vec_done(&e->offered);
	vec_done(&e->covered);
	vec_done(&e->late);
	vec_done(&e->probes);
	free(e);
}

void engine_set_slice(struct engine *e, size_t n)
{
	assert(n);
	e->feed.slice = n;
}

struct engine_action *engine_emit(
	const struct engine *e, enum engine_action_type type, engine_actions *out)
{
	struct engine_action a = {.type = type, .generation = e->gen->number};

	vec_push(out, a);
	return &out->items[out->n - 1];
}

void engine_emit_let_go(const struct engine *e, const struct generation *g, engine_actions *out)
{
	if (g)
		engine_emit(e, ENGINE_LET_GO, out)->u.generation = g;
}

struct engine_line *engine_emit_line(
	const struct engine *e, enum engine_line_type type, engine_actions *out)
{
	struct engine_line *l = &engine_emit(e, ENGINE_LINE, out)->u.line;

	l->type = type;
	return l;
}

void engine_emit_sync(struct engine *e, const char *why, instant now, engine_actions *out)
{
	struct engine_action *a = engine_emit(e, ENGINE_SYNC, out);

	a->u.sync = why;
	a->keeps = e->awaits_routes;
	looks_on_begin(&e->looks, now);
	e->why = NULL;
	e->fib.was_refused = false;
	for (size_t i = 0; i < e->offered.n; i++)
		vec_push(&e->covered, e->offered.items[i]);
	e->offered.n = 0;
}

void engine_ask_sync(struct engine *e, const char *why, instant now, engine_actions *out)
{
	if (engine_is_feeding(e))
		return; /* the one behind it is late enough */
	if (!e->looks.is_under_way) {
		engine_emit_sync(e, why, now, out);
		return;
	}
	looks_on_need(&e->looks);
	e->why = why;
}

/* --- events --------------------------------------------------------------------------------------
 */

static void on_time(struct engine *e, instant now, engine_actions *out)
{
	if (engine_is_feeding(e))
		engine_feed(e, now, out);
	reports_on_time(e->reports, now);
	engine_take_reports(e, out);
	if (!instant_before(now, e->looks.at))
		engine_emit_sync(e, e->why ? e->why : "drift mended", now, out);
	if (!instant_before(now, e->check_at))
		engine_check_peers(e, now, out);
	engine_end_drain(e, now, out);
}

/* What of an older generation is nothing to the one in force. */
static bool is_void_when_old(enum engine_event_type t)
{
	return t == ENGINE_RESOLVED || t == ENGINE_ROUTES ||
	       (t >= ENGINE_MOVED && t != ENGINE_REOPENED && t != ENGINE_REMEMBERED);
}

void engine_step(
	struct engine *e, const struct engine_event *event, instant now, engine_actions *ret)
{
	assert(e->gen || event->type == ENGINE_GENERATION);
	if (is_void_when_old(event->type) && event->generation != e->gen->number)
		return;
	if (e->rib)
		rib_clock(e->rib, (uint32_t)(now.ns / RIB_TICK_NS));
	switch (event->type) {
	case ENGINE_GENERATION:
		engine_on_generation(e, event->u.generation, now, ret);
		break;
	case ENGINE_FOUND:
		engine_on_found(e, event, now, ret);
		break;
	case ENGINE_VERDICTS:
	case ENGINE_PROBED:
		engine_on_verdicts(e, event, now, ret);
		break;
	case ENGINE_REPORT:
		engine_on_report(e, event, now, ret);
		break;
	case ENGINE_RESOLVED:
		engine_on_resolved(e, event, now, ret);
		break;
	case ENGINE_ROUTES:
		engine_on_routes(e, event, now, ret);
		break;
	case ENGINE_HANDSHAKES:
		engine_on_handshakes(e, event, now, ret);
		break;
	case ENGINE_NEWS:
		looks_on_news(&e->looks, now);
		break;
	case ENGINE_DRAIN:
		engine_on_drain(e, &event->u.drain, ret);
		break;
	case ENGINE_TIME:
		on_time(e, now, ret);
		break;
	case ENGINE_MOVED:
		engine_on_moved(e, event->u.err, now, ret);
		break;
	case ENGINE_SYNCED:
		engine_on_synced(e, event, now, ret);
		break;
	case ENGINE_REOPENED:
		engine_on_reopened(e, event, now, ret);
		break;
	case ENGINE_ENDPOINT_SET:
		engine_on_endpoint_set(e, event, now, ret);
		break;
	case ENGINE_REMEMBERED:
		engine_on_remembered(e, event, now, ret);
		break;
	}
	engine_tell_report(e, ret);
}

instant engine_deadline(const struct engine *e)
{
	instant at = instant_min(e->looks.at, e->check_at);

	at = instant_min(at, engine_drain_end(e));
	if (e->rib)
		at = instant_min(at, reports_deadline(e->reports));
	return engine_is_feeding(e) ? instant_min(at, e->feed.at) : at;
}

/* --- what it knows -------------------------------------------------------------------------------
 */

bool engine_needs_sync(const struct engine *e)
{
	return e->looks.is_under_way && e->why;
}

const struct generation *engine_generation(const struct engine *e)
{
	return e->gen;
}

const struct generation *engine_generation_before(const struct engine *e)
{
	return e->before;
}

struct rib *engine_rib(const struct engine *e)
{
	return e->rib;
}

const char *engine_name(const struct engine *e, uint32_t peer)
{
	return names_text(&e->gen->names, peer);
}

const struct endpoints *engine_endpoints(const struct engine *e)
{
	return e->endpoints;
}

const struct reports *engine_reports(const struct engine *e)
{
	return e->reports;
}

const char *engine_trouble(const struct engine *e)
{
	return e->looks.failures ? e->trouble : NULL;
}

/* SPDX-License-Identifier: MIT */
/* The device was read back, or couldn't be. */
#include "daemon/engine_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool probes_handshakes(const struct generation *g)
{
	for (size_t i = 0; i < g->n_peers; i++)
		if (g->peers[i].node->liveness.probe == MESH_PROBE_HANDSHAKE)
			return true;
	return false;
}

/* Said once, and again when it is something else; at the start by whom it stops. */
static void note_trouble(
	struct engine *e, enum engine_line_type type, const char *trouble, engine_actions *out)
{
	bool is_new = !e->looks.failures || strcmp(e->trouble, trouble) != 0;

	snprintf(e->trouble, sizeof(e->trouble), "%s", trouble);
	if (is_new && e->is_probing)
		engine_emit_line(e, type, out)->trouble = e->trouble;
}

static void take_peer(struct engine *e, const struct generation_peer *p,
	const struct device_peer *m, instant now, engine_actions *out)
{
	struct engine_action *a;

	endpoints_read(e->endpoints, p->id, m ? &m->endpoint : NULL, e->looks.began);
	if (!m || !e->is_probing)
		return;
	a = engine_emit(e, ENGINE_PROBE_REPORT, out);
	a->u.report.peer = p->id;
	a->u.report.handshake_age_ns = handshakes_age(e->handshakes, &m->key, now);
	a->u.report.rx_bytes = m->rx_bytes;
}

/* One that was made anew may hold fewer, or more than the RIB was made for. */
static unsigned used_owners(const struct engine *e, const struct device_state *device)
{
	unsigned n = device->max_owners ? device->max_owners : 1;

	return n < e->max_owners ? n : e->max_owners;
}

/* In doubt it was once, before all of which more is known. */
static instant handshake_at(const struct engine *e, const struct generation_peer *p, instant now)
{
	int64_t age = handshakes_age(e->handshakes, &p->node->public_key, now);

	if (age == HANDSHAKE_NEVER)
		return INSTANT_NEVER;
	return age == HANDSHAKE_UNKNOWN ? (instant){0} : instant_add(now, -age);
}

static void look_at_handshakes(
	struct engine *e, const struct device_state *device, int64_t wall_ns, instant now)
{
	VEC(struct reports_handshake) list = {0};

	handshakes_look(e->handshakes, device, wall_ns, now);
	for (size_t i = 0; e->gen->has_roaming && i < e->gen->n_peers; i++) {
		const struct generation_peer *p = &e->gen->peers[i];

		if (p->roams)
			vec_push(&list,
				((struct reports_handshake){p->id, handshake_at(e, p, now)}));
	}
	reports_on_handshakes(e->reports, list.items, list.n, now);
	vec_done(&list);
}

void engine_on_handshakes(
	struct engine *e, const struct engine_event *event, instant now, engine_actions *out)
{
	if (!e->is_probing)
		return;
	look_at_handshakes(e, event->u.handshakes.device, event->u.handshakes.wall_ns, now);
	engine_take_reports(e, out);
}

static void take_device(struct engine *e, const struct device_state *device, int64_t wall_ns,
	instant now, engine_actions *out)
{
	look_at_handshakes(e, device, wall_ns, now);
	e->device_has_many = device->max_owners > 1;
	reports_set_max_owners(e->reports, used_owners(e, device));
	for (size_t i = 0; i < e->gen->n_peers; i++) {
		const struct generation_peer *p = &e->gen->peers[i];

		take_peer(e, p, device_state_peer(device, &p->node->public_key), now, out);
	}
}

/* What waited for the device to be brought into line, even if it wasn't; the start waits until it
 * is. */
static void go_on(struct engine *e, bool well, instant now, engine_actions *out)
{
	bool is_reload = e->is_fresh && e->is_probing;

	e->is_fresh = false;
	engine_set_endpoints(e, is_reload, now, out);
	if (!e->is_probing && well)
		e->check_at = now;
	if (is_reload || (!e->is_probing && well))
		engine_emit_probe_set(e, now, out);
	engine_emit_let_go(e, e->before, out);
	e->before = NULL;
}

static void finish(struct engine *e, bool well, instant now, engine_actions *out)
{
	e->was_reopened = false;
	e->fib.was_in_line = well && !e->fib.was_refused;
	engine_go_on_if_in_line(e, out);
	looks_on_done(&e->looks, well, probes_handshakes(e->gen), now);
	go_on(e, well, now, out);
}

/* Once a turn: one that goes again at once is tried again later. A device that is being made for
 * the generation before serves this one, too. True: its outcome is waited for. */
static bool reopen(struct engine *e, engine_actions *out)
{
	if (e->was_reopened)
		return false;
	e->was_reopened = e->awaits_reopened = true;
	e->fib.was_in_line = false;
	if (!e->is_reopening)
		engine_emit(e, ENGINE_REOPEN, out);
	e->is_reopening = true;
	return true;
}

void engine_on_synced(
	struct engine *e, const struct engine_event *event, instant now, engine_actions *out)
{
	int err = event->u.synced.err;

	if (err == -ENODEV && reopen(e, out))
		return;
	if (!err)
		take_device(e, event->u.synced.device, event->u.synced.wall_ns, now, out);
	else
		note_trouble(e, ENGINE_LINE_TROUBLE, event->u.synced.trouble, out);
	finish(e, !err, now, out);
	if (!err && event->u.synced.again)
		looks_on_doubt(&e->looks, now);
}

/* Nobody waits for it after a reload, whose own SYNC tells how the device stands. */
void engine_on_reopened(
	struct engine *e, const struct engine_event *event, instant now, engine_actions *out)
{
	bool well = !event->u.synced.err;
	bool awaited = e->awaits_reopened;

	e->is_reopening = e->awaits_reopened = false;
	if (awaited && well)
		engine_emit_sync(e, "made anew", now, out);
	if (awaited && !well) {
		note_trouble(e, ENGINE_LINE_NOT_REOPENED, event->u.synced.trouble, out);
		finish(e, false, now, out);
	}
	if (well && e->is_probing)
		engine_emit(e, ENGINE_PROBE_REOPEN, out);
}

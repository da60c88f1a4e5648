/* SPDX-License-Identifier: MIT */
/*
 * Drains: asked for, remembered, told to the peers, in this order, and ended when their time is
 * over. What was asked last counts, and is the last to be remembered: while a wish is under way to
 * the disk nothing ends, since it may be the one for another end.
 */
#include "daemon/engine_internal.h"

#include <assert.h>

/* What the disk refuses is tried again. */
#define RETRY (10 * NS_PER_S)

static void remember(struct engine *e, const struct engine_drain *drain, engine_actions *out)
{
	engine_emit(e, ENGINE_REMEMBER_DRAIN, out)->u.drain = *drain;
	e->remembering++;
}

void engine_on_drain(struct engine *e, const struct engine_drain *asked, engine_actions *out)
{
	remember(e, asked, out);
}

static int64_t whole_seconds(int64_t ns)
{
	return (ns + NS_PER_S / 2) / NS_PER_S * NS_PER_S;
}

static void tell(struct engine *e, const struct engine_drain *d, instant now, engine_actions *out)
{
	struct engine_line *l;

	engine_emit(e, ENGINE_PROBE_DRAIN, out)->u.drained = d->drained;
	l = engine_emit_line(e, ENGINE_LINE_DRAINED, out);
	l->drained.drained = d->drained;
	l->drained.for_ns = d->has_end ? whole_seconds(instant_diff(d->until, now)) : 0;
	l->drained.is_end = d->is_end;
}

static void try_later(struct engine *e, int err, instant now, engine_actions *out)
{
	e->drain.until = instant_add(now, RETRY);
	engine_emit_line(e, ENGINE_LINE_DRAIN_STAYS, out)->err = err;
}

/* Peers are told only what a restart will remember. */
void engine_on_remembered(
	struct engine *e, const struct engine_event *event, instant now, engine_actions *out)
{
	const struct engine_drain *d = &event->u.remembered.drain;
	int err = event->u.remembered.err;

	assert(e->remembering);
	e->remembering--;
	if (err && d->is_end)
		try_later(e, err, now, out);
	if (err)
		return; /* who asked is told */
	e->drain = *d;
	tell(e, d, now, out);
}

void engine_end_drain(struct engine *e, instant now, engine_actions *out)
{
	if (!instant_before(now, engine_drain_end(e)))
		remember(e, &(struct engine_drain){.is_end = true}, out);
}

instant engine_drain_end(const struct engine *e)
{
	bool ends = e->drain.drained && e->drain.has_end && !e->remembering;

	return ends ? e->drain.until : INSTANT_NEVER;
}

/* SPDX-License-Identifier: MIT */
/*
 * What a routing engine chose, as its routes in the kernel say. The RIB takes a portion at once;
 * between two of them come verdicts. Words of an older generation count for nothing (engine.c): who
 * says them says them anew.
 *
 * As long as not all is said, nothing that is on the device is known to be wanted no more. So a
 * SYNC removes nothing until then; it still adds and moves.
 */
#include "daemon/engine_internal.h"

#include "mesh/routing.h"
#include <assert.h>

void engine_expect_routes(struct engine *e, const struct generation *before)
{
	bool has = mesh_has_engine(e->gen->self);

	if (!has)
		e->awaits_routes = false;
	else if (!before || !mesh_has_engine(before->self))
		e->awaits_routes = true;
}

static void take(struct engine *e, const struct engine_routes *r)
{
	if (r->n)
		rib_step(e->rib, r->events, r->n, &e->diff);
	e->awaits_routes &= !r->is_all;
}

/* A SYNC follows. */
void engine_take_first_routes(struct engine *e, const struct engine_routes *r)
{
	take(e, r);
}

/* rib_diff_fn: the default route has somebody now, or nobody any more. */
static void note_world(const ip_prefix *prefix, const struct rib_turn *turn, void *data)
{
	bool *found = data;

	*found |= ip_prefix_is_default(prefix) &&
		  (turn->old_home.kind == RIB_AT_NOBODY) != (turn->home.kind == RIB_AT_NOBODY);
}

/* What the tunnel's own packets go by then is a matter of marks, which a SYNC decides. */
static bool changes_world(const struct engine *e, const struct engine_routes *r)
{
	bool named = false, found = false;

	for (size_t i = 0; i < r->n && !named; i++)
		named = ip_prefix_is_default(&r->events[i].u.prefix.prefix);
	if (named)
		rib_diff_each(&e->diff, note_world, &found);
	return found;
}

void engine_on_routes(
	struct engine *e, const struct engine_event *event, instant now, engine_actions *out)
{
	const struct engine_routes *r = &event->u.routes;
	bool awaited = e->awaits_routes;

	assert(e->rib);
	take(e, r);
	if (r->n && e->is_probing)
		engine_emit_move(e, out);
	/* Before it was in line once no event is planned by what the device has. */
	if (r->n && !e->is_probing)
		engine_ask_sync(e, "start", now, out);
	if (e->is_probing && changes_world(e, r))
		engine_ask_sync(e, "a default route of the routing engine", now, out);
	if (awaited && !e->awaits_routes)
		engine_ask_sync(e, "the routing engine's routes are known", now, out);
}

/* SPDX-License-Identifier: MIT */
/* A generation comes into force: at the start beside a device that may be in use already, later in
 * the place of another. */
#include "daemon/engine_internal.h"

#include "base/hash.h"
#include "daemon/candidates.h"
#include <assert.h>

static void judge(struct engine *e, uint32_t peer, enum rib_state state)
{
	struct rib_event r = {.type = RIB_EVENT_PEER, .u.peer = {peer, state}};

	rib_step(e->rib, &r, 1, &e->diff); /* a SYNC follows */
}

/* --- the device is found
 * ---------------------------------------------------------------------------
 */

/* Beyond a restart nodes have nothing but their names. */
static uint64_t tag_of(uint32_t id, void *engine)
{
	const struct engine *e = engine;

	return hash_text_64(engine_name(e, id));
}

static void feed_all(struct engine *e)
{
	struct candidate_events c;

	candidate_events_of_view(&e->gen->view, e->gen->ids, &c);
	rib_step(e->rib, c.events.items, c.events.n, &e->diff); /* a SYNC follows */
	candidate_events_done(&c);
}

/* Whom the device uses is up until the sessions have had their say, all others that are probed are
 * down until they are heard. */
void engine_on_found(
	struct engine *e, const struct engine_event *event, instant now, engine_actions *out)
{
	const struct device_state *device = event->u.found.device;
	struct engine_found *f = engine_found_new(e->gen, event);

	assert(!e->rib);
	e->drain = event->u.found.drain;
	e->max_owners = event->u.found.max_owners;
	e->rib = rib_new(e->max_owners, tag_of, e);
	rib_clock(e->rib, (uint32_t)(now.ns / RIB_TICK_NS));
	reports_set_max_owners(e->reports, e->max_owners);
	for (size_t i = 0; i < e->gen->n_peers; i++) {
		const struct generation_peer *p = &e->gen->peers[i];
		enum rib_state state = engine_found_state(f, p);

		judge(e, p->id, state);
		reports_found(e->reports, p->id, engine_live_state(state),
			device_state_peer(device, &p->node->public_key));
	}
	feed_all(e);
	engine_take_first_routes(e, &event->u.found.routes);
	engine_found_refine(e, f, now);
	engine_found_free(f);
	engine_emit_sync(e, "start", now, out);
}

/* --- a later one ---------------------------------------------------------------------------------
 */

/* What was offered or is under way speaks of the other. */
static void forget_outcomes(struct engine *e)
{
	e->offered.n = e->covered.n = e->late.n = 0;
	e->fib = (struct engine_fib){0};
	e->was_reopened = e->awaits_reopened = false;
	e->checked = 0;
}

/* The device has what an older one said, in part or whole. */
static void keep_if_in_use(struct engine *e, const struct generation *before, engine_actions *out)
{
	if (e->is_fresh) {
		engine_emit_let_go(e, before, out);
		return;
	}
	assert(!e->before);
	e->before = before;
}

void engine_on_generation(
	struct engine *e, const struct generation *fresh, instant now, engine_actions *out)
{
	const struct generation *before = e->gen;

	assert(!before || e->rib);
	assert(fresh->number == (before ? before->number + 1 : 1));
	e->gen = fresh;
	endpoints_set(e->endpoints, fresh, now);
	reports_set(e->reports, fresh, now);
	engine_resolve_open(e, now, out);
	engine_expect_routes(e, before);
	if (before) {
		forget_outcomes(e);
		engine_feed_change(e, before, now, out);
		keep_if_in_use(e, before, out);
	}
	e->is_fresh = true;
}

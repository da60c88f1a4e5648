/* SPDX-License-Identifier: MIT */
/* A generation comes into force: at the start beside a device that may be in use already, later in
 * the place of another. */
#include "daemon/engine_internal.h"

#include "base/map.h"
#include "daemon/adoption.h"
#include "daemon/candidates.h"
#include <assert.h>
#include <stdlib.h>

static void judge(struct engine *e, uint32_t peer, enum rib_state state)
{
	struct rib_event r = {.type = RIB_EVENT_PEER, .u.peer = {peer, state}};

	rib_step(e->rib, &r, 1, &e->diff); /* a SYNC follows */
}

/* --- adoption ------------------------------------------------------------------------------------
 */

static bool is_own_address(const struct generation_peer *p, const ip_prefix *prefix)
{
	for (size_t i = 0; i < p->node->n_addresses; i++) {
		ip_prefix host = ip_prefix_host(&p->node->addresses[i].addr);

		if (ip_prefix_eq(&host, prefix))
			return true;
	}
	return false;
}

/* The device sends more to it than what never moves. */
static bool is_in_use(const struct generation_peer *p, const struct device_state *device)
{
	const struct device_peer *m = device_state_peer(device, &p->node->public_key);

	for (size_t i = 0; m && i < m->n_allowed; i++)
		if (!is_own_address(p, &m->allowed[i]))
			return true;
	return false;
}

struct owners {
	struct map *of; /* prefix -> generation_peer */
};

static bool owner_found(const ip_prefix *prefix, uint32_t *ret_peer, void *data)
{
	const struct owners *o = data;
	const struct generation_peer *p = map_get(o->of, prefix, sizeof(*prefix));

	if (p)
		*ret_peer = p->id;
	return p;
}

/* A peer that the table passes over is last resort (adoption.h). */
static void refine(struct engine *e, const struct device_state *device)
{
	struct owners o = {map_new()};

	for (size_t i = 0; i < device->n_peers; i++) {
		const struct device_peer *m = &device->peers[i];
		const struct generation_peer *p = generation_peer_by_key(e->gen, &m->key);

		for (size_t k = 0; p && k < m->n_allowed; k++)
			map_put(o.of, &m->allowed[k], sizeof(m->allowed[k]), (void *)(uintptr_t)p);
	}
	adoption_refine(e->rib, owner_found, &o);
	map_free(o.of);
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
void engine_on_found(struct engine *e, const struct device_state *device, unsigned max_owners,
	instant now, engine_actions *out)
{
	assert(!e->rib);
	e->rib = rib_new(max_owners, NULL, NULL);
	for (size_t i = 0; i < e->gen->n_peers; i++) {
		const struct generation_peer *p = &e->gen->peers[i];

		judge(e, p->id, is_in_use(p, device) ? RIB_UP : engine_unheard(p));
	}
	feed_all(e);
	refine(e, device);
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
	engine_resolve_open(e, now, out);
	if (before) {
		forget_outcomes(e);
		engine_feed_change(e, before, now, out);
		keep_if_in_use(e, before, out);
	}
	e->is_fresh = true;
}

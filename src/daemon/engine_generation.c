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

static void feed(struct engine *e, const struct generation *before)
{
	struct candidate_events c;

	if (before)
		candidate_events_of_change(&before->view, &e->gen->view, e->gen->ids, &c);
	else
		candidate_events_of_view(&e->gen->view, e->gen->ids, &c);
	rib_step(e->rib, c.events.items, c.events.n, &e->diff); /* a SYNC follows */
	candidate_events_done(&c);
}

/* Whom the device uses is up until the sessions have had their say, all others are down until they
 * are heard. */
void engine_on_found(struct engine *e, const struct device_state *device, unsigned max_owners,
	instant now, engine_actions *out)
{
	assert(!e->rib);
	e->rib = rib_new(max_owners);
	for (size_t i = 0; i < e->gen->n_peers; i++) {
		const struct generation_peer *p = &e->gen->peers[i];

		judge(e, p->id, is_in_use(p, device) ? RIB_UP : RIB_DOWN);
	}
	feed(e, NULL);
	refine(e, device);
	engine_emit_sync(e, "start", now, out);
}

/* --- a later one ---------------------------------------------------------------------------------
 */

/* A new peer is down until it is heard; one that is none any more is judged no more, so that no
 * candidate of it counts as doubtful (nobody uses it as a next hop). */
static void judge_change(struct engine *e, const struct generation *before)
{
	for (size_t i = 0; i < e->gen->n_peers; i++)
		if (!generation_peer_by_id(before, e->gen->peers[i].id))
			judge(e, e->gen->peers[i].id, RIB_DOWN);
	for (size_t i = 0; i < before->n_peers; i++)
		if (!generation_peer_by_id(e->gen, before->peers[i].id))
			judge(e, before->peers[i].id, RIB_UP);
}

/* The device has what an older one said, in part or whole, and what is told of that counts no more.
 */
static void replace(struct engine *e, const struct generation *before)
{
	if (e->is_fresh) {
		generation_put(before);
	} else {
		assert(!e->before);
		e->before = before;
	}
	e->offered.n = e->covered.n = e->late.n = 0; /* they were the other's */
	e->fib = (struct engine_fib){0};
	e->was_reopened = false;
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
		feed(e, before);
		judge_change(e, before);
		replace(e, before);
		engine_emit_sync(e, "reload", now, out);
	}
	e->is_fresh = true;
}

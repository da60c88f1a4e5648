/* SPDX-License-Identifier: MIT */
#include "daemon/adoption.h"

#include "base/arena.h"
#include "base/map.h"
#include <stdlib.h>

struct refinement {
	struct rib *rib;
	const struct adoption_table *table;
	struct arena arena;
	struct map *concluded;	/* struct conclusion: each once */
	struct map *relays;	/* peers that something goes by that another could relay */
	adoption_events events; /* of this round */
};

struct conclusion {
	enum rib_event_type type;
	uint32_t a, b;
};

static bool has_next_hop(const struct rib_answer *a, uint32_t peer)
{
	for (size_t i = 0; i < a->n_order; i++)
		if (a->order[i].peer == peer)
			return true;
	return false;
}

/* The best by that next hop; NULL: none. */
static const struct rib_candidate *candidate_by(const struct rib_answer *a, uint32_t peer)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->candidates[i].peer == peer)
			return &a->candidates[i];
	return NULL;
}

static bool is_found(const struct adoption_found *f, uint32_t peer)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->peers[i] == peer)
			return true;
	return false;
}

/* The prefix could have gone by somebody else, and went where it went by a peer that lives. */
static bool is_telling(struct refinement *r, const struct rib_answer *a, struct adoption_found *ret)
{
	ret->n = 0;
	return !a->pinned && a->n_order > 1 && r->table->find(&a->prefix, ret, r->table->data) &&
	       has_next_hop(a, ret->peers[0]) && rib_peer_state(r->rib, ret->peers[0]) != RIB_DOWN;
}

/* Each thing once, so that there is a last round. */
static void conclude(struct refinement *r, const struct rib_event *e, uint32_t a, uint32_t b)
{
	struct conclusion key = {e->type, a, b}, *c;

	if (map_get(r->concluded, &key, sizeof(key)))
		return;
	c = arena_new(&r->arena, struct conclusion);
	*c = key;
	map_put(r->concluded, c, sizeof(*c), c);
	vec_push(&r->events, *e);
}

static void conclude_state(struct refinement *r, uint32_t peer)
{
	struct rib_event e = {.type = RIB_EVENT_PEER, .u.peer = {peer, RIB_LAST_RESORT}};

	conclude(r, &e, peer, 0);
}

static void conclude_reach(
	struct refinement *r, const struct rib_candidate *c, enum rib_reach reach)
{
	struct rib_event e = {.type = RIB_EVENT_REACH, .u.reach = {c->peer, c->origin, reach}};

	conclude(r, &e, c->peer, c->origin);
}

static void conclude_many(struct refinement *r, uint32_t node)
{
	struct rib_event e = {.type = RIB_EVENT_TAKES_MANY, .u.takes_many = {node, true}};

	conclude(r, &e, node, 0);
}

/* --- what a prefix shows -------------------------------------------------------------------------
 */

static void add_relay(struct refinement *r, uint32_t peer)
{
	uint32_t *key;

	if (map_get(r->relays, &peer, sizeof(peer)))
		return;
	key = arena_new(&r->arena, uint32_t);
	*key = peer;
	map_put(r->relays, key, sizeof(*key), key);
}

/* A hub relays other things for us that another could. */
static int note_relay(const struct rib_answer *a, void *data)
{
	struct refinement *r = data;
	struct adoption_found f;
	const struct rib_candidate *c;

	if (!is_telling(r, a, &f))
		return 0;
	for (size_t i = 0; i < f.n; i++) {
		c = candidate_by(a, f.peers[i]);
		if (c && c->transit)
			add_relay(r, c->peer);
	}
	return 0;
}

static void note_shares(
	struct refinement *r, const struct rib_answer *a, const struct adoption_found *f)
{
	for (size_t i = 0; f->n > 1 && i < a->n; i++)
		if (a->candidates[i].transit && is_found(f, a->candidates[i].peer))
			conclude_many(r, a->candidates[i].origin);
}

/* By the rules it would go by that peer. */
static void pass_over(struct refinement *r, const struct rib_answer *a, uint32_t peer)
{
	const struct rib_candidate *c = candidate_by(a, peer);

	if (rib_peer_state(r->rib, peer) != RIB_UP)
		return;
	if (c && r->table->roams && r->table->roams(c->origin, r->table->data))
		conclude_reach(r, c, RIB_REACH_LOST);
	else if (!r->table->has_levels && !map_get(r->relays, &peer, sizeof(peer)))
		conclude_state(r, peer);
	else if (c && c->transit)
		conclude_reach(r, c, RIB_REACH_LOST);
}

static int look(const struct rib_answer *a, void *data)
{
	struct refinement *r = data;
	struct adoption_found f;
	const struct rib_candidate *c;

	if (!is_telling(r, a, &f))
		return 0;
	note_shares(r, a, &f);
	c = candidate_by(a, f.peers[0]);
	if (!a->owners.n && c && c->transit)
		conclude_reach(r, c, RIB_REACH_HAS);
	else if (a->owners.n && !is_found(&f, a->owners.peer[0]))
		pass_over(r, a, a->owners.peer[0]);
	return 0;
}

static void keep(const adoption_events *events, adoption_events *ret)
{
	for (size_t i = 0; i < events->n; i++)
		if (events->items[i].type != RIB_EVENT_PEER)
			vec_push(ret, events->items[i]);
}

void adoption_refine(struct rib *rib, const struct adoption_table *table, adoption_events *ret)
{
	struct refinement r = {
		.rib = rib, .table = table, .concluded = map_new(), .relays = map_new()};
	struct rib_diff diff = {0};

	if (!table->has_levels)
		rib_walk(rib, note_relay, &r);
	/* Each round concludes something new, or is the last one. */
	do {
		r.events.n = 0;
		rib_walk(rib, look, &r);
		rib_step(rib, r.events.items, r.events.n, &diff);
		keep(&r.events, ret);
	} while (r.events.n);
	rib_diff_done(&diff);
	vec_done(&r.events);
	map_free(r.concluded);
	map_free(r.relays);
	arena_done(&r.arena);
}

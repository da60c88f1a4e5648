/* SPDX-License-Identifier: MIT */
/*
 * The device as it was found: how peers stand, and by whom each prefix goes. Where prefixes stand
 * in sets of ours, or a level is another than what peers begin with, a shuntd before us set the
 * levels of all peers, and they tell how these stood; on any other, whoever gets more than what
 * never moves was up. So was, or was last resort, whom a routing engine was told to live. Levels
 * without sets are what a daemon leaves that was started on a device of one owner, or all of whose
 * prefixes are one peer's alone.
 */
#include "daemon/engine_internal.h"

#include "base/map.h"
#include "daemon/adoption.h"
#include <stdlib.h>

struct found_prefix {
	ip_prefix prefix;
	const struct generation_peer *peer;	  /* or NULL */
	const struct device_owner_set *owner_set; /* or NULL */
};

struct engine_found {
	const struct generation *gen;
	const struct device_state *device;
	struct map *signals; /* addresses of those whom a routing engine was told to live */
	bool has_levels;
	struct map *in_sets; /* keys of those who stand in sets of ours */
	VEC(struct found_prefix) prefixes;
	struct map *by_prefix; /* of prefixes */
};

/* --- how peers stand -----------------------------------------------------------------------------
 */

static void note_owners(struct engine_found *f)
{
	for (size_t i = 0; i < f->device->n_sets; i++) {
		const struct device_owner_set *s = &f->device->sets[i];

		if (!RIB_IS_OWNER_SET(s->number))
			continue;
		f->has_levels = true;
		for (size_t k = 0; k < s->n_owners; k++)
			map_put(f->in_sets, &s->owners[k].key, sizeof(s->owners[k].key),
				(void *)(uintptr_t)&s->owners[k]);
	}
}

static void note_levels(struct engine_found *f)
{
	for (size_t i = 0; i < f->device->n_peers; i++) {
		const struct device_peer *m = &f->device->peers[i];

		f->has_levels |= m->level != DEVICE_UP && generation_peer_by_key(f->gen, &m->key);
	}
}

/* The device sends more to it than what never moves. */
static bool sends_to(const struct generation_peer *p, const struct device_peer *m)
{
	for (size_t i = 0; i < m->n_allowed; i++)
		if (!generation_peer_has_address(p, &m->allowed[i]))
			return true;
	return false;
}

static bool is_signalled(const struct engine_found *f, const struct generation_peer *p)
{
	for (size_t i = 0; i < p->node->n_addresses; i++) {
		const ip_addr *a = &p->node->addresses[i].addr;

		if (map_get(f->signals, a, sizeof(*a)))
			return true;
	}
	return false;
}

static enum rib_state state_of_level(enum device_level l)
{
	return l == DEVICE_UP ? RIB_UP : l == DEVICE_LAST_RESORT ? RIB_LAST_RESORT : RIB_DOWN;
}

/* What was last resort lived, whatever is sent to it. */
static bool is_in_use(
	const struct engine_found *f, const struct generation_peer *p, const struct device_peer *m)
{
	const wg_key *key = &p->node->public_key;

	return sends_to(p, m) || m->level == DEVICE_LAST_RESORT ||
	       map_get(f->in_sets, key, sizeof(*key)) || is_signalled(f, p);
}

enum rib_state engine_found_state(const struct engine_found *f, const struct generation_peer *p)
{
	const struct device_peer *m = device_state_peer(f->device, &p->node->public_key);

	if (!m || p->roams || !is_in_use(f, p, m))
		return engine_unheard(p);
	return f->has_levels ? state_of_level(m->level) : RIB_UP;
}

/* --- by whom prefixes go -------------------------------------------------------------------------
 */

static void note_prefixes(struct engine_found *f)
{
	for (size_t i = 0; i < f->device->n_peers; i++) {
		const struct device_peer *m = &f->device->peers[i];
		const struct generation_peer *p = generation_peer_by_key(f->gen, &m->key);

		for (size_t k = 0; p && k < m->n_allowed; k++)
			vec_push(&f->prefixes, ((struct found_prefix){m->allowed[k], p, NULL}));
	}
	for (size_t i = 0; i < f->device->n_sets; i++) {
		const struct device_owner_set *s = &f->device->sets[i];

		for (size_t k = 0; k < s->n_allowed; k++)
			vec_push(&f->prefixes, ((struct found_prefix){s->allowed[k], NULL, s}));
	}
	for (size_t i = 0; i < f->prefixes.n; i++) {
		struct found_prefix *at = &f->prefixes.items[i];

		map_put(f->by_prefix, &at->prefix, sizeof(at->prefix), at);
	}
}

struct standing {
	enum device_level level;
	unsigned rank;
};

static bool is_before(const struct standing *a, const struct standing *b)
{
	return a->level != b->level ? a->level < b->level : a->rank < b->rank;
}

/* The best level, then the lowest rank, of those that are sent to. */
static void find_winners(
	const struct engine_found *f, const struct device_owner_set *s, struct adoption_found *ret)
{
	struct standing best = {DEVICE_DOWN, 0};

	for (size_t i = 0; i < s->n_owners; i++) {
		const struct device_owner *o = &s->owners[i];
		const struct device_peer *m = device_state_peer(f->device, &o->key);
		const struct generation_peer *p = generation_peer_by_key(f->gen, &o->key);
		struct standing its;

		if (!o->weight || !m || !p || m->level == DEVICE_DOWN)
			continue;
		its = (struct standing){m->level, o->rank};
		if (ret->n && is_before(&best, &its))
			continue;
		if (!ret->n || is_before(&its, &best))
			ret->n = 0;
		best = its;
		if (ret->n < RIB_MAX_OWNERS)
			ret->peers[ret->n++] = p->id;
	}
}

static bool find(const ip_prefix *prefix, struct adoption_found *ret, void *found)
{
	const struct engine_found *f = found;
	const struct found_prefix *at = map_get(f->by_prefix, prefix, sizeof(*prefix));

	ret->n = 0;
	if (at && at->peer)
		ret->peers[ret->n++] = at->peer->id;
	else if (at)
		find_winners(f, at->owner_set, ret);
	return ret->n;
}

static bool roams(uint32_t origin, void *found)
{
	const struct engine_found *f = found;

	for (size_t i = 0; i < f->gen->inv->n_nodes; i++)
		if (f->gen->ids[i] == origin)
			return f->gen->roams[i];
	return false;
}

void engine_found_refine(struct engine *e, struct engine_found *f, instant now)
{
	struct adoption_table table = {find, f, f->has_levels, roams};
	adoption_events events = {0};

	note_prefixes(f);
	adoption_refine(e->rib, &table, &events);
	for (size_t i = 0; i < events.n; i++)
		reports_recall(e->reports, &events.items[i], now);
	vec_done(&events);
}

struct engine_found *engine_found_new(const struct generation *g, const struct engine_event *event)
{
	struct engine_found *f = mem_zalloc(1, sizeof(*f));

	f->gen = g;
	f->device = event->u.found.device;
	f->signals = map_new();
	for (size_t i = 0; i < event->u.found.n_signals; i++)
		map_put(f->signals, &event->u.found.signals[i], sizeof(ip_addr), f);
	f->in_sets = map_new();
	f->by_prefix = map_new();
	note_owners(f);
	note_levels(f);
	return f;
}

void engine_found_free(struct engine_found *f)
{
	map_free(f->in_sets);
	map_free(f->signals);
	map_free(f->by_prefix);
	vec_done(&f->prefixes);
	free(f);
}

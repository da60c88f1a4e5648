/* SPDX-License-Identifier: MIT */
#include "daemon/candidates.h"

#include <string.h>

static enum rib_on_dead rib_on_dead_of(enum mesh_on_dead d)
{
	switch (d) {
	case MESH_HOLD:
		return RIB_HOLD;
	case MESH_RELEASE:
		return RIB_RELEASE;
	default:
		return RIB_FALL_BACK;
	}
}

/*
 * What never moves: a direct peer's own overlay address, where its liveness is measured, and what a
 * client carries, as seen from the hub or peer that it connects to. An idle client is silent for as
 * long as it likes; taking its allowed IPs away would lose the first packets when it speaks again,
 * and nobody else could carry them meanwhile. What a client carries that roams moves, but for
 * nothing else than that another server has it.
 */
static bool is_pinned(const struct mesh_view *v, const struct mesh_candidate *c, size_t n)
{
	return n == 1 && !c->transit &&
	       (c->address || v->inv->nodes[c->origin].role == MESH_CLIENT);
}

/* A direct peer's address has just that candidate, whatever hubs could relay to it; not a client's,
 * which may roam to another server. */
static bool is_own_address_of_peer(const struct mesh_view *v, const struct mesh_candidate *c)
{
	return c->address && !c->transit && v->inv->nodes[c->origin].role != MESH_CLIENT;
}

/* The candidates of one prefix in a view. */
struct range {
	size_t first, end;
};

static struct range range_at(const struct mesh_view *v, size_t first)
{
	struct range r = {first, first};

	while (r.end < v->n_candidates &&
		ip_prefix_eq(&v->candidates[r.end].prefix, &v->candidates[first].prefix))
		r.end++;
	return r;
}

/* Empty if it has none. */
static struct range range_of(const struct mesh_view *v, const ip_prefix *p)
{
	size_t low = 0, high = v->n_candidates;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ip_prefix_cmp(&v->candidates[middle].prefix, p) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == v->n_candidates || !ip_prefix_eq(&v->candidates[low].prefix, p))
		return (struct range){0};
	return range_at(v, low);
}

/* Uses room for r.end - r.first candidates. */
static struct rib_event make_event(const struct mesh_view *v, const uint32_t *ids,
	const ip_prefix *prefix, struct range r, struct rib_candidate *room)
{
	const struct mesh_candidate *first = &v->candidates[r.first];
	struct rib_event e = {.type = RIB_EVENT_PREFIX};

	e.u.prefix.prefix = *prefix;
	if (r.first == r.end)
		return e;
	for (size_t i = r.first; i < r.end; i++)
		room[i - r.first] = mesh_rib_candidate(&v->candidates[i], ids);
	e.u.prefix.candidates = room;
	e.u.prefix.n = is_own_address_of_peer(v, first) ? 1 : r.end - r.first;
	e.u.prefix.on_dead = rib_on_dead_of(first->on_dead);
	e.u.prefix.pinned = is_pinned(v, first, e.u.prefix.n);
	return e;
}

void candidate_events_of_view(
	const struct mesh_view *v, const uint32_t *ids, struct candidate_events *ret)
{
	struct range r;

	memset(ret, 0, sizeof(*ret));
	ret->candidates = mem_zalloc(v->n_candidates + 1, sizeof(*ret->candidates));
	for (size_t i = 0; i < v->n_candidates; i = r.end) {
		r = range_at(v, i);
		vec_push(&ret->events,
			make_event(v, ids, &v->candidates[i].prefix, r, ret->candidates + i));
	}
}

void candidate_events_of_prefixes(const struct mesh_view *v, const uint32_t *ids,
	const ip_prefix *prefixes, size_t n, struct candidate_events *ret)
{
	struct range *ranges = mem_zalloc(n + 1, sizeof(*ranges));
	size_t used = 0;

	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < n; i++) {
		ranges[i] = range_of(v, &prefixes[i]);
		used += ranges[i].end - ranges[i].first;
	}
	ret->candidates = mem_zalloc(used + 1, sizeof(*ret->candidates));
	used = 0;
	for (size_t i = 0; i < n; i++) {
		vec_push(&ret->events,
			make_event(v, ids, &prefixes[i], ranges[i], ret->candidates + used));
		used += ranges[i].end - ranges[i].first;
	}
	free(ranges);
}

void candidate_events_done(struct candidate_events *e)
{
	vec_done(&e->events);
	free(e->candidates);
	e->candidates = NULL;
}

/* --- what differs --------------------------------------------------------------------------------
 */

bool candidate_is_same(const struct rib_candidate *a, const struct rib_candidate *b)
{
	return a->peer == b->peer && a->origin == b->origin && a->distance == b->distance &&
	       a->transit == b->transit && a->metric == b->metric &&
	       a->hub_metric == b->hub_metric && a->place == b->place &&
	       a->origin_place == b->origin_place && a->weight == b->weight;
}

static bool is_same(const struct rib_event *a, const struct rib_event *b)
{
	if (a->u.prefix.n != b->u.prefix.n || a->u.prefix.on_dead != b->u.prefix.on_dead ||
		a->u.prefix.pinned != b->u.prefix.pinned)
		return false;
	for (size_t i = 0; i < a->u.prefix.n; i++)
		if (!candidate_is_same(&a->u.prefix.candidates[i], &b->u.prefix.candidates[i]))
			return false;
	return true;
}

/* The order of the prefixes; NULL, behind the end of a list, is the last. */
static int event_cmp(const struct rib_event *a, const struct rib_event *b)
{
	if (!a || !b)
		return a ? -1 : 1;
	return ip_prefix_cmp(&a->u.prefix.prefix, &b->u.prefix.prefix);
}

static const struct rib_event *event_at(const struct candidate_events *c, size_t i)
{
	return i < c->events.n ? &c->events.items[i] : NULL;
}

void candidate_changes_between(const struct mesh_view *before, const uint32_t *ids_before,
	const struct mesh_view *after, const uint32_t *ids_after, candidate_changes *ret)
{
	struct candidate_events old, fresh;
	size_t i = 0, k = 0;

	candidate_events_of_view(before, ids_before, &old);
	candidate_events_of_view(after, ids_after, &fresh);
	while (i < old.events.n || k < fresh.events.n) {
		const struct rib_event *a = event_at(&old, i), *b = event_at(&fresh, k);
		int d = event_cmp(a, b);

		if (d || !is_same(a, b))
			vec_push(ret, (d < 0 ? a : b)->u.prefix.prefix);
		i += d <= 0;
		k += d >= 0;
	}
	candidate_events_done(&old);
	candidate_events_done(&fresh);
}

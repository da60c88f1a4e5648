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
 * and nobody else could carry them meanwhile.
 */
static bool is_pinned(const struct mesh_view *v, const struct mesh_candidate *c, size_t n)
{
	return n == 1 && !c->transit &&
	       (c->address || v->inv->nodes[c->origin].role == MESH_CLIENT);
}

/* A direct peer's address has just that candidate, whatever hubs could relay to it. */
static bool is_own_address_of_peer(const struct mesh_candidate *c)
{
	return c->address && !c->transit;
}

void candidate_events_of_view(
	const struct mesh_view *v, const uint32_t *ids, struct candidate_events *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->candidates = mem_zalloc(v->n_candidates + 1, sizeof(*ret->candidates));
	for (size_t i = 0, end; i < v->n_candidates; i = end) {
		const struct mesh_candidate *first = &v->candidates[i];
		struct rib_event e = {.type = RIB_EVENT_PREFIX};

		for (end = i; end < v->n_candidates &&
			      ip_prefix_eq(&v->candidates[end].prefix, &first->prefix);
			end++)
			ret->candidates[end] = mesh_rib_candidate(&v->candidates[end], ids);
		e.u.prefix.prefix = first->prefix;
		e.u.prefix.candidates = ret->candidates + i;
		e.u.prefix.n = is_own_address_of_peer(first) ? 1 : end - i;
		e.u.prefix.on_dead = rib_on_dead_of(first->on_dead);
		e.u.prefix.pinned = is_pinned(v, first, e.u.prefix.n);
		vec_push(&ret->events, e);
	}
}

/* Both views are in the order of prefixes. */
void candidate_events_of_change(const struct mesh_view *before, const struct mesh_view *after,
	const uint32_t *ids, struct candidate_events *ret)
{
	size_t k = 0, n;

	candidate_events_of_view(after, ids, ret);
	n = ret->events.n;
	for (size_t i = 0; i < before->n_candidates; i++) {
		struct rib_event e = {.type = RIB_EVENT_PREFIX};

		e.u.prefix.prefix = before->candidates[i].prefix;
		if (i && ip_prefix_eq(&e.u.prefix.prefix, &before->candidates[i - 1].prefix))
			continue;
		while (k < n && ip_prefix_cmp(&ret->events.items[k].u.prefix.prefix,
					&e.u.prefix.prefix) < 0)
			k++;
		if (k == n ||
			!ip_prefix_eq(&ret->events.items[k].u.prefix.prefix, &e.u.prefix.prefix))
			vec_push(&ret->events, e);
	}
}

void candidate_events_done(struct candidate_events *e)
{
	vec_done(&e->events);
	free(e->candidates);
	e->candidates = NULL;
}

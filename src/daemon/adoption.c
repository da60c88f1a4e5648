/* SPDX-License-Identifier: MIT */
#include "daemon/adoption.h"

struct refinement {
	struct rib *rib;
	adoption_owner_fn *owner;
	void *data;
	VEC(struct rib_event) passed_over; /* each peer once */
};

static bool has_next_hop(const struct rib_answer *a, uint32_t peer)
{
	for (size_t i = 0; i < a->n_order; i++)
		if (a->order[i].peer == peer)
			return true;
	return false;
}

static void pass_over(struct refinement *r, uint32_t peer)
{
	struct rib_event e = {.type = RIB_EVENT_PEER, .u.peer = {peer, RIB_LAST_RESORT}};

	for (size_t i = 0; i < r->passed_over.n; i++)
		if (r->passed_over.items[i].u.peer.id == peer)
			return;
	vec_push(&r->passed_over, e);
}

static int look(const struct rib_answer *a, void *data)
{
	struct refinement *r = data;
	uint32_t owner;

	if (a->pinned || a->n_order < 2 || !a->owners.n || !r->owner(&a->prefix, &owner, r->data))
		return 0;
	if (owner != a->owners.peer[0] && has_next_hop(a, owner) &&
		rib_peer_state(r->rib, owner) != RIB_DOWN &&
		rib_peer_state(r->rib, a->owners.peer[0]) == RIB_UP)
		pass_over(r, a->owners.peer[0]);
	return 0;
}

void adoption_refine(struct rib *rib, adoption_owner_fn *owner, void *data)
{
	struct refinement r = {.rib = rib, .owner = owner, .data = data};
	struct rib_diff diff = {0};

	/* Each round makes another peer last resort, or is the last one. */
	do {
		r.passed_over.n = 0;
		rib_walk(rib, look, &r);
		rib_step(rib, r.passed_over.items, r.passed_over.n, &diff);
	} while (r.passed_over.n);
	rib_diff_done(&diff);
	vec_done(&r.passed_over);
}

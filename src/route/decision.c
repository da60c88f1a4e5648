/* SPDX-License-Identifier: MIT */
/*
 * The decision process. decision_compare is its only definition: one `if` per step, the first
 * that tells two candidates apart decides and names the loser's reason. Choosing, explaining and
 * the canonical order of stored candidates all go through it.
 *
 * Step 1 orders candidates by what is known about the path, before anything the operator wrote:
 *
 *	sure  <  last resort  <  sure, origin down  <  last resort, origin down  <<  down
 *
 * Why the origin counts, and why it counts before last resort: an anycast prefix is carried by
 * site-1 (metric 10) and site-2 (metric 20). site-1 dies. Its candidate as a direct peer is out,
 *but the one through hub-b, for the same origin site-1, has a next hop that is up and the better
 * metric: it would win over the living site-2, and hub-b would hand the packets to a dead site. A
 * node that has a session with the origin itself knows better, so such a candidate counts after
 * all others. It does not count as unusable, for the session may have failed on the direct line
 * alone, and for a prefix with one origin the way through a hub is then the one that works. A
 * draining or holding next hop, in contrast, does forward: it comes before any path whose origin is
 * likely dead.
 *
 * Last resort is a candidate that hands packets to a drained or holding node, or to a hub which
 * would hand them to one that we know of: the detour spares that node nothing. Were the detour
 * thought better, then both hubs would see a draining site as last resort, each would send the
 * site's packets to the other, and the site would lose everything.
 *
 * An origin that isn't a direct peer, or one that nothing has been said about yet, counts as up:
 * most origins behind a hub are of that kind.
 *
 * What is installed now is not among the arguments, on purpose: the order must be the same on every
 * node (a device with one owner per prefix drops what arrives from anyone but the owner), and nodes
 * differ in their history. Only where nobody can carry a prefix and its on_dead is hold does the
 * last owner have a say, and that is the RIB's matter.
 */
#include "route/decision.h"

#include "base/mem.h"
#include <stdlib.h>

static int decided(bool a_first, enum rib_reason why, enum rib_reason *ret_why)
{
	if (ret_why)
		*ret_why = why;
	return a_first ? -1 : 1;
}

static bool is_down(const struct decision_contender *x)
{
	return x->state == RIB_DOWN;
}

static bool is_last_resort(const struct decision_contender *x)
{
	return x->state == RIB_LAST_RESORT || x->origin == RIB_LAST_RESORT;
}

static enum rib_reason last_resort_reason(const struct decision_contender *x)
{
	return x->state == RIB_LAST_RESORT ? RIB_PEER_LAST_RESORT : RIB_ORIGIN_LAST_RESORT;
}

int decision_compare(const struct decision_contender *a, const struct decision_contender *b,
	enum rib_reason *ret_why)
{
	const struct rib_candidate *ca = a->candidate, *cb = b->candidate;

	/* 1: usable, and how surely; all that are down are alike here. */
	if (is_down(a) != is_down(b))
		return decided(is_down(b), RIB_PEER_DOWN, ret_why);
	if (!is_down(a) && (a->origin == RIB_DOWN) != (b->origin == RIB_DOWN))
		return decided(b->origin == RIB_DOWN, RIB_ORIGIN_DOWN, ret_why);
	if (!is_down(a) && is_last_resort(a) != is_last_resort(b))
		return decided(
			is_last_resort(b), last_resort_reason(is_last_resort(b) ? b : a), ret_why);
	/* 2: administrative distance of the source. */
	if (ca->distance != cb->distance)
		return decided(ca->distance < cb->distance, RIB_HIGHER_DISTANCE, ret_why);
	/* 3: the prefix's metric at its origin. */
	if (ca->metric != cb->metric)
		return decided(ca->metric < cb->metric, RIB_HIGHER_METRIC, ret_why);
	/* 4: direct before transit. */
	if (ca->transit != cb->transit)
		return decided(cb->transit, RIB_IS_TRANSIT, ret_why);
	/* 5: the hub's metric. */
	if (ca->hub_metric != cb->hub_metric)
		return decided(ca->hub_metric < cb->hub_metric, RIB_HIGHER_HUB_METRIC, ret_why);
	/* 6: the place in the inventory, of the next hop and then of the origin. */
	if (ca->place != cb->place)
		return decided(ca->place < cb->place, RIB_LATER_IN_FILE, ret_why);
	if (ca->origin_place != cb->origin_place)
		return decided(ca->origin_place < cb->origin_place, RIB_LATER_IN_FILE, ret_why);
	/* Places name nodes, so the numbers differ only if the caller gave two nodes one place. */
	if (ca->peer != cb->peer)
		return decided(ca->peer < cb->peer, RIB_LATER_IN_FILE, ret_why);
	if (ca->origin != cb->origin)
		return decided(ca->origin < cb->origin, RIB_LATER_IN_FILE, ret_why);
	if (ret_why)
		*ret_why = RIB_WINS;
	return 0;
}

int decision_candidate_cmp(const void *a, const void *b)
{
	struct decision_contender ca = {.candidate = a, .state = RIB_UP, .origin = RIB_UP};
	struct decision_contender cb = {.candidate = b, .state = RIB_UP, .origin = RIB_UP};

	return decision_compare(&ca, &cb, NULL);
}

bool decision_owns(const struct rib_owners *owners, uint32_t peer)
{
	for (unsigned i = 0; i < owners->n; i++)
		if (owners->peer[i] == peer)
			return true;
	return false;
}

/* The best of a list; ties (the same candidate twice) go to the earlier. */
static size_t best(const struct decision_contender *list, size_t n)
{
	size_t w = 0;

	for (size_t i = 1; i < n; i++)
		if (decision_compare(&list[i], &list[w], NULL) < 0)
			w = i;
	return w;
}

bool decision_is_equal(enum rib_reason why)
{
	return why == RIB_WINS || why == RIB_CUT_FROM_SET || why == RIB_CUT_FOR_ORIGIN;
}

/* How many more the winner may have beside it, and why no more. */
struct room {
	unsigned left;
	enum rib_reason why_none;
};

/* Equal through step 5. */
static bool is_equal_cost(const struct decision_contender *a, const struct decision_contender *b)
{
	enum rib_reason why;

	decision_compare(a, b, &why);
	return why == RIB_LATER_IN_FILE || why == RIB_WINS;
}

/* Whether a contender between the winner and i, equal to the winner through step 5, has the same
 * next hop as i: then i adds nothing to the set, be it cut or not. */
static bool next_hop_in_set(const struct decision_contender *list, const enum rib_reason *reasons,
	size_t winner, size_t i)
{
	for (size_t j = winner; j < i; j++)
		if (decision_is_equal(reasons[j]) &&
			list[j].candidate->peer == list[i].candidate->peer)
			return true;
	return false;
}

/* The reason of a contender that lost to the winner in step 6 only, or not even there. */
static enum rib_reason join_set(const struct decision_contender *list, enum rib_reason *reasons,
	size_t winner, size_t i, struct room *room)
{
	if (next_hop_in_set(list, reasons, winner, i))
		return RIB_LATER_IN_FILE;
	if (!room->left)
		return room->why_none;
	room->left--;
	return RIB_WINS;
}

/* Equal through step 5, were all next hops up. */
static bool is_alike(const struct decision_contender *a, const struct decision_contender *b)
{
	struct decision_contender x = *a, y = *b;

	x.state = y.state = RIB_UP;
	return is_equal_cost(&x, &y);
}

static struct room room_beside(
	const struct decision_contender *list, size_t n, size_t winner, unsigned max_owners)
{
	struct room r = {max_owners - 1, RIB_CUT_FROM_SET};

	for (size_t i = 0; r.left && i < n; i++)
		if (!list[i].takes_many && is_alike(&list[i], &list[winner]))
			r = (struct room){0, RIB_CUT_FOR_ORIGIN};
	return r;
}

void decision_reasons(const struct decision_contender *list, size_t n, unsigned max_owners,
	enum rib_reason *reasons)
{
	size_t winner = best(list, n);
	enum rib_reason why;
	struct room room;

	if (!n || is_down(&list[winner])) {
		for (size_t i = 0; i < n; i++)
			reasons[i] = RIB_PEER_DOWN;
		return;
	}
	room = room_beside(list, n, winner, max_owners);
	reasons[winner] = RIB_WINS;
	for (size_t i = 0; i < n; i++) {
		if (i == winner)
			continue;
		decision_compare(&list[winner], &list[i], &why);
		if (why == RIB_LATER_IN_FILE || why == RIB_WINS)
			why = join_set(list, reasons, winner, i, &room);
		reasons[i] = why;
	}
}

static int preference(const void *a, const void *b)
{
	return decision_compare(*(const struct decision_contender *const *)a,
		*(const struct decision_contender *const *)b, NULL);
}

static bool is_listed(const struct rib_owner *list, size_t n, uint32_t peer)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].peer == peer)
			return true;
	return false;
}

/* Most prefixes have two or three candidates. */
#define FEW 16

static void sort_few(const struct decision_contender **sorted, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		const struct decision_contender *x = sorted[i];
		size_t k = i;

		for (; k && decision_compare(x, sorted[k - 1], NULL) < 0; k--)
			sorted[k] = sorted[k - 1];
		sorted[k] = x;
	}
}

static const struct decision_contender **sort(
	const struct decision_contender *list, size_t n, const struct decision_contender *few[FEW])
{
	const struct decision_contender **sorted = few;

	if (n > FEW)
		sorted = mem_zalloc(n, sizeof(*sorted));
	for (size_t i = 0; i < n; i++)
		sorted[i] = &list[i];
	if (n > FEW)
		qsort(sorted, n, sizeof(*sorted), preference);
	else
		sort_few(sorted, n);
	return sorted;
}

/* Where the equal-cost class that begins at i ends; whether all in it take many. */
static size_t class_end(
	const struct decision_contender *const *sorted, size_t n, size_t i, bool *ret_takes_many)
{
	size_t end = i;

	*ret_takes_many = true;
	for (; end < n && is_equal_cost(sorted[i], sorted[end]); end++)
		*ret_takes_many &= sorted[end]->takes_many;
	return end;
}

static struct rib_owner owner_of(const struct decision_contender *x, uint16_t rank)
{
	const struct rib_candidate *c = x->candidate;

	return (struct rib_owner){.peer = c->peer,
		.rank = rank,
		.weight = c->weight ? c->weight : 1,
		.sends = !is_down(x),
		.is_relay = c->transit && c->source == RIB_INVENTORY};
}

size_t decision_order(const struct decision_contender *list, size_t n, struct rib_owner *ret)
{
	const struct decision_contender *few[FEW], **sorted = sort(list, n, few);
	size_t k = 0, of_class = 0; /* the first owner of the class */
	uint16_t rank = 0;
	bool takes_many = true;

	for (size_t i = 0, end = 0; i < n; i++) {
		if (i == end) {
			end = class_end(sorted, n, i, &takes_many);
			of_class = k;
		}
		if (is_listed(ret, k, sorted[i]->candidate->peer))
			continue;
		if (k && (k == of_class || !takes_many) && rank < UINT16_MAX)
			rank++;
		ret[k++] = owner_of(sorted[i], rank);
	}
	if (sorted != few)
		free(sorted);
	return k;
}

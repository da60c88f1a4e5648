/* SPDX-License-Identifier: MIT */
#include "rib_oracle.h"

#include <assert.h>
#include <string.h>

struct oracle_prefix *oracle_prefix(struct oracle *o, const ip_prefix *p)
{
	for (size_t i = 0; i < o->n; i++)
		if (ip_prefix_eq(&o->prefixes[i].prefix, p))
			return &o->prefixes[i];
	assert(o->n < ORACLE_PREFIXES);
	o->prefixes[o->n].prefix = *p;
	return &o->prefixes[o->n++];
}

static void add(struct oracle_prefix *p, int source, const struct rib_candidate *c)
{
	p->candidates[p->n] = *c;
	p->candidates[p->n++].source = (uint8_t)source;
}

/* Everything that anybody says of the prefix; how it is treated only the inventory says. */
static void gather(struct oracle_prefix *p)
{
	bool listed = p->said[RIB_INVENTORY].n > 0;

	p->n = 0;
	for (int source = 0; source < RIB_N_SOURCES; source++)
		for (size_t i = 0; i < p->said[source].n; i++)
			add(p, source, &p->said[source].candidates[i]);
	p->exists = p->n > 0;
	p->pinned = listed && p->said[RIB_INVENTORY].pinned;
	p->on_dead = listed ? p->said[RIB_INVENTORY].on_dead : RIB_FALL_BACK;
}

void oracle_event(struct oracle *o, const struct rib_event *ev)
{
	struct oracle_prefix *p;

	if (ev->type == RIB_EVENT_PEER) {
		o->states[ev->u.peer.id] = ev->u.peer.state;
		o->known[ev->u.peer.id] = true;
		return;
	}
	if (ev->type == RIB_EVENT_REACH) {
		o->reaches[ev->u.reach.peer][ev->u.reach.origin] = ev->u.reach.reach;
		return;
	}
	if (ev->type == RIB_EVENT_TAKES_MANY) {
		o->takes_many[ev->u.takes_many.id] = ev->u.takes_many.takes_many;
		return;
	}
	p = oracle_prefix(o, &ev->u.prefix.prefix);
	p->said[ev->u.prefix.source].n = ev->u.prefix.n;
	p->said[ev->u.prefix.source].pinned = ev->u.prefix.pinned;
	p->said[ev->u.prefix.source].on_dead = ev->u.prefix.on_dead;
	for (size_t i = 0; i < ev->u.prefix.n; i++)
		p->said[ev->u.prefix.source].candidates[i] = ev->u.prefix.candidates[i];
	gather(p);
}

bool oracle_owns(const struct rib_owners *owners, uint32_t peer)
{
	for (unsigned i = 0; i < owners->n; i++)
		if (owners->peer[i] == peer)
			return true;
	return false;
}

/* The number a candidate has at a step; the lower wins. Steps 0, 1 and 2 are the parts of step 1
 * of the rules, 3 to 6 are 2 to 5, and 7 and 8 are 6. */
enum { STEPS = 9, FIRST_OF_FILE = 7 };

/* What a node knows of an origin behind a hub: what it sees itself, unless the hub says better. */
static enum rib_state origin_of(const struct oracle *o, const struct rib_candidate *c)
{
	enum rib_state seen = o->known[c->origin] ? o->states[c->origin] : RIB_UP;
	enum rib_reach reach = o->reaches[c->peer][c->origin];

	if (reach == RIB_REACH_LOST)
		return RIB_DOWN;
	if (!c->transit)
		return RIB_UP;
	if (reach == RIB_REACH_POOR)
		return RIB_LAST_RESORT;
	if (reach == RIB_REACH_CLEAN)
		return RIB_UP;
	if (reach == RIB_REACH_HAS && seen == RIB_DOWN)
		return RIB_UP;
	if (c->source == RIB_KERNEL && seen == RIB_DOWN)
		return RIB_UP; /* the engine knows it there */
	return seen;
}

static bool by_hubs_alone(const struct oracle_prefix *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (!p->candidates[i].transit || p->candidates[i].source != RIB_KERNEL)
			return false;
	return true;
}

/* As the prefix's candidates are compared: among hubs alone no drain behind them counts. */
static enum rib_state origin_in(
	const struct oracle *o, const struct oracle_prefix *p, const struct rib_candidate *c)
{
	enum rib_state s = origin_of(o, c);
	bool is_poor = o->reaches[c->peer][c->origin] == RIB_REACH_POOR;

	return s == RIB_LAST_RESORT && !is_poor && by_hubs_alone(p) ? RIB_UP : s;
}

static uint32_t number_in_state(const struct oracle *o, const struct oracle_prefix *p,
	const struct rib_candidate *c, int step, enum rib_state state)
{
	bool asks = !p->pinned && state != RIB_DOWN;
	bool origin_down = asks && origin_in(o, p, c) == RIB_DOWN;
	bool origin_drains = asks && origin_in(o, p, c) == RIB_LAST_RESORT;

	switch (step) {
	case 0:
		return state == RIB_DOWN;
	case 1:
		return origin_down;
	case 2:
		return state == RIB_LAST_RESORT || origin_drains;
	case 3:
		return c->distance;
	case 4:
		return c->metric;
	case 5:
		return c->transit;
	case 6:
		return c->hub_metric;
	case 7:
		return c->place;
	default:
		return c->origin_place;
	}
}

static uint32_t number(const struct oracle *o, const struct oracle_prefix *p,
	const struct rib_candidate *c, int step)
{
	enum rib_state state = o->states[c->peer];

	if (p->pinned)
		state = c->source == RIB_INVENTORY ? RIB_UP : RIB_DOWN;
	return number_in_state(o, p, c, step, state);
}

static const enum rib_reason step_reasons[STEPS] = {RIB_PEER_DOWN, RIB_ORIGIN_DOWN,
	RIB_PEER_LAST_RESORT, RIB_HIGHER_DISTANCE, RIB_HIGHER_METRIC, RIB_IS_TRANSIT,
	RIB_HIGHER_HUB_METRIC, RIB_LATER_IN_FILE, RIB_LATER_IN_FILE};

static bool goes_before(const struct oracle *o, const struct oracle_prefix *p,
	const struct rib_candidate *a, const struct rib_candidate *b)
{
	for (int step = 0; step < STEPS; step++)
		if (number(o, p, a, step) != number(o, p, b, step))
			return number(o, p, a, step) < number(o, p, b, step);
	return false;
}

/* Bubbles the candidates into order. */
static void order(const struct oracle *o, struct oracle_prefix *p)
{
	for (size_t round = 0; round < p->n; round++)
		for (size_t i = 0; i + 1 < p->n; i++)
			if (goes_before(o, p, &p->candidates[i + 1], &p->candidates[i])) {
				struct rib_candidate c = p->candidates[i];

				p->candidates[i] = p->candidates[i + 1];
				p->candidates[i + 1] = c;
			}
}

/* Strikes off, at each step before the last two, whoever isn't among the lowest. */
static void strike(const struct oracle *o, struct oracle_prefix *p, bool in[])
{
	for (size_t i = 0; i < p->n; i++)
		in[i] = true;
	for (int step = 0; step < FIRST_OF_FILE; step++) {
		uint32_t lowest = UINT32_MAX;

		for (size_t i = 0; i < p->n; i++)
			if (in[i] && number(o, p, &p->candidates[i], step) < lowest)
				lowest = number(o, p, &p->candidates[i], step);
		for (size_t i = 0; i < p->n; i++)
			if (in[i] && number(o, p, &p->candidates[i], step) > lowest) {
				in[i] = false;
				p->reasons[i] = step_reasons[step];
				if (step == 0 && p->pinned)
					p->reasons[i] = RIB_PINNED;
				if (step == 2 && o->states[p->candidates[i].peer] == RIB_UP)
					p->reasons[i] = RIB_ORIGIN_LAST_RESORT;
			}
	}
}

bool oracle_is_shared(const struct oracle *o, const struct oracle_prefix *p)
{
	return o->max_owners > 1 && !p->pinned && p->on_dead != RIB_HOLD;
}

/* Below zero: a before b, were every next hop up; zero: equal until the file's order decides. */
static int compare_as_if_up(const struct oracle *o, const struct oracle_prefix *p,
	const struct rib_candidate *a, const struct rib_candidate *b)
{
	for (int step = 0; step < FIRST_OF_FILE; step++) {
		uint32_t x = number_in_state(o, p, a, step, RIB_UP);
		uint32_t y = number_in_state(o, p, b, step, RIB_UP);

		if (x != y)
			return x < y ? -1 : 1;
	}
	return 0;
}

/* Whether the flows of what is as good as c, were every next hop up, may come to the origins
 * behind by several ways. */
static bool may_share(
	const struct oracle *o, const struct oracle_prefix *p, const struct rib_candidate *c)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->candidates[i].transit && !o->takes_many[p->candidates[i].origin] &&
			!compare_as_if_up(o, p, &p->candidates[i], c))
			return false;
	return true;
}

/* Owners from the set that remains, in order, each next hop once. */
static void fill(const struct oracle *o, struct oracle_prefix *p, const bool in[])
{
	enum rib_reason cut = RIB_CUT_FROM_SET;
	unsigned room = oracle_is_shared(o, p) ? o->max_owners : 1;
	struct rib_owners seen = {0};

	if (room > 1 && !may_share(o, p, &p->candidates[0])) {
		room = 1;
		cut = RIB_CUT_FOR_ORIGIN;
	}

	for (size_t i = 0; i < p->n; i++) {
		uint32_t peer = p->candidates[i].peer;

		if (!in[i])
			continue;
		if (oracle_owns(&seen, peer)) {
			p->reasons[i] = RIB_LATER_IN_FILE;
			continue;
		}
		seen.peer[seen.n++] = peer;
		p->reasons[i] = p->owners.n < room ? RIB_WINS : cut;
		if (p->owners.n < room)
			p->owners.peer[p->owners.n++] = peer;
	}
}

/* A next hop's best candidate, were all up. */
static const struct rib_candidate *best_of(
	const struct oracle *o, const struct oracle_prefix *p, uint32_t peer)
{
	const struct rib_candidate *best = NULL;

	for (size_t i = 0; i < p->n; i++)
		if (p->candidates[i].peer == peer &&
			(!best || compare_as_if_up(o, p, &p->candidates[i], best) < 0))
			best = &p->candidates[i];
	return best;
}

static void drop(const struct oracle *o, struct oracle_prefix *p, const struct rib_owners *kept)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->reasons[i] == RIB_WINS && !oracle_owns(kept, p->candidates[i].peer))
			p->reasons[i] = origin_in(o, p, &p->candidates[i]) == RIB_LAST_RESORT
						? RIB_ORIGIN_LAST_RESORT
						: RIB_PEER_LAST_RESORT;
	p->owners = *kept;
}

/* Winners may be last resort in unlike ways, and then the device has its own view: a next hop that
 * is up goes before one that isn't; then counts who is better with all next hops up. */
static void narrow(const struct oracle *o, struct oracle_prefix *p)
{
	struct rib_owners kept = {0};
	uint32_t first = p->owners.peer[0];

	for (unsigned i = 1; i < p->owners.n; i++) {
		uint32_t peer = p->owners.peer[i];

		if (o->states[peer] > o->states[first] ||
			(o->states[peer] == o->states[first] &&
				compare_as_if_up(o, p, best_of(o, p, peer), best_of(o, p, first)) <
					0))
			first = peer;
	}
	for (unsigned i = 0; i < p->owners.n; i++) {
		uint32_t peer = p->owners.peer[i];

		if (o->states[peer] == o->states[first] &&
			!compare_as_if_up(o, p, best_of(o, p, peer), best_of(o, p, first)) &&
			(peer == first || may_share(o, p, best_of(o, p, first))))
			kept.peer[kept.n++] = peer;
	}
	drop(o, p, &kept);
}

static void hold(struct oracle_prefix *p)
{
	p->owners.n = 1;
	p->owners.peer[0] = p->candidates[0].peer;
	for (size_t i = 0; i < p->n; i++)
		if (p->old_owners.n && p->candidates[i].peer == p->old_owners.peer[0])
			p->owners.peer[0] = p->old_owners.peer[0];
}

/* An owner that is down is held: its best candidate says so. */
static void mark_held(const struct oracle *o, struct oracle_prefix *p)
{
	for (unsigned k = 0; k < p->owners.n; k++) {
		if (o->states[p->owners.peer[k]] != RIB_DOWN)
			continue;
		for (size_t i = 0; i < p->n; i++)
			if (p->candidates[i].peer == p->owners.peer[k]) {
				p->reasons[i] = RIB_HELD;
				break;
			}
	}
}

bool oracle_usable(const struct oracle *o, const struct oracle_prefix *p)
{
	for (size_t i = 0; p->exists && i < p->n; i++)
		if (o->states[p->candidates[i].peer] != RIB_DOWN)
			return true;
	return false;
}

static void decide(const struct oracle *o, struct oracle_prefix *p)
{
	bool in[ORACLE_CANDIDATES];

	p->owners = (struct rib_owners){0};
	p->route = p->exists && p->said[RIB_INVENTORY].n > 0; /* else it is the engine's */
	if (!p->exists)
		return;
	order(o, p);
	if (p->pinned || oracle_usable(o, p)) {
		strike(o, p, in);
		fill(o, p, in);
		if (oracle_is_shared(o, p))
			narrow(o, p);
	} else {
		for (size_t i = 0; i < p->n; i++)
			p->reasons[i] = RIB_PEER_DOWN;
		if (p->on_dead == RIB_HOLD)
			hold(p);
		if (p->on_dead == RIB_RELEASE)
			p->route = false;
	}
	mark_held(o, p);
}

/* As far as is known: the next hop lives, and so does the origin behind it. */
static bool path_lives(const struct oracle *o, const struct rib_candidate *c)
{
	return o->states[c->peer] != RIB_DOWN && origin_of(o, c) != RIB_DOWN;
}

static bool has_living_owner(const struct oracle *o, const struct oracle_prefix *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (oracle_owns(&p->owners, p->candidates[i].peer) &&
			path_lives(o, &p->candidates[i]))
			return true;
	return false;
}

/* Its packets would take a detour around an origin that this node holds for dead. */
static bool is_detour(const struct oracle *o, const struct oracle_prefix *p)
{
	return p->owners.n && oracle_usable(o, p) && !has_living_owner(o, p);
}

/* Who would get the packets were the prefix withdrawn: the longest around it that has an owner. */
static const struct oracle_prefix *carrier(const struct oracle *o, const struct oracle_prefix *p)
{
	const struct oracle_prefix *longest = NULL;

	for (size_t i = 0; i < o->n; i++) {
		const struct oracle_prefix *q = &o->prefixes[i];

		if (q->owners.n && q->prefix.len < p->prefix.len &&
			ip_prefix_contains(&q->prefix, &p->prefix) &&
			(!longest || q->prefix.len > longest->prefix.len))
			longest = q;
	}
	return longest;
}

/* "A detour through a hub serves only where no covering prefix (other than a default route) has a
 * living owner; where one has, the specific is withdrawn and the cover carries the packets."
 * Shorter prefixes must be final already. */
static void give_way(const struct oracle *o, struct oracle_prefix *p)
{
	const struct oracle_prefix *cover;

	p->covered = false;
	if (!p->exists || p->pinned || p->on_dead != RIB_FALL_BACK || !is_detour(o, p))
		return;
	cover = carrier(o, p);
	if (!cover || cover->prefix.len == 0 || !has_living_owner(o, cover))
		return;
	p->covered = true;
	p->owners = (struct rib_owners){0};
	for (size_t i = 0; i < p->n; i++)
		if (p->reasons[i] == RIB_WINS || p->reasons[i] == RIB_CUT_FROM_SET ||
			p->reasons[i] == RIB_CUT_FOR_ORIGIN)
			p->reasons[i] = RIB_ORIGIN_DOWN;
}

void oracle_begin(struct oracle *o)
{
	for (size_t i = 0; i < o->n; i++) {
		o->prefixes[i].old_owners = o->prefixes[i].owners;
		o->prefixes[i].old_route = o->prefixes[i].route;
	}
}

void oracle_decide(struct oracle *o)
{
	for (size_t i = 0; i < o->n; i++)
		decide(o, &o->prefixes[i]);
	for (unsigned len = 0; len <= 128; len++)
		for (size_t i = 0; i < o->n; i++)
			if (o->prefixes[i].prefix.len == len)
				give_way(o, &o->prefixes[i]);
}

bool oracle_changed(const struct oracle_prefix *p)
{
	return p->route != p->old_route ||
	       memcmp(&p->owners, &p->old_owners, sizeof(p->owners)) != 0;
}

enum rib_reason oracle_why(const struct oracle_prefix *p)
{
	if (!p->old_owners.n || oracle_owns(&p->owners, p->old_owners.peer[0]))
		return RIB_WINS;
	for (size_t i = 0; p->exists && i < p->n; i++)
		if (p->candidates[i].peer == p->old_owners.peer[0])
			return p->covered && p->reasons[i] != RIB_PEER_DOWN ? RIB_ORIGIN_DOWN
									    : p->reasons[i];
	return RIB_WITHDRAWN;
}

const struct oracle_prefix *oracle_lookup(const struct oracle *o, const ip_addr *a)
{
	const struct oracle_prefix *longest = NULL;

	for (size_t i = 0; i < o->n; i++) {
		const struct oracle_prefix *p = &o->prefixes[i];

		if (p->owners.n && ip_prefix_has_addr(&p->prefix, a) &&
			(!longest || p->prefix.len > longest->prefix.len))
			longest = p;
	}
	return longest;
}

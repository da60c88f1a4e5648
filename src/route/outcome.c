/* SPDX-License-Identifier: MIT */
/* The decision on a set: its candidates with what is known of nodes, and what follows from it. */
#include "route/store.h"

static enum rib_reach reach_of(const struct rib_peer *hop, uint32_t origin)
{
	return origin < hop->reaches.n ? (enum rib_reach)hop->reaches.items[origin]
				       : RIB_REACH_UNKNOWN;
}

/* The state of an origin behind a next hop, who knows better than we do whether it is there: by
 * what it reports, else by what a routing engine heard of it. */
static enum rib_state origin_state(
	const struct rib_peer *hop, const struct rib_peer *origin, const struct rib_candidate *c)
{
	enum rib_state seen = origin->known ? origin->state : RIB_UP;

	switch (reach_of(hop, c->origin)) {
	case RIB_REACH_HAS:
		return seen == RIB_DOWN ? RIB_UP : seen;
	case RIB_REACH_CLEAN:
		return RIB_UP;
	case RIB_REACH_POOR:
		return RIB_LAST_RESORT;
	case RIB_REACH_LOST:
		return RIB_DOWN;
	case RIB_REACH_UNKNOWN:
		break;
	}
	return c->source == RIB_KERNEL && seen == RIB_DOWN ? RIB_UP : seen;
}

/* What is known of a candidate's next hop and of its origin. */
static struct decision_contender contender(const struct rib *rib, const struct rib_candidate *c)
{
	struct decision_contender x = {.candidate = c, .origin = RIB_UP, .takes_many = true};
	const struct rib_peer *hop = rib->peers.items[c->peer], *origin;

	x.state = hop->state;
	if (c->transit) {
		origin = rib->peers.items[c->origin];
		x.origin = origin_state(hop, origin, c);
		x.takes_many = rib->max_owners == 1 || origin->takes_many;
	} else if (reach_of(hop, c->origin) == RIB_REACH_LOST) {
		x.origin = RIB_DOWN; /* a client that is at another server */
	}
	return x;
}

static void contest_reserve(struct rib_contest *c, size_t n)
{
	if (n <= c->cap)
		return;
	c->contenders = mem_realloc(c->contenders, n, sizeof(*c->contenders));
	c->reasons = mem_realloc(c->reasons, n, sizeof(*c->reasons));
	c->cap = n;
}

/* Of a pinned prefix: the inventory's asks nothing, and no other counts. */
static enum rib_state pinned_state(const struct rib_candidate *c)
{
	return c->source == RIB_INVENTORY ? RIB_UP : RIB_DOWN;
}

/* ... of an engine's; the inventory names each direct way. */
static bool leads_by_hubs_alone(const struct rib_set *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (!s->candidates[i].transit || s->candidates[i].source != RIB_KERNEL)
			return false;
	return true;
}

/* That the origin drains is no reason to pass over one hub for another: on its own way back it sees
 * the hubs alone. Which of their lines are poor is another matter. */
static void forget_drain(const struct rib *rib, struct decision_contender *x)
{
	const struct rib_candidate *c = x->candidate;

	if (x->origin == RIB_LAST_RESORT &&
		reach_of(rib->peers.items[c->peer], c->origin) != RIB_REACH_POOR)
		x->origin = RIB_UP;
}

static void enter(struct rib *rib, const struct rib_set *s)
{
	bool by_hubs_alone = leads_by_hubs_alone(s);

	contest_reserve(&rib->contest, s->n);
	for (size_t i = 0; i < s->n; i++) {
		struct decision_contender *x = &rib->contest.contenders[i];

		*x = contender(rib, &s->candidates[i]);
		if (by_hubs_alone)
			forget_drain(rib, x);
		if (s->policy->pinned) {
			x->state = pinned_state(x->candidate);
			x->origin = RIB_UP;
		}
	}
}

/* Where a prefix is one peer's alone. */
static unsigned max_owners_of(const struct rib *rib, const struct rib_set *s)
{
	bool alone = s->policy->pinned || s->policy->on_dead == RIB_HOLD;

	return alone ? 1 : rib->max_owners;
}

static const struct rib_contest *run(struct rib *rib, const struct rib_set *s)
{
	enter(rib, s);
	decision_reasons(
		rib->contest.contenders, s->n, max_owners_of(rib, s), rib->contest.reasons);
	return &rib->contest;
}

const struct rib_contest *rib_contest_run(struct rib *rib, const struct rib_set *s)
{
	const struct rib_contest *c = run(rib, s);

	for (size_t i = 0; s->policy->pinned && i < s->n; i++)
		if (c->contenders[i].state == RIB_DOWN)
			c->reasons[i] = RIB_PINNED;
	/* Of winners that are last resort in unlike ways, the device takes some. */
	for (size_t i = 0; s->group && i < s->n; i++) {
		const struct decision_contender *x = &c->contenders[i];

		if (c->reasons[i] == RIB_WINS && !decision_owns(&s->now.owners, x->candidate->peer))
			c->reasons[i] = x->origin == RIB_LAST_RESORT ? RIB_ORIGIN_LAST_RESORT
								     : RIB_PEER_LAST_RESORT;
	}
	return c;
}

/* Whether the best of the contest is a detour around an origin that is down. */
static bool is_doubtful(const struct rib *rib, const struct rib_set *s)
{
	const struct decision_contender *best = rib->contest.contenders;

	if (s->policy->pinned || s->policy->on_dead != RIB_FALL_BACK)
		return false;
	for (size_t i = 1; i < s->n; i++)
		if (decision_compare(&rib->contest.contenders[i], best, NULL) < 0)
			best = &rib->contest.contenders[i];
	return best->origin == RIB_DOWN;
}

static void take_owner(const struct rib_set *s, struct rib_owners *ret)
{
	if (s->order[0].sends)
		*ret = (struct rib_owners){.n = 1, .peer = {s->order[0].peer}};
}

/* An owner may be kept though it is down (hold, pinned), or though the origin behind it is. */
static bool has_living_owner(
	const struct rib *rib, const struct rib_set *s, const struct rib_owners *owners)
{
	for (size_t i = 0; i < s->n; i++) {
		struct decision_contender x = contender(rib, &s->candidates[i]);

		if (x.state != RIB_DOWN && x.origin != RIB_DOWN &&
			decision_owns(owners, x.candidate->peer))
			return true;
	}
	return false;
}

static enum rib_cover cover_of(
	const struct rib *rib, const struct rib_set *s, const struct rib_outcome *o)
{
	if (!o->owners.n || o->doubtful)
		return RIB_COVER_NONE;
	return has_living_owner(rib, s, &o->owners) ? RIB_COVER_LIVING : RIB_COVER_DEAD;
}

/* Its prefixes are one peer's, or nobody's. */
static void decide_alone(struct rib *rib, struct rib_set *s, struct rib_outcome *o)
{
	struct rib_owners *owners = &o->owners;

	enter(rib, s);
	s->n_order = (uint32_t)decision_order(rib->contest.contenders, s->n, s->order);
	take_owner(s, owners);
	if (owners->n) {
		o->usable = rib->peers.items[owners->peer[0]]->state != RIB_DOWN;
		o->doubtful = is_doubtful(rib, s);
		s->held = o->usable ? owners->peer[0] : s->held;
	} else if (s->policy->on_dead == RIB_HOLD) {
		owners->n = 1;
		owners->peer[0] = s->held != RIB_NOBODY ? s->held : s->order[0].peer;
	}
}

/* They stand in an owner set. */
static void decide_group(struct rib *rib, struct rib_set *s, struct rib_outcome *o)
{
	const struct rib_contest *contest;

	contest = run(rib, s);
	o->doubtful = is_doubtful(rib, s);
	rib_group_decide(rib, s, contest, &o->owners);
	o->usable = o->owners.n > 0;
	o->doubtful &= o->usable;
}

void rib_set_decide(struct rib *rib, struct rib_set *s)
{
	struct rib_outcome o = {.route = rib_set_has(s, RIB_INVENTORY)};

	if (s->group)
		decide_group(rib, s, &o);
	else
		decide_alone(rib, s, &o);
	if (!o.owners.n && s->policy->on_dead == RIB_RELEASE)
		o.route = false;
	o.cover = cover_of(rib, s, &o);
	s->now = o;
}

/* SPDX-License-Identifier: MIT */
/*
 * An entry for each prefix of which something was said, is held or is refused. What waits to go,
 * and what is held, stands in lists of which each lasts equally long, so that the first of a list
 * is the first that is due.
 */
#include "daemon/kernel_source.h"

#include "base/list.h"
#include "base/trie.h"
#include "daemon/kernel_candidates.h"
#include "daemon/kernel_refused.h"
#include "daemon/kernel_said.h"
#include <assert.h>
#include <string.h>

/* LINGERS: it stands, and some of what is said is of next hops that it had. */
enum entry_way { ENTRY_STAYS, ENTRY_LINGERS, ENTRY_LEAVES, ENTRY_SWEPT, ENTRY_REFUSED };

struct entry {
	struct kernel_refused_entry refused; /* and its prefix */
	uint8_t way;			     /* enum entry_way */
	bool is_unsure;			     /* whether the RIB heard of what was said last */
	uint32_t epoch;			     /* of the facts by which it was judged last */
	struct kernel_said *said;	     /* NULL: nothing */
	struct list of_way;		     /* unless it stays */
	instant until;			     /* likewise */
};

struct kernel_source {
	struct kernel_judge *judge; /* NULL before the first set */
	const struct generation *gen;
	uint32_t epoch;
	bool is_reset; /* not settled since something is to be judged or said anew */
	struct trie *entries;
	size_t n_said;
	struct kernel_saids *saids;
	struct list lingering, leaving[2], swept, refused; /* leaving: IPv4, IPv6 */
	struct kernel_refused *troubles;		   /* entries that are refused, or swept */
	VEC(bool) dead;					   /* by peer */
};

struct kernel_source *kernel_source_new(void)
{
	struct kernel_source *s = mem_zalloc(1, sizeof(*s));

	s->entries = trie_new();
	s->saids = kernel_saids_new();
	s->troubles = kernel_refused_new();
	list_init(&s->lingering);
	list_init(&s->leaving[0]);
	list_init(&s->leaving[1]);
	list_init(&s->swept);
	list_init(&s->refused);
	return s;
}

/* --- what is said --------------------------------------------------------------------------------
 */

/* NULL: nothing is to be said. */
static struct kernel_said *said_get(struct kernel_source *s, const struct kernel_hops *hops)
{
	return hops->n ? kernel_saids_get(s->saids, s->judge, s->epoch, hops) : NULL;
}

static void word(struct kernel_words *w, const ip_prefix *prefix, const struct kernel_said *d)
{
	struct rib_event e = {.type = RIB_EVENT_PREFIX};
	struct rib_candidate *copy = NULL;

	if (d) {
		copy = arena_array(&w->candidates, struct rib_candidate, d->n);
		memcpy(copy, d->candidates, d->n * sizeof(*copy));
	}
	e.u.prefix.source = RIB_KERNEL;
	e.u.prefix.prefix = *prefix;
	e.u.prefix.candidates = copy;
	e.u.prefix.n = d ? d->n : 0;
	vec_push(&w->events, e);
}

/* Takes over a reference of d. */
static void say(
	struct kernel_source *s, struct entry *e, struct kernel_said *d, struct kernel_words *ret)
{
	struct kernel_said *before = e->said;

	if (e->is_unsure || !kernel_said_is_same(before, d))
		word(ret, &e->refused.prefix, d);
	e->is_unsure = false;
	e->said = d;
	s->n_said += (d != NULL);
	s->n_said -= (before != NULL);
	kernel_said_put(s->saids, before);
}

void kernel_words_done(struct kernel_words *w)
{
	vec_done(&w->events);
	arena_done(&w->candidates);
}

/* --- entries -------------------------------------------------------------------------------------
 */

static struct entry *entry_of(struct kernel_source *s, const ip_prefix *prefix)
{
	void **slot = trie_slot(s->entries, prefix);
	struct entry *e = *slot;

	if (e)
		return e;
	e = mem_zalloc(1, sizeof(*e));
	e->refused.prefix = *prefix;
	e->epoch = s->epoch;
	*slot = e;
	return e;
}

static void drop_if_idle(struct kernel_source *s, struct entry *e)
{
	if (e->said || e->refused.group || e->way != ENTRY_STAYS || e->is_unsure)
		return;
	trie_remove(s->entries, &e->refused.prefix);
	free(e);
}

static void clear_trouble(struct kernel_source *s, struct entry *e)
{
	kernel_refused_put(s->troubles, &e->refused, KERNEL_N_TROUBLES, KERNEL_SOURCE_NOBODY);
}

static void stay(struct kernel_source *s, struct entry *e)
{
	if (e->way == ENTRY_STAYS)
		return;
	if (e->way == ENTRY_SWEPT)
		clear_trouble(s, e);
	list_remove(&e->of_way);
	e->way = ENTRY_STAYS;
}

static void leave(struct kernel_source *s, struct entry *e, instant now)
{
	bool six = e->refused.prefix.family == AF_INET6;

	if (e->way == ENTRY_LEAVES)
		return;
	stay(s, e);
	e->way = ENTRY_LEAVES;
	e->until = instant_add(now, six ? KERNEL_SOURCE_LEAVES6 : KERNEL_SOURCE_LEAVES);
	list_append(&s->leaving[six], &e->of_way);
}

static void linger(struct kernel_source *s, struct entry *e, instant now)
{
	stay(s, e);
	e->way = ENTRY_LINGERS;
	e->until = instant_add(now, KERNEL_SOURCE_LINGERS);
	list_append(&s->lingering, &e->of_way);
}

static void hold_swept(struct kernel_source *s, struct entry *e, instant now)
{
	stay(s, e);
	e->way = ENTRY_SWEPT;
	e->until = instant_add(now, KERNEL_SOURCE_SWEPT);
	list_append(&s->swept, &e->of_way);
	kernel_refused_put(s->troubles, &e->refused, KERNEL_HELD_SWEPT, KERNEL_SOURCE_NOBODY);
}

static void hold_refused(struct kernel_source *s, struct entry *e, instant now)
{
	stay(s, e);
	e->way = ENTRY_REFUSED;
	e->until = instant_add(now, KERNEL_SOURCE_REFUSED);
	list_append(&s->refused, &e->of_way);
}

/* Says that nobody has it any more. */
static void end(struct kernel_source *s, struct entry *e, struct kernel_words *ret)
{
	stay(s, e);
	clear_trouble(s, e);
	say(s, e, NULL, ret);
	drop_if_idle(s, e);
}

static void entry_free(struct kernel_source *s, struct entry *e)
{
	kernel_said_put(s->saids, e->said);
	free(e);
}

static int free_entry(const ip_prefix *p, void *entry, void *source)
{
	entry_free(source, entry);
	return 0;
}

void kernel_source_free(struct kernel_source *s)
{
	if (!s)
		return;
	trie_walk(s->entries, free_entry, s);
	trie_free(s->entries);
	kernel_refused_free(s->troubles);
	kernel_saids_free(s->saids);
	vec_done(&s->dead);
	kernel_judge_free(s->judge);
	free(s);
}

/* --- views ---------------------------------------------------------------------------------------
 */

static bool is_alive(const struct kernel_source *s, uint32_t peer)
{
	return peer >= s->dead.n || !s->dead.items[peer];
}

static bool has_living(const struct kernel_source *s, const struct kernel_said *d)
{
	for (size_t i = 0; i < d->n; i++)
		if (is_alive(s, d->candidates[i].peer))
			return true;
	return false;
}

static bool has_hop(const struct kernel_hops *hops, uint32_t peer)
{
	for (size_t i = 0; i < hops->n; i++)
		if (hops->items[i].peer == peer)
			return true;
	return false;
}

/* Whoever writes the route has begun a moment ago, in place of another one. */
static bool is_young(const struct route_view *v, instant now)
{
	return v->writes_since.ns && instant_diff(now, v->writes_since) < ROUTE_WRITER_SETTLED;
}

/* Those that live of the next hops that it had. */
static void find_left(const struct kernel_source *s, const struct entry *e,
	const struct kernel_hops *stand, bool young, struct kernel_hops *ret)
{
	const struct kernel_hops *had = e->said->hops;

	ret->n = 0;
	for (size_t i = 0; i < had->n; i++) {
		struct kernel_hop hop = had->items[i];

		if (has_hop(stand, hop.peer) || !is_alive(s, hop.peer))
			continue;
		if (hop.kind == KERNEL_HOP_STANDS)
			hop.kind = young ? KERNEL_HOP_KEPT : KERNEL_HOP_LINGERS;
		ret->items[ret->n++] = hop;
	}
	kernel_judge_again(s->judge, &e->refused.prefix, ret);
}

/* True if one of them was in the route until now. */
static bool is_other_left(const struct entry *e, const struct kernel_hops *left)
{
	for (size_t i = 0; i < e->said->hops->n; i++)
		if (e->said->hops->items[i].kind == KERNEL_HOP_STANDS &&
			has_hop(left, e->said->hops->items[i].peer))
			return true;
	return false;
}

/* Adds to those of a route that stands the ones that it had: others may send by them still. */
static void keep_left(
	struct kernel_source *s, struct entry *e, bool young, instant now, struct kernel_hops *hops)
{
	struct kernel_hops left = {0};

	if (e->said)
		find_left(s, e, hops, young, &left);
	if (!left.n) {
		stay(s, e);
		return;
	}
	if (e->way != ENTRY_LINGERS || is_other_left(e, &left))
		linger(s, e, now);
	for (size_t i = 0; i < left.n && hops->n < ROUTE_HOPS_MAX; i++)
		hops->items[hops->n++] = left.items[i];
}

/* The same by the facts of now: nothing leads any more to whom they don't have. */
static void say_again(struct kernel_source *s, struct entry *e, struct kernel_words *ret)
{
	struct kernel_hops hops;

	if (!e->said)
		return;
	hops = *e->said->hops;
	kernel_judge_again(s->judge, &e->refused.prefix, &hops);
	say(s, e, said_get(s, &hops), ret);
}

static void take_standing(struct kernel_source *s, struct entry *e, const struct route_view *v,
	instant now, struct kernel_words *ret)
{
	bool is_stale = e->epoch != s->epoch;
	struct kernel_hops hops;
	struct kernel_refusal refusal;

	assert(s->judge);
	kernel_judge_route(s->judge, v, &hops, &refusal);
	if (e->way != ENTRY_LINGERS)
		stay(s, e);
	e->refused.protocol = v->protocol;
	e->refused.hop = refusal.hop;
	kernel_refused_put(s->troubles, &e->refused, refusal.kind, refusal.peer);
	e->epoch = s->epoch;
	if (!hops.n && (e->said || e->is_unsure)) {
		if (is_stale && !e->is_unsure)
			say_again(s, e, ret);
		leave(s, e, now);
		return;
	}
	keep_left(s, e, is_young(v, now), now, &hops);
	say(s, e, said_get(s, &hops), ret);
	drop_if_idle(s, e);
}

/* What an engine said last before it was swept counts: a short hold isn't made a long one. */
static void take_gone(struct kernel_source *s, struct entry *e, enum route_state state, instant now)
{
	if (!e->said || state == ROUTE_WITHDRAWN || e->way == ENTRY_LEAVES) {
		leave(s, e, now);
	} else if (state == ROUTE_REFUSED) {
		if (e->way != ENTRY_REFUSED)
			hold_refused(s, e, now);
	} else if (e->way == ENTRY_STAYS || e->way == ENTRY_LINGERS) {
		if (has_living(s, e->said))
			hold_swept(s, e, now);
		else
			leave(s, e, now);
	}
}

void kernel_source_take(
	struct kernel_source *s, const struct route_view *v, instant now, struct kernel_words *ret)
{
	struct entry *e = v->state == ROUTE_STANDS ? entry_of(s, &v->prefix)
						   : trie_get(s->entries, &v->prefix);

	if (!e)
		return;
	if (v->state == ROUTE_STANDS) {
		take_standing(s, e, v, now, ret);
		return;
	}
	if (e->way != ENTRY_SWEPT)
		clear_trouble(s, e);
	take_gone(s, e, v->state, now);
}

/* --- other facts ---------------------------------------------------------------------------------
 */

void kernel_source_set(struct kernel_source *s, const struct kernel_source_facts *f)
{
	kernel_judge_free(s->judge);
	s->judge = kernel_judge_new(f);
	s->gen = f->gen;
	s->epoch++;
	s->is_reset = true;
}

void kernel_source_set_endpoints(struct kernel_source *s, const struct kernel_source_facts *f)
{
	assert(s->judge && s->gen == f->gen);
	kernel_judge_update(s->judge, f);
}

void kernel_source_unsay(struct kernel_source *s, const ip_prefix *prefix)
{
	struct entry *e = entry_of(s, prefix);

	e->is_unsure = true;
	e->epoch = s->epoch - 1;
	s->is_reset = true;
}

struct settling {
	struct kernel_source *source;
	VEC(struct entry *) stale;
};

static int note_stale(const ip_prefix *p, void *entry, void *data)
{
	struct settling *t = data;
	struct entry *e = entry;

	if (e->epoch != t->source->epoch)
		vec_push(&t->stale, e);
	return 0;
}

/* What is held leads where it led, by the facts of now; all else would have been given again, and
 * goes. */
static void judge_stale(
	struct kernel_source *s, struct entry *e, instant now, struct kernel_words *ret)
{
	e->epoch = s->epoch;
	if (e->way != ENTRY_SWEPT && e->way != ENTRY_REFUSED) {
		clear_trouble(s, e);
		leave(s, e, now);
	}
	say_again(s, e, ret);
	if (!e->said)
		leave(s, e, now);
}

static void settle_reset(struct kernel_source *s, instant now, struct kernel_words *ret)
{
	struct settling t = {.source = s};

	trie_walk(s->entries, note_stale, &t);
	for (size_t i = 0; i < t.stale.n; i++)
		judge_stale(s, t.stale.items[i], now, ret);
	vec_done(&t.stale);
	s->is_reset = false;
}

static void drop_leaving(
	struct kernel_source *s, struct list *leaving, instant now, struct kernel_words *ret)
{
	while (!list_is_empty(leaving)) {
		struct entry *e = container_of(leaving->next, struct entry, of_way);

		if (instant_before(now, e->until))
			return;
		/* It may stand, and be refused. */
		stay(s, e);
		say(s, e, NULL, ret);
		drop_if_idle(s, e);
	}
}

void kernel_source_settle(struct kernel_source *s, instant now, struct kernel_words *ret)
{
	if (s->is_reset)
		settle_reset(s, now, ret);
	for (size_t i = 0; i < ARRAY_SIZE(s->leaving); i++)
		drop_leaving(s, &s->leaving[i], now, ret);
}

/* --- what is held --------------------------------------------------------------------------------
 */

static void drop_without_living(struct kernel_source *s, struct kernel_words *ret)
{
	struct list *next;

	for (struct list *l = s->swept.next; l != &s->swept; l = next) {
		struct entry *e = container_of(l, struct entry, of_way);

		next = l->next;
		if (!has_living(s, e->said))
			end(s, e, ret);
	}
}

void kernel_source_peer(
	struct kernel_source *s, uint32_t peer, bool lives, instant now, struct kernel_words *ret)
{
	bool lived = is_alive(s, peer);

	while (s->dead.n <= peer)
		vec_push(&s->dead, false);
	s->dead.items[peer] = !lives;
	if (lived && !lives)
		drop_without_living(s, ret);
}

static void drop_overdue(
	struct kernel_source *s, struct list *held, instant now, struct kernel_words *ret)
{
	while (!list_is_empty(held)) {
		struct entry *e = container_of(held->next, struct entry, of_way);

		if (instant_before(now, e->until))
			return;
		end(s, e, ret);
	}
}

/* What remains is the route as it stands. */
static void drop_left(struct kernel_source *s, struct entry *e, struct kernel_words *ret)
{
	struct kernel_hops hops = {0};

	for (size_t i = 0; i < e->said->hops->n; i++)
		if (e->said->hops->items[i].kind == KERNEL_HOP_STANDS)
			hops.items[hops.n++] = e->said->hops->items[i];
	stay(s, e);
	say(s, e, said_get(s, &hops), ret);
}

static void drop_lingering(struct kernel_source *s, instant now, struct kernel_words *ret)
{
	while (!list_is_empty(&s->lingering)) {
		struct entry *e = container_of(s->lingering.next, struct entry, of_way);

		if (instant_before(now, e->until))
			return;
		drop_left(s, e, ret);
	}
}

void kernel_source_time(struct kernel_source *s, instant now, struct kernel_words *ret)
{
	drop_lingering(s, now, ret);
	drop_overdue(s, &s->swept, now, ret);
	drop_overdue(s, &s->refused, now, ret);
}

static instant due(const struct list *held)
{
	return list_is_empty(held) ? INSTANT_NEVER
				   : container_of(held->next, struct entry, of_way)->until;
}

instant kernel_source_deadline(const struct kernel_source *s)
{
	instant leaves = instant_min(due(&s->leaving[0]), due(&s->leaving[1]));
	instant held = instant_min(due(&s->swept), due(&s->refused));

	return instant_min(due(&s->lingering), instant_min(leaves, held));
}

void kernel_source_troubles(const struct kernel_source *s, kernel_troubles *ret)
{
	kernel_refused_tell(s->troubles, ret);
}

size_t kernel_source_count(const struct kernel_source *s)
{
	return s->n_said;
}

/* SPDX-License-Identifier: MIT */
/*
 * What the kernel's messages make of a prefix's routes. A group is those of the same table, TOS and
 * metric.
 *
 * IPv4: an appended route is one of its own; the first of the group carries. A message of a
 * deletion names all of the route that went. "Replaces" takes the place of the first, whoever wrote
 * it; or it is one of the group told again, since its next-hop object is another now.
 *
 * IPv6: those with a gateway are one set, whoever added which, and each message of an addition has
 * the whole of it; one of a deletion has what went. Other routes of the group stand beside the set.
 * "Replaces" takes the place of the first of its kind, even by what stands behind that already:
 * then there are twins, which go one by one.
 */
#include "sys/route_mirror_internal.h"

#include "base/mem.h"
#include <assert.h>
#include <string.h>

/* --- what goes, and who it was --------------------------------------------------------------- */

static bool is_ipv6(const struct held_prefix *p)
{
	return p->prefix.family == AF_INET6;
}

void rules_end(struct route_mirror *m, struct held_route *h, enum held_end end)
{
	m->may_miss[is_ipv6(h->prefix)] |= m->is_dumping;
	if (h->may_hide && h->kind == HELD_STANDS)
		m->wanted |= DOUBT_STEP;
	if (h->kind == HELD_STANDS && m->is_chosen[h->protocol] && !h->tos)
		h->prefix->end = (uint8_t)end;
	if (h->kind != HELD_STANDS || !m->is_dumping) {
		held_route_remove(m, h);
		return;
	}
	h->kind = HELD_GONE;
	list_remove(&h->of_object);
	if (h->object)
		object_drop_if_unused(m, h->object);
	h->object = NULL;
}

static enum held_end end_by(
	const struct route_mirror *m, const struct held_route *h, uint32_t port, instant now)
{
	if (!port)
		return END_SWEPT;
	if (port == h->writer)
		return END_WITHDRAWN;
	if (port == m->writers[h->protocol].port &&
		instant_diff(now, m->writers[h->protocol].since) >= ROUTE_WRITER_SETTLED)
		return END_WITHDRAWN;
	return END_SWEPT;
}

void rules_lose(struct route_mirror *m, struct held_route *h, uint32_t port, instant now)
{
	rules_end(m, h, end_by(m, h, port, now));
}

static void note_writer(
	struct route_mirror *m, struct held_route *h, uint8_t protocol, uint32_t port, instant now)
{
	if (!port)
		return;
	h->writer = port;
	if (m->writers[protocol].port == port)
		return;
	m->writers[protocol].port = port;
	m->writers[protocol].since = now;
}

/* --- additions ------------------------------------------------------------------------------ */

/* A message about a prefix, while it is worked on. */
struct change {
	struct route_mirror *m;
	struct held_prefix *p;
	const struct kernel_route *r;
	unsigned flags;
	uint32_t port, seq;
	instant now;
};

/* The first of its group. */
static struct held_route *first_like(const struct change *c, enum held_kind kind)
{
	struct held_route *h = c->p->first;

	while (h && (h->kind != kind || !held_is_like(h, c->r)))
		h = h->next;
	return h;
}

static struct held_route *last(const struct held_prefix *p)
{
	struct held_route *h = p->first;

	while (h && h->next)
		h = h->next;
	return h;
}

/* The kernel says that there were none: they went without a word. */
static void clear_group(const struct change *c)
{
	struct held_route *next;

	for (struct held_route *h = c->p->first; h; h = next) {
		next = h->next;
		if (h->kind == HELD_GONE || !held_is_like(h, c->r))
			continue;
		h->may_hide = false;
		rules_end(c->m, h, END_SWEPT);
	}
}

/* News count more than the dump that is taken. */
static void forget_dumped(const struct change *c)
{
	struct held_route *h = held_route_find(c->p, c->r, HELD_DUMPED);

	if (h)
		held_route_remove(c->m, h);
}

static struct held_route *add(const struct change *c, struct held_route *after)
{
	struct held_route *h = held_route_new(c->m, c->r);

	note_writer(c->m, h, h->protocol, c->port, c->now);
	held_route_insert(c->m, c->p, after, h);
	return h;
}

/* From its first hop's place to the end of the group, a set hides what stood there before. */
static void inherit_hidden(struct held_route *h, struct held_route *old)
{
	if (!h->is_set || h->n_hops < 2)
		return;
	h->may_hide = old->may_hide;
	old->may_hide = false;
}

static void replace(const struct change *c, struct held_route *old)
{
	struct held_route *h;

	if (!old) { /* what was replaced is known from the dump at most */
		old = first_like(c, HELD_DUMPED);
		/* IPv6 says so of each set that came by "replace or create". */
		if (old || !is_ipv6(c->p))
			c->m->wanted |= DOUBT_STEP;
	}
	h = add(c, old ? old : last(c->p));
	if (!old)
		return;
	inherit_hidden(h, old);
	rules_lose(c->m, old, c->port, c->now);
}

/* The same route: what the kernel tells along may be new. */
static struct held_route *tell_again(const struct change *c, struct held_route *same)
{
	same->told = c->m->dump;
	same->type = c->r->type;
	if (same->n_hops == c->r->n_hops && same->dead == c->r->dead &&
		!memcmp(same->hops, c->r->hops, c->r->n_hops * sizeof(*same->hops)))
		return same;
	return held_route_set_hops(c->m, same, c->r->hops, c->r->n_hops, c->r->dead);
}

/* For the sake of its next-hop object, which is another now, by the same request. False: it is news
 * of another kind, or of what isn't held. */
static bool told_along(const struct change *c)
{
	bool is_held = false;

	if (c->flags != ROUTE_REPLACES || !c->r->nexthop_id ||
		c->port != c->m->object_request.port || c->seq != c->m->object_request.seq)
		return false;
	for (struct held_route *h = c->p->first; h; h = h->next) {
		if (h->kind == HELD_GONE || !held_is_same(h, c->r))
			continue;
		h = tell_again(c, h);
		is_held = true;
	}
	return is_held;
}

static void new_ipv4(const struct change *c)
{
	struct held_route *same = held_route_find(c->p, c->r, HELD_STANDS);

	if (same && !(c->flags & ROUTE_ANEW)) {
		tell_again(c, same);
		return;
	}
	if (same)
		rules_end(c->m, same, END_SWEPT);
	forget_dumped(c);
	if (c->flags & ROUTE_REPLACES)
		replace(c, first_like(c, HELD_STANDS));
	else
		add(c, c->flags & ROUTE_APPENDS ? last(c->p) : NULL);
}

/* --- IPv6's sets ---------------------------------------------------------------------------- */

struct hop_set {
	size_t n;
	uint32_t dead;
	struct route_hop hops[ROUTE_HOPS_MAX];
};

static void put_hop(struct hop_set *s, const struct route_hop *hop, bool is_dead, uint8_t protocol)
{
	if (s->n == ROUTE_HOPS_MAX)
		return;
	s->dead |= (uint32_t)is_dead << s->n;
	s->hops[s->n] = *hop;
	s->hops[s->n++].protocol = protocol;
}

/* Its place; n: it isn't there. */
static size_t find_hop(const struct route_hop *hops, size_t n, const struct route_hop *hop)
{
	size_t i = 0;

	while (i < n && (hops[i].ifindex != hop->ifindex || !ip_addr_eq(&hops[i].via, &hop->via)))
		i++;
	return i;
}

static bool is_dead(uint32_t dead, size_t i)
{
	return dead >> i & 1;
}

static struct held_route *set_hops(
	struct route_mirror *m, struct held_route *h, const struct hop_set *s)
{
	h = held_route_set_hops(m, h, s->hops, s->n, s->dead);
	h->protocol = h->hops[0].protocol;
	if (h->n_hops == 1) /* the kernel tells weights of several */
		h->hops[0].weight = 1;
	return h;
}

/* The set is as it is told, with who gave which hop. Those that were held are the oldest. */
static struct held_route *merge(
	struct route_mirror *m, struct held_route *old, const struct kernel_route *r)
{
	struct hop_set set = {0};

	for (size_t i = 0; i < old->n_hops; i++) {
		size_t k = find_hop(r->hops, r->n_hops, &old->hops[i]);

		if (k < r->n_hops)
			put_hop(&set, &r->hops[k], is_dead(r->dead, k), old->hops[i].protocol);
	}
	for (size_t k = 0; k < r->n_hops; k++)
		if (find_hop(old->hops, old->n_hops, &r->hops[k]) == old->n_hops)
			put_hop(&set, &r->hops[k], is_dead(r->dead, k), r->protocol);
	return set_hops(m, old, &set);
}

/* The same from a dump, whose order is the kernel's and which says whose the oldest hop is. */
static struct held_route *dumped_set(
	struct route_mirror *m, struct held_route *old, const struct kernel_route *r)
{
	struct hop_set set = {0};

	for (size_t k = 0; k < r->n_hops; k++) {
		size_t i = find_hop(old->hops, old->n_hops, &r->hops[k]);
		bool is_new = !k || i == old->n_hops;

		put_hop(&set, &r->hops[k], is_dead(r->dead, k),
			is_new ? r->protocol : old->hops[i].protocol);
	}
	return set_hops(m, old, &set);
}

static void grow_set(const struct change *c, struct held_route *same)
{
	same = merge(c->m, same, c->r);
	same->told = c->m->dump;
	if (c->r->protocol == same->protocol)
		note_writer(c->m, same, same->protocol, c->port, c->now);
}

/* The one that a replacement takes the place of: the first of the same kind, else the first. */
static struct held_route *replaced_ipv6(const struct change *c)
{
	bool is_set = held_is_set(c->r);
	struct held_route *h = first_like(c, HELD_STANDS);

	while (h && (h->kind != HELD_STANDS || !held_is_like(h, c->r) || h->is_set != is_set))
		h = h->next;
	return h ? h : first_like(c, HELD_STANDS);
}

static void replace_ipv6(const struct change *c)
{
	struct held_route *old = replaced_ipv6(c);

	if (!old || old->is_set || !held_is_same(old, c->r)) {
		replace(c, old);
		return;
	}
	old = tell_again(c, old);
	note_writer(c->m, old, old->protocol, c->port, c->now);
}

/* It wasn't there before: it went without a word, and its twins. */
static void clear_same(const struct change *c)
{
	struct held_route *same;

	while ((same = held_route_find(c->p, c->r, HELD_STANDS)))
		rules_end(c->m, same, END_SWEPT);
}

static void new_ipv6(const struct change *c)
{
	struct held_route *same;
	bool is_set = held_is_set(c->r);

	forget_dumped(c);
	if (!is_set && c->flags & ROUTE_ANEW)
		clear_same(c);
	same = held_route_find(c->p, c->r, HELD_STANDS);
	if (c->flags & ROUTE_REPLACES)
		replace_ipv6(c);
	else if (same && is_set)
		grow_set(c, same);
	else if (same)
		tell_again(c, same);
	else
		add(c, last(c->p));
}

/* A set stands where its oldest hop does: without that, maybe behind others. */
static bool may_move(
	const struct change *c, const struct held_route *set, const struct hop_set *rest)
{
	const struct held_route *h = set->next;

	if (find_hop(rest->hops, rest->n, &set->hops[0]) < rest->n)
		return false;
	while (h && (h->kind != HELD_STANDS || !held_is_like(h, c->r)))
		h = h->next;
	return h;
}

/* Takes what is told of out of the set. */
static void shrink_set(const struct change *c, struct held_route *set)
{
	const struct kernel_route *r = c->r;
	struct hop_set rest = {0};

	for (size_t i = 0; i < set->n_hops; i++)
		if (find_hop(r->hops, r->n_hops, &set->hops[i]) == r->n_hops)
			put_hop(&rest, &set->hops[i], is_dead(set->dead, i), set->hops[i].protocol);
	if (set->n_hops - rest.n != r->n_hops ||
		(rest.n && (set->may_hide || may_move(c, set, &rest))))
		c->m->wanted |= DOUBT_STEP;
	if (!rest.n) {
		rules_lose(c->m, set, c->port, c->now);
		return;
	}
	c->m->may_miss[1] = true;
	set_hops(c->m, set, &rest)->told = c->m->dump;
}

/* --- entries --------------------------------------------------------------------------------- */

static struct change change_of(
	struct route_mirror *m, const struct route_news *news, struct held_prefix *p, instant now)
{
	p->touched = m->dump;
	return (struct change){m, p, &news->u.route, news->flags, news->port, news->seq, now};
}

static void done(const struct change *c)
{
	held_prefix_touch(c->m, c->p);
	held_prefix_drop_if_empty(c->m, c->p);
}

void rules_new(struct route_mirror *m, const struct route_news *news, instant now)
{
	struct change c = change_of(m, news, held_prefix_get(m, &news->u.route.dst), now);

	if (c.flags & ROUTE_ALONE)
		clear_group(&c);
	if (!told_along(&c))
		(is_ipv6(c.p) ? new_ipv6 : new_ipv4)(&c);
	done(&c);
}

void rules_gone(struct route_mirror *m, const struct route_news *news, instant now)
{
	struct held_prefix *p = held_prefix_find(m, &news->u.route.dst);
	struct held_route *same;
	struct change c;

	m->may_miss[news->u.route.dst.family == AF_INET6] = true;
	if (!p)
		return;
	c = change_of(m, news, p, now);
	same = held_route_find(p, c.r, HELD_STANDS);
	same = same ? same : held_route_find(p, c.r, HELD_DUMPED);
	if (same && same->is_set)
		shrink_set(&c, same);
	else if (same)
		rules_lose(m, same, c.port, now);
	else if (!c.r->nexthop_id && first_like(&c, HELD_STANDS)) /* else it went with its object */
		m->wanted |= DOUBT_STEP;
	done(&c);
}

/* What is held is as the dump has it. */
static struct held_route *compare(const struct change *c, struct held_route *h)
{
	uint32_t told = h->told;

	if (h->told == c->m->dump)
		return h;
	h = h->is_set ? dumped_set(c->m, h, c->r) : tell_again(c, h);
	h->told = told;
	held_prefix_touch(c->m, c->p);
	return h;
}

static struct held_route *add_dumped(const struct change *c)
{
	struct held_route *h = held_route_new(c->m, c->r);

	h->kind = HELD_DUMPED;
	held_route_insert(c->m, c->p, last(c->p), h);
	return h;
}

/* How well it fits what the dump has of it or of its twins; 0: not at all. */
static unsigned fitness(const struct change *c, const struct held_route *h)
{
	if (!held_is_same(h, c->r))
		return 0;
	if (h->is_set || h->seen != c->m->dump)
		return 6U - h->kind;
	/* What one part has twice is two; of two parts the walk may have begun anew between. */
	return h->place < c->m->part ? 3U - h->kind : 0;
}

static struct held_route *fittest(const struct change *c)
{
	struct held_route *best = NULL;

	for (struct held_route *h = c->p->first; h; h = h->next)
		if (fitness(c, h) > (best ? fitness(c, best) : 0))
			best = h;
	return best;
}

void rules_dumped(struct route_mirror *m, const struct kernel_route *r)
{
	struct change c = {.m = m, .p = held_prefix_get(m, &r->dst), .r = r};
	struct held_route *h = fittest(&c);

	if (!h)
		h = add_dumped(&c);
	else if (h->kind == HELD_STANDS)
		h = compare(&c, h);
	h->seen = m->dump;
	h->place = m->place++;
}

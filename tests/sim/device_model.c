/* SPDX-License-Identifier: MIT */
#include "device_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

void model_apply_levels(struct model *m, const struct rib_diff *diff)
{
	for (size_t i = 0; i < diff->levels.n; i++) {
		const struct rib_level *l = &diff->levels.items[i];

		assert_true(m->levels[l->peer] != l->state);
		m->levels[l->peer] = l->state;
	}
}

/* The number of sets if there is none. */
static size_t find(const struct model *m, uint64_t number)
{
	size_t i = 0;

	while (i < m->n_sets && m->sets[i].number != number)
		i++;
	return i;
}

const struct model_set *model_set(const struct model *m, uint64_t number)
{
	size_t i = find(m, number);

	return i < m->n_sets ? &m->sets[i] : NULL;
}

static void put_set(struct model *m, const struct rib_owner_set *told)
{
	size_t i = find(m, told->number);
	struct model_set *s = &m->sets[i];

	assert_true(RIB_IS_OWNER_SET(told->number));
	assert_true(told->n <= RIB_MAX_OWNERS);
	if (i == m->n_sets) {
		assert_true(m->n_sets++ < MODEL_SETS);
		s->number = told->number;
		s->n = 0;
	}
	assert_true(s->n != told->n ||
		    memcmp(s->owners, told->owners, told->n * sizeof(*told->owners)) != 0);
	s->n = told->n;
	memcpy(s->owners, told->owners, told->n * sizeof(*told->owners));
}

static void remove_set(struct model *m, uint64_t number)
{
	size_t at = find(m, number);

	assert_true(at < m->n_sets);
	for (size_t i = 0; i < m->n_prefixes; i++)
		assert_false(m->prefixes[i].home.kind == RIB_AT_OWNER_SET &&
			     m->prefixes[i].home.owner_set == number);
	m->sets[at] = m->sets[--m->n_sets];
}

static struct model_prefix *prefix_of(struct model *m, const ip_prefix *p)
{
	for (size_t i = 0; i < m->n_prefixes; i++)
		if (ip_prefix_eq(&m->prefixes[i].prefix, p))
			return &m->prefixes[i];
	assert_true(m->n_prefixes < MODEL_PREFIXES);
	m->prefixes[m->n_prefixes].prefix = *p;
	m->prefixes[m->n_prefixes].home.kind = RIB_AT_NOBODY;
	return &m->prefixes[m->n_prefixes++];
}

/* rib_diff_fn */
static void move(const ip_prefix *prefix, const struct rib_turn *turn, void *data)
{
	struct model *m = data;
	struct model_prefix *p = prefix_of(m, prefix);

	assert_int_equal(p->home.kind, turn->old_home.kind);
	if (p->home.kind == RIB_AT_PEER)
		assert_int_equal(p->home.peer, turn->old_home.peer);
	if (p->home.kind == RIB_AT_OWNER_SET)
		assert_true(p->home.owner_set == turn->old_home.owner_set);
	if (turn->home.kind == RIB_AT_OWNER_SET)
		assert_non_null(model_set(m, turn->home.owner_set));
	p->home = turn->home;
}

void model_apply(struct model *m, const struct rib_diff *diff)
{
	for (size_t i = 0; i < diff->owner_sets.n; i++)
		if (diff->owner_sets.items[i].n)
			put_set(m, &diff->owner_sets.items[i]);
	rib_diff_each(diff, move, m);
	for (size_t i = 0; i < diff->owner_sets.n; i++)
		if (!diff->owner_sets.items[i].n)
			remove_set(m, diff->owner_sets.items[i].number);
}

/* The longest that holds the address and is shorter than so many bits; prefixes of nobody aren't
 * on the device. */
static const struct model_prefix *shorter(const struct model *m, const ip_addr *a, int than)
{
	const struct model_prefix *longest = NULL;

	for (size_t i = 0; i < m->n_prefixes; i++) {
		const struct model_prefix *p = &m->prefixes[i];

		if (p->home.kind != RIB_AT_NOBODY && (int)p->prefix.len < than &&
			ip_prefix_has_addr(&p->prefix, a) &&
			(!longest || p->prefix.len > longest->prefix.len))
			longest = p;
	}
	return longest;
}

const struct model_prefix *model_longest(const struct model *m, const ip_addr *a)
{
	return shorter(m, a, 129);
}

/* The usable owners of the best level, of these those of the lowest rank. */
static void choose(const struct model *m, const struct model_set *s, struct rib_owners *ret)
{
	enum rib_state level = RIB_DOWN;
	unsigned rank = UINT16_MAX;

	ret->n = 0;
	for (size_t i = 0; i < s->n; i++)
		if (s->owners[i].sends && m->levels[s->owners[i].peer] > level)
			level = m->levels[s->owners[i].peer];
	if (level == RIB_DOWN)
		return;
	for (size_t i = 0; i < s->n; i++)
		if (s->owners[i].sends && m->levels[s->owners[i].peer] == level &&
			s->owners[i].rank < rank)
			rank = s->owners[i].rank;
	for (size_t i = 0; i < s->n; i++)
		if (s->owners[i].sends && m->levels[s->owners[i].peer] == level &&
			s->owners[i].rank == rank)
			ret->peer[ret->n++] = s->owners[i].peer;
}

/* The lowest rank that is ever sent to. */
static void preferred(const struct model_set *s, struct rib_owners *ret)
{
	const struct rib_owner *best = NULL;

	for (size_t i = 0; i < s->n; i++)
		if (s->owners[i].sends && (!best || s->owners[i].rank < best->rank))
			best = &s->owners[i];
	ret->n = best != NULL;
	ret->peer[0] = best ? best->peer : 0;
}

void model_send(const struct model *m, const ip_addr *to, struct rib_owners *ret)
{
	const struct model_prefix *longest = model_longest(m, to);

	ret->n = 0;
	for (const struct model_prefix *p = longest; p; p = shorter(m, to, p->prefix.len)) {
		if (p->home.kind == RIB_AT_PEER) {
			ret->n = 1;
			ret->peer[0] = p->home.peer;
			return;
		}
		choose(m, model_set(m, p->home.owner_set), ret);
		if (ret->n)
			return;
	}
	if (longest)
		preferred(model_set(m, longest->home.owner_set), ret);
}

bool model_takes(const struct model *m, const ip_addr *from, uint32_t peer)
{
	for (const struct model_prefix *p = model_longest(m, from); p;
		p = shorter(m, from, p->prefix.len)) {
		const struct model_set *s;
		struct rib_owners usable;

		if (p->home.kind == RIB_AT_PEER)
			return p->home.peer == peer;
		s = model_set(m, p->home.owner_set);
		for (size_t i = 0; i < s->n; i++)
			if (s->owners[i].peer == peer)
				return true;
		choose(m, s, &usable);
		if (usable.n)
			return false;
	}
	return false;
}

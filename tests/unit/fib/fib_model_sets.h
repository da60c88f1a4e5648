/* SPDX-License-Identifier: MIT */
/* The model's sets of owners: as they are set, and as they are told. */
#ifndef SHUNT_TESTS_FIB_MODEL_SETS_H
#define SHUNT_TESTS_FIB_MODEL_SETS_H

#include "fib_model_base.h"

static inline void leave_set(struct model_set *s, int peer)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		if (s->owners[i].peer != peer)
			s->owners[n++] = s->owners[i];
	s->n = n;
}

static inline void define_set(struct model_set *s, const struct device_owner_set_change *c)
{
	s->there = true;
	assert_true(c->n_owners <= N_OWNERS);
	for (size_t i = 0; i < c->n_owners; i++) {
		s->owners[i].peer = index_of(&c->owners[i].key);
		s->owners[i].rank = c->owners[i].rank;
		s->owners[i].weight = c->owners[i].weight;
		assert_true(world->has[s->owners[i].peer]);
	}
	s->n = c->n_owners ? c->n_owners : s->n;
}

static inline void add_to_set(const struct device_owner_set_change *c)
{
	int k = set_index(c->number);

	if (c->remove || (!c->n_owners && !c->n_add))
		return;
	assert_true(world->is_shared && RIB_IS_OWNER_SET(c->number));
	define_set(&world->sets[k], c);
	for (size_t j = 0; j < c->n_add; j++) {
		int at = prefix_index(&c->add[j]);

		assert_int_not_equal(world->owner[at], AT_SET + k);
		assert_int_not_equal(world->owner[at], AT_SET + 4);
		world->owner[at] = AT_SET + k;
		check_no_hole();
	}
}

static inline void del_from_set(const struct device_owner_set_change *c)
{
	for (size_t j = 0; j < c->n_del; j++) {
		int at = prefix_index(&c->del[j]);

		assert_int_equal(world->owner[at], AT_SET + set_index(c->number));
		world->owner[at] = NOBODY;
		assert_true(!watched || watched->route[at] || !has_way(world, at));
		check_no_hole();
	}
}

static inline void del_set(const struct device_owner_set_change *c)
{
	int k = set_index(c->number);

	assert_true(RIB_IS_OWNER_SET(c->number));
	world->sets[k] = (struct model_set){0};
	for (int j = 0; j < N_PREFIXES; j++)
		if (world->owner[j] == AT_SET + k)
			world->owner[j] = NOBODY;
	check_no_hole();
}

static inline int told_before(const void *a, const void *b)
{
	const struct device_owner *x = a, *y = b;

	if (!x->weight != !y->weight)
		return x->weight ? -1 : 1;
	return (x->rank > y->rank) - (x->rank < y->rank);
}

static inline void get_set(int k, struct device_owner_set *ret)
{
	const struct model_set *s = &world->sets[k];

	ret->number = set_numbers[k];
	ret->owners = mem_zalloc(N_OWNERS, sizeof(*ret->owners));
	for (size_t i = 0; i < s->n; i++)
		ret->owners[ret->n_owners++] = (struct device_owner){
			keys[s->owners[i].peer], s->owners[i].rank, s->owners[i].weight, false};
	if (s->n)
		qsort(ret->owners, s->n, sizeof(*ret->owners), told_before);
	ret->allowed = mem_zalloc(N_PREFIXES, sizeof(*ret->allowed));
	for (int j = 0; j < N_PREFIXES; j++)
		if (world->owner[j] == AT_SET + k)
			ret->allowed[ret->n_allowed++] = prefixes[j];
}

static inline int by_number(const void *a, const void *b)
{
	const struct device_owner_set *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

static inline void get_sets(struct device_state *ret)
{
	ret->max_owners = world->is_shared ? 16 : 1;
	if (!world->is_shared)
		return;
	ret->sets = mem_zalloc(N_SETS, sizeof(*ret->sets));
	for (int k = 0; k < N_SETS; k++)
		if (world->sets[k].there)
			get_set(k, &ret->sets[ret->n_sets++]);
	qsort(ret->sets, ret->n_sets, sizeof(*ret->sets), by_number);
}

static inline void check_sets(const struct device_state *a, const struct device_state *b)
{
	assert_int_equal(a->n_sets, b->n_sets);
	for (size_t i = 0; i < a->n_sets; i++) {
		const struct device_owner_set *x = &a->sets[i], *y = &b->sets[i];

		assert_true(x->number == y->number);
		assert_int_equal(x->n_owners, y->n_owners);
		for (size_t k = 0; k < x->n_owners; k++)
			assert_memory_equal(&x->owners[k], &y->owners[k], sizeof(x->owners[k]));
		assert_int_equal(x->n_allowed, y->n_allowed);
		for (size_t k = 0; k < x->n_allowed; k++)
			assert_true(ip_prefix_eq(&x->allowed[k], &y->allowed[k]));
	}
}

#endif

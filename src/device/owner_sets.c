/* SPDX-License-Identifier: MIT */
/* Sets of owners, of which a state may have some. */
#include "device/internal.h"

#include "base/map.h"
#include <stdlib.h>
#include <string.h>

/* --- of a state ---------------------------------------------------------------------------------
 */

void device_owner_sets_free(struct device_owner_set *sets, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(sets[i].owners);
		free(sets[i].allowed);
	}
	free(sets);
}

static void *copy_of(const void *items, size_t n, size_t size)
{
	void *copy;

	if (!n)
		return NULL;
	copy = mem_zalloc(n, size);
	memcpy(copy, items, n * size);
	return copy;
}

struct device_owner_set *device_owner_sets_copy(const struct device_owner_set *sets, size_t n)
{
	struct device_owner_set *copy = copy_of(sets, n, sizeof(*sets));

	for (size_t i = 0; i < n; i++) {
		copy[i].owners = copy_of(sets[i].owners, sets[i].n_owners, sizeof(*copy->owners));
		copy[i].allowed =
			copy_of(sets[i].allowed, sets[i].n_allowed, sizeof(*copy->allowed));
	}
	return copy;
}

static int set_cmp(const void *a, const void *b)
{
	const struct device_owner_set *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

const struct device_owner_set *device_state_set(const struct device_state *s, uint64_t number)
{
	struct device_owner_set wanted = {.number = number};

	if (!s->n_sets)
		return NULL;
	return bsearch(&wanted, s->sets, s->n_sets, sizeof(*s->sets), set_cmp);
}

/* --- in the making ------------------------------------------------------------------------------
 */

struct owner_set_builder *state_builder_set(struct state_builder *b, uint64_t number)
{
	struct owner_set_builder *s;

	if (!b->by_number)
		b->by_number = map_new();
	s = map_get(b->by_number, &number, sizeof(number));
	if (s || b->sets.n == DEVICE_PEERS_MAX)
		return s;
	s = mem_zalloc(1, sizeof(*s));
	s->number = number;
	vec_push(&b->sets, s);
	map_put(b->by_number, &s->number, sizeof(s->number), s);
	return s;
}

bool state_builder_owner(struct owner_set_builder *s, const struct device_owner *o)
{
	if (s->owners.n == DEVICE_OWNERS_MAX)
		return false;
	for (size_t i = 0; i < s->owners.n; i++)
		if (wg_key_eq(&s->owners.items[i].key, &o->key))
			return false;
	vec_push(&s->owners, *o);
	return true;
}

bool state_builder_shared(struct state_builder *b, struct owner_set_builder *s, const ip_prefix *p)
{
	if (!p->family || b->n_prefixes == DEVICE_PREFIXES_MAX)
		return false;
	b->n_prefixes++;
	vec_push(&s->allowed, ip_prefix_masked(p));
	return true;
}

static int prefix_cmp(const void *a, const void *b)
{
	return ip_prefix_cmp(a, b);
}

/* Hands over what the builder has gathered. */
static struct device_owner_set finish_set(struct owner_set_builder *s)
{
	struct device_owner_set set = {
		s->number, s->owners.items, s->owners.n, s->allowed.items, s->allowed.n};

	if (set.n_allowed)
		qsort(set.allowed, set.n_allowed, sizeof(*set.allowed), prefix_cmp);
	free(s);
	return set;
}

void state_builder_finish_sets(struct state_builder *b, struct device_state *ret)
{
	ret->n_sets = b->sets.n;
	ret->sets = b->sets.n ? mem_zalloc(b->sets.n, sizeof(*ret->sets)) : NULL;
	for (size_t i = 0; i < b->sets.n; i++)
		ret->sets[i] = finish_set(b->sets.items[i]);
	if (ret->n_sets)
		qsort(ret->sets, ret->n_sets, sizeof(*ret->sets), set_cmp);
	map_free(b->by_number);
	vec_done(&b->sets);
}

void state_builder_reset_sets(struct state_builder *b)
{
	for (size_t i = 0; i < b->sets.n; i++) {
		vec_done(&b->sets.items[i]->owners);
		vec_done(&b->sets.items[i]->allowed);
		free(b->sets.items[i]);
	}
	map_free(b->by_number);
	vec_done(&b->sets);
}

/* SPDX-License-Identifier: MIT */
/* Whose allowed IPs are: one peer's alone, or those of a set with several owners. */
#include "model.h"

#include "base/mem.h"
#include "fib/want.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- entries ------------------------------------------------------------------------------------
 */

const struct model_entry *model_entry(const struct model *m, const ip_prefix *p)
{
	return trie_get(m->entries, p);
}

static bool is_owned(const struct model_entry *e)
{
	return e && (e->peer || e->set->members.n);
}

bool model_is_owned(const struct model *m, const ip_prefix *p)
{
	return is_owned(model_entry(m, p));
}

static void put(struct model *m, const ip_prefix *p, const struct model_entry *to)
{
	struct model_entry **slot = (struct model_entry **)trie_slot(m->entries, p);
	bool was_owned = is_owned(*slot);

	if (*slot && (*slot)->peer && (*slot)->peer->foreign && !(*slot)->peer->is_new)
		model_violated(m, "a foreign peer loses an allowed IP");
	if (*slot && (*slot)->set && (*slot)->set->foreign && (*slot)->set != to->set)
		model_violated(m, "a foreign set loses an allowed IP");
	if (!*slot)
		*slot = mem_zalloc(1, sizeof(**slot));
	**slot = *to;
	if (!was_owned && is_owned(to))
		model_note_owned(m, p);
	else if (was_owned && !is_owned(to))
		model_note_bare(m, p);
}

void model_give(struct model *m, const ip_prefix *p, struct model_peer *to)
{
	put(m, p, &(struct model_entry){.peer = to});
}

static void seize(struct model *m, const ip_prefix *p, struct model_entry to)
{
	struct model_entry **slot = (struct model_entry **)trie_slot(m->entries, p);

	if (!*slot)
		*slot = mem_zalloc(1, sizeof(**slot));
	**slot = to;
}

void model_seize(struct model *m, const ip_prefix *p, struct model_peer *to)
{
	seize(m, p, (struct model_entry){.peer = to});
}

void model_seize_for(struct model *m, const ip_prefix *p, struct model_set *to)
{
	seize(m, p, (struct model_entry){.set = to});
}

void model_share(struct model *m, const ip_prefix *p, struct model_set *to)
{
	put(m, p, &(struct model_entry){.set = to});
}

void model_take(struct model *m, const ip_prefix *p)
{
	struct model_entry *e = trie_remove(m->entries, p);

	if (is_owned(e))
		model_note_bare(m, p);
	free(e);
}

/* --- sets ---------------------------------------------------------------------------------------
 */

struct model_set *model_set(const struct model *m, uint64_t number)
{
	for (size_t i = 0; i < m->sets.n; i++)
		if (m->sets.items[i]->number == number)
			return m->sets.items[i];
	return NULL;
}

struct model_set *model_set_add(struct model *m, uint64_t number)
{
	struct model_set *s = mem_zalloc(1, sizeof(*s));

	s->number = number;
	vec_push(&m->sets, s);
	return s;
}

struct shared {
	const struct model_set *set;
	prefix_vec prefixes;
};

static int collect(const ip_prefix *p, void *value, void *data)
{
	struct shared *s = data;
	const struct model_entry *e = value;

	if (e->set == s->set)
		vec_push(&s->prefixes, *p);
	return 0;
}

static prefix_vec prefixes_of(const struct model *m, const struct model_set *set)
{
	struct shared s = {.set = set};

	trie_walk(m->entries, collect, &s);
	return s.prefixes;
}

void model_set_remove(struct model *m, struct model_set *set)
{
	prefix_vec prefixes = prefixes_of(m, set);
	size_t kept = 0;

	for (size_t i = 0; i < prefixes.n; i++)
		model_take(m, &prefixes.items[i]);
	vec_done(&prefixes);
	for (size_t i = 0; i < m->sets.n; i++)
		if (m->sets.items[i] != set)
			m->sets.items[kept++] = m->sets.items[i];
	m->sets.n = kept;
	vec_done(&set->members);
	free(set);
}

/* It had owners and has none, or the other way round. */
static void note_all(struct model *m, const struct model_set *s)
{
	prefix_vec prefixes = prefixes_of(m, s);

	for (size_t i = 0; i < prefixes.n; i++) {
		if (s->members.n)
			model_note_owned(m, &prefixes.items[i]);
		else
			model_note_bare(m, &prefixes.items[i]);
	}
	vec_done(&prefixes);
}

void model_sets_leave(struct model *m, const struct model_peer *p)
{
	for (size_t i = 0; i < m->sets.n; i++) {
		struct model_set *s = m->sets.items[i];
		size_t kept = 0, before = s->members.n;

		for (size_t k = 0; k < before; k++)
			if (s->members.items[k].peer != p)
				s->members.items[kept++] = s->members.items[k];
		s->members.n = kept;
		if (before && !kept)
			note_all(m, s);
	}
}

/* --- changing -----------------------------------------------------------------------------------
 */

/* He is there, or comes with the change. */
static bool will_be_peer(const struct model *m, const struct device_change *c, const wg_key *key)
{
	for (size_t i = 0; i < c->n_peers; i++)
		if (wg_key_eq(&c->peers[i].key, key) && !c->peers[i].remove &&
			!c->peers[i].update_only)
			return true;
	return model_peer(m, key);
}

static int check_owners(const struct model *m, const struct device_change *c,
	const struct device_owner_set_change *s)
{
	if (s->n_owners > m->max_owners)
		return -EINVAL;
	for (size_t i = 0; i < s->n_owners; i++) {
		for (size_t k = 0; k < i; k++)
			if (wg_key_eq(&s->owners[i].key, &s->owners[k].key))
				return -EINVAL;
		if (!will_be_peer(m, c, &s->owners[i].key))
			return -ENOENT;
	}
	return 0;
}

int model_sets_check(const struct model *m, const struct device_change *c)
{
	bool asks_for_many = c->n_sets;
	int err = 0;

	for (size_t i = 0; i < c->n_peers; i++)
		asks_for_many |= c->peers[i].set_level;
	if (asks_for_many && m->max_owners == 1)
		return -EOPNOTSUPP;
	for (size_t i = 0; i < c->n_sets && !err; i++)
		err = check_owners(m, c, &c->sets[i]);
	return err;
}

/* By rank, those who are never sent to last; else in the order in which they were named. */
static bool goes_before(const struct model_member *a, const struct model_member *b)
{
	if (!a->weight != !b->weight)
		return a->weight;
	return a->rank < b->rank;
}

static void set_members(
	struct model *m, struct model_set *s, const struct device_owner *owners, size_t n)
{
	s->members.n = 0;
	for (size_t i = 0; i < n; i++) {
		struct model_member x = {model_peer(m, &owners[i].key), owners[i].rank,
			owners[i].weight, owners[i].is_relay};
		size_t at = s->members.n;

		vec_push(&s->members, x);
		for (; at && goes_before(&x, &s->members.items[at - 1]); at--)
			s->members.items[at] = s->members.items[at - 1];
		s->members.items[at] = x;
	}
}

static void define(struct model *m, struct model_set *s, const struct device_owner_set_change *c)
{
	bool had_owners = s->members.n;

	set_members(m, s, c->owners, c->n_owners);
	if (!had_owners)
		note_all(m, s);
}

void model_sets_add(struct model *m, const struct device_change *c)
{
	for (size_t i = 0; i < c->n_sets; i++) {
		const struct device_owner_set_change *x = &c->sets[i];
		struct model_set *s = model_set(m, x->number);

		if (x->remove)
			continue;
		if (!s)
			s = model_set_add(m, x->number);
		if (s->foreign)
			model_violated(m, "a foreign set is changed");
		if (x->n_owners)
			define(m, s, x);
		for (size_t k = 0; k < x->n_add; k++)
			model_share(m, &x->add[k], s);
		if (x->n_owners || x->n_add)
			model_step(m);
	}
}

static void unshare(
	struct model *m, const struct model_set *s, const struct device_owner_set_change *c)
{
	for (size_t i = 0; i < c->n_del; i++) {
		const struct model_entry *e = model_entry(m, &c->del[i]);

		if (e && e->set == s)
			model_take(m, &c->del[i]);
	}
}

void model_sets_del(struct model *m, const struct device_change *c)
{
	for (size_t i = 0; i < c->n_sets; i++) {
		const struct device_owner_set_change *x = &c->sets[i];
		struct model_set *s = model_set(m, x->number);

		if (!s)
			continue;
		if (s->foreign)
			model_violated(m, "a foreign set is changed");
		if (x->remove)
			model_set_remove(m, s);
		else
			unshare(m, s, x);
		if (x->remove || x->n_del)
			model_step(m);
	}
}

/* --- reading ------------------------------------------------------------------------------------
 */

static int by_number(const void *a, const void *b)
{
	const struct device_owner_set *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

static struct device_owner_set give_set(const struct model *m, const struct model_set *s)
{
	prefix_vec prefixes = prefixes_of(m, s);
	struct device_owner_set ret = {.number = s->number,
		.allowed = prefixes.items,
		.n_allowed = prefixes.n,
		.n_owners = s->members.n};

	if (s->members.n)
		ret.owners = mem_zalloc(s->members.n, sizeof(*ret.owners));
	for (size_t i = 0; i < s->members.n; i++)
		ret.owners[i] = (struct device_owner){.key = s->members.items[i].peer->key,
			.rank = s->members.items[i].rank,
			.weight = s->members.items[i].weight,
			.is_relay = s->members.items[i].is_relay};
	return ret;
}

void model_sets_get(const struct model *m, struct device_state *ret)
{
	ret->n_sets = m->sets.n;
	if (!m->sets.n)
		return;
	ret->sets = mem_zalloc(m->sets.n, sizeof(*ret->sets));
	for (size_t i = 0; i < m->sets.n; i++)
		ret->sets[i] = give_set(m, m->sets.items[i]);
	qsort(ret->sets, ret->n_sets, sizeof(*ret->sets), by_number);
}

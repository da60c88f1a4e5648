/* SPDX-License-Identifier: MIT */
/*
 * Owners and sets: who they are, apart from where their prefixes are. A set's owners are a choice,
 * replaced by one store. An owner has a set of his own, which is nobody else's and has no choice:
 * a strict prefix points to it, and a pointer is all that there is to compare.
 *
 * An owner who goes is taken out of each set; without memory for a smaller choice he is struck out
 * of the one that is there.
 */
#include "wg/cryptokey_choice.h"
#include "wg/cryptokey_trie.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* --- owners --------------------------------------------------------------------------------------
 */

void cryptokey_owner_init(struct cryptokey_owner *o, uint64_t salt)
{
	atomic_init(&o->own.choice, NULL);
	list_init(&o->own.entries);
	list_init(&o->own.in_table);
	o->own.n_entries = 0;
	o->own.data = NULL;
	list_init(&o->leaving);
	o->is_replacing = false;
	o->n_sets = o->n_sending = 0;
	o->salt = salt;
	atomic_init(&o->level, CRYPTOKEY_UP);
	atomic_init(&o->answers, true);
	atomic_init(&o->multicast, false);
}

void cryptokey_owner_set_level(struct cryptokey_owner *o, enum cryptokey_level level)
{
	atomic_store_explicit(&o->level, level, memory_order_release);
}

void cryptokey_owner_set_answers(struct cryptokey_owner *o, bool answers)
{
	atomic_store_explicit(&o->answers, answers, memory_order_release);
}

void cryptokey_owner_set_multicast(struct cryptokey_owner *o, bool is_on)
{
	atomic_store_explicit(&o->multicast, is_on, memory_order_release);
}

/* --- who is in a set -----------------------------------------------------------------------------
 */

static struct cryptokey_choice *choice_of(const struct cryptokey_set *s)
{
	return atomic_load_explicit(&s->choice, memory_order_acquire);
}

size_t cryptokey_set_members(
	const struct cryptokey_set *s, struct cryptokey_member ret[static CRYPTOKEY_MAX_OWNERS])
{
	const struct cryptokey_choice *c = choice_of(s);

	return c ? choice_members(c, ret) : 0;
}

struct cryptokey_owner *cryptokey_set_preferred(const struct cryptokey_set *s)
{
	const struct cryptokey_choice *c = choice_of(s);

	return c ? choice_preferred(c, false) : NULL;
}

static void count_in(struct cryptokey_set *s, int by)
{
	struct cryptokey_member m[CRYPTOKEY_MAX_OWNERS];
	size_t n = cryptokey_set_members(s, m);

	for (size_t i = 0; i < n; i++) {
		assert(by > 0 || m[i].owner->n_sets);
		m[i].owner->n_sets += (unsigned)by;
		m[i].owner->n_sending += m[i].weight ? (unsigned)by : 0;
	}
}

/* c may be NULL: nobody. */
static void put_choice(
	struct cryptokey_table *t, struct cryptokey_set *s, struct cryptokey_choice *c)
{
	struct cryptokey_choice *old = choice_of(s);

	count_in(s, -1);
	atomic_store_explicit(&s->choice, c, memory_order_release);
	count_in(s, 1);
	if (old)
		cryptokey_retire(t, old);
}

static const struct cryptokey_member *find_member(
	const struct cryptokey_member *m, size_t n, const struct cryptokey_owner *o)
{
	for (size_t i = 0; i < n; i++)
		if (m[i].owner == o)
			return &m[i];
	return NULL;
}

int cryptokey_set_define(struct cryptokey_table *t, struct cryptokey_set *s,
	const struct cryptokey_member *members, size_t n)
{
	struct cryptokey_choice *c = NULL;

	if (n > CRYPTOKEY_MAX_OWNERS)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if (find_member(members, i, members[i].owner))
			return -EINVAL;
	if (n) {
		c = choice_new(members, n);
		if (!c)
			return -ENOMEM;
	}
	put_choice(t, s, c);
	return 0;
}

/* Out of one set, if he is in it. */
static void leave(struct cryptokey_table *t, struct cryptokey_set *s, struct cryptokey_owner *o)
{
	struct cryptokey_member m[CRYPTOKEY_MAX_OWNERS];
	size_t n = cryptokey_set_members(s, m), n_left = 0;
	const struct cryptokey_member *own = find_member(m, n, o);
	bool is_sender;

	if (!own)
		return;
	is_sender = own->weight;
	for (size_t i = 0; i < n; i++)
		if (m[i].owner != o)
			m[n_left++] = m[i];
	if (cryptokey_set_define(t, s, m, n_left)) {
		choice_strike_out(choice_of(s), o);
		o->n_sets--;
		o->n_sending -= is_sender;
	}
}

static void leave_all(struct cryptokey_table *t, struct cryptokey_owner *o)
{
	list_for_each (at, &t->sets) {
		if (!o->n_sets)
			return;
		leave(t, container_of(at, struct cryptokey_set, in_table), o);
	}
	assert(!o->n_sets);
}

/* --- sets ----------------------------------------------------------------------------------------
 */

struct cryptokey_set *cryptokey_set_new(struct cryptokey_table *t, void *data)
{
	struct cryptokey_set *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	list_init(&s->entries);
	s->data = data;
	list_append(&t->sets, &s->in_table);
	return s;
}

size_t cryptokey_set_remove_some(struct cryptokey_table *t, struct cryptokey_set *s, size_t max)
{
	if (choice_of(s))
		put_choice(t, s, NULL);
	return cryptokey_take_some(t, &s->entries, shared_hold(s), max);
}

void cryptokey_set_remove(struct cryptokey_table *t, struct cryptokey_set *s)
{
	put_choice(t, s, NULL);
	cryptokey_take_some(t, &s->entries, shared_hold(s), SIZE_MAX);
	assert(!s->n_entries);
	list_remove(&s->in_table);
	cryptokey_retire(t, s);
}

static bool has_just(
	const struct cryptokey_set *s, const struct cryptokey_member *members, size_t n)
{
	struct cryptokey_member m[CRYPTOKEY_MAX_OWNERS];

	if (cryptokey_set_members(s, m) != n)
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct cryptokey_member *o = find_member(m, n, members[i].owner);

		if (!o || o->rank != members[i].rank || o->weight != members[i].weight ||
			o->is_relay != members[i].is_relay)
			return false;
	}
	return true;
}

struct cryptokey_set *cryptokey_set_find(
	const struct cryptokey_table *t, const struct cryptokey_member *members, size_t n)
{
	struct cryptokey_set *s = NULL;

	while ((s = cryptokey_set_next(t, s)))
		if (has_just(s, members, n))
			return s;
	return NULL;
}

struct cryptokey_set *cryptokey_set_next(
	const struct cryptokey_table *t, const struct cryptokey_set *s)
{
	struct list *next = s ? s->in_table.next : t->sets.next;

	return next == &t->sets ? NULL : container_of(next, struct cryptokey_set, in_table);
}

int cryptokey_bind(struct cryptokey_table *t, const ip_prefix *p, struct cryptokey_set *s)
{
	return cryptokey_give(t, p, shared_hold(s));
}

bool cryptokey_unbind(struct cryptokey_table *t, const ip_prefix *p, struct cryptokey_set *s)
{
	return cryptokey_take(t, p, shared_hold(s));
}

/* --- strict prefixes -----------------------------------------------------------------------------
 */

int cryptokey_insert(struct cryptokey_table *t, const ip_prefix *p, struct cryptokey_owner *o)
{
	return cryptokey_give(t, p, strict_hold(o));
}

bool cryptokey_remove(struct cryptokey_table *t, const ip_prefix *p, struct cryptokey_owner *o)
{
	return cryptokey_take(t, p, strict_hold(o));
}

size_t cryptokey_remove_some(struct cryptokey_table *t, struct cryptokey_owner *o, size_t max)
{
	size_t n = cryptokey_take_some(t, &o->own.entries, strict_hold(o), max);

	return n + cryptokey_take_some(t, &o->leaving, strict_hold(o), max - n);
}

void cryptokey_remove_owner(struct cryptokey_table *t, struct cryptokey_owner *o)
{
	cryptokey_remove_some(t, o, SIZE_MAX);
	leave_all(t, o);
	assert(!o->own.n_entries);
}

void cryptokey_replace_begin(struct cryptokey_owner *o)
{
	o->is_replacing = true;
	list_append_all(&o->leaving, &o->own.entries);
}

size_t cryptokey_replace_some(struct cryptokey_table *t, struct cryptokey_owner *o, size_t max)
{
	return o->is_replacing ? cryptokey_take_some(t, &o->leaving, strict_hold(o), max) : 0;
}

void cryptokey_replace_end(struct cryptokey_table *t, struct cryptokey_owner *o)
{
	if (!o->is_replacing)
		return;
	o->is_replacing = false;
	cryptokey_take_some(t, &o->leaving, strict_hold(o), SIZE_MAX);
	leave_all(t, o);
}

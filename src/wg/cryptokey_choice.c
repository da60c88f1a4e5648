/* SPDX-License-Identifier: MIT */
/*
 * Each rank with several senders has a table of buckets, and a flow's hash chooses one. How many
 * buckets an owner has is exact (the largest remainders get what is left over); which ones goes by
 * weighted rendezvous: for each bucket each owner draws a lot from the bucket and his own salt, and
 * the best one with buckets to spare gets it. So a set that changes moves few more flows than it
 * must, and the same owners share alike after a restart.
 *
 * A flow whose owner is lost goes to the best lot among those who are left, drawn from the flow's
 * whole hash: exact shares again, no other flow moves, and neither does one of another lost owner.
 *
 * A lot is -log(u) / weight, u uniform: the least of such goes to each in proportion to his weight.
 *
 * Rejected: an order of all owners for each bucket (no lots on lookups, but what is lost is spread
 * as unevenly as few buckets are), more buckets instead of exact numbers of them (cold lines).
 */
#include "wg/cryptokey_choice.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- lots ----------------------------------------------------------------------------------------
 */

static uint64_t mixed(uint64_t x)
{
	x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
	x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
	return x ^ x >> 32;
}

/* The least wins. */
static double lot(uint64_t what, uint64_t salt, unsigned weight)
{
	uint64_t bits = mixed(mixed(what + UINT64_C(0x9e3779b97f4a7c15)) ^ salt);

	return -log(((double)(bits >> 11) + 0.5) * 0x1p-53) / weight;
}

/* --- making --------------------------------------------------------------------------------------
 */

/* The members of one rank and a weight: n of them from first on. */
struct tier {
	unsigned first, n;
};

static bool goes_before(const struct cryptokey_member *a, const struct cryptokey_member *b)
{
	if (!a->weight != !b->weight)
		return a->weight;
	return a->rank < b->rank;
}

/* Stable: the caller's order is kept among equals. */
static void sort_members(struct cryptokey_member *m, size_t n)
{
	for (size_t i = 1; i < n; i++)
		for (size_t j = i; j && goes_before(&m[j], &m[j - 1]); j--) {
			struct cryptokey_member swap = m[j];

			m[j] = m[j - 1];
			m[j - 1] = swap;
		}
}

static struct tier tier_at(const struct cryptokey_member *m, size_t n, unsigned first)
{
	struct tier t = {first, 0};

	while (first + t.n < n && m[first + t.n].weight && m[first + t.n].rank == m[first].rank)
		t.n++;
	return t;
}

static unsigned count_tables(const struct cryptokey_member *m, size_t n)
{
	unsigned n_tables = 0;

	for (unsigned i = 0; i < n && m[i].weight;) {
		struct tier t = tier_at(m, n, i);

		n_tables += t.n > 1;
		i += t.n;
	}
	return n_tables;
}

/* Does a have more left over than b? The salt decides among equals, so that the order can't. */
static bool has_more_left(
	const struct cryptokey_choice *c, const unsigned *left, unsigned a, unsigned b)
{
	return left[a] > left[b] || (left[a] == left[b] && c->salts[a] > c->salts[b]);
}

/* How many buckets each of the tier gets. */
static void share_out(const struct cryptokey_choice *c, struct tier t, unsigned *quota)
{
	unsigned left[CRYPTOKEY_MAX_OWNERS], end = t.first + t.n, sum = 0, n_spare = CHOICE_BUCKETS;

	for (unsigned i = t.first; i < end; i++)
		sum += c->members[i].weight;
	for (unsigned i = t.first; i < end; i++) {
		unsigned parts = c->members[i].weight * CHOICE_BUCKETS;

		quota[i] = parts / sum;
		left[i] = parts % sum;
		n_spare -= quota[i];
	}
	assert(n_spare < t.n);
	for (; n_spare; n_spare--) {
		unsigned best = t.first;

		for (unsigned i = t.first + 1; i < end; i++)
			if (has_more_left(c, left, i, best))
				best = i;
		quota[best]++;
		left[best] = 0;
	}
}

static void fill_table(struct cryptokey_choice *c, struct tier t, unsigned table)
{
	unsigned quota[CRYPTOKEY_MAX_OWNERS];

	share_out(c, t, quota);
	for (unsigned bucket = 0; bucket < CHOICE_BUCKETS; bucket++) {
		double best = INFINITY;
		unsigned winner = t.first;

		for (unsigned i = t.first; i < t.first + t.n; i++) {
			double mine = quota[i] ? lot(bucket, c->salts[i], c->members[i].weight)
					       : INFINITY;

			if (mine < best) {
				best = mine;
				winner = i;
			}
		}
		assert(quota[winner]);
		quota[winner]--;
		c->buckets[table][bucket] = (uint8_t)winner;
	}
}

static void fill_tables(struct cryptokey_choice *c, const struct cryptokey_member *m)
{
	unsigned n_tables = 0;

	for (unsigned i = 0; i < c->n_senders;) {
		struct tier t = tier_at(m, c->n, i);

		if (t.n > 1) {
			fill_table(c, t, n_tables++);
			for (unsigned j = i; j < i + t.n; j++)
				c->members[j].table = (uint8_t)n_tables;
		}
		i += t.n;
	}
}

struct cryptokey_choice *choice_new(const struct cryptokey_member *members, size_t n)
{
	struct cryptokey_member m[CRYPTOKEY_MAX_OWNERS];
	struct cryptokey_choice *c;

	assert(n <= CRYPTOKEY_MAX_OWNERS);
	memcpy(m, members, n * sizeof(*m));
	sort_members(m, n);
	c = calloc(1, sizeof(*c) + count_tables(m, n) * sizeof(c->buckets[0]));
	if (!c)
		return NULL;
	c->n = (uint8_t)n;
	for (size_t i = 0; i < n; i++) {
		c->members[i].rank = m[i].rank;
		c->members[i].weight = m[i].weight;
		c->members[i].is_relay = m[i].is_relay;
		atomic_init(&c->members[i].owner, m[i].owner);
		c->salts[i] = m[i].owner->salt;
		c->n_senders += m[i].weight != 0;
	}
	fill_tables(c, m);
	return c;
}

/* --- reading -------------------------------------------------------------------------------------
 */

static struct cryptokey_owner *owner_at(const struct cryptokey_choice *c, unsigned i)
{
	return atomic_load_explicit(&c->members[i].owner, memory_order_acquire);
}

/* As good as down if he doesn't answer. */
static enum cryptokey_level level_of(const struct cryptokey_owner *o)
{
	if (!atomic_load_explicit(&o->answers, memory_order_acquire))
		return CRYPTOKEY_DOWN;
	return atomic_load_explicit(&o->level, memory_order_acquire);
}

bool cryptokey_owner_is_usable(const struct cryptokey_owner *o)
{
	return level_of(o) > CRYPTOKEY_DOWN;
}

struct choice_group choice_group(
	const struct cryptokey_choice *c, const struct cryptokey_owner *relay)
{
	struct choice_group g = {0, false};
	enum cryptokey_level best = CRYPTOKEY_DOWN;
	unsigned rank = 0;

	for (unsigned i = 0; i < c->n_senders; i++) {
		const struct choice_member *m = &c->members[i];
		const struct cryptokey_owner *o = owner_at(c, i);
		enum cryptokey_level level;

		/* Nobody behind goes before. */
		if (best == CRYPTOKEY_UP && m->rank > rank)
			break;
		level = o ? level_of(o) : CRYPTOKEY_DOWN;
		if (level == CRYPTOKEY_DOWN || level < best)
			continue;
		if (choice_keeps_from(m, o, relay)) {
			g.is_kept = true;
		} else if (level > best) {
			best = level;
			rank = m->rank;
			g.bits = 1u << i;
		} else if (m->rank == rank) {
			g.bits |= 1u << i;
		}
	}
	return g;
}

static unsigned best_lot(const struct cryptokey_choice *c, unsigned bits, uint64_t hash)
{
	unsigned winner = (unsigned)__builtin_ctz(bits);
	double best = INFINITY;

	for (; bits; bits &= bits - 1) {
		unsigned i = (unsigned)__builtin_ctz(bits);
		double mine = lot(hash, c->salts[i], c->members[i].weight);

		if (mine < best) {
			best = mine;
			winner = i;
		}
	}
	return winner;
}

struct cryptokey_owner *choice_pick(
	const struct cryptokey_choice *c, unsigned group_bits, uint64_t hash)
{
	unsigned first = (unsigned)__builtin_ctz(group_bits), table = c->members[first].table, i;

	if (!table)
		return owner_at(c, first);
	i = c->buckets[table - 1][hash % CHOICE_BUCKETS];
	if (!(group_bits >> i & 1))
		i = best_lot(c, group_bits, hash);
	return owner_at(c, i);
}

struct cryptokey_owner *choice_preferred(
	const struct cryptokey_choice *c, const struct cryptokey_owner *relay)
{
	for (unsigned i = 0; i < c->n_senders; i++) {
		struct cryptokey_owner *o = owner_at(c, i);

		if (o && !choice_keeps_from(&c->members[i], o, relay))
			return o;
	}
	return NULL;
}

static bool has_usable(const struct cryptokey_choice *c)
{
	for (unsigned i = 0; i < c->n_senders; i++) {
		const struct cryptokey_owner *o = owner_at(c, i);

		if (o && cryptokey_owner_is_usable(o))
			return true;
	}
	return false;
}

/* The states of others matter only to who isn't one of them, so they are looked at last. */
enum cryptokey_verdict choice_accept(
	const struct cryptokey_choice *c, const struct cryptokey_owner *from)
{
	for (unsigned i = 0; i < c->n; i++)
		if (owner_at(c, i) == from)
			return c->members[i].is_relay ? CRYPTOKEY_ACCEPT_RELAY : CRYPTOKEY_ACCEPT;
	return has_usable(c) ? CRYPTOKEY_REFUSE : CRYPTOKEY_PASS;
}

/* --- who is in it --------------------------------------------------------------------------------
 */

size_t choice_members(
	const struct cryptokey_choice *c, struct cryptokey_member ret[static CRYPTOKEY_MAX_OWNERS])
{
	size_t n = 0;

	for (unsigned i = 0; i < c->n; i++) {
		const struct choice_member *m = &c->members[i];
		struct cryptokey_owner *o = owner_at(c, i);

		if (o)
			ret[n++] = (struct cryptokey_member){o, m->rank, m->weight, m->is_relay};
	}
	return n;
}

void choice_strike_out(struct cryptokey_choice *c, const struct cryptokey_owner *o)
{
	for (unsigned i = 0; i < c->n; i++)
		if (owner_at(c, i) == o)
			atomic_store_explicit(&c->members[i].owner, NULL, memory_order_release);
}

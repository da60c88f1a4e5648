/* SPDX-License-Identifier: MIT */
/*
 * A path-compressed trie of six bits a step. A node stands at a depth, a multiple of six, and looks
 * at the six bits of an address from there, its block. It has a bit and a slot
 *
 *	below	for each of the 64 values of the block under which longer prefixes are;
 *	here	for each prefix of depth .. depth + 5 bits that ends in the block, numbered so that
 *		a longer one has a higher number (1; 2, 3; 4 .. 7; ... 32 .. 63).
 *
 * A slot below leads to another node, at whatever depth its prefixes first differ, or to an entry
 * if there is only one. A node has two slots at least, so there is less than one node per prefix.
 *
 * What lies between two nodes' depths isn't compared on the way down. A lookup goes down by the
 * blocks alone, keeps the best candidate of each node, and compares whole prefixes from the deepest
 * up: all but the one that matters fail or aren't looked at.
 *
 * Changes. A node's slots are stored to, everything else in it stays as it was made: more or fewer
 * slots are a new node in the place of the old one. Each change of the trie is one store (release)
 * to one slot, and every node that was ever in the trie goes on leading to whatever stays in it: a
 * lookup under way finds each prefix that is there before and after the change. What went out is
 * retired. A prefix that changes owner is not touched but for its owner. All changes are in
 * cryptokey_change.c.
 *
 * IPv4 prefixes of DIRECT bits and more hang on an array, indexed by these bits; shorter ones on a
 * trie from the top, where a lookup goes on if the first finds nothing. With half a million
 * prefixes that makes lookups half as fast again as one trie (bench/cryptokey), for memory that is
 * resident only where there are prefixes. IPv6 has one trie: what is in use there is far apart.
 *
 * Rejected: one bit a step (a cache miss for each of twenty steps), eight bits (bitmaps of half a
 * cache line for nodes of three slots), pushing covers down into leaves (fastest, but then one
 * change is many stores, and a lookup in the middle may be wrong), counting bits by the instruction
 * for it where there is one (no gain beyond the noise).
 */
#include "wg/cryptokey_trie.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

/* --- lookups -------------------------------------------------------------------------------------
 */

/* The owner to whom an address within the prefix goes; NULL: nobody. */
INLINE struct cryptokey_owner *choose(const struct cryptokey_entry *e, struct key k)
{
	if (!agree(key_of(e), k, e->len))
		return NULL;
	return atomic_load_explicit(&e->claims[0].owner, memory_order_acquire);
}

struct candidates {
	const struct node *node;
	uint64_t here;
};

INLINE struct cryptokey_owner *choose_of_node(const struct candidates *c, struct key k)
{
	struct cryptokey_owner *o = NULL;

	for (uint64_t left = c->here; left && !o;) {
		unsigned best = 63 - (unsigned)__builtin_clzll(left);
		unsigned at = c->node->n_below + rank(c->node->here, best);

		o = choose(entry_of(load(&c->node->slots[at])), k);
		left ^= UINT64_C(1) << best;
	}
	return o;
}

INLINE struct cryptokey_owner *lookup_from(ref r, struct key k)
{
	struct candidates found[LEVELS];
	struct cryptokey_owner *o = NULL;
	unsigned n_found = 0;

	while (is_node(r)) {
		const struct node *n = node_of(r);
		unsigned b = block_at(k, n->depth);

		found[n_found] = (struct candidates){n, n->here & covers_of(b)};
		n_found += found[n_found].here != 0;
		r = n->below >> b & 1 ? load(&n->slots[rank(n->below, b)]) : 0;
	}
	if (r)
		o = choose(entry_of(r), k);
	while (!o && n_found)
		o = choose_of_node(&found[--n_found], k);
	return o;
}

struct cryptokey_owner *cryptokey_lookup4(const struct cryptokey_table *t, const void *addr)
{
	struct cryptokey_owner *o;
	uint32_t bits;
	struct key k;

	memcpy(&bits, addr, sizeof(bits));
	k = (struct key){(uint64_t)be32toh(bits) << 32, 0};
	o = lookup_from(load(&t->direct4[k.hi >> (64 - DIRECT)]), k);
	return o ? o : lookup_from(load(&t->root4), k);
}

struct cryptokey_owner *cryptokey_lookup6(const struct cryptokey_table *t, const void *addr)
{
	struct key k;

	memcpy(&k, addr, sizeof(k));
	k.hi = be64toh(k.hi);
	k.lo = be64toh(k.lo);
	return lookup_from(load(&t->root6), k);
}

/* --- the table -----------------------------------------------------------------------------------
 */

struct cryptokey_table *cryptokey_new(struct qsbr *q)
{
	struct cryptokey_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->qsbr = q;
	t->direct4 = calloc(N_DIRECT, sizeof(*t->direct4));
	if (!t->direct4) {
		free(t);
		return NULL;
	}
	return t;
}

/* As deep as the trie, LEVELS at most. */
static void free_below(ref r)
{
	struct node *n;

	if (!is_node(r)) {
		if (r)
			free(memory_of(entry_of(r)));
		return;
	}
	n = node_of(r);
	for (unsigned i = 0; i < n->n; i++)
		free_below(load(&n->slots[i]));
	free(n);
}

void cryptokey_free(struct cryptokey_table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < N_DIRECT; i++)
		free_below(load(&t->direct4[i]));
	free_below(load(&t->root4));
	free_below(load(&t->root6));
	free(t->direct4);
	free(t);
}

size_t cryptokey_count(const struct cryptokey_table *t)
{
	return t->n;
}

/* --- owners --------------------------------------------------------------------------------------
 */

void cryptokey_owner_init(struct cryptokey_owner *o)
{
	list_init(&o->entries);
	o->n_entries = 0;
}

ip_prefix cryptokey_prefix(const struct cryptokey_entry *e)
{
	struct key k = key_of(e);
	ip_prefix p = {.family = e->is_v6 ? AF_INET6 : AF_INET, .len = e->len};

	k = (struct key){htobe64(k.hi), htobe64(k.lo)};
	memcpy(p.bytes, &k, sizeof(k));
	return p;
}

int cryptokey_walk_owner(
	const struct cryptokey_owner *o, int (*fn)(const ip_prefix *p, void *data), void *data)
{
	list_for_each (at, &o->entries) {
		ip_prefix p = cryptokey_prefix(entry_in_list(at));
		int err = fn(&p, data);

		if (err)
			return err;
	}
	return 0;
}

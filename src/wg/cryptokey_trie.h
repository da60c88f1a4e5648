/* SPDX-License-Identifier: MIT */
/* The trie within the cryptokey table (cryptokey.c explains it): its layout, and the bits of keys.
 */
#ifndef SHUNT_WG_CRYPTOKEY_TRIE_H
#define SHUNT_WG_CRYPTOKEY_TRIE_H

#include "base/mem.h"
#include "wg/cryptokey.h"

#define STEP 6
#define DIRECT 18 /* a multiple of STEP */
#define N_DIRECT (1u << DIRECT)
#define LEVELS 22 /* of IPv6: depths 0 to 126 */
#define HERE 64	  /* slot numbers: below from 0, here from 64 */

/* Bits of an address from the top: IPv6 in both words, IPv4 in the upper half of the first. */
struct key {
	uint64_t hi, lo;
};

/* Whose a prefix is: a set, with the lowest bit set if the prefix is shared; or 0, nobody's (it
 * could not be removed). */
typedef uintptr_t hold;

/* A prefix. That it is strict stands in the hold, so that it moves whole by one store. */
struct cryptokey_entry {
	struct list in_set;
	_Atomic hold hold;
	uint32_t v4;
	uint8_t len;
	bool is_v6; /* then it is in an entry6 */
};

_Static_assert(sizeof(struct cryptokey_entry) <= 32, "two to a line");

struct entry6 {
	struct key key;
	struct cryptokey_entry entry;
};

/* A pointer to a node with the lowest bit set, or to an entry, or 0. */
typedef uintptr_t ref;

struct node {
	uint64_t below, here;
	uint8_t depth, n_below, n;
	_Atomic ref slots[]; /* below's, then here's */
};

struct cryptokey_table {
	_Atomic ref root4, root6;
	_Atomic ref *direct4;
	struct qsbr *qsbr;
	uint64_t seed;
	struct list sets;
	size_t n;
	unsigned n_retired;
};

#define INLINE static inline __attribute__((always_inline))

INLINE bool is_node(ref r)
{
	return r & 1;
}

INLINE struct node *node_of(ref r)
{
	return (struct node *)(r - 1);
}

INLINE struct cryptokey_entry *entry_of(ref r)
{
	return (struct cryptokey_entry *)r;
}

INLINE bool is_shared(hold h)
{
	return h & 1;
}

INLINE hold strict_hold(struct cryptokey_owner *o)
{
	return (hold)&o->own;
}

INLINE hold shared_hold(struct cryptokey_set *s)
{
	return (hold)s | 1;
}

/* Not of nobody's. */
INLINE struct cryptokey_set *set_of(hold h)
{
	return (struct cryptokey_set *)(h & ~(hold)1);
}

/* Of a strict one. */
INLINE struct cryptokey_owner *owner_of(hold h)
{
	return container_of((struct cryptokey_set *)h, struct cryptokey_owner, own);
}

INLINE hold hold_of(const struct cryptokey_entry *e)
{
	return atomic_load_explicit(&e->hold, memory_order_acquire);
}

INLINE ref load(const _Atomic ref *slot)
{
	return atomic_load_explicit(slot, memory_order_acquire);
}

INLINE struct key key_of(const struct cryptokey_entry *e)
{
	if (e->is_v6)
		return ((const struct entry6 *)((const char *)e - offsetof(struct entry6, entry)))
			->key;
	return (struct key){(uint64_t)e->v4 << 32, 0};
}

/* The six bits from depth; beyond the end zeros. */
INLINE unsigned block_at(struct key k, unsigned depth)
{
	uint64_t bits = k.hi << (depth & 63);

	if (depth >= 64)
		bits = k.lo << (depth - 64);
	else if (depth > 64 - STEP)
		bits |= k.lo >> (64 - depth);
	return (unsigned)(bits >> (64 - STEP));
}

INLINE unsigned rank(uint64_t bits, unsigned bit)
{
	return (unsigned)__builtin_popcountll(bits & ((UINT64_C(1) << bit) - 1));
}

/* The numbers, as bits, of the prefixes that end in a block and hold its value b. */
INLINE uint64_t covers_of(unsigned b)
{
	return UINT64_C(1) << 1 | UINT64_C(1) << (2 | b >> 5) | UINT64_C(1) << (4 | b >> 4) |
	       UINT64_C(1) << (8 | b >> 3) | UINT64_C(1) << (16 | b >> 2) |
	       UINT64_C(1) << (32 | b >> 1);
}

/* Do the first len bits agree? */
INLINE bool agree(struct key a, struct key b, unsigned len)
{
	uint64_t hi = a.hi ^ b.hi, lo = a.lo ^ b.lo;

	if (len <= 64)
		return !len || !(hi >> (64 - len));
	return !hi && !(lo >> (128 - len));
}

static inline struct cryptokey_entry *entry_in_list(struct list *at)
{
	return container_of(at, struct cryptokey_entry, in_set);
}

/* What was allocated for it. */
static inline void *memory_of(struct cryptokey_entry *e)
{
	return e->is_v6 ? (void *)container_of(e, struct entry6, entry) : e;
}

/* The prefix as others write it. */
ip_prefix cryptokey_prefix(const struct cryptokey_entry *e);

/* cryptokey_change.c: gives a prefix to whom the hold says, or takes it away if it is his. */
int cryptokey_give(struct cryptokey_table *t, const ip_prefix *p, hold h);
bool cryptokey_take(struct cryptokey_table *t, const ip_prefix *p, hold h);
/* Takes the first max entries of the list away, which are all of that hold; how
 * many. */
size_t cryptokey_take_some(struct cryptokey_table *t, struct list *entries, hold h, size_t max);
/* No lookup finds it any more: freed when no thread holds it. */
void cryptokey_retire(struct cryptokey_table *t, void *what);

#endif

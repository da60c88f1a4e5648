/* SPDX-License-Identifier: MIT */
/* The trie within the cryptokey table (cryptokey.c explains it): its layout, and the bits of keys.
 */
#ifndef SHUNT_WG_CRYPTOKEY_TRIE_H
#define SHUNT_WG_CRYPTOKEY_TRIE_H

#include "base/mem.h"
#include "wg/cryptokey.h"
#include <stdatomic.h>

#define STEP 6
#define DIRECT 18 /* a multiple of STEP */
#define N_DIRECT (1u << DIRECT)
#define LEVELS 22 /* of IPv6: depths 0 to 126 */
#define HERE 64	  /* slot numbers: below from 0, here from 64 */

/* Bits of an address from the top: IPv6 in both words, IPv4 in the upper half of the first. */
struct key {
	uint64_t hi, lo;
};

/* One owner's hold of an entry. */
struct claim {
	struct list in_owner;
	_Atomic(struct cryptokey_owner *) owner; /* NULL: could not be removed */
};

/*
 * A prefix. For several owners there will be an entry with several claims (and each then knows its
 * place), in the slot by one store; choose() is where one of them is chosen.
 */
struct cryptokey_entry {
	uint8_t len;
	bool is_v6; /* then it is in an entry6 */
	uint8_t n_claims;
	uint32_t v4;
	struct claim claims[1];
};

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
	return container_of(at, struct cryptokey_entry, claims[0].in_owner);
}

/* What was allocated for it. */
static inline void *memory_of(struct cryptokey_entry *e)
{
	return e->is_v6 ? (void *)container_of(e, struct entry6, entry) : e;
}

/* The prefix as others write it. */
ip_prefix cryptokey_prefix(const struct cryptokey_entry *e);

#endif

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
 * retired. A prefix that changes owner is not touched but for its owner.
 *
 * IPv4 prefixes of DIRECT bits and more hang on an array, indexed by these bits; shorter ones on a
 * trie from the top, where a lookup goes on if the first finds nothing. IPv6 has one trie. Measured
 * (bench/cryptokey) with a million prefixes of each.
 *
 * Rejected: one bit a step (a cache miss for each of twenty steps), eight bits (bitmaps of half a
 * cache line for nodes of three slots), pushing covers down into leaves (fastest, but then one
 * change is many stores, and a lookup in the middle may be wrong).
 */
#include "wg/cryptokey.h"

#include <endian.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define STEP 6
#ifndef DIRECT
#define DIRECT 18 /* a multiple of STEP */
#endif
#define N_DIRECT (1u << DIRECT)
#define LEVELS 22	 /* of IPv6: depths 0 to 126 */
#define HERE 64		 /* slot numbers: below from 0, here from 64 */
#define RECLAIM_EVERY 64 /* retired things */

/* Bits of an address from the top: IPv6 in both words, IPv4 in the upper half of the first. */
struct key {
	uint64_t hi, lo;
};

/* One owner's hold of an entry. */
struct claim {
	struct list in_owner;
	_Atomic(struct cryptokey_owner *) owner; /* NULL: see cryptokey_remove */
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
	bool has_popcnt;
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

INLINE struct cryptokey_owner *lookup4(const struct cryptokey_table *t, const void *addr)
{
	struct cryptokey_owner *o;
	uint32_t bits;
	struct key k;

	memcpy(&bits, addr, sizeof(bits));
	k = (struct key){(uint64_t)be32toh(bits) << 32, 0};
	o = lookup_from(load(&t->direct4[k.hi >> (64 - DIRECT)]), k);
	return o ? o : lookup_from(load(&t->root4), k);
}

INLINE struct cryptokey_owner *lookup6(const struct cryptokey_table *t, const void *addr)
{
	struct key k;

	memcpy(&k, addr, sizeof(k));
	k.hi = be64toh(k.hi);
	k.lo = be64toh(k.lo);
	return lookup_from(load(&t->root6), k);
}

#ifdef __x86_64__
/* The baseline has no instruction that counts bits. */
#define WITH_POPCNT __attribute__((target("popcnt")))

WITH_POPCNT static struct cryptokey_owner *lookup4_popcnt(
	const struct cryptokey_table *t, const void *addr)
{
	return lookup4(t, addr);
}

WITH_POPCNT static struct cryptokey_owner *lookup6_popcnt(
	const struct cryptokey_table *t, const void *addr)
{
	return lookup6(t, addr);
}

struct cryptokey_owner *cryptokey_lookup4(const struct cryptokey_table *t, const void *addr)
{
	return t->has_popcnt ? lookup4_popcnt(t, addr) : lookup4(t, addr);
}

struct cryptokey_owner *cryptokey_lookup6(const struct cryptokey_table *t, const void *addr)
{
	return t->has_popcnt ? lookup6_popcnt(t, addr) : lookup6(t, addr);
}
#else
struct cryptokey_owner *cryptokey_lookup4(const struct cryptokey_table *t, const void *addr)
{
	return lookup4(t, addr);
}

struct cryptokey_owner *cryptokey_lookup6(const struct cryptokey_table *t, const void *addr)
{
	return lookup6(t, addr);
}
#endif

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
#ifdef __x86_64__
	t->has_popcnt = __builtin_cpu_supports("popcnt");
#endif
	return t;
}

static void *memory_of(struct cryptokey_entry *e)
{
	return e->is_v6 ? (void *)container_of(e, struct entry6, entry) : e;
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

static void retire(struct cryptokey_table *t, void *what)
{
	qsbr_retire(t->qsbr, what, free);
	t->n_retired++;
}

/* At the end of a change: a long configuration doesn't wait for others to reclaim. */
static void reclaim_sometimes(struct cryptokey_table *t)
{
	if (t->n_retired < RECLAIM_EVERY)
		return;
	t->n_retired = 0;
	qsbr_reclaim(t->qsbr);
}

/* --- owners --------------------------------------------------------------------------------------
 */

void cryptokey_owner_init(struct cryptokey_owner *o)
{
	list_init(&o->entries);
	o->n_entries = 0;
}

static struct cryptokey_owner *owner_of(const struct cryptokey_entry *e)
{
	return atomic_load_explicit(&e->claims[0].owner, memory_order_relaxed);
}

/* Who held the entry, if anybody, loses it; o may be NULL. */
static void give(struct cryptokey_table *t, struct cryptokey_entry *e, struct cryptokey_owner *o)
{
	struct claim *c = &e->claims[0];
	struct cryptokey_owner *old = owner_of(e);

	if (old == o)
		return;
	atomic_store_explicit(&c->owner, o, memory_order_release);
	if (old) {
		list_remove(&c->in_owner);
		old->n_entries--;
		t->n--;
	}
	if (o) {
		list_append(&o->entries, &c->in_owner);
		o->n_entries++;
		t->n++;
	}
}

static struct cryptokey_entry *entry_in_list(struct list *at)
{
	return container_of(at, struct cryptokey_entry, claims[0].in_owner);
}

static ip_prefix prefix_of(const struct cryptokey_entry *e)
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
		ip_prefix p = prefix_of(entry_in_list(at));
		int err = fn(&p, data);

		if (err)
			return err;
	}
	return 0;
}

/* --- changes -------------------------------------------------------------------------------------
 */

/* A prefix to look for. */
struct wanted {
	bool is_v6;
	unsigned len;
	struct key key;
};

/* Where a prefix is, or would go. */
struct spot {
	_Atomic ref *slot; /* what stands there is it, or must make room; NULL: a slot of node's is
			      missing */
	struct node *node; /* the last one that is on its way, NULL: none */
	_Atomic ref *holder; /* the slot that leads to node */
	unsigned number;     /* node's slot for it */
};

static struct wanted want(const ip_prefix *prefix)
{
	ip_prefix p = ip_prefix_masked(prefix);
	struct wanted w = {.is_v6 = p.family == AF_INET6, .len = p.len};

	memcpy(&w.key, p.bytes, sizeof(w.key));
	w.key = (struct key){be64toh(w.key.hi), be64toh(w.key.lo)};
	return w;
}

static _Atomic ref *root_of(struct cryptokey_table *t, const struct wanted *w)
{
	if (w->is_v6)
		return &t->root6;
	return w->len < DIRECT ? &t->root4 : &t->direct4[w->key.hi >> (64 - DIRECT)];
}

static bool has_slot(const struct node *n, unsigned number)
{
	return number < HERE ? n->below >> number & 1 : n->here >> (number - HERE) & 1;
}

static unsigned place_of(const struct node *n, unsigned number)
{
	return number < HERE ? rank(n->below, number) : n->n_below + rank(n->here, number - HERE);
}

/* The slot that a prefix of at least depth bits has in a node of that depth. */
static unsigned number_at(unsigned depth, struct key k, unsigned len)
{
	unsigned b = block_at(k, depth), i = len - depth;

	return i >= STEP ? b : HERE + (1u << i | b >> (STEP - i));
}

/* How many of the first bits agree. */
static unsigned agreeing(struct key a, struct key b)
{
	if (a.hi != b.hi)
		return (unsigned)__builtin_clzll(a.hi ^ b.hi);
	return a.lo == b.lo ? 128 : 64 + (unsigned)__builtin_clzll(a.lo ^ b.lo);
}

static unsigned min(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static const struct cryptokey_entry *any_entry(ref r)
{
	while (is_node(r))
		r = load(&node_of(r)->slots[0]);
	return entry_of(r);
}

/*
 * How many bits of w are on a path of the trie below r (not empty): an entry that blocks alone lead
 * to agrees with w for as long as any does.
 */
static unsigned known_bits(ref r, const struct wanted *w)
{
	while (is_node(r)) {
		struct node *n = node_of(r);
		unsigned number;

		if (n->depth > w->len)
			break;
		number = number_at(n->depth, w->key, w->len);
		if (!has_slot(n, number))
			break;
		r = load(&n->slots[place_of(n, number)]);
	}
	return min(w->len, agreeing(w->key, key_of(any_entry(r))));
}

static struct spot find(_Atomic ref *root, const struct wanted *w)
{
	struct spot s = {.slot = root};
	unsigned known = load(root) ? known_bits(load(root), w) : 0;

	while (s.slot && is_node(load(s.slot))) {
		struct node *n = node_of(load(s.slot));

		if (n->depth > known)
			break;
		s.node = n;
		s.holder = s.slot;
		s.number = number_at(n->depth, w->key, w->len);
		s.slot = has_slot(n, s.number) ? &n->slots[place_of(n, s.number)] : NULL;
	}
	return s;
}

static bool is_it(ref r, const struct wanted *w)
{
	const struct cryptokey_entry *e = entry_of(r);

	return r && !is_node(r) && e->len == w->len && agree(key_of(e), w->key, w->len);
}

static struct node *new_node(unsigned depth, unsigned n)
{
	struct node *node = malloc(sizeof(*node) + n * sizeof(node->slots[0]));

	if (node)
		*node = (struct node){.depth = (uint8_t)depth, .n = (uint8_t)n};
	return node;
}

static void set_slot(struct node *n, unsigned place, ref r)
{
	atomic_init(&n->slots[place], r);
}

static void add_number(struct node *n, unsigned number)
{
	if (number < HERE)
		n->below |= UINT64_C(1) << number;
	else
		n->here |= UINT64_C(1) << (number - HERE);
	n->n_below += number < HERE;
}

/* A node for what is at r, which w isn't below, and the entry of w. */
static struct node *join(ref r, const struct wanted *w, ref entry)
{
	const struct cryptokey_entry *any = any_entry(r);
	struct key key = key_of(any);
	unsigned len = is_node(r) ? node_of(r)->depth : any->len;
	unsigned depth = min(min(len, w->len), agreeing(key, w->key)) / STEP * STEP;
	unsigned theirs = number_at(depth, key, len), ours = number_at(depth, w->key, w->len);
	struct node *n = new_node(depth, 2);

	if (!n)
		return NULL;
	add_number(n, theirs);
	add_number(n, ours);
	set_slot(n, place_of(n, theirs), r);
	set_slot(n, place_of(n, ours), entry);
	return n;
}

/* A copy with one slot more. */
static struct node *copy_with(const struct node *old, unsigned number, ref r)
{
	struct node *n = new_node(old->depth, old->n + 1u);
	unsigned at = place_of(old, number);

	if (!n)
		return NULL;
	n->below = old->below;
	n->here = old->here;
	n->n_below = old->n_below;
	add_number(n, number);
	set_slot(n, at, r);
	for (unsigned i = 0; i < old->n; i++)
		set_slot(n, i + (i >= at), load(&old->slots[i]));
	return n;
}

/* A copy with one slot less. */
static struct node *copy_without(const struct node *old, unsigned number)
{
	struct node *n = new_node(old->depth, old->n - 1u);
	unsigned at = place_of(old, number);

	if (!n)
		return NULL;
	n->below = number < HERE ? old->below ^ UINT64_C(1) << number : old->below;
	n->here = number < HERE ? old->here : old->here ^ UINT64_C(1) << (number - HERE);
	n->n_below = (uint8_t)(old->n_below - (number < HERE));
	for (unsigned i = 0; i < n->n; i++)
		set_slot(n, i, load(&old->slots[i + (i >= at)]));
	return n;
}

static struct cryptokey_entry *new_entry(const struct wanted *w)
{
	struct cryptokey_entry *e;

	if (w->is_v6) {
		struct entry6 *six = calloc(1, sizeof(*six));

		if (!six)
			return NULL;
		six->key = w->key;
		e = &six->entry;
	} else {
		e = calloc(1, sizeof(*e));
		if (!e)
			return NULL;
		e->v4 = (uint32_t)(w->key.hi >> 32);
	}
	e->is_v6 = w->is_v6;
	e->len = (uint8_t)w->len;
	e->n_claims = 1;
	return e;
}

static void publish(_Atomic ref *slot, ref r)
{
	atomic_store_explicit(slot, r, memory_order_release);
}

static ref ref_of(const struct node *n)
{
	return (ref)n + 1;
}

/* False without memory. */
static bool put(struct cryptokey_table *t, const struct spot *s, const struct wanted *w, ref entry)
{
	struct node *n;

	if (!s->slot) {
		n = copy_with(s->node, s->number, entry);
		if (n) {
			publish(s->holder, ref_of(n));
			retire(t, s->node);
		}
	} else if (load(s->slot)) {
		n = join(load(s->slot), w, entry);
		if (n)
			publish(s->slot, ref_of(n));
	} else {
		publish(s->slot, entry);
		return true;
	}
	return n;
}

int cryptokey_insert(struct cryptokey_table *t, const ip_prefix *p, struct cryptokey_owner *o)
{
	struct wanted w = want(p);
	struct spot s = find(root_of(t, &w), &w);
	struct cryptokey_entry *e;

	if (s.slot && is_it(load(s.slot), &w)) {
		give(t, entry_of(load(s.slot)), o);
		return 0;
	}
	e = new_entry(&w);
	if (!e)
		return -ENOMEM;
	give(t, e, o);
	if (!put(t, &s, &w, (ref)e)) {
		give(t, e, NULL);
		free(memory_of(e));
		return -ENOMEM;
	}
	reclaim_sometimes(t);
	return 0;
}

/* Takes out the slot in which an entry stands. False without memory. */
static bool take_out(struct cryptokey_table *t, const struct spot *s)
{
	struct node *old = s->node, *n;

	if (!old) {
		publish(s->slot, 0);
		return true;
	}
	if (old->n == 2) {
		publish(s->holder, load(&old->slots[s->slot == &old->slots[0]]));
	} else {
		n = copy_without(old, s->number);
		if (!n)
			return false;
		publish(s->holder, ref_of(n));
	}
	retire(t, old);
	return true;
}

/* Without memory for a smaller node, the entry stays as nobody's: lookups pass it by. */
static void remove_at(struct cryptokey_table *t, const struct spot *s)
{
	struct cryptokey_entry *e = entry_of(load(s->slot));

	if (take_out(t, s)) {
		give(t, e, NULL);
		retire(t, memory_of(e));
		reclaim_sometimes(t);
	} else {
		give(t, e, NULL);
	}
}

bool cryptokey_remove(struct cryptokey_table *t, const ip_prefix *p, struct cryptokey_owner *o)
{
	struct wanted w = want(p);
	struct spot s = find(root_of(t, &w), &w);

	if (!s.slot || !is_it(load(s.slot), &w) || owner_of(entry_of(load(s.slot))) != o)
		return false;
	remove_at(t, &s);
	return true;
}

void cryptokey_remove_owner(struct cryptokey_table *t, struct cryptokey_owner *o)
{
	list_for_each (at, &o->entries) {
		ip_prefix p = prefix_of(entry_in_list(at));

		cryptokey_remove(t, &p, o);
	}
}

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
 * retired. A prefix that changes hands is not touched but for its hold. All changes are in
 * cryptokey_change.c; those of owners, who have no part in the trie, in cryptokey_set.c.
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
#include "wg/cryptokey_choice.h"
#include "wg/cryptokey_trie.h"
#include "wg/flow.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

/* --- searches ------------------------------------------------------------------------------------
 */

/* What is looked for, and what was found so far. */
struct search {
	const uint8_t *packet;
	size_t len;
	uint64_t seed;
	const struct cryptokey_owner *relay; /* that brought it; NULL: none did */
	const struct cryptokey_owner *from;  /* who sent it */

	struct cryptokey_owner *owner;
	struct cryptokey_owner *fallback; /* the longest match's preferred owner */
	bool is_by_flow;
	bool is_kept;	/* somebody usable was left out, since a relay brought it */
	bool has_relay; /* somebody was, usable or not, where there is nobody else */
	enum cryptokey_verdict verdict;
};

/* True: the search ends here. */
typedef bool consider_fn(struct search *s, hold h);

INLINE bool consider(
	struct search *s, const struct cryptokey_entry *e, struct key k, consider_fn *fn)
{
	hold h;

	if (!agree(key_of(e), k, e->len))
		return false;
	h = hold_of(e);
	return h && fn(s, h);
}

struct candidates {
	const struct node *node;
	uint64_t here;
};

INLINE bool consider_node(
	struct search *s, const struct candidates *c, struct key k, consider_fn *fn)
{
	for (uint64_t left = c->here; left;) {
		unsigned best = 63 - (unsigned)__builtin_clzll(left);
		unsigned at = c->node->n_below + rank(c->node->here, best);

		if (consider(s, entry_of(load(&c->node->slots[at])), k, fn))
			return true;
		left ^= UINT64_C(1) << best;
	}
	return false;
}

INLINE bool search_from(struct search *s, ref r, struct key k, consider_fn *fn)
{
	struct candidates found[LEVELS];
	unsigned n_found = 0;

	while (is_node(r)) {
		const struct node *n = node_of(r);
		unsigned b = block_at(k, n->depth);

		found[n_found] = (struct candidates){n, n->here & covers_of(b)};
		n_found += found[n_found].here != 0;
		r = n->below >> b & 1 ? load(&n->slots[rank(n->below, b)]) : 0;
	}
	if (r && consider(s, entry_of(r), k, fn))
		return true;
	while (n_found)
		if (consider_node(s, &found[--n_found], k, fn))
			return true;
	return false;
}

INLINE bool search4(
	const struct cryptokey_table *t, struct search *s, const void *addr, consider_fn *fn)
{
	uint32_t bits;
	struct key k;

	memcpy(&bits, addr, sizeof(bits));
	k = (struct key){(uint64_t)be32toh(bits) << 32, 0};
	return search_from(s, load(&t->direct4[k.hi >> (64 - DIRECT)]), k, fn) ||
	       search_from(s, load(&t->root4), k, fn);
}

INLINE bool search6(
	const struct cryptokey_table *t, struct search *s, const void *addr, consider_fn *fn)
{
	struct key k;

	memcpy(&k, addr, sizeof(k));
	k.hi = be64toh(k.hi);
	k.lo = be64toh(k.lo);
	return search_from(s, load(&t->root6), k, fn);
}

/* --- sending -------------------------------------------------------------------------------------
 */

static uint64_t hash_of(const struct search *s)
{
	return flow_hash(s->packet, s->len, s->seed);
}

/* Somebody isn't up, or mustn't be sent to. */
static __attribute__((noinline)) bool send_by_group(
	struct search *s, const struct cryptokey_choice *c)
{
	struct choice_group g = choice_group(c, s->relay);

	if (g.bits) {
		s->is_by_flow = g.bits & (g.bits - 1);
		s->owner = choice_pick(c, g.bits, s->is_by_flow ? hash_of(s) : 0);
		return s->owner;
	}
	s->is_kept = g.is_kept;
	s->has_relay |= s->relay && choice_preferred(c, NULL);
	if (!s->fallback)
		s->fallback = choice_preferred(c, s->relay);
	return s->is_kept;
}

/* The quick way, which is right nearly always: of the lowest rank, whom the hash chooses. */
INLINE bool send_by_set(struct search *s, const struct cryptokey_set *set)
{
	const struct cryptokey_choice *c = atomic_load_explicit(&set->choice, memory_order_acquire);
	struct cryptokey_owner *o;
	unsigned i = 0;

	if (!c)
		return false;
	s->is_by_flow = choice_is_by_flow(c);
	if (s->is_by_flow)
		i = choice_bucket(c, hash_of(s));
	o = choice_if_up(c, i, s->relay);
	s->owner = o;
	return o || send_by_group(s, c);
}

INLINE bool send_by(struct search *s, hold h)
{
	if (is_shared(h))
		return send_by_set(s, set_of(h));
	s->owner = owner_of(h);
	return true;
}

/* Nobody was usable. */
static struct cryptokey_answer second_best(const struct search *s)
{
	if (s->is_kept || (s->has_relay && !s->fallback))
		return (struct cryptokey_answer){.is_refused = true};
	return (struct cryptokey_answer){.owner = s->fallback};
}

struct cryptokey_answer cryptokey_choose(const struct cryptokey_table *t, const uint8_t *packet,
	size_t len, const struct cryptokey_owner *relay)
{
	struct search s = {.packet = packet, .len = len, .seed = t->seed, .relay = relay};
	bool is_found = packet[0] >> 4 == 4 ? search4(t, &s, packet + 16, send_by)
					    : search6(t, &s, packet + 24, send_by);

	if (is_found && !s.is_kept)
		return (struct cryptokey_answer){.owner = s.owner, .is_by_flow = s.is_by_flow};
	return second_best(&s);
}

/* --- receiving -----------------------------------------------------------------------------------
 */

static __attribute__((noinline)) bool receive_by_set(
	struct search *s, const struct cryptokey_set *set)
{
	const struct cryptokey_choice *c = atomic_load_explicit(&set->choice, memory_order_acquire);

	s->verdict = c ? choice_accept(c, s->from) : CRYPTOKEY_PASS;
	return s->verdict != CRYPTOKEY_PASS;
}

INLINE bool receive_by(struct search *s, hold h)
{
	if (is_shared(h))
		return receive_by_set(s, set_of(h));
	s->verdict = owner_of(h) == s->from ? CRYPTOKEY_ACCEPT : CRYPTOKEY_REFUSE;
	return true;
}

enum cryptokey_verdict cryptokey_accept(
	const struct cryptokey_table *t, const uint8_t *packet, const struct cryptokey_owner *from)
{
	struct search s = {.from = from, .verdict = CRYPTOKEY_PASS};

	if (packet[0] >> 4 == 4)
		search4(t, &s, packet + 12, receive_by);
	else
		search6(t, &s, packet + 8, receive_by);
	return s.verdict;
}

/* --- the table -----------------------------------------------------------------------------------
 */

struct cryptokey_table *cryptokey_new(struct qsbr *q, uint64_t seed)
{
	struct cryptokey_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->qsbr = q;
	t->seed = seed;
	list_init(&t->sets);
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
	list_for_each (at, &t->sets) {
		struct cryptokey_set *set = container_of(at, struct cryptokey_set, in_table);

		free(atomic_load_explicit(&set->choice, memory_order_acquire));
		free(set);
	}
	free(t->direct4);
	free(t);
}

size_t cryptokey_count(const struct cryptokey_table *t)
{
	return t->n;
}

/* --- prefixes ------------------------------------------------------------------------------------
 */

ip_prefix cryptokey_prefix(const struct cryptokey_entry *e)
{
	struct key k = key_of(e);
	ip_prefix p = {.family = e->is_v6 ? AF_INET6 : AF_INET, .len = e->len};

	k = (struct key){htobe64(k.hi), htobe64(k.lo)};
	memcpy(p.bytes, &k, sizeof(k));
	return p;
}

int cryptokey_walk(
	const struct cryptokey_set *s, int (*fn)(const ip_prefix *p, void *data), void *data)
{
	list_for_each (at, &s->entries) {
		ip_prefix p = cryptokey_prefix(entry_in_list(at));
		int err = fn(&p, data);

		if (err)
			return err;
	}
	return 0;
}

size_t cryptokey_list(
	const struct cryptokey_set *s, const struct list **at, ip_prefix *ret, size_t max)
{
	struct list *next = *at ? (*at)->next : s->entries.next;
	size_t n = 0;

	for (; n < max && next != &s->entries; next = next->next) {
		ret[n++] = cryptokey_prefix(entry_in_list(next));
		*at = next;
	}
	return n;
}

/* SPDX-License-Identifier: MIT */
/* Changes of the cryptokey table, one store each; cryptokey.c explains. */
#include "wg/cryptokey_trie.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RECLAIM_EVERY 64 /* retired things */

/* --- finding -------------------------------------------------------------------------------------
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

/* --- nodes ---------------------------------------------------------------------------------------
 */

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

/* --- entries -------------------------------------------------------------------------------------
 */

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
	return e;
}

static bool is_being_replaced(hold h)
{
	return h && !is_shared(h) && owner_of(h)->is_replacing;
}

/* Who held the entry, if anybody, loses it; h may be nobody. */
static void give(struct cryptokey_table *t, struct cryptokey_entry *e, hold h)
{
	hold old = hold_of(e);

	/* What is left of a replacement goes at its end, so what was said anew is hung elsewhere.
	 */
	if (old == h && !is_being_replaced(h))
		return;
	atomic_store_explicit(&e->hold, h, memory_order_release);
	if (old) {
		list_remove(&e->in_set);
		set_of(old)->n_entries--;
		t->n--;
	}
	if (h) {
		list_append(&set_of(h)->entries, &e->in_set);
		set_of(h)->n_entries++;
		t->n++;
	}
}

/* --- changes -------------------------------------------------------------------------------------
 */

void cryptokey_retire(struct cryptokey_table *t, void *what)
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
			cryptokey_retire(t, s->node);
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

int cryptokey_give(struct cryptokey_table *t, const ip_prefix *p, hold h)
{
	struct wanted w = want(p);
	struct spot s = find(root_of(t, &w), &w);
	struct cryptokey_entry *e;

	if (s.slot && is_it(load(s.slot), &w)) {
		give(t, entry_of(load(s.slot)), h);
		return 0;
	}
	e = new_entry(&w);
	if (!e)
		return -ENOMEM;
	give(t, e, h);
	if (!put(t, &s, &w, (ref)e)) {
		give(t, e, 0);
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
	cryptokey_retire(t, old);
	return true;
}

/* Without memory for a smaller node, the entry stays as nobody's: lookups pass it by. */
static void remove_at(struct cryptokey_table *t, const struct spot *s)
{
	struct cryptokey_entry *e = entry_of(load(s->slot));

	if (take_out(t, s)) {
		give(t, e, 0);
		cryptokey_retire(t, memory_of(e));
		reclaim_sometimes(t);
	} else {
		give(t, e, 0);
	}
}

/* NULL: it isn't there. */
static struct cryptokey_entry *entry_at(const struct spot *s, const struct wanted *w)
{
	return s->slot && is_it(load(s->slot), w) ? entry_of(load(s->slot)) : NULL;
}

bool cryptokey_take(struct cryptokey_table *t, const ip_prefix *p, hold h)
{
	struct wanted w = want(p);
	struct spot s = find(root_of(t, &w), &w);
	struct cryptokey_entry *e = entry_at(&s, &w);

	if (!e || hold_of(e) != h)
		return false;
	remove_at(t, &s);
	return true;
}

size_t cryptokey_take_some(struct cryptokey_table *t, struct list *entries, hold h, size_t max)
{
	size_t n = 0;

	for (; n < max && !list_is_empty(entries); n++) {
		ip_prefix p = cryptokey_prefix(entry_in_list(entries->next));
		bool is_taken = cryptokey_take(t, &p, h);

		assert(is_taken);
	}
	return n;
}

struct cryptokey_set *cryptokey_holder(
	struct cryptokey_table *t, const ip_prefix *p, bool *ret_is_strict)
{
	struct wanted w = want(p);
	struct spot s = find(root_of(t, &w), &w);
	struct cryptokey_entry *e = entry_at(&s, &w);
	hold h = e ? hold_of(e) : 0;

	if (!h)
		return NULL;
	*ret_is_strict = !is_shared(h);
	return set_of(h);
}

/* SPDX-License-Identifier: MIT */
#include "fib/touched.h"

#include "base/arena.h"
#include "base/map.h"
#include <string.h>

/* USED: somebody has moved a prefix to that set. */
enum kind { OWNER, ROUTE, SIGNAL, ENDPOINT, LEVEL, OWNERS, USED };

/* Zeroed before it is filled, as it is a key. */
struct subject {
	uint32_t kind;
	union {
		ip_prefix prefix;
		wg_key peer;
		uint64_t owner_set;
	} u;
};

struct word {
	struct subject of;
	uint64_t seq;
	bool there; /* of a route, of owners */
	union {
		struct fib_home home; /* of an owner; nowhere: it goes */
		enum device_level level;
		struct {
			struct device_owner *items;
			size_t n, room;
		} owners;
	} to;
};

struct touched {
	struct map *words; /* by subject */
	struct arena arena;
};

struct touched *touched_new(void)
{
	struct touched *t = mem_zalloc(1, sizeof(*t));

	t->words = map_new();
	return t;
}

void touched_free(struct touched *t)
{
	if (!t)
		return;
	map_free(t->words);
	arena_done(&t->arena);
	free(t);
}

static struct subject subject_new(enum kind kind)
{
	struct subject s;

	memset(&s, 0, sizeof(s));
	s.kind = kind;
	return s;
}

static struct subject subject_of_peer(enum kind kind, const wg_key *key)
{
	struct subject s = subject_new(kind);

	s.u.peer = *key;
	return s;
}

static struct subject subject_of_prefix(enum kind kind, const ip_prefix *p)
{
	struct subject s = subject_new(kind);

	s.u.prefix = *p;
	return s;
}

static struct subject subject_of_set(enum kind kind, uint64_t number)
{
	struct subject s = subject_new(kind);

	s.u.owner_set = number;
	return s;
}

/* Of a signal all routes are one word: the peer lives, or doesn't. */
static enum kind kind_of_route(const struct fib_op *op)
{
	return op->stage == FIB_AT_SIGNAL_ADD || op->stage == FIB_AT_SIGNAL_DEL ? SIGNAL : ROUTE;
}

/* False if it is about something else. */
static bool subject_of(const struct fib_op *op, struct subject *ret)
{
	switch (op->type) {
	case FIB_PREFIX_ADD:
	case FIB_PREFIX_DEL:
		*ret = subject_of_prefix(OWNER, &op->u.owner.prefix);
		return true;
	case FIB_ROUTE_ADD:
	case FIB_ROUTE_DEL:
		*ret = subject_of_prefix(kind_of_route(op), &op->u.route.dst);
		return !rtnl_route_refuses(&op->u.route);
	case FIB_ENDPOINT:
		*ret = subject_of_peer(ENDPOINT, &op->u.endpoint.key);
		return true;
	case FIB_LEVEL:
		*ret = subject_of_peer(LEVEL, &op->u.level.key);
		return true;
	case FIB_OWNERS_SET:
	case FIB_OWNERS_DEL:
		*ret = subject_of_set(OWNERS, op->u.owners.number);
		return true;
	default:
		return false;
	}
}

static const struct word *word_on(const struct touched *t, const struct subject *s, uint64_t seq)
{
	const struct word *w = map_get(t->words, s, sizeof(*s));

	return w && w->seq > seq ? w : NULL;
}

/* --- noting ------------------------------------------------------------------------------------
 */

/* NULL: a newer one has spoken. */
static struct word *word_for(struct touched *t, const struct subject *s, uint64_t seq)
{
	struct word *w = map_get(t->words, s, sizeof(*s));

	if (w && w->seq > seq)
		return NULL;
	if (!w) {
		w = arena_new(&t->arena, struct word);
		w->of = *s;
		map_put(t->words, &w->of, sizeof(w->of), w);
	}
	w->seq = seq;
	return w;
}

static void keep_owners(struct touched *t, struct word *w, const struct fib_op *op)
{
	size_t n = op->u.owners.n;

	w->there = op->type == FIB_OWNERS_SET;
	if (!w->there)
		return;
	if (w->to.owners.room < n) {
		w->to.owners.items = arena_array(&t->arena, struct device_owner, n);
		w->to.owners.room = n;
	}
	w->to.owners.n = n;
	if (n)
		memcpy(w->to.owners.items, op->u.owners.owners, n * sizeof(*w->to.owners.items));
}

static void note_use(struct touched *t, const struct fib_home *home, uint64_t seq)
{
	struct subject s = subject_of_set(USED, home->owner_set);

	if (home->owner_set)
		word_for(t, &s, seq);
}

void touched_note(struct touched *t, const struct fib_op *op, uint64_t seq)
{
	struct subject s;
	struct word *w = subject_of(op, &s) ? word_for(t, &s, seq) : NULL;

	if (!w)
		return;
	switch (s.kind) {
	case OWNER:
		w->to.home = op->u.owner.to;
		note_use(t, &op->u.owner.to, seq);
		break;
	case ROUTE:
	case SIGNAL:
		w->there = op->type == FIB_ROUTE_ADD;
		break;
	case LEVEL:
		w->to.level = op->u.level.to;
		break;
	case OWNERS:
		keep_owners(t, w, op);
		break;
	default:
		break;
	}
}

/* --- asking ------------------------------------------------------------------------------------
 */

/* What was in it went with it, and who names it makes it anew. */
static bool is_of_set_gone(const struct touched *t, const struct fib_home *home, uint64_t seq)
{
	struct subject s = subject_of_set(OWNERS, home->owner_set);
	const struct word *w = home->owner_set ? word_on(t, &s, seq) : NULL;

	return w && !w->there;
}

/* A removal may have come to nothing, too, if the prefix was somebody else's than was believed. */
static bool owner_voids(
	const struct touched *t, const struct word *w, struct fib_op *op, uint64_t seq)
{
	bool goes = fib_home_is_nowhere(&w->to.home);

	if (goes && (fib_home_is_nowhere(&op->u.owner.from) ||
			    is_of_set_gone(t, &op->u.owner.from, seq)))
		return true;
	op->type = goes ? FIB_PREFIX_DEL : FIB_PREFIX_ADD;
	op->u.owner.to = w->to.home;
	return false;
}

static bool owners_void(const struct word *w, struct fib_op *op, struct arena *arena)
{
	if (!w->there)
		return true;
	op->type = FIB_OWNERS_SET;
	op->u.owners.owners = fib_copy_owners(arena, w->to.owners.items, w->to.owners.n);
	op->u.owners.n = w->to.owners.n;
	return false;
}

static bool is_used(const struct touched *t, const struct fib_op *op, uint64_t seq)
{
	struct subject s = subject_of_set(USED, op->u.owners.number);

	return op->type == FIB_OWNERS_DEL && word_on(t, &s, seq);
}

bool touched_voids(const struct touched *t, struct fib_op *op, uint64_t seq, struct arena *arena)
{
	struct subject s;
	const struct word *w = subject_of(op, &s) ? word_on(t, &s, seq) : NULL;

	if (!w)
		return is_used(t, op, seq);
	switch (op->type) {
	case FIB_PREFIX_ADD:
	case FIB_PREFIX_DEL:
		return owner_voids(t, w, op, seq);
	case FIB_OWNERS_SET:
	case FIB_OWNERS_DEL:
		return owners_void(w, op, arena);
	case FIB_LEVEL:
		op->u.level.to = w->to.level;
		return false;
	case FIB_ROUTE_ADD:
		return !w->there;
	case FIB_ROUTE_DEL:
		return w->there && op->reason == FIB_UNWANTED;
	default:
		return true;
	}
}

static bool op_of(const struct word *w, struct fib_op *ret)
{
	*ret = (struct fib_op){0};
	switch (w->of.kind) {
	case OWNER:
		ret->type = FIB_PREFIX_ADD;
		ret->u.owner.prefix = w->of.u.prefix;
		ret->u.owner.to = w->to.home;
		return !fib_home_is_nowhere(&w->to.home);
	case LEVEL:
		ret->type = FIB_LEVEL;
		ret->u.level.key = w->of.u.peer;
		ret->u.level.to = w->to.level;
		return true;
	case OWNERS:
		ret->type = FIB_OWNERS_SET;
		ret->u.owners.number = w->of.u.owner_set;
		ret->u.owners.owners = w->to.owners.items;
		ret->u.owners.n = w->to.owners.n;
		return w->there;
	default:
		return false;
	}
}

void touched_each(const struct touched *t, uint64_t seq, touched_fn *fn, void *data)
{
	size_t cursor = 0;
	void *value;

	while (map_next(t->words, &cursor, NULL, NULL, &value)) {
		const struct word *w = value;
		struct fib_op op;

		if (w->seq > seq && op_of(w, &op))
			fn(&op, data);
	}
}

size_t touched_count(const struct touched *t)
{
	return map_count(t->words);
}

void touched_forget(struct touched *t)
{
	if (!map_count(t->words))
		return;
	map_free(t->words);
	t->words = map_new();
	arena_done(&t->arena);
}

/* SPDX-License-Identifier: MIT */
#include "fib/touched.h"

#include "base/arena.h"
#include "base/map.h"
#include <string.h>

enum kind { OWNER, ROUTE, ENDPOINT };

/* Zeroed before it is filled, as it is a key. */
struct subject {
	uint32_t kind;
	union {
		ip_prefix prefix;
		wg_key peer;
	} u;
};

struct word {
	struct subject of;
	uint64_t seq;
	bool there; /* of a route */
	wg_key to;  /* of an owner; zero: nobody */
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

/* False if it is about something else. */
static bool subject_of(const struct fib_op *op, struct subject *ret)
{
	switch (op->type) {
	case FIB_PREFIX_ADD:
	case FIB_PREFIX_DEL:
		*ret = subject_new(OWNER);
		ret->u.prefix = op->u.owner.prefix;
		return true;
	case FIB_ROUTE_ADD:
	case FIB_ROUTE_DEL:
		*ret = subject_new(ROUTE);
		ret->u.prefix = op->u.route.dst;
		return !rtnl_route_refuses(&op->u.route);
	case FIB_ENDPOINT:
		*ret = subject_new(ENDPOINT);
		ret->u.peer = op->u.endpoint.key;
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

void touched_note(struct touched *t, const struct fib_op *op, uint64_t seq)
{
	struct subject s;
	struct word *w;

	if (!subject_of(op, &s))
		return;
	w = map_get(t->words, &s, sizeof(s));
	if (w && w->seq > seq)
		return;
	if (!w) {
		w = arena_new(&t->arena, struct word);
		w->of = s;
		map_put(t->words, &w->of, sizeof(w->of), w);
	}
	w->seq = seq;
	w->there = op->type == FIB_ROUTE_ADD;
	if (s.kind == OWNER)
		w->to = op->u.owner.to;
}

/* A removal may have come to nothing, too, if the prefix was somebody else's than was believed. */
static bool owner_voids(const struct word *w, struct fib_op *op)
{
	bool goes = wg_key_is_zero(&w->to);

	if (goes && wg_key_is_zero(&op->u.owner.from))
		return true;
	op->type = goes ? FIB_PREFIX_DEL : FIB_PREFIX_ADD;
	op->u.owner.to = w->to;
	return false;
}

bool touched_voids(const struct touched *t, struct fib_op *op, uint64_t seq)
{
	struct subject s;
	const struct word *w = subject_of(op, &s) ? word_on(t, &s, seq) : NULL;

	if (!w)
		return false;
	switch (op->type) {
	case FIB_PREFIX_ADD:
	case FIB_PREFIX_DEL:
		return owner_voids(w, op);
	case FIB_ROUTE_ADD:
		return !w->there;
	case FIB_ROUTE_DEL:
		return w->there && op->reason == FIB_UNWANTED;
	default:
		return true;
	}
}

void touched_owners(const struct touched *t, uint64_t seq, touched_owner_fn *fn, void *data)
{
	size_t cursor = 0;
	void *value;

	while (map_next(t->words, &cursor, NULL, NULL, &value)) {
		const struct word *w = value;

		if (w->of.kind == OWNER && w->seq > seq && !wg_key_is_zero(&w->to))
			fn(&w->of.u.prefix, &w->to, data);
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

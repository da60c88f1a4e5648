/* SPDX-License-Identifier: MIT */
/* What is ours: by the journal what we made, by the generation and the RIB what we shall make. */
#include "daemon/shall_internal.h"

#include "daemon/kernel_table.h"
#include "fib/want_own.h"

static const struct shall_input *input(void *data)
{
	return ((const struct shall *)data)->in;
}

static bool has_peer(const wg_key *key, void *data)
{
	const struct shall_input *in = input(data);
	wg_key nobody = want_nobody_key();

	return wg_key_eq(key, &nobody) || journal_has_peer(in->journal, key) ||
	       generation_peer_by_key(in->gen, key);
}

static bool has_address(const ip_prefix *a, void *data)
{
	return journal_has_address(input(data)->journal, a);
}

static bool has_backstop(const ip_prefix *p, void *data)
{
	return journal_has_backstop(input(data)->journal, p);
}

static bool has_prefix(const ip_prefix *p, void *data)
{
	return journal_has_prefix(input(data)->journal, p);
}

/* What a routing engine chose comes and goes faster than a journal could tell. */
static bool is_announced(const ip_prefix *p, void *data)
{
	const struct shall_input *in = input(data);

	return generation_may_be_announced(in->gen, p) || journal_is_within(in->journal, p);
}

static bool is_carried(const ip_prefix *p, void *data)
{
	return want_carried(&((const struct shall *)data)->facts, p);
}

static void add_mark(struct shall *s, uint32_t mark)
{
	for (size_t i = 0; i < s->marks.n; i++)
		if (s->marks.items[i] == mark)
			return;
	if (mark)
		vec_push(&s->marks, mark);
}

void shall_add_known_marks(struct shall *s, uint32_t now)
{
	const struct journal *j = s->in->journal;

	for (size_t i = 0; i < j->marks.n; i++)
		add_mark(s, j->marks.items[i]);
	add_mark(s, s->in->mark);
	if (kernel_mark_is_chosen(now))
		add_mark(s, now);
	add_mark(s, s->mark);
}

void shall_fill_ours(struct shall *s)
{
	s->ours = (struct fib_ours){
		.facts = &s->facts,
		.marks = s->marks.items,
		.n_marks = s->marks.n,
		.has_peer = has_peer,
		.has_address = has_address,
		.has_backstop = has_backstop,
		.has_prefix = has_prefix,
		.is_announced = is_announced,
		.is_carried = is_carried,
		.data = s,
	};
}

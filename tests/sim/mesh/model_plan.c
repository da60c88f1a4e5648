/* SPDX-License-Identifier: MIT */
/*
 * In which order a plan does things: no prefix is without an owner between two that it has, no
 * route leads to where nobody owns the prefix yet, and none does any more when the owner goes.
 */
#include "model.h"

static void note(struct trie *t, const ip_prefix *p)
{
	static char there;

	*trie_slot(t, p) = &there;
}

void model_plan_begins(struct model *m)
{
	if (m->bare && !trie_count(m->bare) && !trie_count(m->routed) && !trie_count(m->kept))
		return;
	trie_free(m->bare);
	trie_free(m->routed);
	trie_free(m->kept);
	m->bare = trie_new();
	m->routed = trie_new();
	m->kept = trie_new();
}

static void violated(struct model *m, const ip_prefix *p, const char *what)
{
	char text[IP_PREFIX_STRLEN];

	model_violated(m, "%s %s", ip_prefix_format(p, text), what);
}

void model_note_bare(struct model *m, const ip_prefix *p)
{
	note(m->bare, p);
}

void model_note_owned(struct model *m, const ip_prefix *p)
{
	if (trie_get(m->bare, p))
		violated(m, p, "had no owner between two of them");
	if (trie_get(m->routed, p))
		violated(m, p, "had a route before an owner");
}

void model_note_routed(struct model *m, const ip_prefix *p)
{
	if (m->exists && !model_is_owned(m, p))
		note(m->routed, p);
}

void model_note_kept(struct model *m, const ip_prefix *p)
{
	note(m->kept, p);
}

/* Where a wider route leads there all the same, a wider owner has it; or would have, if what
 * refuses its packets could have been removed first. */
void model_note_unrouted(struct model *m, const ip_prefix *p)
{
	struct model_flow f = {.to = ip_prefix_addr(p)};

	if (trie_get(m->bare, p) && !trie_get(m->kept, p) && !model_has_route(m, p) &&
		model_way(m, &f) != MODEL_TUNNEL)
		violated(m, p, "had a route when its owner was gone");
}

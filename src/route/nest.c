/* SPDX-License-Identifier: MIT */
/*
 * Which prefixes are nested: they stand within one of another set, a default route aside. Only
 * those can ever give way to a cover (rule 7), since a cover of the same set is as doubtful as what
 * it covers. Kept up to date here as prefixes come, go and change sets, so that doubt, when it
 * arises, needs to look at no others.
 */
#include "route/store.h"

static bool is_nested(const struct rib *rib, const struct rib_entry *e)
{
	const struct rib_entry *c = trie_cover(rib->entries, &e->prefix, NULL);

	while (c && (!c->set || c->set == e->set))
		c = trie_cover(rib->entries, &c->prefix, NULL);
	return c && !ip_prefix_is_default(&c->prefix);
}

static void set_nested(struct rib *rib, struct rib_entry *e, bool nested)
{
	if (e->nested == nested)
		return;
	rib_touch_entry(rib, e);
	e->nested = nested;
}

struct turned {
	struct rib *rib;
	const struct rib_entry *cover;
	const struct rib_set *old; /* the cover's; NULL: it is new */
};

/* An entry within a cover that came, went, or has another set now. */
static int renew_within(const ip_prefix *p, void *value, void *data)
{
	const struct turned *t = data;
	struct rib_entry *e = value;

	if (e == t->cover || !e->set)
		return 0;
	if (t->cover->set && t->cover->set != e->set)
		set_nested(t->rib, e, true);
	else if (t->old && t->old != e->set && e->nested)
		set_nested(t->rib, e, is_nested(t->rib, e));
	return 0;
}

static bool is_alone(const struct rib_set *s, const struct rib_entry *e)
{
	const struct list *lists[] = {&s->plain, &s->nested, &s->deviants};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		list_for_each (at, lists[i])
			if (container_of(at, struct rib_entry, of_set) != e)
				return false;
	return true;
}

/* From one set of which nobody else is to another such: all that it covers are of other sets, as
 * they were. */
static bool concerns_nobody(const struct rib_entry *e, const struct rib_set *old)
{
	return old && e->set && is_alone(old, e) && is_alone(e->set, e);
}

void rib_nest(struct rib *rib, struct rib_entry *e, const struct rib_set *old)
{
	struct turned turned = {rib, e, old};

	if (old == e->set)
		return;
	if (e->set)
		set_nested(rib, e, is_nested(rib, e));
	if (!ip_prefix_is_default(&e->prefix) && !concerns_nobody(e, old))
		trie_walk_within(rib->entries, &e->prefix, renew_within, &turned);
}

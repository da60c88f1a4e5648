/* SPDX-License-Identifier: MIT */
#include "daemon/kernel_refused.h"

#include "base/map.h"
#include "base/trie.h"

struct kernel_refused_group {
	struct {
		uint32_t kind, peer;
	} key;
	struct trie *entries;
};

struct kernel_refused {
	struct map *groups; /* by their keys */
};

struct kernel_refused *kernel_refused_new(void)
{
	struct kernel_refused *r = mem_zalloc(1, sizeof(*r));

	r->groups = map_new();
	return r;
}

static void group_free(struct kernel_refused_group *g)
{
	trie_free(g->entries);
	free(g);
}

void kernel_refused_free(struct kernel_refused *r)
{
	size_t cursor = 0, len;
	const void *key;
	void *value;

	if (!r)
		return;
	while (map_next(r->groups, &cursor, &key, &len, &value))
		group_free(value);
	map_free(r->groups);
	free(r);
}

static struct kernel_refused_group *group_of(
	struct kernel_refused *r, enum kernel_trouble_kind kind, uint32_t peer)
{
	struct kernel_refused_group *g, wanted = {.key = {kind, peer}};

	g = map_get(r->groups, &wanted.key, sizeof(wanted.key));
	if (g)
		return g;
	g = mem_zalloc(1, sizeof(*g));
	g->key = wanted.key;
	g->entries = trie_new();
	map_put(r->groups, &g->key, sizeof(g->key), g);
	return g;
}

static void take_out(struct kernel_refused *r, struct kernel_refused_entry *e)
{
	struct kernel_refused_group *g = e->group;

	if (!g)
		return;
	e->group = NULL;
	trie_remove(g->entries, &e->prefix);
	if (trie_count(g->entries))
		return;
	map_remove(r->groups, &g->key, sizeof(g->key));
	group_free(g);
}

void kernel_refused_put(struct kernel_refused *r, struct kernel_refused_entry *e,
	enum kernel_trouble_kind kind, uint32_t peer)
{
	if (e->group && e->group->key.kind == kind && e->group->key.peer == peer)
		return;
	take_out(r, e);
	if (kind == KERNEL_N_TROUBLES)
		return;
	e->group = group_of(r, kind, peer);
	*trie_slot(e->group->entries, &e->prefix) = e;
}

static int stop_at_first(const ip_prefix *p, void *entry, void *ret)
{
	*(const struct kernel_refused_entry **)ret = entry;
	return 1;
}

void kernel_refused_tell(const struct kernel_refused *r, kernel_troubles *ret)
{
	size_t cursor = 0, len;
	const void *key;
	void *value;

	while (map_next(r->groups, &cursor, &key, &len, &value)) {
		const struct kernel_refused_group *g = value;
		const struct kernel_refused_entry *first = NULL;

		trie_walk(g->entries, stop_at_first, &first);
		vec_push(ret,
			((struct kernel_trouble){g->key.kind, g->key.peer, trie_count(g->entries),
				first->prefix, first->protocol, first->hop}));
	}
}

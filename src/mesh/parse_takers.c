/* SPDX-License-Identifier: MIT */
/* `default_route`: the word `clients`, and names, which are kept until all nodes are known. */
#include "base/vec.h"
#include "mesh/errors.h"
#include "mesh/parse.h"
#include "mesh/text.h"
#include <string.h>

void parse_takers(struct parse *p, const struct yaml_node *v, void *into)
{
	struct stated_takers *s = into;

	/* What is no list is told here, once, and its items where they are looked up. */
	if (v->kind == YAML_LIST || parse_is_text(p, v, "`clients`, the name of a node, or a list"))
		s->names = v;
}

void stated_takers_resolve(struct parse *p, struct stated_takers *s, struct parse_finder *f)
{
	VEC(unsigned) list = {0};
	const struct yaml_node *item = s->names ? parse_items(p, s->names, "", true) : NULL;
	unsigned *copy;

	if (!s->names)
		return;
	s->takers = (struct mesh_takers){.stated = true, .pos = s->names->pos};
	for (; item; item = parse_next(s->names, item)) {
		bool is_word = item->kind == YAML_SCALAR && !strcmp(item->text, "clients");
		int found = is_word ? -1 : parse_find_node(p, item, f);
		bool is_twin = is_word && s->takers.clients;

		for (size_t i = 0; i < list.n; i++)
			is_twin |= (int)list.items[i] == found;
		if (is_twin)
			mesh_errors_add(p->errors, item->pos, "%s stands twice in `%s`",
				text_quote(p->scratch, item->text, item->n), f->in);
		else if (found >= 0)
			vec_push(&list, (unsigned)found);
		s->takers.clients |= is_word;
	}
	copy = arena_array(p->arena, unsigned, list.n);
	if (list.n)
		memcpy(copy, list.items, list.n * sizeof(*copy));
	s->takers.nodes = copy;
	s->takers.n_nodes = list.n;
	vec_done(&list);
}

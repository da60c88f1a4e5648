/* SPDX-License-Identifier: MIT */
/* What its status says of lines and inventories. */
#include "daemon/lines.h"
#include "node_daemon.h"

#include <string.h>

struct asked_of {
	enum lines_kind kind;
	const char *a, *b; /* of a line, in any order; NULL: whatever it is */
	bool is_there;
};

static void look(const struct lines_trouble *t, void *data)
{
	struct asked_of *q = data;
	bool is_it = t->kind == q->kind;

	if (is_it && q->a)
		is_it = (!strcmp(t->a, q->a) && !strcmp(t->b, q->b)) ||
			(!strcmp(t->a, q->b) && !strcmp(t->b, q->a));
	q->is_there |= is_it;
}

static bool hears_nothing(uint32_t peer, void *data)
{
	(void)peer;
	(void)data;
	return false;
}

static bool names(const struct world_node *n, struct asked_of *q)
{
	const struct engine *e = n->daemon ? n->daemon->engine : NULL;
	struct lines_facts facts = {.file = "mesh.yaml", .is_heard = hears_nothing};

	if (!e || !engine_rib(e))
		return false;
	facts.gen = engine_generation(e);
	facts.reports = engine_reports(e);
	facts.rib = engine_rib(e);
	lines_find(&facts, n->w->now, look, q);
	return q->is_there;
}

bool node_names_inventory(const struct world_node *n)
{
	return names(n, &(struct asked_of){.kind = LINES_OTHER_INVENTORY});
}

bool node_names_line(const struct world_node *n, unsigned a, unsigned b)
{
	struct asked_of q = {
		.kind = LINES_DEAD, .a = world_name(n->w, a), .b = world_name(n->w, b)};

	return names(n, &q);
}

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

static void say_candidate(
	struct world *w, const struct engine *e, const struct rib_candidate *c, enum rib_reason why)
{
	world_say(w, "  by %s to %s, who takes %s: %s", engine_name(e, c->peer),
		engine_name(e, c->origin),
		reports_takes_many(engine_reports(e), c->origin) ? "many" : "one",
		rib_reason_name(why));
}

void node_say_why(struct world *w, unsigned node, const ip_prefix *p)
{
	const struct daemon *d = w->nodes[node].daemon;
	struct rib_answer a;

	if (!d || !engine_rib(d->engine) || !rib_explain(engine_rib(d->engine), p, &a))
		return;
	world_say(w, "as %s has it:", world_name(w, node));
	for (size_t i = 0; i < a.n; i++)
		say_candidate(w, d->engine, &a.candidates[i], a.reasons[i]);
}

bool node_says_poor(const struct world_node *n)
{
	const struct engine *e = n->daemon ? n->daemon->engine : NULL;
	const struct generation *gen = e ? engine_generation(e) : NULL;

	for (size_t i = 0; gen && i < gen->n_peers; i++)
		if (reports_own_line(engine_reports(e), gen->peers[i].id).line == LIVE_LINE_POOR)
			return true;
	return false;
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

/* SPDX-License-Identifier: MIT */
/* Our own report, kept up with our verdicts. */
#include "daemon/reports_internal.h"

#include <string.h>

/* --- lines ---------------------------------------------------------------------------------------
 */

/* By its last word: one that is silent can't take it back, and its device stands as it did then. */
static bool signals(const struct own_line *o)
{
	return o->state == LIVE_LAST_RESORT &&
	       (o->cause == LIVE_CAUSE_PEER_SIGNALS || o->cause == LIVE_CAUSE_DAEMON_SILENT ||
		       o->cause == LIVE_CAUSE_ADOPTED);
}

/* It measures that what we send gets lost. Where neither of the two measured it, each would have it
 * of the other for ever, while both drain: so what it has of us doesn't count. */
static bool is_poor_by_its_word(
	const struct reports *r, const struct own_line *o, const struct generation_peer *p)
{
	const struct reporter *s = reports_reporter(r, p->id);

	return signals(o) && s && s->is_there && s->of_us.line == LIVE_LINE_POOR &&
	       !s->is_of_us_by_word;
}

/* One that was never heard may just have had no time yet. */
static enum live_line unheard_line(const struct own_line *o, instant now)
{
	if (o->was_lost)
		return LIVE_LINE_LOST;
	return instant_is_never(o->unheard_until) || instant_before(now, o->unheard_until)
		       ? LIVE_LINE_UNKNOWN
		       : LIVE_LINE_LOST;
}

/* A client is silent for as long as it likes: nothing is said of it but who has it, and neither of
 * whom nobody probes. */
static enum live_line line_to(const struct reports *r, const struct generation_peer *p, instant now)
{
	const struct own_line *o = &r->own.items[p->id];

	if (p->node->role == MESH_CLIENT)
		return reports_client_line(r, p, now);
	if (p->view->remote.family == 0)
		return LIVE_LINE_UNKNOWN;
	if (!o->is_judged || (o->state == LIVE_DOWN && o->cause == LIVE_CAUSE_NEW))
		return unheard_line(o, now);
	if (o->state == LIVE_DOWN)
		return LIVE_LINE_LOST;
	return o->cause == LIVE_CAUSE_POOR_LINE || is_poor_by_its_word(r, o, p) ? LIVE_LINE_POOR
										: LIVE_LINE_UP;
}

/* What hubs say of a node is something else to us while our own line to it is poor. */
static void tell_reaches_anew(struct reports *r)
{
	for (size_t i = 0; i < r->reporters.n; i++)
		if (r->reporters.items[i])
			reports_tell_anew(r->reporters.items[i]);
}

static void update_by_word(struct reports *r, const struct generation_peer *p, enum live_line line)
{
	bool by_word = line == LIVE_LINE_POOR && r->own.items[p->id].cause != LIVE_CAUSE_POOR_LINE;

	if (!r->report.n_nodes || r->report.by_word[p->node->index] == by_word)
		return;
	r->report.by_word[p->node->index] = by_word;
	r->has_news = true;
}

void reports_own_update(struct reports *r, const struct generation_peer *p, instant now)
{
	enum live_line line = line_to(r, p, now), before;

	update_by_word(r, p, line);
	if (r->report.n_nodes && r->report.lines[p->node->index] == line)
		return;
	r->own.items[p->id].since = now;
	if (!r->report.n_nodes)
		return;
	before = (enum live_line)r->report.lines[p->node->index];
	r->report.lines[p->node->index] = line;
	if (before == LIVE_LINE_POOR || line == LIVE_LINE_POOR)
		tell_reaches_anew(r);
	r->has_news = true;
}

void reports_own_update_all(struct reports *r, instant now)
{
	for (size_t i = 0; i < r->gen->n_peers; i++)
		reports_own_update(r, &r->gen->peers[i], now);
}

/* --- who takes many ------------------------------------------------------------------------------
 */

static bool known_to_take_many(const struct reports *r, size_t place)
{
	const struct mesh_node *n = &r->gen->inv->nodes[place];

	if (n == r->gen->self)
		return r->report.max_owners > 1;
	if (mesh_owners_of(n) != MESH_OWNERS_UNKNOWN)
		return mesh_owners_of(n) == MESH_OWNERS_MANY;
	return r->own.items[r->gen->ids[place]].takes == TAKES_MANY;
}

void reports_own_update_many(struct reports *r, size_t place)
{
	bool many = known_to_take_many(r, place);

	if (place >= r->report.n_nodes || r->report.takes_many[place] == many)
		return;
	r->report.takes_many[place] = many;
	r->has_news = true;
}

void reports_own_update_all_many(struct reports *r)
{
	for (size_t i = 0; i < r->report.n_nodes; i++)
		reports_own_update_many(r, i);
}

/* --- all of it -----------------------------------------------------------------------------------
 */

void reports_own_renew(struct reports *r, instant now)
{
	const struct generation *g = r->gen;
	unsigned max_owners = r->report.max_owners;
	bool fits = g->inv->n_nodes <= LIVE_REPORT_NODES_MAX;

	live_report_done(&r->report);
	r->report = (struct live_report){
		.inventory_time = g->inventory_time,
		.max_owners = max_owners,
		.n_nodes = fits ? (uint32_t)g->inv->n_nodes : 0,
		.lines = mem_zalloc(g->inv->n_nodes + 1, sizeof(*r->report.lines)),
		.takes_many = mem_zalloc(g->inv->n_nodes + 1, sizeof(*r->report.takes_many)),
		.by_word = mem_zalloc(g->inv->n_nodes + 1, sizeof(*r->report.by_word)),
	};
	memcpy(r->report.digest, g->digest, sizeof(g->digest));
	reports_own_update_all_many(r);
	reports_own_update_all(r, now);
	r->has_news = true;
}

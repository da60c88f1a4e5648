/* SPDX-License-Identifier: MIT */
#include "daemon/reports_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct reports *reports_new(void)
{
	struct reports *r = mem_zalloc(1, sizeof(*r));

	r->unheard_at = r->away_at = INSTANT_NEVER;
	r->report.max_owners = 1;
	return r;
}

static void reporter_free(struct reporter *s)
{
	if (!s)
		return;
	live_report_done(&s->report);
	vec_done(&s->lost);
	vec_done(&s->lines);
	vec_done(&s->told);
	free(s);
}

void reports_free(struct reports *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->reporters.n; i++)
		reporter_free(r->reporters.items[i]);
	for (size_t i = 0; i < KNOWN_INVENTORIES; i++)
		free(r->known[i].ids);
	live_report_done(&r->report);
	vec_done(&r->reporters);
	vec_done(&r->places);
	vec_done(&r->own);
	vec_done(&r->many);
	free(r);
}

int64_t reports_place(const struct reports *r, uint32_t node)
{
	return node < r->places.n ? (int64_t)r->places.items[node] - 1 : -1;
}

struct reporter *reports_reporter(const struct reports *r, uint32_t peer)
{
	return peer < r->reporters.n ? r->reporters.items[peer] : NULL;
}

static struct reporter *make_reporter(struct reports *r, uint32_t peer)
{
	struct reporter *s = reports_reporter(r, peer);

	assert(peer < r->reporters.n);
	if (s)
		return s;
	s = r->reporters.items[peer] = mem_zalloc(1, sizeof(*s));
	s->id = peer;
	s->other_since = s->forget_at = INSTANT_NEVER;
	return s;
}

/* --- what a report says --------------------------------------------------------------------------
 */

void reports_tell_anew(struct reporter *s)
{
	s->is_dirty = true;
	s->next = 0;
}

static void set_line(struct reporter *s, uint32_t node, enum live_line line, instant now)
{
	if (s->lines.items[node].line == line)
		return;
	s->lines.items[node] = (struct reports_line){line, now};
	reports_tell_anew(s);
}

static bool is_same_digest(const uint8_t *a, const uint8_t *b)
{
	return !memcmp(a, b, LIVE_DIGEST_LEN);
}

static const struct known_inventory *known_of(
	const struct reports *r, const struct live_report *report)
{
	for (size_t i = 0; i < KNOWN_INVENTORIES; i++)
		if (r->known[i].ids && r->known[i].n >= report->n_nodes &&
			is_same_digest(r->known[i].digest, report->digest))
			return &r->known[i];
	return NULL;
}

/* Warnings stand; what was promised may be over. */
static void keep_warnings(struct reporter *s, instant now)
{
	for (uint32_t node = 0; node < s->lines.n; node++)
		if (s->lines.items[node].line == LIVE_LINE_UP)
			set_line(s, node, LIVE_LINE_UNKNOWN, now);
}

static void take_lines(struct reporter *s, instant now)
{
	uint8_t *said;

	if (!s->lines.n)
		return; /* of one that relays nothing */
	said = mem_zalloc(s->lines.n, 1);
	for (size_t i = 0; i < s->report.n_nodes; i++)
		said[s->by->ids[i]] = s->report.lines[i];
	for (uint32_t node = 0; node < s->lines.n; node++)
		set_line(s, node, (enum live_line)said[node], now);
	free(said);
}

static void forget_lines(struct reporter *s, instant now)
{
	for (uint32_t node = 0; node < s->lines.n; node++)
		set_line(s, node, LIVE_LINE_UNKNOWN, now);
}

/* Elsewhere, which isn't lost. */
static bool is_client(const struct reports *r, uint32_t node)
{
	int64_t place = reports_place(r, node);

	return place >= 0 && r->gen->inv->nodes[place].role == MESH_CLIENT;
}

/* What is kept of anybody. */
static void take_few(const struct reports *r, struct reporter *s, instant now)
{
	uint32_t self = r->gen->ids[r->gen->self->index];
	struct reports_line of_us = {LIVE_LINE_UNKNOWN, now};

	s->lost.n = 0;
	s->is_of_us_by_word = false;
	for (size_t i = 0; i < s->report.n_nodes; i++) {
		uint32_t node = s->by->ids[i];

		if (node == self) {
			of_us.line = (enum live_line)s->report.lines[i];
			s->is_of_us_by_word = s->report.by_word[i];
		}
		if (s->report.lines[i] == LIVE_LINE_LOST && s->lost.n < REPORTS_LOST_MAX &&
			!is_client(r, node))
			vec_push(&s->lost, node);
	}
	if (s->of_us.line != of_us.line)
		s->of_us = of_us;
}

static bool relays(const struct reports *r, const struct reporter *s)
{
	const struct generation_peer *p = generation_peer_by_id(r->gen, s->id);

	return p && p->node->role == MESH_HUB;
}

static void fit_reporter(const struct reports *r, struct reporter *s)
{
	reports_fit(&s->lines, r->gen->names.texts.n);
	reports_fit(&s->told, r->gen->names.texts.n);
}

static void shorten(struct reporter *s)
{
	free(s->report.lines);
	free(s->report.takes_many);
	free(s->report.by_word);
	s->report.lines = NULL;
	s->report.takes_many = NULL;
	s->report.by_word = NULL;
	s->report.n_nodes = 0;
	s->by = NULL;
	s->is_short = true;
}

/* The report that stands, by the inventories that are known now. */
static void understand(struct reports *r, struct reporter *s, instant now)
{
	if (relays(r, s) || s->lines.n)
		fit_reporter(r, s);
	s->by = s->is_there && !s->is_short ? known_of(r, &s->report) : NULL;
	if (s->by) {
		take_few(r, s, now);
		take_lines(s, now);
	} else if (s->is_there) {
		keep_warnings(s, now);
	}
	if (!s->lines.n && s->by)
		shorten(s);
	reports_tell_anew(s);
}

static void judge_digest(struct reports *r, struct reporter *s, bool is_news, instant now)
{
	if (is_same_digest(s->report.digest, r->gen->digest))
		s->other_since = INSTANT_NEVER;
	else if (is_news || instant_is_never(s->other_since))
		s->other_since = now;
}

/* --- who takes many ------------------------------------------------------------------------------
 */

static void set_many(struct reports *r, uint32_t node, bool many)
{
	r->is_many_dirty |= r->many.items[node].known != many;
	r->many.items[node].known = many;
}

/* A hub that has no line to it can't know what became of a node since. */
static bool has_line(const struct live_report *r, size_t place)
{
	return r->lines[place] == LIVE_LINE_UP || r->lines[place] == LIVE_LINE_POOR;
}

/* What hubs that are heard know of others, by node: enum takes. */
static void hear_votes(const struct reports *r, uint8_t *votes)
{
	for (size_t i = 0; i < r->gen->n_peers; i++) {
		const struct generation_peer *p = &r->gen->peers[i];
		const struct reporter *s = reports_reporter(r, p->id);

		if (p->node->role != MESH_HUB || !s || !s->is_there || !s->by)
			continue;
		for (size_t k = 0; k < s->report.n_nodes; k++)
			if (has_line(&s->report, k) && votes[s->by->ids[k]] != TAKES_MANY)
				votes[s->by->ids[k]] =
					s->report.takes_many[k] ? TAKES_MANY : TAKES_ONE;
	}
}

static bool is_heard(const struct reports *r, uint32_t peer)
{
	const struct reporter *s = reports_reporter(r, peer);

	return s && s->is_there;
}

/* The inventory's word, then the node's own, then that of hubs, which may be newer than what it
 * said before it was lost, then what was known. */
static void update_many(struct reports *r, size_t place, enum takes vote)
{
	const struct mesh_node *n = &r->gen->inv->nodes[place];
	uint32_t id = r->gen->ids[place];
	enum takes own = r->own.items[id].takes;

	if (n == r->gen->self)
		return;
	if (mesh_owners_of(n) != MESH_OWNERS_UNKNOWN)
		set_many(r, id, mesh_owners_of(n) == MESH_OWNERS_MANY);
	else if (own != TAKES_UNKNOWN && (is_heard(r, id) || vote == TAKES_UNKNOWN))
		set_many(r, id, own == TAKES_MANY);
	else if (vote != TAKES_UNKNOWN)
		set_many(r, id, vote == TAKES_MANY);
}

static void update_all_many(struct reports *r)
{
	uint8_t *votes = mem_zalloc(r->gen->names.texts.n + 1, 1);

	hear_votes(r, votes);
	for (size_t i = 0; i < r->gen->inv->n_nodes; i++)
		update_many(r, i, (enum takes)votes[r->gen->ids[i]]);
	free(votes);
	reports_own_update_all_many(r);
}

bool reports_takes_many(const struct reports *r, uint32_t node)
{
	return node < r->many.n && r->many.items[node].known;
}

/* --- generations ---------------------------------------------------------------------------------
 */

/* Behind the others; one that is in it already comes to the front. */
static void know_inventory(struct reports *r)
{
	size_t last = 0, n = r->gen->inv->n_nodes;
	uint32_t *ids = mem_zalloc(n + 1, sizeof(*ids));

	while (last + 1 < KNOWN_INVENTORIES && r->known[last].ids &&
		!is_same_digest(r->known[last].digest, r->gen->digest))
		last++;
	free(r->known[last].ids);
	memmove(&r->known[1], &r->known[0], last * sizeof(r->known[0]));
	memcpy(ids, r->gen->ids, n * sizeof(*ids));
	r->known[0] = (struct known_inventory){.ids = ids, .n = n};
	memcpy(r->known[0].digest, r->gen->digest, LIVE_DIGEST_LEN);
}

static struct own_line new_line(enum rib_reach away_told)
{
	return (struct own_line){.unheard_until = INSTANT_NEVER,
		.handshake = INSTANT_NEVER,
		.away_until = INSTANT_NEVER,
		.away_told = away_told};
}

static void fit(struct reports *r)
{
	size_t n = r->gen->names.texts.n, before = r->own.n;

	reports_fit(&r->own, n);
	for (size_t i = before; i < n; i++)
		r->own.items[i] = new_line(RIB_REACH_UNKNOWN);
	reports_fit(&r->reporters, n);
	reports_fit(&r->many, n);
	reports_fit(&r->places, n);
	memset(r->places.items, 0, n * sizeof(*r->places.items));
	for (size_t i = 0; i < r->gen->inv->n_nodes; i++)
		r->places.items[r->gen->ids[i]] = (uint32_t)i + 1;
}

/* Who is no peer any more says nothing, and is new if it becomes one again. */
static void drop_gone(struct reports *r, instant now)
{
	for (uint32_t id = 0; id < r->own.n; id++) {
		struct reporter *s = r->reporters.items[id];

		if (generation_peer_by_id(r->gen, id))
			continue;
		r->own.items[id] = new_line(r->own.items[id].away_told);
		if (!s)
			continue;
		s->is_there = false;
		s->forget_at = INSTANT_NEVER;
		forget_lines(s, now);
	}
}

void reports_set(struct reports *r, const struct generation *g, instant now)
{
	r->gen = g;
	r->at = now;
	know_inventory(r);
	fit(r);
	drop_gone(r, now);
	for (size_t i = 0; i < r->reporters.n; i++) {
		struct reporter *s = r->reporters.items[i];

		if (!s)
			continue;
		judge_digest(r, s, true, now);
		understand(r, s, now);
	}
	reports_own_renew(r, now);
	update_all_many(r);
	reports_clients_update(r, now);
	for (size_t id = 0; id < r->own.n; id++)
		r->is_away_dirty |= r->own.items[id].away_told != RIB_REACH_UNKNOWN;
}

void reports_set_max_owners(struct reports *r, unsigned max_owners)
{
	r->has_news |= r->report.max_owners != max_owners;
	r->report.max_owners = max_owners;
	reports_own_update_all_many(r);
}

/* --- events --------------------------------------------------------------------------------------
 */

void reports_found(struct reports *r, uint32_t peer, enum live_state state, bool was_known)
{
	struct own_line *o = &r->own.items[peer];

	o->is_judged = state != LIVE_DOWN;
	o->state = state;
	o->cause = LIVE_CAUSE_ADOPTED;
	o->was_lost = was_known && state == LIVE_DOWN;
}

static void recall_reach(struct reports *r, const struct rib_event *e, instant now)
{
	struct reporter *s = make_reporter(r, e->u.reach.peer);

	fit_reporter(r, s);
	s->forget_at = instant_add(now, REPORTS_FORGET_FOUND);
	s->lines.items[e->u.reach.origin] = (struct reports_line){
		e->u.reach.reach == RIB_REACH_LOST ? LIVE_LINE_LOST : LIVE_LINE_UP, now};
	s->told.items[e->u.reach.origin] = e->u.reach.reach;
}

void reports_recall(struct reports *r, const struct rib_event *event, instant now)
{
	r->at = now;
	if (event->type == RIB_EVENT_REACH && event->u.reach.peer == event->u.reach.origin)
		reports_recall_away(r, event->u.reach.peer, now);
	else if (event->type == RIB_EVENT_REACH)
		recall_reach(r, event, now);
	else
		r->many.items[event->u.takes_many.id] = (struct takes_many){
			event->u.takes_many.takes_many, event->u.takes_many.takes_many};
}

static void find_unheard(struct reports *r, instant now)
{
	r->unheard_at = INSTANT_NEVER;
	for (size_t i = 0; i < r->gen->n_peers; i++) {
		const struct own_line *o = &r->own.items[r->gen->peers[i].id];

		if (!instant_is_never(o->unheard_until) && instant_before(now, o->unheard_until))
			r->unheard_at = instant_min(r->unheard_at, o->unheard_until);
	}
}

void reports_probing(struct reports *r, instant now)
{
	for (size_t i = 0; i < r->gen->n_peers; i++) {
		struct own_line *o = &r->own.items[r->gen->peers[i].id];

		if (instant_is_never(o->unheard_until))
			o->unheard_until = instant_add(now, REPORTS_UNHEARD);
	}
	find_unheard(r, now);
	reports_own_update_all(r, now);
}

/* What it said goes with it, but not at once. */
static void lose(struct reporter *s, instant now)
{
	if (!s)
		return;
	s->is_there = false;
	s->other_since = INSTANT_NEVER;
	s->forget_at = instant_add(now, REPORTS_FORGET);
}

/* ... but for clients, which we have then, if anybody does. */
static void lose_claims(struct reports *r, struct reporter *s, instant now)
{
	lose(s, now);
	if (s && s->lines.n)
		reports_clients_update(r, now);
}

void reports_on_verdict(struct reports *r, const struct live_event *v, instant now)
{
	const struct generation_peer *p = generation_peer_by_id(r->gen, v->peer);
	struct own_line *o;

	if (!p)
		return;
	r->at = now;
	o = &r->own.items[v->peer];
	o->is_judged = true;
	o->state = v->state;
	o->cause = v->cause;
	o->was_lost &= v->state == LIVE_DOWN;
	if (v->state == LIVE_DOWN && reports_reporter(r, v->peer) &&
		reports_reporter(r, v->peer)->is_there)
		lose_claims(r, reports_reporter(r, v->peer), now);
	reports_own_update(r, p, now);
}

static void take_report(struct reports *r, struct reporter *s, const struct live_report *report)
{
	bool is_other = !s->is_there || !is_same_digest(s->report.digest, report->digest);

	live_report_done(&s->report);
	live_report_copy(report, &s->report);
	s->is_there = true;
	s->is_short = false;
	s->forget_at = INSTANT_NEVER;
	judge_digest(r, s, is_other, r->at);
}

/* There are many who speak of themselves alone: what they say costs no look at all nodes. */
static void take_many_of(
	struct reports *r, const struct generation_peer *p, const struct live_report *report)
{
	r->own.items[p->id].takes = report->max_owners > 1 ? TAKES_MANY : TAKES_ONE;
	if (p->node->role == MESH_HUB) {
		update_all_many(r);
		return;
	}
	update_many(r, p->node->index, TAKES_UNKNOWN);
	reports_own_update_many(r, p->node->index);
}

void reports_on_report(
	struct reports *r, uint32_t peer, const struct live_report *report, instant now)
{
	const struct generation_peer *p = generation_peer_by_id(r->gen, peer);
	struct reporter *s;

	if (!p)
		return;
	r->at = now;
	s = report ? make_reporter(r, peer) : reports_reporter(r, peer);
	if (report) {
		take_report(r, s, report);
		understand(r, s, now);
		take_many_of(r, p, report);
		if (p->node->role == MESH_HUB)
			reports_clients_update(r, now);
	} else {
		lose_claims(r, s, now);
	}
	reports_own_update(r, p, now);
}

/* --- time ----------------------------------------------------------------------------------------
 */

void reports_on_time(struct reports *r, instant now)
{
	bool has_forgotten = false;

	r->at = now;
	for (size_t i = 0; i < r->reporters.n; i++) {
		struct reporter *s = r->reporters.items[i];

		if (!s || instant_before(now, s->forget_at))
			continue;
		s->forget_at = INSTANT_NEVER;
		forget_lines(s, now);
		has_forgotten = true;
	}
	if (has_forgotten)
		update_all_many(r);
	if (has_forgotten || !instant_before(now, r->away_at))
		reports_clients_update(r, now);
	if (instant_before(now, r->unheard_at))
		return;
	find_unheard(r, now);
	reports_own_update_all(r, now);
}

instant reports_deadline(const struct reports *r)
{
	instant at = instant_min(r->unheard_at, r->away_at);

	if (r->is_many_dirty || r->is_away_dirty)
		at = r->at;
	for (size_t i = 0; i < r->reporters.n; i++) {
		const struct reporter *s = r->reporters.items[i];

		if (s)
			at = instant_min(at, s->is_dirty ? r->at : s->forget_at);
	}
	return at;
}

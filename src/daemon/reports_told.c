/* SPDX-License-Identifier: MIT */
/* What the RIB hears of reports, and whoever asks. */
#include "daemon/reports_internal.h"

/* --- what the RIB hears --------------------------------------------------------------------------
 */

/* What a peer's word on its line to a node is to us. */
static enum rib_reach reach_of(const struct reports *r, const struct reporter *s, uint32_t node)
{
	const struct generation_peer *p = generation_peer_by_id(r->gen, s->id);
	int64_t place = reports_place(r, node);

	if (!p || p->node->role != MESH_HUB || place < 0 || (unsigned)place == p->node->index ||
		&r->gen->inv->nodes[place] == r->gen->self ||
		!mesh_direct(r->gen->topology, p->node->index, (unsigned)place))
		return RIB_REACH_UNKNOWN;
	switch (s->lines.items[node].line) {
	case LIVE_LINE_UP:
		if (reports_is_outdone(r, s, node))
			return RIB_REACH_LOST;
		return reports_own_line(r, node).line == LIVE_LINE_POOR ? RIB_REACH_CLEAN
									: RIB_REACH_HAS;
	case LIVE_LINE_POOR:
		return RIB_REACH_POOR;
	case LIVE_LINE_LOST:
		return RIB_REACH_LOST;
	default:
		return RIB_REACH_UNKNOWN;
	}
}

static size_t take_reach(
	const struct reports *r, struct reporter *s, struct rib_event *ret, size_t max)
{
	size_t n = 0;

	for (; s->next < s->lines.n && n < max; s->next++) {
		uint32_t node = (uint32_t)s->next;
		enum rib_reach reach = reach_of(r, s, node);

		if (s->told.items[node] == reach)
			continue;
		s->told.items[node] = reach;
		ret[n++] = (struct rib_event){
			.type = RIB_EVENT_REACH, .u.reach = {s->id, node, reach}};
	}
	s->is_dirty = s->next < s->lines.n;
	return n;
}

static size_t take_many(struct reports *r, struct rib_event *ret, size_t max)
{
	size_t n = 0;
	uint32_t node;

	for (node = 0; node < r->many.n && n < max; node++) {
		struct takes_many *m = &r->many.items[node];

		if (m->told == m->known)
			continue;
		m->told = m->known;
		ret[n++] = (struct rib_event){
			.type = RIB_EVENT_TAKES_MANY, .u.takes_many = {node, m->known}};
	}
	r->is_many_dirty = node < r->many.n;
	return n;
}

size_t reports_take(struct reports *r, struct rib_event *ret, size_t max)
{
	size_t n = r->is_many_dirty ? take_many(r, ret, max) : 0;

	if (r->is_away_dirty)
		n += reports_take_away(r, ret + n, max - n);

	for (size_t i = 0; i < r->reporters.n && n < max; i++)
		if (r->reporters.items[i] && r->reporters.items[i]->is_dirty)
			n += take_reach(r, r->reporters.items[i], ret + n, max - n);
	return n;
}

const struct live_report *reports_news(struct reports *r)
{
	bool has_news = r->has_news;

	r->has_news = false;
	return has_news ? &r->report : NULL;
}

/* --- what is known -------------------------------------------------------------------------------
 */

bool reports_heard(const struct reports *r, uint32_t peer, struct reports_heard *ret)
{
	const struct reporter *s = reports_reporter(r, peer);

	if (!s || !s->is_there)
		return false;
	*ret = (struct reports_heard){
		.is_of_our_inventory = instant_is_never(s->other_since),
		.other_since = s->other_since,
		.inventory_time = s->report.inventory_time,
		.max_owners = s->report.max_owners,
	};
	return true;
}

struct reports_line reports_line_of(const struct reports *r, uint32_t peer, uint32_t node)
{
	const struct reporter *s = reports_reporter(r, peer);

	if (s && s->is_there && node == r->gen->ids[r->gen->self->index])
		return s->of_us;
	if (!s || !s->is_there || node >= s->lines.n)
		return (struct reports_line){LIVE_LINE_UNKNOWN, INSTANT_NEVER};
	return s->lines.items[node];
}

size_t reports_lost(const struct reports *r, uint32_t peer, const uint32_t **ret)
{
	const struct reporter *s = reports_reporter(r, peer);

	if (!s || !s->is_there)
		return 0;
	*ret = s->lost.items;
	return s->lost.n;
}

struct reports_line reports_own_line(const struct reports *r, uint32_t peer)
{
	int64_t place = reports_place(r, peer);

	if (place < 0 || !r->report.n_nodes)
		return (struct reports_line){LIVE_LINE_UNKNOWN, INSTANT_NEVER};
	return (struct reports_line){
		(enum live_line)r->report.lines[place], r->own.items[peer].since};
}

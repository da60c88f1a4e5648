/* SPDX-License-Identifier: MIT */
/*
 * Who has a client that roams. Whoever switches it to another server has a handshake there, and of
 * the old server the device says nothing: so each server that it ever had a handshake with says
 * that its line to the client is up, and when that handshake was, until another says so of a
 * younger one; then the line is lost, and packets for the client go by the other. Where it never
 * came the line is lost as well.
 *
 * A server gives up what another claims, and nothing else: then no two send a packet to each other
 * and back. Each measures the other's handshake by the time that word of it took, as younger than
 * it was, so that of two at nearly the same time both might think that the other's is younger, and
 * give the client up in turns. That the first of two hubs claims it counts therefore only if its
 * handshake is younger by more than such times. If it is younger by less both claim the client, and
 * all others take the first, which is right.
 */
#include "daemon/reports_internal.h"

#define WAYS (250 * NS_PER_MS) /* of two words, there and back */

static bool is_known(instant at)
{
	return !instant_is_never(at);
}

/* In the inventory that the peer speaks of: most often it is ours. */
static size_t place_in(const struct known_inventory *k, uint32_t client, size_t ours)
{
	size_t i = 0;

	if (ours < k->n && k->ids[ours] == client)
		return ours;
	while (i < k->n && k->ids[i] != client)
		i++;
	return i;
}

/* As the peer says, of a client that it claims. */
static instant claimed_at(const struct reports *r, const struct reporter *s, uint32_t client)
{
	size_t place = place_in(s->by, client, (size_t)reports_place(r, client));
	size_t low = 0, high = s->report.n_handshakes;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->report.handshakes[middle].place < place)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == s->report.n_handshakes || s->report.handshakes[low].place != place)
		return INSTANT_NEVER;
	return s->report.handshakes[low].at;
}

static bool claims(const struct reports *r, const struct generation_peer *p, uint32_t client)
{
	const struct reporter *s = reports_reporter(r, p->id);

	return s && s->is_there && s->by && client < s->lines.n &&
	       s->lines.items[client].line == LIVE_LINE_UP &&
	       mesh_is_server(r->gen->topology, p->node->index, (unsigned)reports_place(r, client));
}

/* Places and handshakes of two hubs. */
static bool is_younger(const struct reports *r, unsigned a, instant at_a, unsigned b, instant at_b)
{
	return instant_diff(at_a, at_b) > (mesh_hub_is_before(r->gen->topology, a, b) ? WAYS : 0);
}

/* Another than the hub at that place claims the client, and has had a younger handshake. */
static bool has_younger_claim(
	const struct reports *r, uint32_t client, unsigned hub, instant handshake)
{
	for (size_t i = 0; i < r->gen->n_peers; i++) {
		const struct generation_peer *p = &r->gen->peers[i];
		instant at;

		if (p->node->role != MESH_HUB || p->node->index == hub || !claims(r, p, client))
			continue;
		at = claimed_at(r, reports_reporter(r, p->id), client);
		if (!is_known(handshake) ||
			(is_known(at) && is_younger(r, p->node->index, at, hub, handshake)))
			return true;
	}
	return false;
}

enum live_line reports_client_line(
	const struct reports *r, const struct generation_peer *p, instant now)
{
	const struct own_line *o = &r->own.items[p->id];

	if (!p->roams)
		return LIVE_LINE_UNKNOWN;
	if (has_younger_claim(r, p->id, r->gen->self->index, o->handshake))
		return LIVE_LINE_LOST;
	if (is_known(o->away_until) && instant_before(now, o->away_until))
		return LIVE_LINE_LOST;
	return is_known(o->handshake) ? LIVE_LINE_UP : LIVE_LINE_LOST;
}

bool reports_is_outdone(const struct reports *r, const struct reporter *s, uint32_t client)
{
	const struct generation_peer *p = generation_peer_by_id(r->gen, s->id);
	int64_t place = reports_place(r, client);
	instant at;

	if (!p || place < 0 || !r->gen->roams[place] || !s->by)
		return false;
	at = claimed_at(r, s, client);
	return is_known(at) && has_younger_claim(r, client, p->node->index, at);
}

/* What we claim, with its age. */
static void list_claims(struct reports *r)
{
	struct live_report *own = &r->report;

	if (!own->n_nodes)
		return;
	own->n_handshakes = 0;
	own->handshakes = mem_realloc(own->handshakes, r->gen->n_peers, sizeof(*own->handshakes));
	for (size_t i = 0; i < r->gen->n_peers; i++) {
		const struct generation_peer *p = &r->gen->peers[i];

		if (p->roams && own->lines[p->node->index] == LIVE_LINE_UP)
			own->handshakes[own->n_handshakes++] = (struct live_handshake){
				p->node->index, r->own.items[p->id].handshake};
	}
	r->has_news = true;
}

/* Our own lines to those that roam. */
static void update_own(struct reports *r, instant now)
{
	bool any = false;

	r->away_at = INSTANT_NEVER;
	for (size_t i = 0; i < r->gen->n_peers; i++) {
		const struct generation_peer *p = &r->gen->peers[i];
		instant until = r->own.items[p->id].away_until;

		if (!p->roams)
			continue;
		any = true;
		reports_own_update(r, p, now);
		if (is_known(until) && instant_before(now, until))
			r->away_at = instant_min(r->away_at, until);
	}
	r->is_away_dirty |= any;
	if (any)
		list_claims(r);
}

void reports_clients_update(struct reports *r, instant now)
{
	if (!r->gen->has_roaming)
		return;
	update_own(r, now);
	for (size_t i = 0; i < r->reporters.n; i++)
		if (r->reporters.items[i] && r->reporters.items[i]->lines.n)
			reports_tell_anew(r->reporters.items[i]);
}

void reports_recall_away(struct reports *r, uint32_t client, instant now)
{
	struct own_line *o = &r->own.items[client];

	o->away_until = instant_add(now, REPORTS_FORGET_FOUND);
	o->away_told = RIB_REACH_LOST;
	r->away_at = instant_min(r->away_at, o->away_until);
}

static bool is_another(instant a, instant b)
{
	if (!is_known(a) || !is_known(b))
		return is_known(a) != is_known(b);
	return instant_diff(a, b) != 0;
}

void reports_on_handshakes(
	struct reports *r, const struct reports_handshake *list, size_t n, instant now)
{
	bool any = false;

	r->at = now;
	for (size_t i = 0; i < n; i++) {
		const struct generation_peer *p = generation_peer_by_id(r->gen, list[i].client);
		struct own_line *o = p ? &r->own.items[p->id] : NULL;

		if (!p || !p->roams || !is_another(o->handshake, list[i].at))
			continue;
		if (is_known(o->handshake))
			o->away_until = INSTANT_NEVER; /* it speaks to us */
		o->handshake = list[i].at;
		any = true;
	}
	if (any)
		update_own(r, now);
}

size_t reports_take_away(struct reports *r, struct rib_event *ret, size_t max)
{
	size_t n = 0, i;

	for (i = 0; i < r->gen->n_peers && n < max; i++) {
		const struct generation_peer *p = &r->gen->peers[i];
		struct own_line *o = &r->own.items[p->id];
		enum rib_reach reach =
			p->roams && r->report.n_nodes &&
					r->report.lines[p->node->index] == LIVE_LINE_LOST
				? RIB_REACH_LOST
				: RIB_REACH_UNKNOWN;

		if (o->away_told == reach)
			continue;
		o->away_told = reach;
		ret[n++] = (struct rib_event){
			.type = RIB_EVENT_REACH, .u.reach = {p->id, p->id, reach}};
	}
	r->is_away_dirty = i < r->gen->n_peers;
	return n;
}

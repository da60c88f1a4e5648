/* SPDX-License-Identifier: MIT */
/* Where peers are looked for: who is overdue, which names are asked again, and which answers the
 * device gets. */
#include "daemon/engine_internal.h"

/* A session that works has had a handshake within REKEY_AFTER_TIME, or is about to get one. */
#define HANDSHAKE_OVERDUE (150 * NS_PER_S)
/* Each peer is looked at so often, and so many at once. */
#define CHECK (1 * NS_PER_S)
#define CHECK_SLICE 500

/* A peer that answers its probes works, whatever the age of its handshake; one that doesn't has had
 * no time for it just after our start. */
static bool is_overdue(const struct engine *e, const struct generation_peer *p, instant now)
{
	enum live_probe probe = engine_probe_of(p);
	int64_t age = handshakes_age(e->handshakes, &p->node->public_key, now);
	bool is_old = age == HANDSHAKE_NEVER || age > HANDSHAKE_OVERDUE;

	/* Where the age is in doubt, the verdict tells. */
	if (age == HANDSHAKE_UNKNOWN && probe == LIVE_PROBE_HANDSHAKE)
		return rib_peer_state(e->rib, p->id) == RIB_DOWN;
	if (probe != LIVE_PROBE_BFD && probe != LIVE_PROBE_ECHO)
		return is_old;
	if (!is_old && instant_diff(now, e->started_at) < LIVE_ADOPT_GRACE)
		return false;
	return rib_peer_state(e->rib, p->id) == RIB_DOWN;
}

static bool is_guarded(const struct generation *g, const ip_addr *a)
{
	for (size_t i = 0; i < g->n_guarded; i++)
		if (ip_prefix_has_addr(&g->guarded[i], a))
			return true;
	return false;
}

/* Packets to it would be routed into the tunnel that they carry, or refused with what others may
 * announce, unless the kernel's routes are brought into line first. */
static bool is_in_tunnel(const struct engine *e, const sock_addr *endpoint)
{
	ip_addr a = sock_addr_ip(endpoint);

	if (is_guarded(e->gen, &a))
		return true;
	for (unsigned len = 1; len <= ip_family_bits(a.family); len++) {
		ip_prefix p = ip_prefix_of(&a, len);
		struct rib_answer found;

		if (rib_explain(e->rib, &p, &found) && !generation_prefix_is_connected(e->gen, &p))
			return true;
	}
	return false;
}

static void emit_set(struct engine *e, uint32_t peer, engine_actions *out)
{
	struct engine_action *a = engine_emit(e, ENGINE_SET_ENDPOINT, out);

	a->u.endpoint.peer = peer;
	a->u.endpoint.endpoint = endpoints_of(e->endpoints, peer);
	a->u.endpoint.before = endpoints_set_on_device(e->endpoints, peer);
	endpoints_giving(e->endpoints, peer, &a->u.endpoint.endpoint);
}

static bool may_set(const struct engine *e, const struct generation_peer *p, instant now)
{
	return endpoints_is_on_device(e->endpoints, p->id) &&
	       endpoints_may_set(e->endpoints, p->id, is_overdue(e, p, now));
}

static bool has(const engine_peers *peers, uint32_t peer)
{
	for (size_t i = 0; i < peers->n; i++)
		if (peers->items[i] == peer)
			return true;
	return false;
}

/* Once the kernel's routes are brought into line with it. */
static void offer_later(
	struct engine *e, const struct generation_peer *p, instant now, engine_actions *out)
{
	if (has(&e->offered, p->id))
		return;
	vec_push(&e->offered, p->id);
	engine_ask_sync(e, "an endpoint within a carried prefix", now, out);
}

/* Where the peer's name stands is known: the device gets it, if it may. One that isn't there is
 * made with it by the next SYNC; the one that is under way may have begun to make it without. */
static void offer(
	struct engine *e, const struct generation_peer *p, instant now, engine_actions *out)
{
	sock_addr endpoint = endpoints_of(e->endpoints, p->id);

	if (!endpoints_is_on_device(e->endpoints, p->id)) {
		if (e->looks.is_under_way && !has(&e->late, p->id))
			vec_push(&e->late, p->id);
		return;
	}
	if (!may_set(e, p, now))
		return;
	if (is_in_tunnel(e, &endpoint))
		offer_later(e, p, now, out);
	else
		emit_set(e, p->id, out);
}

static void look_for(
	struct engine *e, const struct generation_peer *p, instant now, engine_actions *out)
{
	const struct mesh_endpoint *name;
	struct engine_action *a;

	switch (endpoints_overdue(e->endpoints, p->id, now)) {
	case ENDPOINTS_OFFER:
		offer(e, p, now, out);
		break;
	case ENDPOINTS_ASK:
		name = endpoints_name(e->endpoints, p->id);
		a = engine_emit(e, ENGINE_RESOLVE, out);
		a->u.resolve.peer = p->id;
		a->u.resolve.host = name->host;
		a->u.resolve.port = name->port;
		break;
	case ENDPOINTS_WAIT:
		break;
	}
}

void engine_resolve_open(struct engine *e, instant now, engine_actions *out)
{
	for (size_t i = 0; i < e->gen->n_peers; i++)
		if (endpoints_is_open(e->endpoints, e->gen->peers[i].id))
			look_for(e, &e->gen->peers[i], now, out);
}

static void check_peer(
	struct engine *e, const struct generation_peer *p, instant now, engine_actions *out)
{
	if (!is_overdue(e, p, now))
		endpoints_working(e->endpoints, p->id);
	else if (endpoints_is_on_device(e->endpoints, p->id))
		look_for(e, p, now, out); /* one just made had no time for a handshake */
}

void engine_check_peers(struct engine *e, instant now, engine_actions *out)
{
	size_t end = e->checked + CHECK_SLICE;

	if (!e->checked)
		e->check_began = now;
	if (end > e->gen->n_peers)
		end = e->gen->n_peers;
	for (; e->checked < end; e->checked++)
		check_peer(e, &e->gen->peers[e->checked], now, out);
	e->check_at = now;
	if (e->checked < e->gen->n_peers)
		return;
	e->checked = 0;
	e->check_at = instant_add(e->check_began, CHECK);
}

void engine_on_resolved(
	struct engine *e, const struct engine_event *event, instant now, engine_actions *out)
{
	uint32_t peer = event->u.resolved.peer;
	const struct generation_peer *p = generation_peer_by_id(e->gen, peer);

	if (p && endpoints_resolved(
			 e->endpoints, peer, event->u.resolved.addrs, event->u.resolved.n))
		offer(e, p, now, out);
}

static void set_covered(struct engine *e, instant now, engine_actions *out)
{
	for (size_t i = 0; i < e->covered.n; i++) {
		const struct generation_peer *p =
			generation_peer_by_id(e->gen, e->covered.items[i]);

		if (p && may_set(e, p, now))
			emit_set(e, p->id, out);
	}
	e->covered.n = 0;
}

static void offer_late(struct engine *e, instant now, engine_actions *out)
{
	for (size_t i = 0; i < e->late.n; i++) {
		const struct generation_peer *p = generation_peer_by_id(e->gen, e->late.items[i]);

		if (p)
			offer(e, p, now, out);
	}
	e->late.n = 0;
}

static void follow_inventory(struct engine *e, instant now, engine_actions *out)
{
	for (size_t i = 0; i < e->gen->n_peers; i++) {
		const struct generation_peer *p = &e->gen->peers[i];

		if (endpoints_has_moved(e->endpoints, p->id) && may_set(e, p, now))
			emit_set(e, p->id, out);
	}
}

void engine_set_endpoints(struct engine *e, bool moved, instant now, engine_actions *out)
{
	set_covered(e, now, out);
	offer_late(e, now, out);
	if (moved)
		follow_inventory(e, now, out);
}

void engine_on_endpoint_set(
	struct engine *e, const struct engine_event *event, instant now, engine_actions *out)
{
	uint32_t peer = event->u.endpoint_set.peer;
	int err = event->u.endpoint_set.err;
	struct engine_line *l =
		engine_emit_line(e, err ? ENGINE_LINE_NO_ENDPOINT : ENGINE_LINE_ENDPOINT, out);

	l->peer = peer;
	l->err = err;
	l->endpoint = event->u.endpoint_set.endpoint;
	endpoints_given(e->endpoints, peer, &l->endpoint, !err, now);
}

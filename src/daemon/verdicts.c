/* SPDX-License-Identifier: MIT */
#include "daemon/verdicts.h"

#include "daemon/adoption.h"
#include "daemon/kernel_plan.h"
#include "daemon/log.h"
#include "sys/clock.h"
#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

/* Of the prober, taken at once: one step of the RIB, one change of the FIB. */
#define EVENTS_MAX 64

/* A session that works has had a handshake within REKEY_AFTER_TIME, or is about to get one. */
#define HANDSHAKE_OVERDUE (150 * NS_PER_S)

/* --- adoption ------------------------------------------------------------------------------------
 */

static bool is_own_address(const struct generation_peer *p, const ip_prefix *prefix)
{
	for (size_t i = 0; i < p->node->n_addresses; i++) {
		ip_prefix host = ip_prefix_host(&p->node->addresses[i].addr);

		if (ip_prefix_eq(&host, prefix))
			return true;
	}
	return false;
}

/* The device sends more to it than what never moves. */
static bool is_adopted(const struct generation_peer *p, const struct device_state *adopted)
{
	const struct device_peer *m =
		adopted ? device_state_peer(adopted, &p->node->public_key) : NULL;

	for (size_t i = 0; m && i < m->n_allowed; i++)
		if (!is_own_address(p, &m->allowed[i]))
			return true;
	return false;
}

static void judge(struct daemon *d, uint32_t peer, enum rib_state state)
{
	struct rib_event e = {.type = RIB_EVENT_PEER, .u.peer = {peer, state}};
	struct rib_diff diff = {0};

	rib_step(d->rib, &e, 1, &diff);
	rib_diff_done(&diff); /* the caller syncs */
}

void verdicts_adopt(struct daemon *d, const struct device_state *adopted)
{
	for (size_t i = 0; i < d->gen->n_peers; i++) {
		const struct generation_peer *p = &d->gen->peers[i];

		judge(d, p->id, is_adopted(p, adopted) ? RIB_UP : RIB_DOWN);
	}
}

void verdicts_of_reload(struct daemon *d, const struct generation *old)
{
	for (size_t i = 0; i < d->gen->n_peers; i++)
		if (!generation_peer_by_id(old, d->gen->peers[i].id))
			judge(d, d->gen->peers[i].id, RIB_DOWN);
	for (size_t i = 0; i < old->n_peers; i++)
		if (!generation_peer_by_id(d->gen, old->peers[i].id))
			judge(d, old->peers[i].id, RIB_UP);
}

struct found {
	const struct generation *gen;
	struct map *owners; /* prefix -> generation_peer */
};

static bool owner_found(const ip_prefix *prefix, uint32_t *ret_peer, void *data)
{
	const struct found *f = data;
	const struct generation_peer *p = map_get(f->owners, prefix, sizeof(*prefix));

	if (p)
		*ret_peer = p->id;
	return p;
}

void verdicts_refine(struct daemon *d, const struct device_state *adopted)
{
	struct found f = {d->gen, map_new()};

	for (size_t i = 0; i < adopted->n_peers; i++) {
		const struct device_peer *m = &adopted->peers[i];
		const struct generation_peer *p = generation_peer_by_key(d->gen, &m->key);

		for (size_t k = 0; p && k < m->n_allowed; k++)
			map_put(f.owners, &m->allowed[k], sizeof(m->allowed[k]),
				(void *)(uintptr_t)p);
	}
	adoption_refine(d->rib, owner_found, &f);
	map_free(f.owners);
}

static enum live_state adopted_state(
	const struct daemon *d, const struct generation_peer *p, const struct device_state *adopted)
{
	if (!is_adopted(p, adopted))
		return LIVE_DOWN;
	return rib_peer_state(d->rib, p->id) == RIB_LAST_RESORT ? LIVE_LAST_RESORT : LIVE_UP;
}

static enum live_probe probe_of(const struct generation_peer *p)
{
	if (p->view->remote.family == 0)
		return LIVE_PROBE_NONE;
	switch (p->node->liveness.probe) {
	case MESH_PROBE_ECHO:
		return LIVE_PROBE_ECHO;
	case MESH_PROBE_HANDSHAKE:
		return LIVE_PROBE_HANDSHAKE;
	default:
		return LIVE_PROBE_BFD;
	}
}

void daemon_feed_prober(struct daemon *d, const struct device_state *adopted)
{
	size_t size = (d->gen->n_peers + 1) * sizeof(struct live_peer_config);
	struct live_peer_config *configs = mem_zalloc(1, size);

	session_keys_begin(d->session_keys, &d->gen->private_key);
	for (size_t i = 0; i < d->gen->n_peers; i++) {
		const struct generation_peer *p = &d->gen->peers[i];

		configs[i] = (struct live_peer_config){
			.peer = p->id,
			.probe = probe_of(p),
			.signals = p->view->runs_shuntd,
			.is_transit = p->node->role == MESH_HUB,
			.adopted_as = adopted_state(d, p, adopted),
			.local = p->view->local,
			.remote = p->view->remote,
			.interval_ns = p->node->liveness.interval_ns,
			.multiplier = p->node->liveness.multiplier,
			.hold_ns = p->node->liveness.hold_ns,
			.generation = d->gen->number,
			.authenticates = p->view->runs_shuntd,
		};
		if (configs[i].authenticates)
			session_keys_get(d->session_keys, &p->node->public_key, &configs[i].keys);
	}
	session_keys_end(d->session_keys);
	prober_set_peers(d->prober, configs, d->gen->n_peers);
	sodium_memzero(configs, size);
	free(configs);
}

/* --- events of the prober ------------------------------------------------------------------------
 */

static enum rib_state rib_state_of(enum live_state s)
{
	switch (s) {
	case LIVE_UP:
		return RIB_UP;
	case LIVE_LAST_RESORT:
		return RIB_LAST_RESORT;
	default:
		return RIB_DOWN;
	}
}

static struct rib_event peer_event(uint32_t peer, enum live_state state)
{
	return (struct rib_event){
		.type = RIB_EVENT_PEER, .u.peer = {.id = peer, .state = rib_state_of(state)}};
}

static void log_verdict(const struct daemon *d, const struct live_event *e)
{
	log_line(e->state == LIVE_DOWN ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "%s is %s: %s",
		names_text(&d->names, e->peer), live_state_name(e->state),
		live_cause_text(e->cause));
}

/* A peer may be lost because it roamed to where its packets are caught by a route into the tunnel:
 * only the device knows. */
static void note_verdict(struct daemon *d, const struct live_event *e)
{
	log_verdict(d, e);
	if (e->state == LIVE_DOWN)
		daemon_sync_soon(d);
}

static void log_self(const struct live_event *e)
{
	log_info("signals to peers: %s", e->drained    ? "drained"
					 : e->flapping ? "holding, since several peers flap"
					 : e->holding  ? "holding"
						       : "in service");
}

/* What moved from one owner to another. */
struct move_line {
	uint32_t from, to;
	ip_prefix first; /* in ip_prefix_cmp order */
	unsigned n;
};

#define NOBODY UINT32_MAX

struct move_lines {
	VEC(struct move_line) lines;
};

static void add_to_line(const ip_prefix *prefix, const struct rib_turn *t, void *data)
{
	struct move_lines *m = data;
	uint32_t from = t->old_owners.n ? t->old_owners.peer[0] : NOBODY;
	uint32_t to = t->owners.n ? t->owners.peer[0] : NOBODY;

	for (size_t i = m->lines.n; i-- > 0;) {
		struct move_line *l = &m->lines.items[i];

		if (l->from == from && l->to == to) {
			l->n++;
			l->first = ip_prefix_cmp(prefix, &l->first) < 0 ? *prefix : l->first;
			return;
		}
	}
	vec_push(&m->lines, ((struct move_line){from, to, *prefix, 1}));
}

static const char *owner_name(const struct daemon *d, uint32_t peer)
{
	return peer == NOBODY ? "nobody" : names_text(&d->names, peer);
}

/* "10.20.2.0/24 and 3 others: hub-a -> hub-b", one line per pair of owners. */
static void log_moves(const struct daemon *d, const struct rib_diff *diff)
{
	struct move_lines m = {0};

	rib_diff_each(diff, add_to_line, &m);
	for (size_t i = 0; i < m.lines.n; i++) {
		const struct move_line *l = &m.lines.items[i];
		char prefix[IP_PREFIX_STRLEN], others[32] = "";

		if (l->n > 1)
			snprintf(others, sizeof(others), " and %u other%s", l->n - 1,
				l->n > 2 ? "s" : "");
		log_info("%s%s: %s -> %s", ip_prefix_format(&l->first, prefix), others,
			owner_name(d, l->from), owner_name(d, l->to));
	}
	vec_done(&m.lines);
}

static void step(struct daemon *d, const struct rib_event *events, size_t n)
{
	struct rib_diff diff = {0};
	int err;

	rib_step(d->rib, events, n, &diff);
	d->fib.gen = d->gen;
	err = fib_apply(&d->fib, &diff);
	log_moves(d, &diff);
	rib_diff_done(&diff);
	if (err && !d->stopping) {
		log_warning("the device refused a change (%s); reading it back", strerror(-err));
		daemon_sync(d, "mended", NULL);
	}
}

/* What waited while a reload took another configuration speaks of the one before: that peer may be
 * none any more. The reload has asked for all verdicts anew (verdicts_refresh). */
static bool is_of_now(const struct daemon *d, const struct live_event *e)
{
	return e->type == LIVE_EVENT_PEER && e->generation == d->gen->number;
}

static void take_events(struct daemon *d, const struct live_event *live, size_t n)
{
	struct rib_event rib[EVENTS_MAX];
	bool hold_over = false;
	size_t n_rib = 0;

	assert(n <= EVENTS_MAX);
	for (size_t i = 0; i < n; i++) {
		hold_over |= live[i].type == LIVE_EVENT_HOLD_OVER;
		if (is_of_now(d, &live[i]))
			rib[n_rib++] = peer_event(live[i].peer, live[i].state);
	}
	if (n_rib)
		step(d, rib, n_rib);
	/* Only now, with our own FIB programmed, may the peers come back to us. */
	if (hold_over)
		prober_hold_clear(d->prober);
	for (size_t i = 0; i < n; i++) {
		if (is_of_now(d, &live[i]))
			note_verdict(d, &live[i]);
		else if (live[i].type == LIVE_EVENT_SELF)
			log_self(&live[i]);
	}
}

void verdicts_on_events(uv_poll_t *p, int status, int events)
{
	struct daemon *d = p->data;
	struct live_event live[EVENTS_MAX];
	size_t n;

	while ((n = prober_events(d->prober, live, ARRAY_SIZE(live))))
		take_events(d, live, n);
}

void verdicts_refresh(struct daemon *d)
{
	VEC(struct rib_event) events = {0};
	struct live_peer_info info;

	for (size_t i = 0; i < d->gen->n_peers; i++) {
		uint32_t id = d->gen->peers[i].id;
		struct live_event e = {.type = LIVE_EVENT_PEER, .peer = id};

		if (!prober_info(d->prober, id, &info) ||
			rib_peer_state(d->rib, id) == rib_state_of(info.state))
			continue;
		vec_push(&events, peer_event(id, info.state));
		e.state = info.state;
		e.cause = info.cause;
		log_verdict(d, &e);
	}
	if (events.n)
		step(d, events.items, events.n);
	vec_done(&events);
}

/* --- the mirror and endpoints --------------------------------------------------------------------
 */

/* A peer that answers its probes works, whatever the age of its handshake; one that doesn't has had
 * no time for it just after our start. */
static bool is_overdue(const struct daemon *d, const struct generation_peer *p)
{
	enum live_probe probe = probe_of(p);
	int64_t age = handshakes_age(d->handshakes, &p->node->public_key, sys_now());
	bool is_old = age == HANDSHAKE_NEVER || age > HANDSHAKE_OVERDUE;

	/* Where the age is in doubt, the verdict tells. */
	if (age == HANDSHAKE_UNKNOWN && probe == LIVE_PROBE_HANDSHAKE)
		return rib_peer_state(d->rib, p->id) == RIB_DOWN;

	if (probe != LIVE_PROBE_BFD && probe != LIVE_PROBE_ECHO)
		return is_old;
	if (!is_old && instant_diff(sys_now(), d->started_at) < LIVE_ADOPT_GRACE)
		return false;
	return rib_peer_state(d->rib, p->id) == RIB_DOWN;
}

void verdicts_of_mirror(struct daemon *d)
{
	instant now = sys_now();

	handshakes_look(d->handshakes, &d->mirror, sys_wall_ns(), now);
	for (size_t i = 0; d->prober && i < d->gen->n_peers; i++) {
		const struct generation_peer *p = &d->gen->peers[i];
		const wg_key *key = &p->node->public_key;
		const struct device_peer *m = device_state_peer(&d->mirror, key);

		if (m)
			prober_handshake(d->prober, p->id, handshakes_age(d->handshakes, key, now),
				m->rx_bytes);
	}
}

void verdicts_check_endpoints(struct daemon *d)
{
	instant now = sys_now();

	for (size_t i = 0; i < d->gen->n_peers; i++) {
		const struct generation_peer *p = &d->gen->peers[i];
		const struct device_peer *m = device_state_peer(&d->mirror, &p->node->public_key);

		if (!is_overdue(d, p))
			endpoints_working(d->endpoints, p->id);
		else if (m) /* one just made had no time for a handshake yet */
			endpoints_overdue(d->endpoints, p->id, now);
	}
}

/* m: as the device has it, or NULL. */
static bool may_set_endpoint(const struct daemon *d, const struct generation_peer *p,
	const struct device_peer *m, const sock_addr *endpoint)
{
	sock_addr before = endpoints_before(d->endpoints, p->id);

	if (!m || m->endpoint.sa.sa_family == AF_UNSPEC)
		return true;
	if (sock_addr_eq(&m->endpoint, endpoint))
		return false;
	return sock_addr_eq(&m->endpoint, &before) || is_overdue(d, p);
}

static int set_endpoint(
	struct daemon *d, const struct generation_peer *p, const sock_addr *endpoint)
{
	struct device_peer_change change = {.key = p->node->public_key,
		.update_only = true,
		.set_endpoint = true,
		.endpoint = *endpoint};
	struct device_change all = {.peers = &change, .n_peers = 1};
	char text[SOCK_ADDR_STRLEN];
	int err = device_set(d->fib.device, &all);

	if (err)
		log_warning("%s's endpoint could not be set: %s", p->node->name, strerror(-err));
	else
		log_info("%s is looked for at %s", p->node->name, sock_addr_format(endpoint, text));
	return err;
}

void verdicts_endpoint_resolved(uint32_t peer, const sock_addr *endpoint, void *daemon)
{
	struct daemon *d = daemon;
	const struct generation_peer *p = generation_peer_by_id(d->gen, peer);
	const struct device_peer *m;

	if (!p || !d->prober) /* at the start the first sync does it */
		return;
	/* Before the device sends there, its packets must have a way out. */
	if (kernel_endpoint_is_caught(&d->fib, endpoint))
		daemon_sync(d, "an endpoint within a carried prefix", NULL);
	m = device_state_peer(&d->mirror, &p->node->public_key);
	if (may_set_endpoint(d, p, m, endpoint))
		set_endpoint(d, p, endpoint);
}

unsigned verdicts_endpoints_of_reload(struct daemon *d, struct changes *c)
{
	const sock_addr *endpoints = endpoints_of_peers(d->endpoints);
	unsigned n = 0;

	for (size_t i = 0; i < d->gen->n_peers; i++) {
		const struct generation_peer *p = &d->gen->peers[i];
		const struct device_peer *m = device_state_peer(&d->mirror, &p->node->public_key);
		sock_addr before = endpoints_before(d->endpoints, p->id);

		if (!m || before.sa.sa_family == AF_UNSPEC ||
			endpoints[i].sa.sa_family == AF_UNSPEC ||
			!may_set_endpoint(d, p, m, &endpoints[i]) ||
			set_endpoint(d, p, &endpoints[i]))
			continue;
		changes_endpoint(c, p->node->name, &m->endpoint, &endpoints[i]);
		n++;
	}
	return n;
}

/* SPDX-License-Identifier: MIT */
#include "world.h"

#include "base/mem.h"
#include "daemon/adoption.h"
#include "daemon/candidates.h"
#include "live/random.h"
#include "route/rib.h"
#include <string.h>

/* A change of a peer's state on its way to the FIB. */
struct pending {
	instant at;
	struct rib_event event;
};

struct daemon {
	struct world *w;
	unsigned node;
	struct mesh_view view;
	struct live *live;
	uint64_t random; /* its source of chance */
	struct rib *rib;
	struct rib_diff diff;
	VEC(struct pending) pending; /* in order */
	instant clear_at;	     /* the FIB is programmed, the hold may end */
};

/* Values of the tries: a node's index plus one, so that none is NULL. */
static void *to_value(unsigned node)
{
	return (void *)(uintptr_t)(node + 1);
}

#define TO_DEVICE (WORLD_NODES + 1)

ip_addr node_address(const struct world *w, unsigned node)
{
	return w->inv->nodes[node].addresses[0].addr;
}

unsigned node_owner(const struct world_node *n, const ip_addr *a)
{
	void *value = trie_lookup(n->owners, a, NULL);

	return value ? (unsigned)((uintptr_t)value - 1) : WORLD_NOBODY;
}

/* --- the FIB --- */

static void set_owner(struct world_node *n, const ip_prefix *p, const struct rib_owners *o)
{
	if (o->n)
		*trie_slot(n->owners, p) = to_value(o->peer[0]);
	else
		trie_remove(n->owners, p);
}

static void set_route(struct world_node *n, const ip_prefix *p, bool there)
{
	if (there)
		*trie_slot(n->routes, p) = to_value(TO_DEVICE);
	else
		trie_remove(n->routes, p);
}

static void take_turn(const ip_prefix *prefix, const struct rib_turn *t, void *node)
{
	set_owner(node, prefix, &t->owners);
	set_route(node, prefix, t->route);
}

static int take_answer(const struct rib_answer *a, void *node)
{
	set_owner(node, &a->prefix, &a->owners);
	set_route(node, &a->prefix, a->route);
	return 0;
}

static void program(struct daemon *d, const struct rib_event *events, size_t n)
{
	rib_step(d->rib, events, n, &d->diff);
	rib_diff_each(&d->diff, take_turn, &d->w->nodes[d->node]);
}

/* --- what the live core wants --- */

static void send_bfd(uint32_t peer, const uint8_t *bytes, size_t len, void *data)
{
	struct daemon *d = data;
	struct world_packet p = {.kind = WORLD_BFD, .from = d->node, .to = peer, .len = len};

	memcpy(p.bytes, bytes, p.len);
	world_send(d->w, &p);
}

static void send_echo(uint32_t peer, const struct echo_mark *mark, void *data)
{
	struct daemon *d = data;

	world_send(d->w,
		&(struct world_packet){
			.kind = WORLD_ECHO_REQUEST, .from = d->node, .to = peer, .mark = *mark});
}

static enum rib_state rib_state_of(enum live_state s)
{
	return s == LIVE_UP ? RIB_UP : s == LIVE_LAST_RESORT ? RIB_LAST_RESORT : RIB_DOWN;
}

static void on_event(const struct live_event *e, void *data)
{
	struct daemon *d = data;
	struct pending p = {.at = instant_add(d->w->now, WORLD_FIB_NS)};

	if (e->type == LIVE_EVENT_PEER) {
		world_say(d->w, "%s: %s is %s (%s)", world_name(d->w, d->node),
			world_name(d->w, e->peer), live_state_name(e->state),
			live_cause_name(e->cause));
		p.event.type = RIB_EVENT_PEER;
		p.event.u.peer.id = e->peer;
		p.event.u.peer.state = rib_state_of(e->state);
		vec_push(&d->pending, p);
	} else if (e->type == LIVE_EVENT_HOLD_OVER) {
		d->clear_at = p.at;
	} else {
		world_say(d->w, "%s: says of itself:%s%s%s", world_name(d->w, d->node),
			e->drained ? " drained" : "", e->holding ? " holding" : "",
			e->drained || e->holding ? "" : " in service");
	}
}

static uint64_t chance(void *data)
{
	struct daemon *d = data;

	return random_next(&d->random);
}

static const struct live_ops ops = {send_bfd, send_echo, on_event, chance};

/* --- start and end --- */

struct adoption {
	const struct world *w;
	unsigned node;
	bool adopted[WORLD_NODES];
};

/* A peer to whom the device sends more than what never moves. */
static int note_adopted(const ip_prefix *p, void *value, void *data)
{
	struct adoption *a = data;
	unsigned owner = (unsigned)((uintptr_t)value - 1);
	ip_addr address = node_address(a->w, owner);
	ip_prefix host = ip_prefix_host(&address);

	a->adopted[owner] |= !ip_prefix_eq(p, &host);
	return 0;
}

static bool owner_found(const ip_prefix *p, uint32_t *ret_peer, void *data)
{
	const struct adoption *a = data;
	void *value = trie_get(a->w->nodes[a->node].owners, p);

	if (value)
		*ret_peer = (uint32_t)((uintptr_t)value - 1);
	return value;
}

static void set_state(struct daemon *d, unsigned peer, enum rib_state state)
{
	struct rib_event e = {.type = RIB_EVENT_PEER, .u.peer = {peer, state}};

	rib_step(d->rib, &e, 1, &d->diff);
}

static void probe(struct daemon *d, const struct mesh_view_peer *p)
{
	const struct mesh_node *node = &d->w->inv->nodes[p->node];
	enum rib_state state = rib_peer_state(d->rib, p->node);
	struct live_peer_config c = {
		.peer = p->node,
		.probe = LIVE_PROBE_BFD,
		.signals = p->runs_shuntd,
		.is_transit = node->role == MESH_HUB,
		.adopted_as = state == RIB_UP		 ? LIVE_UP
			      : state == RIB_LAST_RESORT ? LIVE_LAST_RESORT
							 : LIVE_DOWN,
		.local = p->local,
		.remote = p->remote,
		.interval_ns = node->liveness.interval_ns,
		.multiplier = node->liveness.multiplier,
		.hold_ns = node->liveness.hold_ns,
	};

	live_peer_set(d->live, &c, d->w->now);
}

/* As the daemon does: the table that is there says who is up, the candidates come, and whoever it
 * passes over is last resort. */
static void adopt(struct daemon *d)
{
	struct world_node *n = &d->w->nodes[d->node];
	struct adoption a = {.w = d->w, .node = d->node};
	struct candidate_events events;

	trie_walk(n->owners, note_adopted, &a);
	for (size_t i = 0; i < d->view.n_peers; i++)
		set_state(d, d->view.peers[i].node,
			a.adopted[d->view.peers[i].node] ? RIB_UP : RIB_DOWN);
	candidate_events_of_view(&d->view, NULL, &events);
	rib_step(d->rib, events.events.items, events.events.n, &d->diff);
	candidate_events_done(&events);
	adoption_refine(d->rib, owner_found, &a);
	rib_walk(d->rib, take_answer, n);
}

static void add_own_routes(struct world *w, unsigned node)
{
	struct world_node *n = &w->nodes[node];
	ip_addr own = node_address(w, node);
	ip_prefix host = ip_prefix_host(&own);

	*trie_slot(n->routes, &host) = to_value(node);
	for (size_t i = 0; i < n->node->n_networks; i++)
		*trie_slot(n->routes, &n->node->networks[i].prefix) = to_value(node);
}

void node_power(struct world *w, unsigned node, bool on)
{
	struct world_node *n = &w->nodes[node];

	if (on == n->is_on)
		return;
	node_kill(w, node);
	trie_free(n->owners);
	trie_free(n->routes);
	n->owners = n->routes = NULL;
	n->is_on = on;
	n->has_device = false;
	world_say(w, "(%s is switched %s)", world_name(w, node), on ? "on" : "off");
	if (!on)
		return;
	n->owners = trie_new();
	n->routes = trie_new();
	add_own_routes(w, node);
}

void node_start(struct world *w, unsigned node)
{
	struct world_node *n = &w->nodes[node];
	struct daemon *d = mem_zalloc(1, sizeof(*d));
	struct live_self_config self = {
		.hold_ns = n->node->liveness.hold_ns,
		.cold_start = !n->has_device,
		.drained = n->is_drained,
		/* By a clock, which went on between two starts. */
		.sequence = (uint32_t)(w->now.ns / (NS_PER_S / BFD_AUTH_RATE)),
	};

	world_say(w, "(%s's daemon starts)", world_name(w, node));
	*d = (struct daemon){.w = w, .node = node, .clear_at = INSTANT_NEVER};
	d->random = node * 1000 + ++n->starts;
	n->daemon = d;
	n->has_device = true;
	d->rib = rib_new(1);
	d->live = live_new(&self, &ops, d, w->now);
	mesh_view_build(w->topology, node, &d->view);
	adopt(d);
	for (size_t i = 0; i < d->view.n_peers; i++)
		probe(d, &d->view.peers[i]);
}

void node_kill(struct world *w, unsigned node)
{
	struct daemon *d = w->nodes[node].daemon;

	if (!d)
		return;
	world_say(w, "(%s's daemon is killed)", world_name(w, node));
	live_free(d->live);
	rib_diff_done(&d->diff);
	rib_free(d->rib);
	mesh_view_done(&d->view);
	vec_done(&d->pending);
	free(d);
	w->nodes[node].daemon = NULL;
}

void node_drain(struct world *w, unsigned node, bool drained)
{
	struct world_node *n = &w->nodes[node];

	world_say(w, "(%s: %s)", world_name(w, node), drained ? "drain" : "undrain");
	n->is_drained = drained;
	if (n->daemon)
		live_drain(n->daemon->live, drained, w->now);
}

/* --- what comes --- */

void node_receive(struct world *w, unsigned node, const struct world_packet *p)
{
	struct daemon *d = w->nodes[node].daemon;
	ip_addr src = node_address(w, p->from), dst = node_address(w, node);

	if (!d)
		return;
	if (p->kind == WORLD_BFD)
		live_on_bfd(d->live,
			&(struct live_datagram){src, dst, 49152, 255, p->bytes, p->len}, w->now);
	else
		live_on_echo_reply(d->live, &src, &p->mark, w->now);
}

instant node_deadline(const struct world_node *n)
{
	instant at;

	if (!n->daemon)
		return INSTANT_NEVER;
	at = instant_min(live_deadline(n->daemon->live), n->daemon->clear_at);
	return n->daemon->pending.n ? instant_min(at, n->daemon->pending.items[0].at) : at;
}

static void take_pending(struct daemon *d)
{
	size_t n = 0;

	while (n < d->pending.n && !instant_before(d->w->now, d->pending.items[n].at))
		program(d, &d->pending.items[n++].event, 1);
	d->pending.n -= n;
	memmove(d->pending.items, d->pending.items + n, d->pending.n * sizeof(*d->pending.items));
}

void node_step(struct world *w, unsigned node)
{
	struct daemon *d = w->nodes[node].daemon;

	if (!d)
		return;
	live_step(d->live, w->now);
	if (d->pending.n)
		take_pending(d);
	if (!instant_before(w->now, d->clear_at)) {
		d->clear_at = INSTANT_NEVER;
		live_hold_clear(d->live, w->now);
	}
}

enum live_state node_verdict(const struct world_node *n, unsigned peer)
{
	struct live_peer_info info;

	if (!n->daemon || !live_peer_info(n->daemon->live, peer, &info))
		return LIVE_DOWN;
	return info.state;
}

bool node_is_holding(const struct world_node *n)
{
	return n->daemon && live_is_holding(n->daemon->live);
}

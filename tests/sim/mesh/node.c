/* SPDX-License-Identifier: MIT */
/*
 * A machine. Its daemon is the real engine and the real live core, wired as shuntd wires them: what
 * the engine wants done is done here to a model of the device and of the kernel's routes, at once,
 * and how that went is told before anything else.
 */
#include "world.h"

#include "base/mem.h"
#include "daemon/engine.h"
#include "live/random.h"
#include "route/rib.h"
#include <string.h>

/* An event of the live core on its way to the engine. */
struct pending {
	instant at;
	struct live_event event;
};

typedef VEC(struct engine_event) outcomes;

struct daemon {
	struct world *w;
	unsigned node;
	struct engine *engine;
	struct live *live;
	uint64_t random;	     /* its source of chance */
	VEC(struct pending) pending; /* in order */
	VEC(struct live_event) standing;
	/* The device as it was read last. */
	struct device_peer peers[WORLD_NODES];
	struct device_state device;
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

/* Peers are numbers of the engine's own. */
static unsigned node_of(const struct daemon *d, uint32_t peer)
{
	const char *name = engine_name(d->engine, peer);
	unsigned i = 0;

	while (strcmp(world_name(d->w, i), name) != 0)
		i++;
	assert(i < d->w->n_nodes);
	return i;
}

static uint32_t peer_of(const struct daemon *d, unsigned node)
{
	return names_find(&engine_generation(d->engine)->names, world_name(d->w, node));
}

/* --- the device and the routes -------------------------------------------------------------------
 */

static struct world_node *self(const struct daemon *d)
{
	return &d->w->nodes[d->node];
}

static void set_owner(struct daemon *d, const ip_prefix *p, const struct rib_owners *o)
{
	if (o->n)
		*trie_slot(self(d)->owners, p) = to_value(node_of(d, o->peer[0]));
	else
		trie_remove(self(d)->owners, p);
}

static void set_route(struct daemon *d, const ip_prefix *p, bool there)
{
	if (there)
		*trie_slot(self(d)->routes, p) = to_value(TO_DEVICE);
	else
		trie_remove(self(d)->routes, p);
}

static void take_turn(const ip_prefix *prefix, const struct rib_turn *t, void *daemon)
{
	set_owner(daemon, prefix, &t->owners);
	set_route(daemon, prefix, t->route);
}

static int take_answer(const struct rib_answer *a, void *daemon)
{
	set_owner(daemon, &a->prefix, &a->owners);
	set_route(daemon, &a->prefix, a->route);
	return 0;
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

/* Nothing but its own networks. */
static void forget_fib(struct world *w, unsigned node)
{
	struct world_node *n = &w->nodes[node];

	trie_free(n->owners);
	trie_free(n->routes);
	n->owners = n->routes = NULL;
	if (!n->is_on)
		return;
	n->owners = trie_new();
	n->routes = trie_new();
	add_own_routes(w, node);
}

static void forget_device(struct daemon *d)
{
	for (size_t i = 0; i < d->device.n_peers; i++)
		free(d->peers[i].allowed);
	memset(d->peers, 0, sizeof(d->peers));
	d->device = (struct device_state){0};
}

static int note_allowed(const ip_prefix *p, void *value, void *daemon)
{
	struct daemon *d = daemon;
	unsigned owner = (unsigned)((uintptr_t)value - 1);
	const wg_key *key = &d->w->inv->nodes[owner].public_key;
	struct device_peer *peer = NULL;

	for (size_t i = 0; i < d->device.n_peers; i++)
		if (wg_key_eq(&d->peers[i].key, key))
			peer = &d->peers[i];
	assert(peer);
	peer->allowed = mem_realloc(peer->allowed, peer->n_allowed + 1, sizeof(*peer->allowed));
	peer->allowed[peer->n_allowed++] = *p;
	return 0;
}

static bool is_ever_peer(const struct world *w, unsigned a, unsigned b)
{
	for (unsigned i = 0; i < WORLD_EDITIONS; i++)
		if (mesh_linked(w->topologies[i], a, b))
			return true;
	return false;
}

/* As device_get would: the peers of the topology, by their keys, which are in the order of nodes.
 */
static const struct device_state *read_device(struct daemon *d)
{
	const struct world *w = d->w;

	forget_device(d);
	d->device.has_key = true;
	d->device.public_key = w->inv->nodes[d->node].public_key;
	d->device.listen_port = 51820;
	d->device.peers = d->peers;
	for (unsigned i = 0; i < w->n_nodes; i++)
		if (i != d->node && is_ever_peer(w, d->node, i))
			d->peers[d->device.n_peers++].key = w->inv->nodes[i].public_key;
	trie_walk(self(d)->owners, note_allowed, d);
	return &d->device;
}

/* --- what the engine wants -----------------------------------------------------------------------
 */

static struct engine_event outcome_of(const struct engine_action *a, enum engine_event_type type)
{
	return (struct engine_event){.type = type, .generation = a->generation};
}

static struct engine_event sync_device(struct daemon *d, const struct engine_action *a)
{
	struct engine_event done = outcome_of(a, ENGINE_SYNCED);

	forget_fib(d->w, d->node);
	rib_walk(engine_rib(d->engine), take_answer, d);
	done.u.synced.device = read_device(d);
	done.u.synced.wall_ns = d->w->now.ns;
	return done;
}

static struct engine_event move(struct daemon *d, const struct engine_action *a)
{
	rib_diff_each(a->u.move, take_turn, d);
	return outcome_of(a, ENGINE_MOVED);
}

/* One for each direction, the same at both ends. */
static void make_keys(const struct daemon *d, unsigned peer, struct bfd_keys *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->send[0] = ret->receive[1] = (uint8_t)(d->node + 1);
	ret->send[1] = ret->receive[0] = (uint8_t)(peer + 1);
}

static void probe(struct daemon *d, const struct live_peer_config *config)
{
	struct live_peer_config c = *config;

	make_keys(d, node_of(d, c.peer), &c.keys);
	live_peer_set(d->live, &c, d->w->now);
}

static void stand(struct daemon *d, const struct live_peer_config *config)
{
	struct live_event e = {
		.type = LIVE_EVENT_PEER, .peer = config->peer, .generation = config->generation};
	struct live_peer_info info;

	if (!live_peer_info(d->live, e.peer, &info))
		return;
	e.state = info.state;
	e.cause = info.cause;
	vec_push(&d->standing, e);
}

static struct engine_event probe_set(struct daemon *d, const struct engine_action *a)
{
	struct engine_event done = outcome_of(a, ENGINE_PROBED);

	d->standing.n = 0;
	for (size_t i = 0; i < a->u.probe.n; i++)
		probe(d, &a->u.probe.peers[i]);
	for (size_t i = 0; i < a->u.probe.n; i++)
		stand(d, &a->u.probe.peers[i]);
	done.u.verdicts.events = d->standing.items;
	done.u.verdicts.n = d->standing.n;
	return done;
}

static void say(const struct daemon *d, const struct engine_line *l)
{
	AUTO_BUF text = {0};

	engine_line_text(d->engine, l, &text);
	world_say(d->w, "%s: %s", world_name(d->w, d->node), buf_str(&text));
}

/* Endpoints play no part in this world: names stay unresolved. */
static void carry_out(struct daemon *d, const struct engine_action *a, outcomes *ret)
{
	struct engine_event done;

	switch (a->type) {
	case ENGINE_MOVE:
		vec_push(ret, move(d, a));
		break;
	case ENGINE_SYNC:
		vec_push(ret, sync_device(d, a));
		break;
	case ENGINE_PROBE_SET:
		vec_push(ret, probe_set(d, a));
		break;
	case ENGINE_PROBE_DRAIN:
		live_drain(d->live, a->u.drained, d->w->now);
		break;
	case ENGINE_HOLD_CLEAR:
		live_hold_clear(d->live, d->w->now);
		break;
	case ENGINE_REMEMBER_DRAIN:
		self(d)->is_drained = a->u.drained;
		done = outcome_of(a, ENGINE_REMEMBERED);
		done.u.remembered.drained = a->u.drained;
		vec_push(ret, done);
		break;
	case ENGINE_LINE:
		say(d, &a->u.line);
		break;
	default:
		break;
	}
}

static void feed(struct daemon *d, const struct engine_event *event)
{
	outcomes queue = {0};

	vec_push(&queue, *event);
	for (size_t i = 0; i < queue.n; i++) {
		struct engine_event next = queue.items[i];
		engine_actions todo = {0};

		engine_step(d->engine, &next, d->w->now, &todo);
		for (size_t k = 0; k < todo.n; k++)
			carry_out(d, &todo.items[k], &queue);
		vec_done(&todo);
	}
	vec_done(&queue);
}

/* --- what the live core wants --------------------------------------------------------------------
 */

static void send_bfd(uint32_t peer, const uint8_t *bytes, size_t len, void *data)
{
	struct daemon *d = data;
	struct world_packet p = {
		.kind = WORLD_BFD, .from = d->node, .to = node_of(d, peer), .len = len};

	memcpy(p.bytes, bytes, p.len);
	world_send(d->w, &p);
}

static void send_echo(uint32_t peer, const struct echo_mark *mark, void *data)
{
	struct daemon *d = data;

	world_send(d->w, &(struct world_packet){.kind = WORLD_ECHO_REQUEST,
				 .from = d->node,
				 .to = node_of(d, peer),
				 .mark = *mark});
}

static void on_event(const struct live_event *e, void *data)
{
	struct daemon *d = data;

	vec_push(&d->pending, ((struct pending){instant_add(d->w->now, WORLD_FIB_NS), *e}));
}

static uint64_t chance(void *data)
{
	struct daemon *d = data;

	return random_next(&d->random);
}

static const struct live_ops ops = {send_bfd, send_echo, on_event, chance};

/* --- start and end -------------------------------------------------------------------------------
 */

void node_power(struct world *w, unsigned node, bool on)
{
	struct world_node *n = &w->nodes[node];

	if (on == n->is_on)
		return;
	node_kill(w, node);
	n->is_on = on;
	n->has_device = false;
	forget_fib(w, node);
	world_say(w, "(%s is switched %s)", world_name(w, node), on ? "on" : "off");
}

static const struct generation *make_generation(struct daemon *d)
{
	wg_key key = {{1}};
	struct generation_parts parts = {.topology = mesh_topology_new(d->w->inv),
		.self = &d->w->inv->nodes[d->node],
		.private_key = &key,
		.before = engine_generation(d->engine)};

	return generation_make(&parts);
}

static void load(struct daemon *d)
{
	struct engine_event e = {.type = ENGINE_GENERATION};

	self(d)->edition = d->w->edition;
	e.u.generation = make_generation(d);
	feed(d, &e);
}

static void start_engine(struct daemon *d)
{
	struct engine_event e = {.type = ENGINE_FOUND};

	load(d);
	e.u.found.device = read_device(d);
	e.u.found.max_owners = 1;
	feed(d, &e);
}

void node_start(struct world *w, unsigned node)
{
	struct world_node *n = &w->nodes[node];
	struct daemon *d = mem_zalloc(1, sizeof(*d));
	struct live_self_config config = {
		.hold_ns = n->node->liveness.hold_ns,
		.cold_start = !n->has_device,
		.drained = n->is_drained,
		/* By a clock, which went on between two starts. */
		.sequence = (uint32_t)(w->now.ns / (NS_PER_S / BFD_AUTH_RATE)),
	};

	world_say(w, "(%s's daemon starts)", world_name(w, node));
	d->w = w;
	d->node = node;
	d->random = node * 1000 + ++n->starts;
	n->daemon = d;
	n->has_device = true;
	d->engine = engine_new(w->now);
	d->live = live_new(&config, &ops, d, w->now);
	start_engine(d);
}

void node_reload(struct world *w, unsigned node)
{
	world_say(w, "(%s reloads)", world_name(w, node));
	load(w->nodes[node].daemon);
}

void node_kill(struct world *w, unsigned node)
{
	struct daemon *d = w->nodes[node].daemon;

	if (!d)
		return;
	world_say(w, "(%s's daemon is killed)", world_name(w, node));
	live_free(d->live);
	engine_free(d->engine);
	forget_device(d);
	vec_done(&d->pending);
	vec_done(&d->standing);
	free(d);
	w->nodes[node].daemon = NULL;
}

void node_drain(struct world *w, unsigned node, bool drained)
{
	struct engine_event e = {.type = ENGINE_DRAIN, .u.drained = drained};
	struct daemon *d = w->nodes[node].daemon;

	world_say(w, "(%s: %s)", world_name(w, node), drained ? "drain" : "undrain");
	if (d)
		feed(d, &e);
	else
		w->nodes[node].is_drained = drained;
}

/* --- what comes ----------------------------------------------------------------------------------
 */

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
	at = instant_min(live_deadline(n->daemon->live), engine_deadline(n->daemon->engine));
	return n->daemon->pending.n ? instant_min(at, n->daemon->pending.items[0].at) : at;
}

/* All that waits comes as one, as the prober hands it over. */
static void take_pending(struct daemon *d)
{
	struct engine_event e = {.type = ENGINE_VERDICTS};
	VEC(struct live_event) due = {0};

	for (size_t i = 0; i < d->pending.n; i++)
		vec_push(&due, d->pending.items[i].event);
	d->pending.n = 0;
	e.u.verdicts.events = due.items;
	e.u.verdicts.n = due.n;
	feed(d, &e);
	vec_done(&due);
}

void node_step(struct world *w, unsigned node)
{
	struct daemon *d = w->nodes[node].daemon;

	if (!d)
		return;
	live_step(d->live, w->now);
	if (d->pending.n && !instant_before(w->now, d->pending.items[0].at))
		take_pending(d);
	if (!instant_before(w->now, engine_deadline(d->engine)))
		feed(d, &(struct engine_event){.type = ENGINE_TIME});
}

enum live_state node_verdict(const struct world_node *n, unsigned peer)
{
	struct live_peer_info info;

	if (!n->daemon || !live_peer_info(n->daemon->live, peer_of(n->daemon, peer), &info))
		return LIVE_DOWN;
	return info.state;
}

bool node_is_holding(const struct world_node *n)
{
	return n->daemon && live_is_holding(n->daemon->live);
}

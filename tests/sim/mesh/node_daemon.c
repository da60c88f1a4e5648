/* SPDX-License-Identifier: MIT */
#include "node_daemon.h"

#include "base/mem.h"
#include "live/random.h"
#include "node_routes.h"
#include <errno.h>

#define RESOLVED_AFTER (30 * NS_PER_MS)
/* Of a reload; as if there were very many prefixes. */
#define SLICE_PREFIXES 3
#define SLICE_AFTER (20 * NS_PER_MS)

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

struct world_node *daemon_self(const struct daemon *d)
{
	return &d->w->nodes[d->node];
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

static void send_report(uint32_t peer, const uint8_t *bytes, size_t len, void *data)
{
	struct daemon *d = data;

	world_send(d->w, &(struct world_packet){.kind = WORLD_REPORT,
				 .from = d->node,
				 .to = node_of(d, peer),
				 .len = len,
				 .report = (uint8_t *)(uintptr_t)bytes});
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

static const struct live_ops ops = {send_bfd, send_echo, on_event, chance, send_report};

static bool is_over(const struct engine_drain *d, instant now)
{
	return d->has_end && !instant_before(now, d->until);
}

static void start_live(struct daemon *d)
{
	const struct world_node *n = daemon_self(d);
	struct live_self_config config = {
		.hold_ns = n->node->liveness.hold_ns,
		.cold_start = d->cold_start,
		.drained = n->drain.drained && !is_over(&n->drain, d->w->now),
		/* By a clock, which went on between two starts. */
		.sequence = (uint32_t)(d->w->now.ns / (NS_PER_S / BFD_AUTH_RATE)),
	};

	d->live = live_new(&config, &ops, d, d->w->now);
	if (d->told.max_owners)
		live_tell_report(d->live, &d->told, d->w->now);
}

/* --- what the engine wants -----------------------------------------------------------------------
 */

static struct engine_event outcome_of(const struct engine_action *a, enum engine_event_type type)
{
	return (struct engine_event){.type = type, .generation = a->generation};
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

	if (!d->live)
		start_live(d);
	d->standing.n = 0;
	for (size_t i = 0; i < a->u.probe.n; i++)
		probe(d, &a->u.probe.peers[i]);
	for (size_t i = 0; i < a->u.probe.n; i++)
		stand(d, &a->u.probe.peers[i]);
	done.u.verdicts.events = d->standing.items;
	done.u.verdicts.n = d->standing.n;
	return done;
}

static struct engine_event remember(struct daemon *d, const struct engine_action *a)
{
	struct engine_event done = outcome_of(a, ENGINE_REMEMBERED);
	int refused = model_io_change(daemon_self(d)->model);

	if (!refused)
		daemon_self(d)->drain = a->u.drain;
	done.u.remembered.drain = a->u.drain;
	done.u.remembered.err = refused < 0 ? refused : 0;
	return done;
}

static void resolve(struct daemon *d, const struct engine_action *a)
{
	struct asked x = {.at = instant_add(d->w->now, RESOLVED_AFTER),
		.peer = a->u.resolve.peer,
		.generation = a->generation,
		.node = node_of(d, a->u.resolve.peer)};

	vec_push(&d->asked, x);
}

/* True if it is new. */
static bool open_device(struct daemon *d)
{
	struct model *m = daemon_self(d)->model;

	if (m->exists || model_io_change(m))
		return false;
	model_device_make(m);
	watch_node(d->w, d->node);
	return true;
}

static struct engine_event reopen(struct daemon *d, const struct engine_action *a)
{
	struct engine_event done = outcome_of(a, ENGINE_REOPENED);

	open_device(d);
	if (!daemon_self(d)->model->exists) {
		done.u.synced.err = -EIO;
		done.u.synced.trouble = "refused";
	}
	return done;
}

static void say(const struct engine_line *l, void *daemon)
{
	const struct daemon *d = daemon;
	AUTO_BUF text = {0};

	engine_line_text(d->engine, l, &text);
	world_say(d->w, "%s: %s", world_name(d->w, d->node), buf_str(&text));
}

static void carry_out(struct daemon *d, const struct engine_action *a, outcomes *ret)
{
	switch (a->type) {
	case ENGINE_MOVE:
		node_fib_move(d->fib, a);
		break;
	case ENGINE_SYNC:
		node_fib_sync(d->fib, a);
		break;
	case ENGINE_REOPEN:
		vec_push(ret, reopen(d, a));
		break;
	case ENGINE_SET_ENDPOINT:
		node_fib_endpoint(d->fib, a);
		break;
	case ENGINE_RESOLVE:
		resolve(d, a);
		break;
	case ENGINE_PROBE_SET:
		vec_push(ret, probe_set(d, a));
		break;
	case ENGINE_TELL:
		live_report_done(&d->told);
		live_report_copy(a->u.tell, &d->told);
		if (d->live)
			live_tell_report(d->live, &d->told, d->w->now);
		break;
	case ENGINE_PROBE_DRAIN:
		if (d->live)
			live_drain(d->live, a->u.drained, d->w->now);
		break;
	case ENGINE_HOLD_CLEAR:
		live_hold_clear(d->live, d->w->now);
		break;
	case ENGINE_REMEMBER_DRAIN:
		vec_push(ret, remember(d, a));
		break;
	case ENGINE_LET_GO:
		generation_put(a->u.generation);
		break;
	case ENGINE_LINE:
		say(&a->u.line, d);
		break;
	case ENGINE_MOVED_LINES:
		engine_moved_lines(a->u.move, say, d);
		break;
	default: /* sockets, and handshakes, by which nobody is probed here */
		break;
	}
}

void daemon_feed(struct daemon *d, const struct engine_event *event)
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

/* --- start and end -------------------------------------------------------------------------------
 */

static const struct generation *make_generation(struct daemon *d)
{
	wg_key key = {{1}};
	struct generation_parts parts = {.topology = mesh_topology_new(d->w->inv),
		.self = &d->w->inv->nodes[d->node],
		.private_key = &key,
		.before = engine_generation(d->engine)};

	return generation_make(&parts);
}

void daemon_load(struct daemon *d)
{
	struct engine_event e = {.type = ENGINE_GENERATION};

	daemon_self(d)->edition = d->w->edition;
	e.u.generation = make_generation(d);
	daemon_feed(d, &e);
	node_routes_renew(d->routes);
	d->slice_at = instant_add(d->w->now, SLICE_AFTER);
}

static void find_device(struct daemon *d)
{
	struct engine_event e = {.type = ENGINE_FOUND};
	struct device_state found = {0};

	if (model_device_get(daemon_self(d)->model, &found))
		return; /* it died while it made one */
	e.u.found.device = &found;
	daemon_self(d)->found_owners = e.u.found.max_owners = found.max_owners;
	e.u.found.routes = node_routes_first(d->routes);
	e.u.found.drain = daemon_self(d)->drain;
	daemon_feed(d, &e);
	device_state_done(&found);
}

void daemon_start(struct daemon *d)
{
	struct world_node *n = daemon_self(d);

	d->random = d->node * 1000 + ++n->starts;
	d->engine = engine_new(d->w->now);
	engine_set_slice(d->engine, SLICE_PREFIXES);
	/* Who can't have a device ends, and is started again. */
	d->cold_start = open_device(d) || open_device(d);
	model_io_init(&d->io, n->model);
	d->fib = node_fib_new(d);
	daemon_load(d);
	d->routes = node_routes_new(d);
	find_device(d);
}

void daemon_free(struct daemon *d)
{
	if (d->live)
		live_free(d->live);
	node_fib_free(d->fib);
	node_routes_free(d->routes);
	engine_free(d->engine);
	vec_done(&d->pending);
	vec_done(&d->asked);
	vec_done(&d->standing);
	live_report_done(&d->told);
	free(d);
}

/* --- time ----------------------------------------------------------------------------------------
 */

static instant engine_turn(const struct daemon *d)
{
	instant at = engine_deadline(d->engine);

	return engine_is_feeding(d->engine) ? instant_max(at, d->slice_at) : at;
}

instant daemon_deadline(const struct daemon *d)
{
	instant at = engine_turn(d);

	if (d->live)
		at = instant_min(at, live_deadline(d->live));
	at = instant_min(at, node_fib_deadline(d->fib));
	at = instant_min(at, node_routes_deadline(d->routes));
	if (d->pending.n)
		at = instant_min(at, d->pending.items[0].at);
	return d->asked.n ? instant_min(at, d->asked.items[0].at) : at;
}

static void take_report(struct daemon *d, uint32_t peer)
{
	struct engine_event e = {.type = ENGINE_REPORT};

	e.u.report.peer = peer;
	e.u.report.report = live_peer_report(d->live, peer);
	daemon_feed(d, &e);
}

/* All that waits comes as one, as the prober hands it over; what is reported comes behind it. */
static void take_pending(struct daemon *d)
{
	struct engine_event e = {.type = ENGINE_VERDICTS};
	VEC(struct live_event) due = {0};

	for (size_t i = 0; i < d->pending.n; i++)
		vec_push(&due, d->pending.items[i].event);
	d->pending.n = 0;
	e.u.verdicts.events = due.items;
	e.u.verdicts.n = due.n;
	daemon_feed(d, &e);
	node_routes_peers(d->routes);
	for (size_t i = 0; i < due.n; i++)
		if (due.items[i].type == LIVE_EVENT_REPORT)
			take_report(d, due.items[i].peer);
	vec_done(&due);
}

static void take_resolved(struct daemon *d)
{
	struct asked x = d->asked.items[0];
	ip_addr a = world_uplink(x.node, AF_INET);
	sock_addr endpoint = sock_addr_make(&a, 51820);
	struct engine_event e = {.type = ENGINE_RESOLVED, .generation = x.generation};

	d->asked.n--;
	memmove(d->asked.items, d->asked.items + 1, d->asked.n * sizeof(x));
	e.u.resolved.peer = x.peer;
	e.u.resolved.addrs = &endpoint;
	e.u.resolved.n = 1;
	daemon_feed(d, &e);
}

static void take_outcomes(struct daemon *d)
{
	struct engine_event e;

	node_fib_step(d->fib);
	while (node_fib_outcome(d->fib, &e))
		daemon_feed(d, &e);
}

void daemon_step(struct daemon *d)
{
	instant now = d->w->now;

	if (d->live)
		live_step(d->live, now);
	take_outcomes(d);
	if (d->pending.n && !instant_before(now, d->pending.items[0].at))
		take_pending(d);
	while (d->asked.n && !instant_before(now, d->asked.items[0].at))
		take_resolved(d);
	if (!instant_before(now, engine_turn(d))) {
		daemon_feed(d, &(struct engine_event){.type = ENGINE_TIME});
		d->slice_at = instant_add(now, SLICE_AFTER);
	}
	node_routes_step(d->routes);
}

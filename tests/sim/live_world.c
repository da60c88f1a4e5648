/* SPDX-License-Identifier: MIT */
#include "live_world.h"
#include "base/mem.h"
#include "live/bfd_auth.h"
#include "live/random.h"
#include <string.h>

#define STEPS_PER_INSTANT 100000

enum kind { BFD, ECHO_REQUEST, ECHO_REPLY, REPORT };

struct world_packet {
	struct world_packet *next;
	instant at;
	enum kind kind;
	unsigned from, to;
	struct echo_mark mark;
	size_t len;
	uint8_t bytes[LIVE_REPORT_DATAGRAM];
};

/* What the callbacks get: which node of which world. */
struct context {
	struct world *world;
	unsigned node;
};

static struct context contexts[WORLD_NODES];

ip_addr world_address(unsigned node)
{
	uint8_t bytes[] = {10, 9, 0, (uint8_t)(node + 1)};

	return ip_addr_from_bytes(AF_INET, bytes);
}

void world_say(struct world *w, const char *fmt, ...)
{
	int64_t us = instant_diff(w->now, w->start) / NS_PER_US;
	AUTO_BUF line = {0};
	va_list ap;

	if (!w->is_tracing && !w->is_loud)
		return;
	buf_printf(&line, "%8lld.%03lld  ", (long long)(us / 1000), (long long)(us % 1000));
	va_start(ap, fmt);
	buf_vprintf(&line, fmt, ap);
	va_end(ap);
	buf_putc(&line, '\n');
	if (w->is_tracing)
		buf_add(&w->trace, line.data, line.n);
	if (w->is_loud)
		fputs(line.data, stderr);
}

void world_init(struct world *w, uint64_t seed)
{
	*w = (struct world){
		.start = {1000 * NS_PER_S},
		.now = {1000 * NS_PER_S},
		.delay_ns = 5 * NS_PER_MS,
		.interval_ns = 100 * NS_PER_MS,
		.multiplier = 3,
		.hold_ns = 5 * NS_PER_S,
		.chance = {seed},
	};
	for (unsigned i = 0; i < WORLD_NODES; i++)
		w->nodes[i].clear_at = INSTANT_NEVER;
}

void world_done(struct world *w)
{
	for (unsigned i = 0; i < WORLD_NODES; i++)
		live_free(w->nodes[i].live);
	while (w->flying) {
		struct world_packet *p = w->flying;

		w->flying = p->next;
		free(p);
	}
	buf_done(&w->trace);
}

void world_add(
	struct world *w, unsigned node, const char *name, enum live_probe probe, bool signals)
{
	w->nodes[node].name = name;
	w->nodes[node].is_on = true;
	w->nodes[node].probe = probe;
	w->nodes[node].signals = signals;
}

/* --- the network --- */

static void insert(struct world *w, struct world_packet *p)
{
	struct world_packet **place = &w->flying;

	while (*place && !instant_before(p->at, (*place)->at))
		place = &(*place)->next;
	p->next = *place;
	*place = p;
}

static void fly_once(struct world *w, struct world_packet packet)
{
	struct world_packet *p;
	int64_t jitter =
		w->jitter_ns ? (int64_t)(chance_u64(&w->chance) % (uint64_t)w->jitter_ns) : 0;

	if (w->cut[packet.from][packet.to] || chance_below(&w->chance, 1000) < w->loss_permille)
		return;
	if (w->lossy[packet.from][packet.to] &&
		chance_below(&w->chance, 1000) < w->lossy[packet.from][packet.to])
		return;
	p = mem_alloc(sizeof(*p));
	*p = packet;
	p->at = instant_add(w->now, w->delay_ns + jitter);
	/* Where none overtakes, they come one behind the other. */
	if (!w->is_disorderly && instant_before(p->at, w->last_at[packet.from][packet.to]))
		p->at = w->last_at[packet.from][packet.to];
	w->last_at[packet.from][packet.to] = p->at;
	insert(w, p);
}

static void fly(struct world *w, struct world_packet packet)
{
	fly_once(w, packet);
	if (w->twice_permille && chance_below(&w->chance, 1000) < w->twice_permille)
		fly_once(w, packet);
}

static void arrive(struct world *w, const struct world_packet *p)
{
	struct world_node *to = &w->nodes[p->to];
	ip_addr src = world_address(p->from), dst = world_address(p->to);

	if (!to->is_on || w->cut[p->from][p->to])
		return;
	if (p->kind == BFD && w->no_bfd[p->from][p->to])
		return;
	if (p->kind == ECHO_REQUEST)
		fly(w, (struct world_packet){
			       .kind = ECHO_REPLY, .from = p->to, .to = p->from, .mark = p->mark});
	else if (to->live && p->kind == BFD)
		live_on_bfd(to->live,
			&(struct live_datagram){src, dst, 49152, 255, p->bytes, p->len}, w->now);
	else if (to->live && p->kind == REPORT)
		live_on_report(to->live,
			&(struct live_datagram){src, dst, 49153, 255, p->bytes, p->len}, w->now);
	else if (to->live)
		live_on_echo_reply(to->live, &src, &p->mark, w->now);
}

/* Each direction has its key. */
static struct bfd_keys keys_of(unsigned from, unsigned to)
{
	struct bfd_keys keys;

	memset(keys.send, (int)(from * WORLD_NODES + to), sizeof(keys.send));
	memset(keys.receive, (int)(to * WORLD_NODES + from), sizeof(keys.receive));
	return keys;
}

static bool authenticates(const struct world *w, unsigned a, unsigned b)
{
	return w->nodes[a].signals && w->nodes[b].signals;
}

void world_inject(struct world *w, unsigned peer, unsigned node, const struct bfd_packet *p)
{
	struct world_packet packet = {.kind = BFD, .from = peer, .to = node, .len = BFD_PACKET_LEN};
	struct bfd_keys keys = keys_of(peer, node);
	struct bfd_auth auth;

	bfd_packet_encode(p, packet.bytes);
	if (authenticates(w, peer, node)) {
		bfd_auth_init(&auth, &keys, w->nodes[peer].sent_seq[node]);
		bfd_auth_seal(&auth, p, packet.bytes);
		packet.len = BFD_PACKET_MAX;
	}
	arrive(w, &packet);
}

/* --- what cores want --- */

static void say_packet(struct world *w, unsigned from, unsigned to, const struct bfd_packet *p)
{
	struct world_node *n = &w->nodes[from];
	struct bfd_packet *last = &n->said[to];
	bool is_news = !n->has_said[to] || last->state != p->state || last->diag != p->diag ||
		       last->desired_min_tx != p->desired_min_tx;

	n->has_said[to] = true;
	*last = *p;
	if (is_news)
		world_say(w, "%s -> %s: %s, diagnostic %d, at %u ms", n->name, w->nodes[to].name,
			bfd_state_name(p->state), p->diag, p->desired_min_tx / 1000);
}

static void note_sequence(struct world_node *n, unsigned peer, const uint8_t *bytes)
{
	const uint8_t *b = bytes + BFD_PACKET_LEN + 4;

	n->sent_seq[peer] =
		(uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static void on_send_bfd(uint32_t peer, const uint8_t *bytes, size_t len, void *data)
{
	struct context *c = data;
	struct world_packet packet = {.kind = BFD, .from = c->node, .to = peer, .len = len};
	struct bfd_packet p;

	assert_true(bfd_packet_decode(&p, bytes, len));
	assert_int_equal(p.is_authenticated, authenticates(c->world, c->node, peer));
	if (p.is_authenticated)
		note_sequence(&c->world->nodes[c->node], peer, bytes);
	memcpy(packet.bytes, bytes, len);
	c->world->bfd_packets++;
	say_packet(c->world, c->node, peer, &p);
	fly(c->world, packet);
}

static void on_send_echo(uint32_t peer, const struct echo_mark *mark, void *data)
{
	struct context *c = data;

	c->world->echoes++;
	fly(c->world, (struct world_packet){
			      .kind = ECHO_REQUEST, .from = c->node, .to = peer, .mark = *mark});
}

static void on_send_report(uint32_t peer, const uint8_t *bytes, size_t len, void *data)
{
	struct context *c = data;
	struct world_packet packet = {.kind = REPORT, .from = c->node, .to = peer, .len = len};

	assert_true(len <= sizeof(packet.bytes));
	memcpy(packet.bytes, bytes, len);
	c->world->reports++;
	if (c->world->on_report)
		c->world->on_report(c->node, peer, bytes, len, c->world->on_report_data);
	fly(c->world, packet);
}

void world_inject_report(
	struct world *w, unsigned from, unsigned to, const uint8_t *bytes, size_t len)
{
	struct world_packet packet = {.kind = REPORT, .from = from, .to = to, .len = len};

	memcpy(packet.bytes, bytes, len);
	arrive(w, &packet);
}

static void on_verdict(struct world *w, struct world_node *n, const struct live_event *e)
{
	world_say(w, "%s: %s is %s (%s)", n->name, w->nodes[e->peer].name,
		live_state_name(e->state), live_cause_name(e->cause));
	if (e->state != n->verdicts[e->peer].state)
		n->verdicts[e->peer].since = w->now;
	if (e->state == LIVE_DOWN && n->verdicts[e->peer].state != LIVE_DOWN)
		n->verdicts[e->peer].went_down_at = w->now;
	n->verdicts[e->peer].state = e->state;
	n->verdicts[e->peer].cause = e->cause;
}

static void on_event(const struct live_event *e, void *data)
{
	struct context *c = data;
	struct world *w = c->world;
	struct world_node *n = &w->nodes[c->node];

	switch (e->type) {
	case LIVE_EVENT_PEER:
		on_verdict(w, n, e);
		break;
	case LIVE_EVENT_SELF:
		world_say(w, "%s: says of itself:%s%s%s", n->name, e->drained ? " drained" : "",
			e->holding ? " holding" : "",
			e->drained || e->holding ? "" : " all is well");
		n->was_flapping |= e->flapping;
		break;
	case LIVE_EVENT_REPORT:
		n->reports_heard[e->peer]++;
		break;
	case LIVE_EVENT_HOLD_OVER:
		assert_true(e->holding);
		world_say(w, "%s: its hold is over, programs its FIB", n->name);
		n->clear_at = instant_add(w->now, WORLD_FIB_NS);
		break;
	}
}

static uint64_t on_chance(void *data)
{
	struct context *c = data;

	return random_next(&c->world->nodes[c->node].random);
}

static const struct live_ops ops = {on_send_bfd, on_send_echo, on_event, on_chance, on_send_report};

/* --- daemons --- */

void world_set_peer(struct world *w, unsigned node, unsigned peer, bool adopted)
{
	const struct world_node *other = &w->nodes[peer];
	struct live_peer_config c = {
		.peer = peer,
		.probe = other->probe,
		.signals = other->signals,
		.is_transit = other->is_transit,
		.adopted_as = adopted ? LIVE_UP : LIVE_DOWN,
		.local = world_address(node),
		.remote = world_address(peer),
		.interval_ns = w->interval_ns,
		.multiplier = w->multiplier,
		.hold_ns = w->hold_ns,
		.authenticates = authenticates(w, node, peer),
		.keys = keys_of(node, peer),
	};

	live_peer_set(w->nodes[node].live, &c, w->now);
}

void world_start(struct world *w, unsigned node, bool cold, bool adopted)
{
	struct world_node *n = &w->nodes[node];
	struct live_self_config self = {
		.hold_ns = w->hold_ns,
		.cold_start = cold,
		.drained = n->is_drained,
		/* By a clock, which went on between two starts. */
		.sequence = (uint32_t)(w->now.ns / (NS_PER_S / BFD_AUTH_RATE)),
	};

	world_say(w, "(%s's daemon starts)", n->name);
	contexts[node] = (struct context){w, node};
	n->random = node * 1000 + ++n->starts;
	n->clear_at = INSTANT_NEVER;
	memset(n->verdicts, 0, sizeof(n->verdicts));
	n->live = live_new(&self, &ops, &contexts[node], w->now);
	for (unsigned i = 0; i < WORLD_NODES; i++) {
		n->has_said[i] = false;
		n->verdicts[i].since = w->now;
		n->verdicts[i].went_down_at = INSTANT_NEVER;
		if (i != node && w->nodes[i].name &&
			(!w->is_star || n->is_transit || w->nodes[i].is_transit))
			world_set_peer(w, node, i, adopted);
	}
}

void world_kill(struct world *w, unsigned node)
{
	world_say(w, "(%s's daemon is killed)", w->nodes[node].name);
	live_free(w->nodes[node].live);
	w->nodes[node].live = NULL;
	w->nodes[node].clear_at = INSTANT_NEVER;
}

void world_power(struct world *w, unsigned node, bool on)
{
	world_say(w, "(%s is switched %s)", w->nodes[node].name, on ? "on" : "off");
	if (!on && w->nodes[node].live)
		world_kill(w, node);
	w->nodes[node].is_on = on;
}

void world_drain(struct world *w, unsigned node, bool drained)
{
	world_say(w, "(%s: %s)", w->nodes[node].name, drained ? "drain" : "undrain");
	w->nodes[node].is_drained = drained;
	live_drain(w->nodes[node].live, drained, w->now);
}

void world_cut(struct world *w, unsigned from, unsigned to, bool cut)
{
	w->cut[from][to] = cut;
}

void world_cut_both(struct world *w, unsigned a, unsigned b, bool cut)
{
	world_say(w, "(the line between %s and %s is %s)", w->nodes[a].name, w->nodes[b].name,
		cut ? "cut" : "mended");
	world_cut(w, a, b, cut);
	world_cut(w, b, a, cut);
}

void world_isolate(struct world *w, unsigned node, bool cut)
{
	world_say(w, "(%s is %s)", w->nodes[node].name, cut ? "cut off" : "joined again");
	for (unsigned i = 0; i < WORLD_NODES; i++) {
		world_cut(w, node, i, cut);
		world_cut(w, i, node, cut);
	}
}

/* --- time --- */

static instant next_instant(const struct world *w)
{
	instant at = w->flying ? w->flying->at : INSTANT_NEVER;

	for (unsigned i = 0; i < WORLD_NODES; i++) {
		if (w->nodes[i].live)
			at = instant_min(at, instant_max(live_deadline(w->nodes[i].live),
						     w->nodes[i].asleep_until));
		at = instant_min(at, w->nodes[i].clear_at);
	}
	return at;
}

/* A daemon that sleeps reads later what has come meanwhile. */
static bool is_asleep(const struct world *w, unsigned node)
{
	return instant_before(w->now, w->nodes[node].asleep_until);
}

void world_sleep(struct world *w, unsigned node, int64_t ns)
{
	world_say(w, "(%s's daemon sleeps)", w->nodes[node].name);
	w->nodes[node].asleep_until = instant_add(w->now, ns);
}

static void take_flight(struct world *w)
{
	while (w->flying && !instant_before(w->now, w->flying->at)) {
		struct world_packet *p = w->flying;

		w->flying = p->next;
		if (p->kind != ECHO_REQUEST && is_asleep(w, p->to)) {
			p->at = w->nodes[p->to].asleep_until;
			insert(w, p);
			continue;
		}
		arrive(w, p);
		free(p);
	}
}

static void step(struct world *w)
{
	take_flight(w);
	for (unsigned i = 0; i < WORLD_NODES; i++) {
		struct world_node *n = &w->nodes[i];

		if (n->live && !is_asleep(w, i))
			live_step(n->live, w->now);
		if (n->live && !instant_before(w->now, n->clear_at)) {
			n->clear_at = INSTANT_NEVER;
			live_hold_clear(n->live, w->now);
		}
	}
}

void world_run(struct world *w, int64_t ns)
{
	instant end = instant_add(w->now, ns);
	unsigned at_once = 0;

	for (;;) {
		instant at = next_instant(w);

		if (instant_before(end, at))
			break;
		/* Time must pass: a core that is never done would spin its thread. */
		at_once = instant_before(w->now, at) ? 0 : at_once + 1;
		assert_true(at_once < STEPS_PER_INSTANT);
		if (instant_before(w->now, at))
			w->now = at;
		step(w);
	}
	w->now = end;
}

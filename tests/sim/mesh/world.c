/* SPDX-License-Identifier: MIT */
#include "world.h"

#include "base/mem.h"
#include "routing_engine.h"
#include <stdarg.h>

#define STEPS_PER_INSTANT 100000

__attribute__((format(printf, 2, 0))) static void say(struct world *w, const char *fmt, va_list ap)
{
	int64_t us = instant_diff(w->now, w->start) / NS_PER_US;

	buf_printf(&w->trace, "%8lld.%03lld  ", (long long)(us / 1000), (long long)(us % 1000));
	buf_vprintf(&w->trace, fmt, ap);
	buf_putc(&w->trace, '\n');
}

void world_say(struct world *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(w, fmt, ap);
	va_end(ap);
}

void world_fail(struct world *w, const char *fmt, ...)
{
	va_list ap;

	if (w->has_failed)
		return;
	va_start(ap, fmt);
	say(w, fmt, ap);
	va_end(ap);
	w->has_failed = true;
}

const char *world_name(const struct world *w, unsigned node)
{
	return w->inv->nodes[node].name;
}

void world_begin(struct world *w, uint64_t seed)
{
	w->inv = &w->builds[0].inv;
	w->n_nodes = w->inv->n_nodes;
	assert(w->n_nodes <= WORLD_NODES);
	for (unsigned i = 0; i < WORLD_EDITIONS; i++)
		w->topologies[i] = mesh_topology_new(&w->builds[i].inv);
	w->start = w->now = (instant){1000 * NS_PER_S};
	w->silence_at = INSTANT_NEVER; /* of devices of one owner nobody asks */
	w->clients_at = w->now;
	w->chance = (struct chance){seed};
	watch_begin(w);
	for (unsigned i = 0; i < w->n_nodes; i++) {
		w->nodes[i].w = w;
		w->nodes[i].index = i;
		w->nodes[i].max_owners = 1;
		w->nodes[i].node = &w->inv->nodes[i];
		journal_init(&w->nodes[i].journal);
		for (unsigned k = 0; k < w->n_nodes; k++)
			w->delay_ns[i][k] = (int64_t)(1 + (i * 7 + k * 7) % 20) * NS_PER_MS;
	}
	w->routing = routing_new(w);
}

static void free_packet(struct world_packet *p)
{
	free(p->report);
	free(p);
}

void world_end(struct world *w)
{
	for (unsigned i = 0; i < w->n_nodes; i++)
		node_power(w, i, false);
	for (unsigned i = 0; i < w->n_nodes; i++)
		journal_done(&w->nodes[i].journal);
	watch_end(w);
	routing_free(w->routing);
	while (w->flying) {
		struct world_packet *p = w->flying;

		w->flying = p->next;
		free_packet(p);
	}
	for (unsigned i = 0; i < WORLD_EDITIONS; i++) {
		mesh_topology_free(w->topologies[i]);
		mesh_build_done(&w->builds[i]);
	}
	buf_done(&w->trace);
}

void world_edit(struct world *w)
{
	w->edition = (w->edition + 1) % WORLD_EDITIONS;
	w->inv = &w->builds[w->edition].inv;
	world_say(w, "(the inventory is edited)");
}

ip_addr world_uplink(unsigned node, int family)
{
	uint8_t v4[4] = {198, 51, 100, (uint8_t)(node + 1)};
	uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = (uint8_t)(node + 1)};

	return ip_addr_from_bytes(family, family == AF_INET ? v4 : v6);
}

ip_addr world_sample_of(const ip_prefix *p)
{
	ip_addr a = ip_prefix_addr(p);

	if (p->len == ip_family_bits(p->family))
		return a;
	if (p->family == AF_INET) {
		a.bytes[3] = 77;
		a.bytes[2] = p->len < 24 ? 200 : a.bytes[2];
	} else {
		a.bytes[15] = 77;
		a.bytes[6] = p->len < 64 ? 2 : a.bytes[6];
	}
	a.bytes[0] = p->len < 8 ? 0x2a : a.bytes[0];
	return a;
}

const struct mesh_network *mesh_carries(
	const struct mesh_inventory *inv, unsigned node, const ip_prefix *p)
{
	const struct mesh_node *n = &inv->nodes[node];

	for (size_t i = 0; i < n->n_networks; i++)
		if (ip_prefix_eq(&n->networks[i].prefix, p))
			return &n->networks[i];
	return NULL;
}

const struct mesh_network *world_carries(const struct world *w, unsigned node, const ip_prefix *p)
{
	return mesh_carries(w->inv, node, p);
}

const ip_prefix *world_network(const struct world *w, unsigned node, int family)
{
	const struct mesh_node *n = &w->inv->nodes[node];

	/* A node's own ones stand before what it shares. */
	for (size_t i = 0; i < n->n_networks && i < 2; i++)
		if (n->networks[i].prefix.family == family &&
			n->networks[i].prefix.len == (family == AF_INET ? 24 : 64))
			return &n->networks[i].prefix;
	return NULL;
}

bool world_line_is_up(const struct world *w, unsigned a, unsigned b)
{
	return !w->cut[a][b] && !w->cut[b][a];
}

/* --- packets in flight --- */

static void fly(struct world *w, const struct world_packet *packet)
{
	struct world_packet **place = &w->flying, *p;
	unsigned from = packet->from, to = packet->to;
	int64_t jitter = (int64_t)chance_below(&w->chance, 1000) * NS_PER_US;

	if (w->cut[from][to] || chance_below(&w->chance, 1000) < w->loss_permille[from][to])
		return;
	p = mem_alloc(sizeof(*p));
	*p = *packet;
	if (p->report) {
		p->report = mem_alloc(p->len);
		memcpy(p->report, packet->report, p->len);
	}
	p->at = instant_add(w->now, w->delay_ns[from][to] + jitter);
	if (instant_before(p->at, w->last_at[from][to]))
		p->at = w->last_at[from][to];
	w->last_at[from][to] = p->at;
	while (*place && !instant_before(p->at, (*place)->at))
		place = &(*place)->next;
	p->next = *place;
	*place = p;
	w->n_packets++;
}

void world_send(struct world *w, const struct world_packet *p)
{
	if (!path_leaves(w, p->from, p->to))
		return;
	silence_sent(w, p->from, p->to);
	fly(w, p);
}

#define REKEY_S 120

/* What the device learns of its peer by an authentic packet. */
static void hear(struct world *w, const struct world_packet *p)
{
	struct model_peer *peer =
		model_peer(w->nodes[p->to].model, &w->inv->nodes[p->from].public_key);
	int64_t now_s = w->now.ns / NS_PER_S;
	ip_addr outside = world_uplink(p->from, AF_INET);

	peer->rx_bytes += p->len + 32;
	peer->endpoint = sock_addr_make(&outside, 51820);
	if (!peer->handshake_s || now_s - peer->handshake_s >= REKEY_S)
		peer->handshake_s = now_s;
}

static void land(struct world *w, const struct world_packet *p)
{
	if (!path_enters(w, p->from, p->to))
		return;
	silence_arrived(w, p->from, p->to);
	hear(w, p);
	if (p->kind == WORLD_ECHO_REQUEST) {
		struct world_packet reply = *p;

		reply.kind = WORLD_ECHO_REPLY;
		reply.from = p->to;
		reply.to = p->from;
		world_send(w, &reply);
	} else {
		node_receive(w, p->to, p);
	}
}

/* --- time --- */

static instant next_instant(const struct world *w)
{
	instant at = instant_min(w->flying ? w->flying->at : INSTANT_NEVER, w->clients_at);

	for (unsigned i = 0; i < w->n_nodes; i++)
		at = instant_min(at, node_deadline(&w->nodes[i]));
	at = instant_min(at, routing_deadline(w));
	return instant_min(at, w->silence_at);
}

static void step(struct world *w)
{
	if (!instant_before(w->now, w->silence_at))
		w->silence_at = silence_look(w);
	if (!instant_before(w->now, w->clients_at))
		w->clients_at = clients_keep_alive(w);
	while (w->flying && !instant_before(w->now, w->flying->at)) {
		struct world_packet *p = w->flying;

		w->flying = p->next;
		land(w, p);
		free_packet(p);
	}
	routing_step(w);
	for (unsigned i = 0; i < w->n_nodes; i++)
		node_step(w, i);
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
		if (w->has_failed)
			return;
	}
	w->now = end;
}

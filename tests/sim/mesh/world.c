/* SPDX-License-Identifier: MIT */
#include "world.h"

#include "base/mem.h"
#include <stdarg.h>

#define STEPS_PER_INSTANT 100000

void world_say(struct world *w, const char *fmt, ...)
{
	int64_t us = instant_diff(w->now, w->start) / NS_PER_US;
	va_list ap;

	buf_printf(&w->trace, "%8lld.%03lld  ", (long long)(us / 1000), (long long)(us % 1000));
	va_start(ap, fmt);
	buf_vprintf(&w->trace, fmt, ap);
	va_end(ap);
	buf_putc(&w->trace, '\n');
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
	w->chance = (struct chance){seed};
	for (unsigned i = 0; i < w->n_nodes; i++) {
		w->nodes[i].node = &w->inv->nodes[i];
		for (unsigned k = 0; k < w->n_nodes; k++)
			w->delay_ns[i][k] = (int64_t)(1 + (i * 7 + k * 7) % 20) * NS_PER_MS;
	}
}

void world_end(struct world *w)
{
	for (unsigned i = 0; i < w->n_nodes; i++)
		node_power(w, i, false);
	while (w->flying) {
		struct world_packet *p = w->flying;

		w->flying = p->next;
		free(p);
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
	const struct world_node *n = &w->nodes[p->from];
	ip_addr dst = node_address(w, p->to);

	if (n->is_on && n->has_device && node_owner(n, &dst) == p->to)
		fly(w, p);
}

static void land(struct world *w, const struct world_packet *p)
{
	const struct world_node *n = &w->nodes[p->to];
	ip_addr src = node_address(w, p->from);

	if (!n->is_on || !n->has_device || w->cut[p->from][p->to] || node_owner(n, &src) != p->from)
		return;
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
	instant at = w->flying ? w->flying->at : INSTANT_NEVER;

	for (unsigned i = 0; i < w->n_nodes; i++)
		at = instant_min(at, node_deadline(&w->nodes[i]));
	return at;
}

static void step(struct world *w)
{
	while (w->flying && !instant_before(w->now, w->flying->at)) {
		struct world_packet *p = w->flying;

		w->flying = p->next;
		land(w, p);
		free(p);
	}
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
	}
	w->now = end;
}

/* SPDX-License-Identifier: MIT */
/* A machine, and what happens to it from outside. */
#include "node_daemon.h"
#include "node_routes.h"

#include "base/mem.h"
#include "fib/want.h"
#include "routing_engine.h"

ip_addr node_address(const struct world *w, unsigned node)
{
	return w->inv->nodes[node].addresses[0].addr;
}

bool node_is_client(const struct world *w, unsigned node)
{
	return w->inv->nodes[node].role == MESH_CLIENT;
}

unsigned node_of_key(const struct world *w, const wg_key *key)
{
	unsigned index;

	memcpy(&index, key->bytes, sizeof(index));
	if (index < w->n_nodes &&
		!memcmp(w->inv->nodes[index].public_key.bytes, key->bytes, WG_KEY_LEN))
		return index;
	return WORLD_NOBODY;
}

uint32_t node_hops(const struct world *w, unsigned node, const ip_addr *a)
{
	const struct model *m = w->nodes[node].model;
	struct model_hops hops = {0};
	uint32_t bits = 0;

	if (m && m->exists)
		model_send(m, a, NULL, &hops);
	for (unsigned i = 0; i < hops.n; i++) {
		unsigned next = node_of_key(w, &hops.items[i].peer->key);

		bits |= next == WORLD_NOBODY ? 0 : 1U << next;
	}
	return bits;
}

/* --- on and off ---------------------------------------------------------------------------------
 */

static void after_operation(struct model *m, void *data)
{
	const struct world_node *n = data;

	(void)m;
	watch_node(n->w, n->index);
}

static struct model *make_machine(struct world *w, unsigned node)
{
	ip_addr uplink[2] = {world_uplink(node, AF_INET), world_uplink(node, AF_INET6)};
	prefix_vec own = {0};
	struct model *m;

	/* What is behind it is there before the inventory says so. */
	for (unsigned i = 0; i < WORLD_EDITIONS; i++) {
		const struct mesh_node *n = &w->builds[i].inv.nodes[node];

		for (size_t k = 0; k < n->n_networks; k++)
			vec_push(&own, n->networks[k].prefix);
	}
	m = model_new(uplink, 2, own.items, own.n);
	vec_done(&own);
	m->max_owners = w->nodes[node].max_owners;
	m->after = after_operation;
	m->data = &w->nodes[node];
	return m;
}

void node_power(struct world *w, unsigned node, bool on)
{
	struct world_node *n = &w->nodes[node];

	if (on == n->is_on)
		return;
	node_kill(w, node);
	routing_power(w, node, false);
	model_free(n->model);
	n->model = NULL;
	n->stolen = (ip_prefix){0};
	n->is_on = on;
	w->n_ops++;
	world_say(w, "(%s is switched %s)", world_name(w, node), on ? "on" : "off");
	if (!on)
		return;
	n->model = make_machine(w, node);
	watch_machine(w, node);
	if (node_is_client(w, node))
		client_configure(w, node);
	routing_power(w, node, true);
}

void node_start(struct world *w, unsigned node)
{
	struct world_node *n = &w->nodes[node];

	if (n->daemon || !n->is_on || node_is_client(w, node))
		return;
	world_say(w, "(%s's daemon starts)", world_name(w, node));
	n->daemon = mem_zalloc(1, sizeof(*n->daemon));
	n->daemon->w = w;
	n->daemon->node = node;
	daemon_start(n->daemon);
}

void node_reload(struct world *w, unsigned node)
{
	if (!w->nodes[node].daemon)
		return;
	world_say(w, "(%s reloads)", world_name(w, node));
	daemon_load(w->nodes[node].daemon);
}

void node_kill(struct world *w, unsigned node)
{
	struct world_node *n = &w->nodes[node];

	if (!n->daemon)
		return;
	world_say(w, "(%s's daemon is killed)", world_name(w, node));
	daemon_free(n->daemon);
	n->daemon = NULL;
	n->model->fuse = 0;
	n->model->is_mute = false;
}

void node_drain(struct world *w, unsigned node, bool drained, int64_t for_ns)
{
	struct engine_event e = {.type = ENGINE_DRAIN,
		.u.drain = {.drained = drained,
			.has_end = for_ns,
			.until = instant_add(w->now, for_ns)}};
	struct daemon *d = w->nodes[node].daemon;
	char text[32];

	if (node_is_client(w, node))
		return;
	world_say(w, "(%s: %s%s%s)", world_name(w, node), drained ? "drain" : "undrain",
		for_ns ? " for " : "", for_ns ? duration_format(for_ns, text) : "");
	if (d)
		daemon_feed(d, &e);
	else
		w->nodes[node].drain = e.u.drain;
}

void node_tell(struct world *w, unsigned node)
{
	if (w->nodes[node].daemon)
		daemon_feed(w->nodes[node].daemon, &(struct engine_event){.type = ENGINE_NEWS});
}

void node_unplug(struct world *w, unsigned node, bool anew)
{
	struct model *m = w->nodes[node].model;

	if (!m || !m->exists || node_is_client(w, node))
		return;
	world_say(
		w, "(%s's device is deleted%s)", world_name(w, node), anew ? " and made anew" : "");
	model_device_delete(m);
	m->n_tampered++;
	routing_on_device(w, node);
	if (anew)
		model_device_make(m);
	w->nodes[node].stolen = (ip_prefix){0};
	watch_node(w, node);
	node_tell(w, node);
}

bool node_has_many(const struct world *w, unsigned node)
{
	return w->nodes[node].max_owners > 1 && w->nodes[node].found_owners > 1;
}

void node_switch(struct world *w, unsigned node, bool beneath)
{
	struct world_node *n = &w->nodes[node];

	if (!n->is_on || node_is_client(w, node))
		return;
	n->max_owners = n->max_owners > 1 ? 1 : MODEL_MAX_OWNERS;
	world_say(w, "(%s's device is another, with %s)", world_name(w, node),
		n->max_owners > 1 ? "many owners" : "one owner");
	if (!beneath)
		node_kill(w, node);
	if (n->model->exists)
		model_device_delete(n->model);
	routing_on_device(w, node);
	n->model->n_tampered++;
	n->model->max_owners = n->max_owners;
	n->stolen = (ip_prefix){0};
	if (beneath)
		model_device_make(n->model);
	watch_node(w, node);
	node_tell(w, node);
	node_start(w, node);
}

/* --- what comes ----------------------------------------------------------------------------------
 */

void node_receive(struct world *w, unsigned node, const struct world_packet *p)
{
	struct daemon *d = w->nodes[node].daemon;
	ip_addr src = node_address(w, p->from), dst = node_address(w, node);

	if (!d || !d->live)
		return;
	if (p->kind == WORLD_REPORT)
		live_on_report(d->live,
			&(struct live_datagram){src, dst, 49152, 255, p->report, p->len}, w->now);
	else if (p->kind == WORLD_BFD)
		live_on_bfd(d->live,
			&(struct live_datagram){src, dst, 49152, 255, p->bytes, p->len}, w->now);
	else
		live_on_echo_reply(d->live, &src, &p->mark, w->now);
}

instant node_deadline(const struct world_node *n)
{
	return n->daemon ? daemon_deadline(n->daemon) : INSTANT_NEVER;
}

void node_step(struct world *w, unsigned node)
{
	struct world_node *n = &w->nodes[node];

	if (n->daemon)
		daemon_step(n->daemon);
	if (n->model && n->model->is_mute)
		node_kill(w, node);
}

enum live_state node_verdict(const struct world_node *n, unsigned peer)
{
	struct live_peer_info info;
	uint32_t id;

	if (!n->daemon || !n->daemon->live)
		return LIVE_DOWN;
	id = names_find(&engine_generation(n->daemon->engine)->names, world_name(n->w, peer));
	return live_peer_info(n->daemon->live, id, &info) ? info.state : LIVE_DOWN;
}

bool node_finds_poor(const struct world_node *n, unsigned peer)
{
	struct live_peer_info info;
	uint32_t id;

	if (!n->daemon || !n->daemon->live)
		return false;
	id = names_find(&engine_generation(n->daemon->engine)->names, world_name(n->w, peer));
	return live_peer_info(n->daemon->live, id, &info) && info.cause == LIVE_CAUSE_POOR_LINE;
}

bool node_knows_routes(const struct world *w, unsigned node)
{
	const struct daemon *d = w->nodes[node].daemon;

	return !d || !d->routes || node_routes_are_settled(d->routes);
}

bool node_is_holding(const struct world_node *n)
{
	return n->daemon && n->daemon->live && live_is_holding(n->daemon->live);
}

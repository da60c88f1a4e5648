/* SPDX-License-Identifier: MIT */
#include "daemon/generation.h"

#include "base/secret.h"
#include "daemon/kernel_table.h"
#include "mesh/stale.h"
#include <assert.h>
#include <errno.h>
#include <string.h>

static ip_prefix overlay_of(const struct generation *g, const ip_addr *a)
{
	const struct mesh_overlay *overlay = mesh_overlay_of(g->inv, a);

	return overlay ? ip_prefix_masked(&overlay->prefix) : ip_prefix_host(a);
}

/* In the order of ip_prefix_cmp; the first of ours in an overlay stays its source. */
static void add_overlay(struct generation *g, const ip_prefix *overlay, const ip_addr *source)
{
	size_t at = g->n_overlays;

	for (size_t i = 0; i < g->n_overlays; i++)
		if (ip_prefix_eq(&g->overlays[i], overlay))
			return;
	for (; at && ip_prefix_cmp(overlay, &g->overlays[at - 1]) < 0; at--) {
		g->overlays[at] = g->overlays[at - 1];
		g->sources[at] = g->sources[at - 1];
	}
	g->overlays[at] = *overlay;
	g->sources[at] = *source;
	g->n_overlays++;
}

static void add_link_local(struct generation *g)
{
	ip_addr a = mesh_link_local(g->self);
	ip_prefix *p = &g->addresses[g->n_addresses++];

	*p = ip_prefix_host(&a);
	p->len = 64;
}

static void make_addresses(struct generation *g)
{
	bool has_engine = mesh_has_engine(g->self);
	size_t room = g->self->n_addresses + 1;

	g->addresses = mem_zalloc(room, sizeof(*g->addresses));
	g->overlays = mem_zalloc(room, sizeof(*g->overlays));
	g->sources = mem_zalloc(room, sizeof(*g->sources));
	for (size_t i = 0; i < g->self->n_addresses; i++) {
		const ip_addr *a = &g->self->addresses[i].addr;
		ip_prefix overlay = overlay_of(g, a), *p = &g->addresses[g->n_addresses++];

		*p = ip_prefix_host(a);
		if (!has_engine)
			p->len = overlay.len;
		add_overlay(g, &overlay, a);
	}
	if (has_engine)
		add_link_local(g);
}

/* --- what a routing engine is told, and what it may say ------------------------------------------
 */

static bool is_told_of(const struct generation *g, const struct generation_peer *p)
{
	return mesh_has_engine(p->node) && mesh_direct(g->topology, g->self->index, p->node->index);
}

static size_t count_signals(const struct generation *g)
{
	size_t n = 0;

	for (size_t i = 0; i < g->n_peers; i++)
		n += is_told_of(g, &g->peers[i]) ? g->peers[i].node->n_addresses : 0;
	return n;
}

static void make_signals(struct generation *g)
{
	g->signals = mem_zalloc(count_signals(g) + 1, sizeof(*g->signals));
	for (size_t i = 0; i < g->n_peers; i++) {
		const struct mesh_node *node = g->peers[i].node;

		for (size_t k = 0; k < node->n_addresses && is_told_of(g, &g->peers[i]); k++)
			g->signals[g->n_signals++] =
				(struct generation_signal){node->addresses[k].addr, i};
	}
}

static void make_for_engine(struct generation *g)
{
	if (!mesh_has_engine(g->self))
		return;
	make_signals(g);
	g->n_guarded = mesh_guarded(g->inv, g->self->index, &g->guarded);
	g->announcers = mesh_announcers_new(g->inv);
}

static void find_roaming(struct generation *g)
{
	g->roams = mem_zalloc(g->inv->n_nodes + 1, sizeof(*g->roams));
	for (unsigned i = 0; i < g->inv->n_nodes; i++) {
		g->roams[i] = mesh_roams(g->topology, i);
		g->has_roaming |= g->roams[i];
	}
}

static void make_peers(struct generation *g, generation_psk_fn *read_psk)
{
	find_roaming(g);
	g->ids = mem_zalloc(g->inv->n_nodes + 1, sizeof(*g->ids));
	for (size_t i = 0; i < g->inv->n_nodes; i++)
		g->ids[i] = names_id(&g->names, g->inv->nodes[i].name);
	g->n_peers = g->view.n_peers;
	g->peers = secret_zalloc(g->n_peers + 1, sizeof(*g->peers));
	for (size_t i = 0; i < g->n_peers; i++) {
		struct generation_peer *p = &g->peers[i];

		p->view = &g->view.peers[i];
		p->node = &g->inv->nodes[p->view->node];
		p->id = g->ids[p->view->node];
		p->roams = g->roams[p->view->node] &&
			   mesh_is_server(g->topology, g->self->index, p->view->node);
		if (p->view->preshared_key_file)
			p->psk_error =
				read_psk ? read_psk(&p->psk, p->view->preshared_key_file) : -ENOENT;
		map_put(g->by_id, &p->id, sizeof(p->id), p);
		map_put(g->by_key, &p->node->public_key, sizeof(p->node->public_key), p);
	}
}

static void add_stale(const char *sentence, void *data)
{
	struct generation *g = data;

	vec_push(&g->stale, mem_strdup(sentence));
}

struct generation *generation_make(const struct generation_parts *parts)
{
	struct generation *g = secret_zalloc(1, sizeof(*g));

	assert(parts->self->role != MESH_CLIENT);
	g->holders = 1;
	g->number = parts->before ? parts->before->number + 1 : 1;
	names_init(&g->names, parts->before ? &parts->before->names : NULL);
	g->inv = mesh_topology_inventory(parts->topology);
	g->topology = parts->topology;
	g->self = parts->self;
	g->private_key = *parts->private_key;
	g->inventory_time = parts->inventory_time;
	mesh_digest(g->inv, g->digest);
	g->by_id = map_new();
	g->by_key = map_new();
	mesh_view_build(g->topology, g->self->index, &g->view);
	make_addresses(g);
	make_peers(g, parts->read_psk);
	make_for_engine(g);
	if (parts->before) {
		candidate_changes_between(
			&parts->before->view, parts->before->ids, &g->view, g->ids, &g->changes);
		mesh_stale_clients(parts->before->topology, g->topology, add_stale, g);
	}
	return g;
}

void generation_faults_done(generation_faults *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->items[i]);
	vec_done(f);
}

/* Those who hold it change its count alone, and the last one has it for himself. */
static struct generation *counted(const struct generation *g)
{
	return (struct generation *)(uintptr_t)g;
}

const struct generation *generation_get(const struct generation *g)
{
	counted(g)->holders++;
	return g;
}

static void generation_free(struct generation *g)
{
	names_done(&g->names);
	generation_faults_done(&g->faults);
	generation_faults_done(&g->stale);
	vec_done(&g->changes);
	map_free(g->by_id);
	map_free(g->by_key);
	secret_free(g->peers, (g->n_peers + 1) * sizeof(*g->peers));
	free(g->ids);
	free(g->roams);
	free(g->addresses);
	free(g->overlays);
	free(g->sources);
	free(g->signals);
	free(g->guarded);
	mesh_announcers_free(g->announcers);
	mesh_view_done(&g->view);
	mesh_topology_free(g->topology);
	mesh_inventory_free(g->owned);
	secret_free(g, sizeof(*g));
}

void generation_put(const struct generation *g)
{
	if (g && --counted(g)->holders == 0)
		generation_free(counted(g));
}

const struct generation_peer *generation_peer_by_id(const struct generation *g, uint32_t id)
{
	return map_get(g->by_id, &id, sizeof(id));
}

const struct generation_peer *generation_peer_by_key(const struct generation *g, const wg_key *key)
{
	return map_get(g->by_key, key, sizeof(*key));
}

const struct generation_signal *generation_signals_of(
	const struct generation *g, const struct generation_peer *p, size_t *ret_n)
{
	size_t peer = (size_t)(p - g->peers), from = 0, to = g->n_signals, n = 0;

	while (from < to) {
		size_t at = from + (to - from) / 2;

		if (g->signals[at].peer < peer)
			from = at + 1;
		else
			to = at;
	}
	while (from + n < g->n_signals && g->signals[from + n].peer == peer)
		n++;
	*ret_n = n;
	return n ? g->signals + from : NULL;
}

bool generation_prefix_is_connected(const struct generation *g, const ip_prefix *p)
{
	struct want_facts facts = {.overlays = g->overlays, .n_overlays = g->n_overlays};

	return want_is_connected(&facts, p);
}

void generation_facts(const struct generation *g, struct want_facts *ret)
{
	*ret = (struct want_facts){
		.overlays = g->overlays,
		.n_overlays = g->n_overlays,
		.sources = g->sources,
		.overlay_table = kernel_overlay_table(g->self->interface),
		.signal_table = kernel_signal_table(g->self->interface),
		.has_engine = mesh_has_engine(g->self),
		.is_bird = g->self->routing.engine == MESH_ENGINE_BIRD,
		.engine_protocols = g->self->routing.protocols,
		.n_engine_protocols = mesh_has_engine(g->self) ? g->self->routing.n_protocols : 0,
		.guarded = g->guarded,
		.n_guarded = g->n_guarded,
		.ifname = g->self->interface,
	};
}

bool generation_may_be_announced(const struct generation *g, const ip_prefix *p)
{
	unsigned one;

	return g->announcers && mesh_announcers_of(g->announcers, p, &one, 1);
}

bool generation_peer_has_address(const struct generation_peer *p, const ip_prefix *host)
{
	ip_addr a = ip_prefix_addr(host), link_local;

	if (host->len != ip_family_bits(host->family))
		return false;
	for (size_t i = 0; i < p->node->n_addresses; i++)
		if (ip_addr_eq(&p->node->addresses[i].addr, &a))
			return true;
	if (a.family != AF_INET6 || a.bytes[0] != 0xfe || !mesh_has_engine(p->node))
		return false;
	link_local = mesh_link_local(p->node);
	return ip_addr_eq(&link_local, &a);
}

void generation_tell_port(const struct generation *g, struct buf *why)
{
	buf_printf(why,
		"UDP port %u (listen_port of %s) is taken by another program; `ss -lunp sport = "
		":%u` names it",
		g->self->listen_port, g->self->name, g->self->listen_port);
}

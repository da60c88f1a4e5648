/* SPDX-License-Identifier: MIT */
#include "daemon/generation.h"

#include "base/secret.h"
#include <assert.h>
#include <errno.h>
#include <string.h>

static void make_addresses(struct generation *g)
{
	g->addresses = mem_zalloc(g->self->n_addresses + 1, sizeof(*g->addresses));
	for (size_t i = 0; i < g->self->n_addresses; i++) {
		const ip_addr *a = &g->self->addresses[i].addr;
		const struct mesh_overlay *overlay = mesh_overlay_of(g->inv, a);
		ip_prefix *p = &g->addresses[g->n_addresses++];

		*p = ip_prefix_host(a);
		if (overlay)
			p->len = overlay->prefix.len;
	}
}

static void make_peers(struct generation *g, generation_psk_fn *read_psk)
{
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
		if (p->view->preshared_key_file)
			p->psk_error =
				read_psk ? read_psk(&p->psk, p->view->preshared_key_file) : -ENOENT;
		map_put(g->by_id, &p->id, sizeof(p->id), p);
		map_put(g->by_key, &p->node->public_key, sizeof(p->node->public_key), p);
	}
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
	if (parts->before)
		candidate_changes_between(
			&parts->before->view, parts->before->ids, &g->view, g->ids, &g->changes);
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
	vec_done(&g->changes);
	map_free(g->by_id);
	map_free(g->by_key);
	secret_free(g->peers, (g->n_peers + 1) * sizeof(*g->peers));
	free(g->ids);
	free(g->addresses);
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

bool generation_prefix_is_connected(const struct generation *g, const ip_prefix *p)
{
	for (size_t i = 0; i < g->n_addresses; i++) {
		ip_prefix overlay = ip_prefix_masked(&g->addresses[i]);

		if (ip_prefix_contains(&overlay, p))
			return true;
	}
	return false;
}

void generation_tell_port(const struct generation *g, struct buf *why)
{
	buf_printf(why,
		"UDP port %u (listen_port of %s) is taken by another program; `ss -lunp sport = "
		":%u` names it",
		g->self->listen_port, g->self->name, g->self->listen_port);
}

/* SPDX-License-Identifier: MIT */
#include "daemon/routing_status.h"

#include "daemon/daemon.h"
#include "daemon/routing_asker.h"
#include "mesh/routing.h"

struct routing_status {
	struct routing_asker *asker;
	struct routing_watch watch;
	uint64_t generation, n; /* what the watch knows of */
};

struct routing_status *routing_status_new(uv_loop_t *loop)
{
	struct routing_status *r = mem_zalloc(1, sizeof(*r));

	r->asker = routing_asker_new(loop);
	return r;
}

void routing_status_free(struct routing_status *r)
{
	if (!r)
		return;
	routing_asker_free(r->asker);
	routing_watch_done(&r->watch);
	free(r);
}

static bool lives(uint32_t peer, void *data)
{
	const struct daemon *d = data;

	return rib_peer_state(d->rib, peer) != RIB_DOWN;
}

static struct routing_watch_facts facts_of(const struct daemon *d)
{
	struct routing_watch_facts f = {
		.gen = d->gen, .lives = lives, .data = (void *)(uintptr_t)d};

	routing_asker_look(d->routing->asker, &f.said);
	return f;
}

void routing_status_step(struct daemon *d, instant now)
{
	struct routing_status *r = d->routing;
	struct routing_watch_facts f;

	routing_asker_set(r->asker, &d->gen->self->routing);
	routing_asker_step(r->asker, now);
	f = facts_of(d);
	if (f.said.n == r->n && d->gen->number == r->generation)
		return;
	r->n = f.said.n;
	r->generation = d->gen->number;
	routing_watch_step(&r->watch, &f, now);
}

void routing_status_check(const struct daemon *d, instant now, routing_watch_fn *fn, void *data)
{
	struct routing_watch_facts f = facts_of(d);

	if (f.said.n == d->routing->n && d->gen->number == d->routing->generation)
		routing_watch_check(&d->routing->watch, &f, now, fn, data);
}

/* --- shown ---------------------------------------------------------------------------------------
 */

static void show_session(
	struct snapshot *s, struct snapshot_peer *to, const struct routing_session *from)
{
	to->sessions[to->n_sessions++] = (struct snapshot_session){.neighbor = from->neighbor,
		.state = routing_state_name(from->state),
		.for_ns = instant_diff(s->when.at, from->since),
		.routes = from->routes};
}

static void show_peer(const struct routing_said *said, const struct mesh_node *node,
	struct snapshot *s, struct snapshot_peer *to)
{
	ip_addr link_local = mesh_link_local(node);
	const struct routing_session *found;

	to->sessions = arena_array(&s->arena, struct snapshot_session, node->n_addresses + 1);
	for (size_t i = 0; i < node->n_addresses; i++) {
		found = routing_session_with(said->sessions, &node->addresses[i].addr);
		if (found)
			show_session(s, to, found);
	}
	found = routing_session_with(said->sessions, &link_local);
	if (found)
		show_session(s, to, found);
}

static void count(const routing_sessions *sessions, struct snapshot_routing *to)
{
	to->n_sessions = sessions->n;
	for (size_t i = 0; i < sessions->n; i++) {
		to->n_established += sessions->items[i].state == ROUTING_ESTABLISHED;
		to->n_routes += sessions->items[i].routes;
	}
}

void routing_status_show(const struct daemon *d, struct snapshot *s)
{
	const struct mesh_node *self = d->gen->self;
	struct routing_said said;

	if (!mesh_has_engine(self))
		return;
	routing_asker_look(d->routing->asker, &said);
	s->routing.engine = mesh_engine_name(self->routing.engine);
	if (!said.talk)
		return;
	s->routing.socket = arena_strdup(&s->arena, said.socket);
	s->routing.is_known = said.n > 0;
	s->routing.answers = !said.err;
	s->routing.for_ns = said.n ? instant_diff(s->when.at, said.since) : 0;
	count(said.sessions, &s->routing);
	for (size_t i = 0; i < s->n_peers; i++)
		show_peer(&said, d->gen->peers[i].node, s, &s->peers[i]);
}

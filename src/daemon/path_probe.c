/* SPDX-License-Identifier: MIT */
#include "daemon/path_probe.h"

#include <stdlib.h>

#define FIRST_NS (2 * NS_PER_S)
/* Rounds a step, and how far the first ones of many peers lie apart. */
#define ROUNDS_MAX 2
#define APART_NS (50 * NS_PER_MS)
/* How soon to look for answers where the next size depends on them. */
#define SEARCH_NS (100 * NS_PER_MS)

static struct path_peer *peer_of(struct path_probe *p, uint32_t id)
{
	while (p->peers.n <= id)
		vec_push(&p->peers, (struct path_peer){0});
	return &p->peers.items[id];
}

static unsigned largest(const struct daemon *d, const struct generation_peer *p)
{
	unsigned own = d->gen->self->mtu, its = p->node->mtu;

	return own < its ? own : its;
}

static bool is_probed(
	const struct daemon *d, const struct generation_peer *p, const struct echoes *e)
{
	return p->view->remote.family && p->node->liveness.probe != MESH_PROBE_HANDSHAKE &&
	       echoes_has(e, p->view->remote.family) && largest(d, p) > PATH_MTU_SMALL &&
	       rib_peer_state(d->rib, p->id) != RIB_DOWN;
}

static void ask(struct echoes *e, const struct generation_peer *p, unsigned size)
{
	struct echo_tag tag = {.kind = ECHO_KIND_PATH, .who = p->id, .size = PATH_MTU_SMALL};

	echoes_send(e, &p->view->remote, &tag);
	tag.size = size;
	echoes_send(e, &p->view->remote, &tag);
}

/* One that was down for a while keeps what was found. */
static void begin(struct path_peer *peer, unsigned size, instant first_at)
{
	if (peer->mtu.largest != size)
		path_mtu_init(&peer->mtu, size, first_at);
	else if (!peer->is_on)
		path_mtu_resume(&peer->mtu, first_at);
	peer->is_on = true;
}

instant path_probe_step(struct path_probe *p, const struct daemon *d, struct echoes *e, instant now)
{
	instant next = INSTANT_NEVER;
	unsigned rounds = 0, size;

	for (size_t i = 0; i < d->gen->n_peers; i++) {
		const struct generation_peer *g = &d->gen->peers[i];
		struct path_peer *peer = peer_of(p, g->id);

		if (!is_probed(d, g, e)) {
			peer->is_on = false;
			continue;
		}
		begin(peer, largest(d, g), instant_add(now, FIRST_NS + (int64_t)i * APART_NS));
		if (rounds < ROUNDS_MAX && path_mtu_step(&peer->mtu, &size, now)) {
			ask(e, g, size);
			rounds++;
		}
		next = instant_min(next, path_mtu_deadline(&peer->mtu));
		if (peer->mtu.phase == PATH_MTU_SEARCH)
			next = instant_min(next, instant_add(now, SEARCH_NS));
	}
	return next;
}

void path_probe_on_answer(struct path_probe *p, const struct echo_answer *a, instant now)
{
	if (!a->unreachable && a->tag.who < p->peers.n && p->peers.items[a->tag.who].is_on)
		path_mtu_on_reply(&p->peers.items[a->tag.who].mtu, a->tag.size, now);
}

void path_probe_name(const struct path_probe *p, const struct generation *g,
	void (*fn)(const char *what, const char *fix, void *data), void *data)
{
	for (size_t i = 0; i < g->n_peers; i++) {
		const struct generation_peer *peer = &g->peers[i];
		const struct path_mtu *m =
			peer->id < p->peers.n ? &p->peers.items[peer->id].mtu : NULL;
		AUTO_FREE char *what = NULL, *fix = NULL;

		if (!m || !p->peers.items[peer->id].is_on || !m->passes)
			continue;
		what = mem_printf("large packets to or from %s are lost on the way: the tunnel's "
				  "MTU is %u, and %u is the most that passes both ways",
			peer->node->name, m->largest, m->passes);
		fix = mem_printf("set `mtu: %u` for %s and %s in the inventory, then `shunt "
				 "reload` on both",
			m->passes, g->self->name, peer->node->name);
		fn(what, fix, data);
	}
}

void path_probe_done(struct path_probe *p)
{
	vec_done(&p->peers);
}

/* SPDX-License-Identifier: MIT */
/*
 * What a device of many owners finds out by itself (docs/shunt-wg.md): a peer that had a session
 * and hasn't answered for so long is taken to be lost, and asked every few seconds until both hear
 * each other. Any packet is answered, by a keepalive if by nothing else.
 */
#include "world.h"

#define LOST_AFTER_NS (25 * NS_PER_S)
#define ASKED_EVERY_NS (5 * NS_PER_S)
#define LOOK_EVERY_NS NS_PER_S

static struct model_peer *peer_of(const struct world *w, unsigned at, unsigned peer)
{
	const struct model *m = w->nodes[at].model;

	return m && m->exists ? model_peer(m, &w->inv->nodes[peer].public_key) : NULL;
}

void silence_sent(struct world *w, unsigned from, unsigned to)
{
	struct model_peer *p = peer_of(w, from, to);

	if (p && instant_is_never(p->unanswered_since))
		p->unanswered_since = w->now;
}

static void hears(struct world *w, unsigned at, unsigned from)
{
	struct model_peer *p = peer_of(w, at, from);

	if (p)
		p->unanswered_since = INSTANT_NEVER;
}

static void speaks(struct world *w, unsigned at, unsigned peer, struct model_peer *p, bool does)
{
	if (p->is_silent == !does)
		return;
	p->is_silent = !does;
	w->n_ops++;
	world_say(w, "%s's device: %s %s", world_name(w, at), world_name(w, peer),
		does ? "answers" : "doesn't answer");
}

/* A machine that was off has no keys left: a handshake came before its first packet. */
static bool is_first(const struct model_peer *p, const struct model_peer *back)
{
	return p && back && (!p->handshake_s || !back->handshake_s);
}

void silence_arrived(struct world *w, unsigned from, unsigned to)
{
	struct model_peer *p = peer_of(w, to, from), *back = peer_of(w, from, to);

	hears(w, to, from);
	if (!path_carries(w, to, from))
		return;
	hears(w, from, to);
	if (!is_first(p, back))
		return;
	speaks(w, to, from, p, true);
	speaks(w, from, to, back, true);
}

/* A handshake goes through both ways, and ends it at both ends. */
static void ask(struct world *w, unsigned at, unsigned peer, struct model_peer *p)
{
	struct model_peer *back = peer_of(w, peer, at);

	if (instant_before(w->now, instant_add(p->asked_at, ASKED_EVERY_NS)))
		return;
	p->asked_at = w->now;
	if (!path_carries(w, at, peer) || !path_carries(w, peer, at))
		return;
	hears(w, at, peer);
	hears(w, peer, at);
	speaks(w, at, peer, p, true);
	speaks(w, peer, at, back, true);
}

static void look_at(struct world *w, unsigned at, unsigned peer)
{
	struct model_peer *p = peer_of(w, at, peer);

	if (!p || w->nodes[at].model->max_owners == 1)
		return;
	if (p->is_silent)
		ask(w, at, peer, p);
	else if (p->handshake_s &&
		 !instant_before(w->now, instant_add(p->unanswered_since, LOST_AFTER_NS)))
		speaks(w, at, peer, p, false);
}

instant silence_look(struct world *w)
{
	for (unsigned at = 0; at < w->n_nodes; at++)
		for (unsigned peer = 0; peer < w->n_nodes; peer++)
			if (at != peer)
				look_at(w, at, peer);
	return instant_add(w->now, LOOK_EVERY_NS);
}

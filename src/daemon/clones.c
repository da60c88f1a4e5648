/* SPDX-License-Identifier: MIT */
#include "daemon/clones.h"

#include <string.h>

static struct clone_watch *watch_of(struct clones *c, uint32_t peer)
{
	while (c->watches.n <= peer)
		vec_push(&c->watches, (struct clone_watch){0});
	return &c->watches.items[peer];
}

static int64_t handshake_of(const struct device_peer *p)
{
	return p->last_handshake.tv_sec * NS_PER_S + p->last_handshake.tv_nsec;
}

void clones_note(struct clones *c, const struct daemon *d, instant now)
{
	c->is_open = false;
	for (size_t i = 0; i < d->gen->n_peers; i++) {
		const struct generation_peer *p = &d->gen->peers[i];
		const struct device_peer *m = device_state_peer(&d->mirror, &p->node->public_key);
		struct clone_watch *w = watch_of(c, p->id);
		struct live_peer_info info = {0};

		if (!m)
			continue;
		if (d->prober)
			prober_info(d->prober, p->id, &info);
		clone_note(
			w, &(struct clone_sample){handshake_of(m), m->endpoint, info.flaps}, now);
		c->is_open |= clone_is_open(w, now);
	}
}

void clones_name(const struct clones *c, const struct generation *g, instant now,
	void (*fn)(const char *what, const char *fix, void *data), void *data)
{
	for (size_t i = 0; i < g->n_peers; i++) {
		const struct generation_peer *p = &g->peers[i];
		char one[SOCK_ADDR_STRLEN], other[SOCK_ADDR_STRLEN];
		AUTO_FREE char *what = NULL;
		sock_addr pair[2];

		if (p->id >= c->watches.n || !clone_is_two(&c->watches.items[p->id], now, pair))
			continue;
		what = mem_printf("two machines seem to use the key of %s: it calls by turns from "
				  "%s and from %s, and each takes the session from the other",
			p->node->name, sock_addr_format(&pair[0], one),
			sock_addr_format(&pair[1], other));
		fn(what,
			"stop one of the two, or give it a key (`shunt key`) and a node of its own",
			data);
	}
}

void clones_done(struct clones *c)
{
	vec_done(&c->watches);
}

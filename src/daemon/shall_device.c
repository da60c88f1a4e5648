/* SPDX-License-Identifier: MIT */
#include "daemon/shall_internal.h"

#include "base/secret.h"
#include "fib/want_own.h"
#include <string.h>

struct place {
	wg_key key;
	size_t peer; /* of the generation; n_peers: nobody */
};

static int by_key(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return memcmp(x->key.bytes, y->key.bytes, WG_KEY_LEN);
}

/* Where each stands in the order of keys. malloc'd. */
static size_t *place_peers(const struct generation *g, size_t n)
{
	size_t *at = mem_zalloc(n + 1, sizeof(*at));
	struct place *places = mem_zalloc(n + 1, sizeof(*places));

	for (size_t i = 0; i < n; i++)
		places[i] = (struct place){
			i < g->n_peers ? g->peers[i].node->public_key : want_nobody_key(), i};
	if (n)
		qsort(places, n, sizeof(*places), by_key);
	for (size_t i = 0; i < n; i++)
		at[places[i].peer] = i;
	free(places);
	return at;
}

/* The caller has counted them. In ip_prefix_cmp order for each, so that its list is sorted. */
static void own_prefix(struct device_peer *p, const ip_prefix *prefix, size_t room)
{
	if (!p->allowed)
		p->allowed = mem_zalloc(room, sizeof(*p->allowed));
	p->allowed[p->n_allowed++] = *prefix;
}

/* The peer's place in the generation; its number of peers: it left with the last reload. */
static size_t owner_of(const struct generation *g, const struct shall_owner *o)
{
	const struct generation_peer *p = generation_peer_by_id(g, o->peer);

	return p ? (size_t)(p - g->peers) : g->n_peers;
}

/* at: where each peer of the generation, and nobody after them, stands in peers. */
static void give_prefixes(const struct shall *s, struct device_peer *peers, const size_t *at)
{
	const struct generation *g = s->in->gen;
	const struct shall_rib *rib = s->in->rib;
	AUTO_FREE size_t *room = mem_zalloc(g->n_peers + 1, sizeof(*room));

	for (size_t i = 0; i < rib->owners.n; i++)
		room[owner_of(g, &rib->owners.items[i])]++;
	for (size_t i = 0; i < rib->owners.n; i++) {
		const struct shall_owner *o = &rib->owners.items[i];
		size_t k = owner_of(g, o);

		if (k < g->n_peers)
			own_prefix(&peers[at[k]], &rib->prefixes.items[o->prefix].prefix, room[k]);
	}
	for (size_t i = 0; i < s->own.n; i++)
		own_prefix(&peers[at[g->n_peers]], &s->own.items[i], s->own.n);
}

static void make_peers(const struct shall *s, struct device_state *ret)
{
	const struct generation *g = s->in->gen;
	size_t n = g->n_peers + (s->own.n != 0);
	AUTO_FREE size_t *at = place_peers(g, n);

	ret->peers = n ? secret_zalloc(n, sizeof(*ret->peers)) : NULL;
	ret->n_peers = n;
	for (size_t i = 0; i < g->n_peers; i++) {
		const struct generation_peer *gp = &g->peers[i];

		ret->peers[at[i]] = (struct device_peer){
			.key = gp->node->public_key,
			.has_psk = !wg_key_is_zero(&gp->psk),
			.leave_psk = gp->psk_error,
			.psk = gp->psk,
			.endpoint = s->in->endpoints[i],
			.keepalive = (uint16_t)gp->view->keepalive,
		};
	}
	if (s->own.n)
		ret->peers[at[g->n_peers]].key = want_nobody_key();
	give_prefixes(s, ret->peers, at);
}

/* The port that the device should get; 0: leave the one that it has. */
static uint16_t port_to_have(struct shall *s, const struct fib_device *is)
{
	const struct generation *g = s->in->gen;
	AUTO_BUF why = {0};

	if (!is->port_is_taken)
		return g->self->listen_port;
	generation_tell_port(g, &why);
	fib_trouble_add(&s->problems, NULL, "%s stays on port %u: %s", g->self->interface,
		is->wg.listen_port, buf_str(&why));
	return 0;
}

void shall_add_device(struct shall *s, const struct fib_device *is, bool clear_mark)
{
	const struct generation *g = s->in->gen;
	struct fib_device d = {
		.ifindex = is->ifindex,
		.up = true,
		.mtu = g->self->mtu,
		.private_key = g->private_key,
		/* A mark that an operator has set for purposes of his own stays. */
		.leave_fwmark = !s->mark && !clear_mark,
	};

	memcpy(d.name, is->name, sizeof(d.name));
	d.wg.has_key = true;
	d.wg.public_key = wg_key_public(&g->private_key);
	d.wg.listen_port = port_to_have(s, is);
	d.wg.fwmark = s->mark;
	d.mark.mark = s->mark;
	d.mark.port = d.wg.listen_port ? d.wg.listen_port : is->wg.listen_port;
	for (size_t i = 0; i < g->n_addresses; i++)
		vec_push(&d.addresses, g->addresses[i]);
	make_peers(s, &d.wg);
	vec_push(&s->state.devices, d);
	wg_key_wipe(&d.private_key);
}

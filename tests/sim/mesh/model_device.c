/* SPDX-License-Identifier: MIT */
#include "model.h"

#include "base/mem.h"
#include "base/secret.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void model_device_make(struct model *m)
{
	m->exists = true;
	m->up = false;
	m->ifindex = m->next_ifindex++;
	m->mtu = 1420;
	m->has_key = false;
	m->listen_port = 0;
	m->fwmark = 0;
	m->owners = trie_new();
}

void model_device_delete(struct model *m)
{
	for (size_t i = 0; i < m->peers.n; i++)
		free(m->peers.items[i]);
	vec_done(&m->peers);
	vec_done(&m->addresses);
	trie_free(m->owners);
	m->owners = NULL;
	m->exists = m->up = false;
	model_routes_leave(m, m->ifindex);
}

struct model_peer *model_peer(const struct model *m, const wg_key *key)
{
	for (size_t i = 0; i < m->peers.n; i++)
		if (!memcmp(m->peers.items[i]->key.bytes, key->bytes, WG_KEY_LEN))
			return m->peers.items[i];
	return NULL;
}

struct model_peer *model_peer_add(struct model *m, const wg_key *key)
{
	struct model_peer *p = mem_zalloc(1, sizeof(*p));

	p->key = *key;
	vec_push(&m->peers, p);
	return p;
}

struct model_peer *model_owner(const struct model *m, const ip_addr *a)
{
	return m->exists ? trie_lookup(m->owners, a, NULL) : NULL;
}

struct owned {
	const struct model_peer *peer;
	VEC(ip_prefix) prefixes;
};

static int note_owned(const ip_prefix *p, void *value, void *data)
{
	struct owned *o = data;

	if (value == o->peer)
		vec_push(&o->prefixes, *p);
	return 0;
}

void model_peer_remove(struct model *m, struct model_peer *p)
{
	struct owned o = {.peer = p};
	size_t kept = 0;

	trie_walk(m->owners, note_owned, &o);
	for (size_t i = 0; i < o.prefixes.n; i++) {
		trie_remove(m->owners, &o.prefixes.items[i]);
		model_note_bare(m, &o.prefixes.items[i]);
	}
	vec_done(&o.prefixes);
	for (size_t i = 0; i < m->peers.n; i++)
		if (m->peers.items[i] != p)
			m->peers.items[kept++] = m->peers.items[i];
	m->peers.n = kept;
	free(p);
}

/* --- reading ------------------------------------------------------------------------------------
 */

static int by_key(const void *a, const void *b)
{
	const struct device_peer *x = a, *y = b;

	return memcmp(x->key.bytes, y->key.bytes, WG_KEY_LEN);
}

static int give_allowed(const ip_prefix *p, void *value, void *data)
{
	struct device_state *s = data;
	const struct model_peer *owner = value;
	const struct device_peer *found = device_state_peer(s, &owner->key);
	struct device_peer *peer = &s->peers[found - s->peers];

	peer->allowed = mem_realloc(peer->allowed, peer->n_allowed + 1, sizeof(*peer->allowed));
	peer->allowed[peer->n_allowed++] = *p;
	return 0;
}

int model_device_get(const struct model *m, struct device_state *ret)
{
	if (!m->exists)
		return -ENODEV;
	*ret = (struct device_state){
		.has_key = m->has_key,
		.public_key = m->public_key,
		.listen_port = m->listen_port,
		.fwmark = m->fwmark,
		.n_peers = m->peers.n,
	};
	if (!m->peers.n)
		return 0;
	ret->peers = secret_zalloc(m->peers.n, sizeof(*ret->peers));
	for (size_t i = 0; i < m->peers.n; i++) {
		const struct model_peer *p = m->peers.items[i];

		ret->peers[i] = (struct device_peer){.key = p->key,
			.has_psk = p->has_psk,
			.psk = p->psk,
			.endpoint = p->endpoint,
			.keepalive = p->keepalive,
			.rx_bytes = p->rx_bytes,
			.last_handshake = {.tv_sec = p->handshake_s}};
	}
	qsort(ret->peers, ret->n_peers, sizeof(*ret->peers), by_key);
	trie_walk(m->owners, give_allowed, ret);
	return 0;
}

/* --- changing -----------------------------------------------------------------------------------
 */

static void settle_peer(struct model *m, const struct device_peer_change *c)
{
	struct model_peer *p = model_peer(m, &c->key);

	if (c->remove)
		return;
	if (!p && c->update_only)
		return;
	if (!p)
		p = model_peer_add(m, &c->key);
	if (p->foreign)
		model_violated(m, "a foreign peer is changed");
	if (c->set_psk) {
		p->psk = c->psk;
		p->has_psk = !wg_key_is_zero(&c->psk);
	}
	p->endpoint = c->set_endpoint ? c->endpoint : p->endpoint;
	p->keepalive = c->set_keepalive ? c->keepalive : p->keepalive;
}

static void add_allowed(struct model *m, const struct device_peer_change *c)
{
	struct model_peer *p = model_peer(m, &c->key);

	for (size_t i = 0; p && i < c->n_add; i++) {
		void **slot = trie_slot(m->owners, &c->add[i]);
		const struct model_peer *before = *slot;

		if (before && before->foreign && !before->is_new)
			model_violated(m, "a foreign peer loses an allowed IP");
		*slot = p;
		if (!before)
			model_note_owned(m, &c->add[i]);
	}
}

static void remove_allowed(struct model *m, const struct device_peer_change *c)
{
	struct model_peer *p = model_peer(m, &c->key);

	for (size_t i = 0; p && i < c->n_del; i++)
		if (trie_get(m->owners, &c->del[i]) == p) {
			if (p->foreign)
				model_violated(m, "a foreign peer loses an allowed IP");
			trie_remove(m->owners, &c->del[i]);
			model_note_bare(m, &c->del[i]);
		}
}

static void step(struct model *m)
{
	if (m->after)
		m->after(m, m->data);
}

/* In the order that device_set promises: a packet may pass after each of them. */
static void change_peers(struct model *m, const struct device_change *c)
{
	for (size_t i = 0; i < c->n_peers; i++) {
		settle_peer(m, &c->peers[i]);
		if (!c->peers[i].remove)
			add_allowed(m, &c->peers[i]);
		if (c->peers[i].n_add)
			step(m);
	}
	for (size_t i = 0; i < c->n_peers; i++) {
		struct model_peer *p = model_peer(m, &c->peers[i].key);

		if (!c->peers[i].remove)
			remove_allowed(m, &c->peers[i]);
		else if (p && p->foreign)
			model_violated(m, "a foreign peer is removed");
		else if (p)
			model_peer_remove(m, p);
		if (c->peers[i].n_del || c->peers[i].remove)
			step(m);
	}
}

int model_device_set(struct model *m, const struct device_change *c)
{
	if (!m->exists)
		return -ENODEV;
	if (c->set_listen_port && c->listen_port && c->listen_port == m->taken_port)
		return -EADDRINUSE;
	if (c->set_private_key) {
		m->has_key = true;
		m->public_key = wg_key_public(&c->private_key);
	}
	m->listen_port = c->set_listen_port ? c->listen_port : m->listen_port;
	m->fwmark = c->set_fwmark ? c->fwmark : m->fwmark;
	change_peers(m, c);
	return 0;
}

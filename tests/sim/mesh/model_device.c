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
	m->entries = trie_new();
}

static int free_entry(const ip_prefix *p, void *value, void *data)
{
	(void)p;
	(void)data;
	free(value);
	return 0;
}

void model_device_delete(struct model *m)
{
	trie_walk(m->entries, free_entry, NULL);
	for (size_t i = 0; i < m->sets.n; i++) {
		vec_done(&m->sets.items[i]->members);
		free(m->sets.items[i]);
	}
	vec_done(&m->sets);
	for (size_t i = 0; i < m->peers.n; i++)
		free(m->peers.items[i]);
	vec_done(&m->peers);
	vec_done(&m->addresses);
	trie_free(m->entries);
	m->entries = NULL;
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
	p->unanswered_since = INSTANT_NEVER;
	vec_push(&m->peers, p);
	return p;
}

struct owned {
	const struct model_peer *peer;
	VEC(ip_prefix) prefixes;
};

static int note_owned(const ip_prefix *p, void *value, void *data)
{
	struct owned *o = data;
	const struct model_entry *e = value;

	if (e->peer == o->peer)
		vec_push(&o->prefixes, *p);
	return 0;
}

void model_peer_remove(struct model *m, struct model_peer *p)
{
	struct owned o = {.peer = p};
	size_t kept = 0;

	trie_walk(m->entries, note_owned, &o);
	for (size_t i = 0; i < o.prefixes.n; i++)
		model_take(m, &o.prefixes.items[i]);
	vec_done(&o.prefixes);
	model_sets_leave(m, p);
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
	const struct model_entry *e = value;
	struct device_peer *peer;

	if (!e->peer)
		return 0;
	peer = &s->peers[device_state_peer(s, &e->peer->key) - s->peers];
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
		.max_owners = m->max_owners,
	};
	model_sets_get(m, ret);
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
			.level = p->level,
			.is_silent = p->is_silent,
			.last_handshake = {.tv_sec = p->handshake_s}};
	}
	qsort(ret->peers, ret->n_peers, sizeof(*ret->peers), by_key);
	trie_walk(m->entries, give_allowed, ret);
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
	p->level = c->set_level ? c->level : p->level;
}

static void add_allowed(struct model *m, const struct device_peer_change *c)
{
	struct model_peer *p = model_peer(m, &c->key);

	for (size_t i = 0; p && i < c->n_add; i++)
		model_give(m, &c->add[i], p);
}

static void remove_allowed(struct model *m, const struct device_peer_change *c)
{
	struct model_peer *p = model_peer(m, &c->key);

	for (size_t i = 0; p && i < c->n_del; i++) {
		const struct model_entry *e = model_entry(m, &c->del[i]);

		if (!e || e->peer != p)
			continue;
		if (p->foreign)
			model_violated(m, "a foreign peer loses an allowed IP");
		model_take(m, &c->del[i]);
	}
}

void model_step(struct model *m)
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
		if (c->peers[i].n_add || c->peers[i].set_level)
			model_step(m);
	}
	model_sets_add(m, c);
	for (size_t i = 0; i < c->n_peers; i++) {
		struct model_peer *p = model_peer(m, &c->peers[i].key);

		if (!c->peers[i].remove)
			remove_allowed(m, &c->peers[i]);
		else if (p && p->foreign)
			model_violated(m, "a foreign peer is removed");
		else if (p)
			model_peer_remove(m, p);
		if (c->peers[i].n_del || c->peers[i].remove)
			model_step(m);
	}
	model_sets_del(m, c);
}

int model_device_set(struct model *m, const struct device_change *c)
{
	int err = m->exists ? model_sets_check(m, c) : -ENODEV;

	if (err)
		return err;
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

/* SPDX-License-Identifier: MIT */
#include "daemon/session_keys.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/secret.h"
#include <sodium.h>
#include <string.h>

static const char LABEL[] = "shunt BFD Meticulous Keyed SHA1";

struct pair {
	struct list link;
	wg_key peer;
	struct bfd_keys keys;
	bool is_used;
};

struct session_keys {
	wg_key private_key, public_key;
	struct map *by_peer;
	struct list pairs;
};

struct session_keys *session_keys_new(void)
{
	struct session_keys *k = secret_zalloc(1, sizeof(*k));

	k->by_peer = map_new();
	list_init(&k->pairs);
	return k;
}

static void drop(struct session_keys *k, struct pair *p)
{
	map_remove(k->by_peer, &p->peer, sizeof(p->peer));
	list_remove(&p->link);
	secret_free(p, sizeof(*p));
}

static void drop_all(struct session_keys *k)
{
	list_for_each (link, &k->pairs)
		drop(k, container_of(link, struct pair, link));
	wg_key_wipe(&k->private_key);
}

void session_keys_free(struct session_keys *k)
{
	if (!k)
		return;
	drop_all(k);
	map_free(k->by_peer);
	secret_free(k, sizeof(*k));
}

void session_keys_begin(struct session_keys *k, const wg_key *private_key)
{
	if (!wg_key_eq(&k->private_key, private_key)) {
		drop_all(k);
		k->private_key = *private_key;
		k->public_key = wg_key_public(private_key);
	}
	list_for_each (link, &k->pairs)
		container_of(link, struct pair, link)->is_used = false;
}

/* BLAKE2b, keyed by the shared secret, over the label and both public keys in their order: one half
 * for whose public key is the smaller, one for the other. */
static void derive(const struct session_keys *k, struct pair *p)
{
	bool is_first = memcmp(&k->public_key, &p->peer, sizeof(p->peer)) < 0;
	const wg_key *first = is_first ? &k->public_key : &p->peer;
	const wg_key *second = is_first ? &p->peer : &k->public_key;
	uint8_t shared[crypto_scalarmult_BYTES], out[2][BFD_KEY_LEN];
	crypto_generichash_state state;

	if (crypto_scalarmult(shared, k->private_key.bytes, p->peer.bytes) < 0)
		randombytes_buf(shared, sizeof(shared));
	crypto_generichash_init(&state, shared, sizeof(shared), sizeof(out));
	crypto_generichash_update(&state, (const uint8_t *)LABEL, sizeof(LABEL));
	crypto_generichash_update(&state, first->bytes, sizeof(first->bytes));
	crypto_generichash_update(&state, second->bytes, sizeof(second->bytes));
	crypto_generichash_final(&state, out[0], sizeof(out));
	memcpy(p->keys.send, out[is_first ? 0 : 1], BFD_KEY_LEN);
	memcpy(p->keys.receive, out[is_first ? 1 : 0], BFD_KEY_LEN);
	sodium_memzero(&state, sizeof(state));
	sodium_memzero(shared, sizeof(shared));
	sodium_memzero(out, sizeof(out));
}

void session_keys_get(struct session_keys *k, const wg_key *public_key, struct bfd_keys *ret)
{
	struct pair *p = map_get(k->by_peer, public_key, sizeof(*public_key));

	if (!p) {
		p = secret_zalloc(1, sizeof(*p));
		p->peer = *public_key;
		derive(k, p);
		list_append(&k->pairs, &p->link);
		map_put(k->by_peer, &p->peer, sizeof(p->peer), p);
	}
	p->is_used = true;
	*ret = p->keys;
}

void session_keys_end(struct session_keys *k)
{
	list_for_each (link, &k->pairs) {
		struct pair *p = container_of(link, struct pair, link);

		if (!p->is_used)
			drop(k, p);
	}
}

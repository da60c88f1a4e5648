/* SPDX-License-Identifier: MIT */
#include "wg/hash.h"

#include <assert.h>
#include <blake2.h>
#include <sodium.h>
#include <string.h>

static void update(blake2s_state *s, struct wg_bytes b)
{
	if (b.len)
		blake2s_update(s, b.at, b.len);
}

void wg_hash(uint8_t ret[static WG_HASH_LEN], struct wg_bytes a, struct wg_bytes b)
{
	blake2s_state s;

	blake2s_init(&s, WG_HASH_LEN);
	update(&s, a);
	update(&s, b);
	blake2s_final(&s, ret, WG_HASH_LEN);
	sodium_memzero(&s, sizeof(s));
}

void wg_mac(uint8_t ret[static WG_MAC_LEN], struct wg_bytes key, struct wg_bytes data)
{
	blake2s_state s;

	assert(key.len > 0 && key.len <= BLAKE2S_KEYBYTES);
	blake2s_init_key(&s, WG_MAC_LEN, key.at, key.len);
	update(&s, data);
	blake2s_final(&s, ret, WG_MAC_LEN);
	sodium_memzero(&s, sizeof(s));
}

static void pad_key(uint8_t ret[static BLAKE2S_BLOCKBYTES], struct wg_bytes key)
{
	memset(ret, 0, BLAKE2S_BLOCKBYTES);
	if (key.len > BLAKE2S_BLOCKBYTES)
		wg_hash(ret, key, (struct wg_bytes){NULL, 0});
	else if (key.len)
		memcpy(ret, key.at, key.len);
}

static void xor_all(uint8_t bytes[static BLAKE2S_BLOCKBYTES], uint8_t with)
{
	for (size_t i = 0; i < BLAKE2S_BLOCKBYTES; i++)
		bytes[i] ^= with;
}

void wg_hmac(
	uint8_t ret[static WG_HASH_LEN], struct wg_bytes key, struct wg_bytes a, struct wg_bytes b)
{
	uint8_t pad[BLAKE2S_BLOCKBYTES], inner[WG_HASH_LEN];
	blake2s_state s;

	pad_key(pad, key);
	xor_all(pad, 0x36);
	blake2s_init(&s, WG_HASH_LEN);
	blake2s_update(&s, pad, sizeof(pad));
	update(&s, a);
	update(&s, b);
	blake2s_final(&s, inner, sizeof(inner));

	xor_all(pad, 0x36 ^ 0x5c);
	wg_hash(ret, (struct wg_bytes){pad, sizeof(pad)}, (struct wg_bytes){inner, sizeof(inner)});
	sodium_memzero(pad, sizeof(pad));
	sodium_memzero(inner, sizeof(inner));
	sodium_memzero(&s, sizeof(s));
}

/* The output after `last` (NULL: the first). */
static void next_output(uint8_t ret[static WG_HASH_LEN], const uint8_t secret[static WG_HASH_LEN],
	const uint8_t *last, uint8_t number)
{
	wg_hmac(ret, (struct wg_bytes){secret, WG_HASH_LEN},
		(struct wg_bytes){last, last ? WG_HASH_LEN : 0}, (struct wg_bytes){&number, 1});
}

void wg_kdf(uint8_t t1[static WG_HASH_LEN], uint8_t *t2, uint8_t *t3, struct wg_bytes key,
	struct wg_bytes input)
{
	uint8_t secret[WG_HASH_LEN];

	wg_hmac(secret, key, input, (struct wg_bytes){NULL, 0});
	next_output(t1, secret, NULL, 1);
	if (t2)
		next_output(t2, secret, t1, 2);
	if (t3)
		next_output(t3, secret, t2, 3);
	sodium_memzero(secret, sizeof(secret));
}

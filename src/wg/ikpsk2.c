/* SPDX-License-Identifier: MIT */
#include "wg/ikpsk2.h"

#include "wg/hash.h"

#include <sodium.h>
#include <string.h>

#define SEALED_STATIC_LEN (WG_PUBLIC_LEN + WG_TAG_LEN)

static const char name[] = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
static const uint8_t nonce_zero[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];

static struct wg_bytes bytes(const void *at, size_t len)
{
	return (struct wg_bytes){at, len};
}

/* --- the symmetric state -------------------------------------------------------------------------
 */

static void mix_hash(struct ikpsk2 *s, const void *data, size_t len)
{
	wg_hash(s->hash, bytes(s->hash, sizeof(s->hash)), bytes(data, len));
}

/* key: for what is sealed or opened next; NULL if nothing is. */
static void mix_key(struct ikpsk2 *s, wg_key *key, const void *input, size_t len)
{
	wg_kdf(s->chaining_key, key ? key->bytes : NULL, NULL,
		bytes(s->chaining_key, sizeof(s->chaining_key)), bytes(input, len));
}

static void mix_psk(struct ikpsk2 *s, wg_key *key, const wg_key *psk)
{
	uint8_t to_hash[WG_HASH_LEN];

	wg_kdf(s->chaining_key, to_hash, key->bytes,
		bytes(s->chaining_key, sizeof(s->chaining_key)),
		bytes(psk->bytes, sizeof(psk->bytes)));
	mix_hash(s, to_hash, sizeof(to_hash));
	sodium_memzero(to_hash, sizeof(to_hash));
}

bool ikpsk2_dh(wg_key *ret, const wg_key *private_key, const uint8_t public_key[static 32])
{
	if (!crypto_scalarmult(ret->bytes, private_key->bytes, public_key))
		return true;
	wg_key_wipe(ret);
	return false;
}

static bool mix_dh(struct ikpsk2 *s, wg_key *key, const wg_key *private_key,
	const uint8_t public_key[static 32])
{
	wg_key shared;
	bool ok = ikpsk2_dh(&shared, private_key, public_key);

	if (ok)
		mix_key(s, key, shared.bytes, sizeof(shared.bytes));
	wg_key_wipe(&shared);
	return ok;
}

/* len + WG_TAG_LEN bytes; each key seals once, so the nonce is zero. */
static void seal(struct ikpsk2 *s, const wg_key *key, const void *plain, size_t len, uint8_t *ret)
{
	crypto_aead_chacha20poly1305_ietf_encrypt(
		ret, NULL, plain, len, s->hash, sizeof(s->hash), NULL, nonce_zero, key->bytes);
	mix_hash(s, ret, len + WG_TAG_LEN);
}

static bool open(
	struct ikpsk2 *s, const wg_key *key, const uint8_t *sealed, size_t len, uint8_t *plain)
{
	if (crypto_aead_chacha20poly1305_ietf_decrypt(plain, NULL, NULL, sealed, len + WG_TAG_LEN,
		    s->hash, sizeof(s->hash), nonce_zero, key->bytes))
		return false;
	mix_hash(s, sealed, len + WG_TAG_LEN);
	return true;
}

/* In a pattern with a psk, an ephemeral key goes into both. */
static void mix_ephemeral(struct ikpsk2 *s, const uint8_t *public_key)
{
	mix_hash(s, public_key, WG_PUBLIC_LEN);
	mix_key(s, NULL, public_key, WG_PUBLIC_LEN);
}

/* --- the pattern ---------------------------------------------------------------------------------
 */

void ikpsk2_init(
	struct ikpsk2 *s, const void *prologue, size_t prologue_len, const wg_key *responder_static)
{
	wg_hash(s->chaining_key, bytes(name, sizeof(name) - 1), bytes(NULL, 0));
	memcpy(s->hash, s->chaining_key, sizeof(s->hash));
	mix_hash(s, prologue, prologue_len);
	mix_hash(s, responder_static->bytes, sizeof(responder_static->bytes));
}

bool ikpsk2_write_initiation(struct ikpsk2 *s, const struct ikpsk2_initiator *i,
	const void *payload, size_t len, uint8_t *message)
{
	wg_key public = wg_key_public(i->ephemeral_private), key;
	uint8_t *sealed_static = message + WG_PUBLIC_LEN;

	memcpy(message, public.bytes, WG_PUBLIC_LEN);
	mix_ephemeral(s, message);
	if (!mix_dh(s, &key, i->ephemeral_private, i->remote_static->bytes))
		return false;
	seal(s, &key, i->static_public->bytes, WG_PUBLIC_LEN, sealed_static);
	mix_key(s, &key, i->static_static->bytes, sizeof(i->static_static->bytes));
	seal(s, &key, payload, len, sealed_static + SEALED_STATIC_LEN);
	wg_key_wipe(&key);
	return true;
}

bool ikpsk2_read_sender(
	struct ikpsk2 *s, const wg_key *static_private, const uint8_t *message, wg_key *ret_static)
{
	wg_key key;
	bool ok;

	mix_ephemeral(s, message);
	if (!mix_dh(s, &key, static_private, message))
		return false;
	ok = open(s, &key, message + WG_PUBLIC_LEN, WG_PUBLIC_LEN, ret_static->bytes);
	wg_key_wipe(&key);
	return ok;
}

bool ikpsk2_read_initiation(struct ikpsk2 *s, const wg_key *static_static, const uint8_t *message,
	void *payload, size_t len)
{
	wg_key key;
	bool ok;

	mix_key(s, &key, static_static->bytes, sizeof(static_static->bytes));
	ok = open(s, &key, message + WG_PUBLIC_LEN + SEALED_STATIC_LEN, len, payload);
	wg_key_wipe(&key);
	return ok;
}

bool ikpsk2_write_response(struct ikpsk2 *s, const struct ikpsk2_responder *r, const void *payload,
	size_t len, uint8_t *message)
{
	wg_key public = wg_key_public(r->ephemeral_private), key;

	memcpy(message, public.bytes, WG_PUBLIC_LEN);
	mix_ephemeral(s, message);
	if (!mix_dh(s, NULL, r->ephemeral_private, r->remote_ephemeral) ||
		!mix_dh(s, NULL, r->ephemeral_private, r->remote_static->bytes))
		return false;
	mix_psk(s, &key, r->psk);
	seal(s, &key, payload, len, message + WG_PUBLIC_LEN);
	wg_key_wipe(&key);
	return true;
}

bool ikpsk2_read_response(struct ikpsk2 *s, const struct ikpsk2_awaiting *a, const uint8_t *message,
	void *payload, size_t len)
{
	wg_key key;
	bool ok;

	mix_ephemeral(s, message);
	if (!mix_dh(s, NULL, a->ephemeral_private, message) ||
		!mix_dh(s, NULL, a->static_private, message))
		return false;
	mix_psk(s, &key, a->psk);
	ok = open(s, &key, message + WG_PUBLIC_LEN, len, payload);
	wg_key_wipe(&key);
	return ok;
}

void ikpsk2_split(const struct ikpsk2 *s, wg_key *ret_initiators, wg_key *ret_responders)
{
	wg_kdf(ret_initiators->bytes, ret_responders->bytes, NULL,
		bytes(s->chaining_key, sizeof(s->chaining_key)), bytes(NULL, 0));
}

/* SPDX-License-Identifier: MIT */
/* What the handshake hashes with: BLAKE2s (RFC 7693), plain and keyed, HMAC over it (RFC 2104) and
 * the key derivation of the paper's section 5.4. */
#ifndef SHUNT_WG_HASH_H
#define SHUNT_WG_HASH_H

#include "wg/messages.h"
#include <stddef.h>

struct wg_bytes {
	const void *at;
	size_t len;
};

/* BLAKE2s of a, then b; ret may be one of them. b: {NULL, 0} if there is none. */
void wg_hash(uint8_t ret[static WG_HASH_LEN], struct wg_bytes a, struct wg_bytes b);
/* BLAKE2s with a key of 1 to 32 bytes and a result of WG_MAC_LEN; ret may lie behind the data. */
void wg_mac(uint8_t ret[static WG_MAC_LEN], struct wg_bytes key, struct wg_bytes data);
/* HMAC-BLAKE2s over a, then b; keys of any length. */
void wg_hmac(
	uint8_t ret[static WG_HASH_LEN], struct wg_bytes key, struct wg_bytes a, struct wg_bytes b);
/* KDF1 to KDF3: t2, or t2 and t3, may be NULL. What is returned may replace the key. */
void wg_kdf(uint8_t t1[static WG_HASH_LEN], uint8_t *t2, uint8_t *t3, struct wg_bytes key,
	struct wg_bytes input);

#endif

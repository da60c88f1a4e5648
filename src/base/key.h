/* SPDX-License-Identifier: MIT */
/* Curve25519 keys and preshared keys as values, their texts, and the checks on public ones. */
#ifndef SHUNT_BASE_KEY_H
#define SHUNT_BASE_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WG_KEY_LEN 32
#define WG_KEY_BASE64_LEN 45 /* with the terminating zero */
#define WG_KEY_HEX_LEN 65

typedef struct {
	uint8_t bytes[WG_KEY_LEN];
} wg_key;

/* Exactly 44 characters of canonical base64 (RFC 4648), padding included; constant time for the
 * content. */
bool wg_key_from_base64(wg_key *ret, const char *text);
char *wg_key_to_base64(const wg_key *k, char buf[static WG_KEY_BASE64_LEN]);
/* Exactly 64 hexadecimal digits of either case. */
bool wg_key_from_hex(wg_key *ret, const char *text);
char *wg_key_to_hex(const wg_key *k, char buf[static WG_KEY_HEX_LEN]);
/* Constant time. */
bool wg_key_eq(const wg_key *a, const wg_key *b);
bool wg_key_is_zero(const wg_key *k);
/* A public key whose every Diffie-Hellman result is zero (RFC 7748 section 6.1). */
bool wg_key_is_low_order(const wg_key *k);
/* A fresh clamped private key from the system's generator. */
void wg_key_generate(wg_key *ret_private);
/* The public key of a private one. */
wg_key wg_key_public(const wg_key *private_key);
/* Overwrites the key so that no compiler drops it. */
void wg_key_wipe(wg_key *k);
/* Reads a base64 key from a file of one line. -EINVAL: not a key; otherwise the errno of open or
 * read. */
int wg_key_read_file(wg_key *ret, const char *path);

#endif

/* SPDX-License-Identifier: MIT */
/* mac1, mac2 and cookies (the paper, section 5.4.4 and 5.4.7), without clock or randomness of its
 * own. */
#ifndef SHUNT_WG_COOKIE_H
#define SHUNT_WG_COOKIE_H

#include "base/key.h"
#include "base/prefix.h"
#include "base/time.h"
#include "wg/messages.h"

/* What a device needs to check macs and to hand out cookies; per identity. */
struct cookie_checker {
	uint8_t mac1_key[WG_HASH_LEN];
	uint8_t cookie_key[WG_HASH_LEN];
	uint8_t secret[WG_HASH_LEN];
	instant secret_born; /* ns 0: none yet */
};

/* What a peer's sender needs: the keys of the remote's public key, the last mac1 sent, the last
 * cookie received. */
struct cookie_maker {
	uint8_t mac1_key[WG_HASH_LEN];
	uint8_t cookie_key[WG_HASH_LEN];
	bool has_cookie, has_sent_mac1;
	uint8_t cookie[WG_COOKIE_LEN];
	instant cookie_born;
	uint8_t last_mac1[WG_MAC_LEN];
};

enum cookie_verdict { COOKIE_BAD_MAC1, COOKIE_MAC1_ONLY, COOKIE_MAC2_GOOD };

void cookie_checker_init(struct cookie_checker *c, const wg_key *own_public);
void cookie_maker_init(struct cookie_maker *m, const wg_key *remote_public);

/* Message of type 1 or 2 with its macs at the end. mac2 is looked at only if under_load. */
enum cookie_verdict cookie_check(struct cookie_checker *c, const void *message, size_t len,
	const sock_addr *from, bool under_load, instant now);
/* The reply that hands src its cookie; random: the nonce, and a fresh secret for when the old one
 * has aged. */
void cookie_create_reply(struct cookie_checker *c, const void *message, size_t len,
	const sock_addr *from, uint32_t receiver, const uint8_t nonce[static WG_COOKIE_NONCE_LEN],
	const uint8_t fresh_secret[static WG_HASH_LEN], instant now, struct wg_cookie_reply *ret);
/* Fills the macs at the end of a message of len bytes and remembers mac1. */
void cookie_add_macs(struct cookie_maker *m, void *message, size_t len, instant now);
/* False: no mac1 of ours is waiting for an answer, or it doesn't open. */
bool cookie_consume_reply(struct cookie_maker *m, const struct wg_cookie_reply *r, instant now);

#endif

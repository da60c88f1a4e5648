/* SPDX-License-Identifier: MIT */
/*
 * The pattern Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s (the Noise specification, revision 34, sections
 * 5, 7 and 9) over any prologue and any payloads, so that it can be held against vectors that are
 * not WireGuard's:
 *
 *	<- s
 *	...
 *	-> e, es, s, ss, payload	32 + 48 + payload + 16 bytes
 *	<- e, ee, se, psk, payload	32 + payload + 16 bytes
 *
 * A function that fails leaves a state that is of no use, and whatever it likes in what it should
 * have filled: work on copies, keep them on success, wipe them.
 */
#ifndef SHUNT_WG_IKPSK2_H
#define SHUNT_WG_IKPSK2_H

#include "base/key.h"
#include "wg/messages.h"

#define IKPSK2_INITIATION_LEN(payload_len) \
	(WG_PUBLIC_LEN + WG_PUBLIC_LEN + WG_TAG_LEN + (payload_len) + WG_TAG_LEN)
#define IKPSK2_RESPONSE_LEN(payload_len) (WG_PUBLIC_LEN + (payload_len) + WG_TAG_LEN)

struct ikpsk2 {
	uint8_t chaining_key[WG_HASH_LEN];
	uint8_t hash[WG_HASH_LEN];
};

/* What a side needs to write its message; and the initiator, awaiting, to read the other's. */
struct ikpsk2_initiator {
	const wg_key *static_public, *ephemeral_private;
	const wg_key *remote_static, *static_static;
};

struct ikpsk2_responder {
	const wg_key *ephemeral_private;
	const uint8_t *remote_ephemeral;
	const wg_key *remote_static, *psk;
};

struct ikpsk2_awaiting {
	const wg_key *static_private, *ephemeral_private, *psk;
};

/* The shared secret; false, and all zero, if the public key is of low order. */
bool ikpsk2_dh(wg_key *ret, const wg_key *private_key, const uint8_t public_key[static 32]);

void ikpsk2_init(struct ikpsk2 *s, const void *prologue, size_t prologue_len,
	const wg_key *responder_static);

/* False: a key of low order. */
bool ikpsk2_write_initiation(struct ikpsk2 *s, const struct ikpsk2_initiator *i,
	const void *payload, size_t len, uint8_t *message);
/* Who sends it; no proof yet that it's true. False: it doesn't open. */
bool ikpsk2_read_sender(
	struct ikpsk2 *s, const wg_key *static_private, const uint8_t *message, wg_key *ret_static);
/* After ikpsk2_read_sender; len of the payload without its tag. */
bool ikpsk2_read_initiation(struct ikpsk2 *s, const wg_key *static_static, const uint8_t *message,
	void *payload, size_t len);

bool ikpsk2_write_response(struct ikpsk2 *s, const struct ikpsk2_responder *r, const void *payload,
	size_t len, uint8_t *message);
bool ikpsk2_read_response(struct ikpsk2 *s, const struct ikpsk2_awaiting *a, const uint8_t *message,
	void *payload, size_t len);

/* The keys for what the initiator sends and for what the responder sends. */
void ikpsk2_split(const struct ikpsk2 *s, wg_key *ret_initiators, wg_key *ret_responders);

#endif

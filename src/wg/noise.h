/* SPDX-License-Identifier: MIT */
/*
 * Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s as WireGuard uses it (the paper, section 5.4): raw messages
 * in and out, no packets, no sockets, no clock, no randomness, no allocation. A failed message
 * changes nothing, but that it may be the first to need the static-static secret, which is kept.
 * Not thread-safe: the owner serialises calls that touch one noise_peer.
 *
 * mac1 and mac2 are cookie.h's; sender and receiver indices are the caller's.
 */
#ifndef SHUNT_WG_NOISE_H
#define SHUNT_WG_NOISE_H

#include "base/key.h"
#include "base/time.h"
#include "wg/messages.h"

/* A device's static key pair; an object of its own, since a device may answer to two of them while
 * keys rotate. */
struct noise_identity {
	bool is_set;
	wg_key private_key;
	wg_key public_key;
	uint64_t id; /* never the same twice in a process: what was computed with another identity
			is stale */
};

enum noise_state {
	NOISE_NONE,
	NOISE_INITIATION_SENT,
	NOISE_INITIATION_TAKEN,
	NOISE_RESPONSE_SENT,
	NOISE_RESPONSE_TAKEN
};

struct noise_handshake {
	enum noise_state state;
	wg_key ephemeral_private;
	uint8_t remote_ephemeral[WG_PUBLIC_LEN];
	uint8_t hash[WG_HASH_LEN];
	uint8_t chaining_key[WG_HASH_LEN];
	uint32_t local_index, remote_index;
};

struct noise_peer {
	wg_key remote_static;
	wg_key psk;		   /* zero: none */
	wg_key static_static;	   /* the shared secret, computed when first needed (or by
				      noise_peer_precompute) */
	uint64_t static_static_of; /* identity.id it was computed with; 0: not computed */
	uint8_t latest_timestamp[WG_TIMESTAMP_LEN]; /* greatest seen, kept across sessions */
	instant last_initiation_taken; /* for the limit of INITIATIONS_PER_SECOND; ns 0: never */
	struct noise_handshake handshake;
};

/* The two keys of a new session, for the caller's keypair; wipe after use. */
struct noise_session {
	wg_key send, receive;
	uint32_t local_index, remote_index;
	bool is_initiator;
};

/* private_key zero: the identity is cleared. */
void noise_identity_set(struct noise_identity *i, const wg_key *private_key);
void noise_identity_done(struct noise_identity *i);

void noise_peer_init(struct noise_peer *p, const wg_key *remote_static);
/* Takes effect with the next handshake. */
void noise_peer_set_psk(struct noise_peer *p, const wg_key *psk);
/* False if the peer's key is low order (every handshake with it fails). */
bool noise_peer_precompute(struct noise_peer *p, const struct noise_identity *i);
/* Forgets the handshake under way, wiping it. */
void noise_handshake_clear(struct noise_peer *p);
void noise_peer_done(struct noise_peer *p);

/*
 * Makes an initiation; all but the macs is filled in. ephemeral: fresh random bytes (clamped here);
 * timestamp: TAI64N (noise_timestamp). 0, -ENOKEY (no identity), -EKEYREJECTED (low order).
 */
int noise_create_initiation(const struct noise_identity *i, struct noise_peer *p,
	const wg_key *ephemeral, const uint8_t timestamp[static WG_TIMESTAMP_LEN],
	uint32_t local_index, struct wg_initiation *ret);

/* The peer of a static key, or NULL; the caller may lock it before it returns. */
typedef struct noise_peer *noise_lookup_fn(const wg_key *remote_static, void *data);

/*
 * Takes an initiation whose macs are good; -ENOKEY without an identity, here and below. On success
 * *ret_peer is the peer that lookup returned and its handshake is NOISE_INITIATION_TAKEN. -EBADMSG,
 * -ENOENT (unknown key), -EEXIST (timestamp not greater: a replay), -EBUSY (within
 * 1/INITIATIONS_PER_SECOND of the last one). On errors after lookup *ret_peer is set too, so that
 * the caller can unlock it; else NULL.
 */
int noise_consume_initiation(const struct noise_identity *i, const struct wg_initiation *m,
	noise_lookup_fn *lookup, void *data, instant now, struct noise_peer **ret_peer);
int noise_create_response(const struct noise_identity *i, struct noise_peer *p,
	const wg_key *ephemeral, uint32_t local_index, struct wg_response *ret);
/* The caller found p by the message's receiver index. -EBADMSG, -EINVAL (no initiation of ours with
 * that index under way). */
int noise_consume_response(
	const struct noise_identity *i, struct noise_peer *p, const struct wg_response *m);
/* Derives the session from a finished handshake (RESPONSE_SENT or RESPONSE_TAKEN) and clears it.
 * -EINVAL otherwise. */
int noise_begin_session(struct noise_peer *p, struct noise_session *ret);

/* TAI64N (paper, section 5.1) of wall-clock seconds and nanoseconds, the latter rounded down to
 * 2^24 ns. */
void noise_timestamp(int64_t unix_s, uint32_t ns, uint8_t ret[static WG_TIMESTAMP_LEN]);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The keys by which BFD between two nodes with shuntd is authenticated: made of the Diffie-Hellman
 * of their WireGuard keys, so that both have them and nothing is configured. They are kept for as
 * long as neither key changes, since each costs an X25519.
 */
#ifndef SHUNT_DAEMON_SESSION_KEYS_H
#define SHUNT_DAEMON_SESSION_KEYS_H

#include "base/key.h"
#include "live/bfd.h"

struct session_keys;

struct session_keys *session_keys_new(void);
/* Wipes them. Accepts NULL. */
void session_keys_free(struct session_keys *k);

/* Begins a configuration, in which we have this key. */
void session_keys_begin(struct session_keys *k, const wg_key *private_key);
/* The keys with this peer. Of a public key that allows no secret (RFC 7748 section 6.1) they are
 * such that nobody has the like. */
void session_keys_get(struct session_keys *k, const wg_key *public_key, struct bfd_keys *ret);
/* Forgets the peers that weren't asked for since the beginning. */
void session_keys_end(struct session_keys *k);

#endif

/* SPDX-License-Identifier: MIT */
/* What a session index stands for: a handshake under way, or a keypair, which is a session. */
#ifndef SHUNT_TUNNEL_KEYPAIR_H
#define SHUNT_TUNNEL_KEYPAIR_H

#include "base/time.h"
#include "wg/aead.h"
#include "wg/replay.h"
#include <stdatomic.h>

struct pool;
struct tunnel;
struct tunnel_peer;

/* The first member of both. */
enum ref_kind { REF_HANDSHAKE, REF_KEYPAIR };

struct handshake_ref {
	enum ref_kind kind;
	struct tunnel_peer *peer;
};

/* What isn't said to be somebody's doesn't change once it is installed. */
struct keypair {
	enum ref_kind kind;
	struct tunnel_peer *peer;
	struct pool *pool; /* that it came from */
	struct aead_key send, receive;
	_Atomic uint64_t counter; /* the next nonce; tx alone adds, anybody reads */
	_Atomic bool may_send;	  /* false once expired by a new private key; configuration's */
	bool is_initiator;
	instant born;
	uint32_t local_index, remote_index;
	struct replay replay; /* rx alone */
};

/* Zeroed, of this peer, after it was authenticated; NULL if too many wait to be reclaimed. */
struct keypair *keypair_new(struct tunnel_peer *p);
/* k, or NULL: takes its index away, and wipes and frees it once no thread can hold it. */
void keypair_retire(struct tunnel *t, struct keypair *k);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * A device as its configurators see it (the UAPI server, the tests): one call a line of the UAPI.
 * All calls belong between tunnel_lock and tunnel_unlock, which serialise configurators and never
 * hold up the data path.
 */
#ifndef SHUNT_TUNNEL_CONFIG_H
#define SHUNT_TUNNEL_CONFIG_H

#include "base/key.h"
#include "base/list.h"
#include "base/prefix.h"
#include "wg/cryptokey.h"
#include <time.h>

struct tunnel;
struct tunnel_peer;
struct tunnel_owners;

void tunnel_lock(struct tunnel *t);
/* For calls that change nothing, or levels alone: a copy of what there is needn't begin anew. */
void tunnel_lock_to_read(struct tunnel *t);
void tunnel_unlock(struct tunnel *t);
/* How often tunnel_lock was called: what was read under another lock is still so if this is. */
uint64_t tunnel_changes(const struct tunnel *t);

/* Zero: removes the key. Removes a peer of the same public key; expires all sending keypairs. */
int tunnel_set_private_key(struct tunnel *t, const wg_key *key);
/* 0: any. Rebinds IPv4 and IPv6 to one port; clears cached source addresses. -EADDRINUSE and others
 * of bind(2). */
int tunnel_set_listen_port(struct tunnel *t, uint16_t port);
int tunnel_set_fwmark(struct tunnel *t, uint32_t mark);
void tunnel_remove_all_peers(struct tunnel *t);

/* The peer, or NULL. */
struct tunnel_peer *tunnel_peer_find(struct tunnel *t, const wg_key *key);
/* Makes it. -EINVAL: the device's own key (to be ignored silently); -ENOMEM. */
int tunnel_peer_add(struct tunnel *t, const wg_key *key, struct tunnel_peer **ret);
void tunnel_peer_remove(struct tunnel *t, struct tunnel_peer *p);
/* Beforehand and in pieces: at most max of its allowed IPs go; how many. */
size_t tunnel_peer_remove_some(struct tunnel *t, struct tunnel_peer *p, size_t max);
void tunnel_peer_set_psk(struct tunnel *t, struct tunnel_peer *p, const wg_key *psk);
void tunnel_peer_set_endpoint(struct tunnel *t, struct tunnel_peer *p, const sock_addr *endpoint);
/* 0: off; off -> on while up sends a keepalive at once. */
void tunnel_peer_set_keepalive(struct tunnel *t, struct tunnel_peer *p, uint16_t seconds);
int tunnel_peer_allow(struct tunnel *t, struct tunnel_peer *p, const ip_prefix *prefix);
/* Only if this peer owns it. */
void tunnel_peer_disallow(struct tunnel *t, struct tunnel_peer *p, const ip_prefix *prefix);
/* What isn't allowed anew until tunnel_peer_configured goes then, and his place in every set too;
 * what is stays his without a gap. */
void tunnel_peer_disallow_all(struct tunnel *t, struct tunnel_peer *p);
/* After a section that may have made the peer reachable: sends what is staged. */
void tunnel_peer_configured(struct tunnel *t, struct tunnel_peer *p);
/* Beforehand and in pieces: at most max go of what goes then; how many. */
size_t tunnel_peer_configure_some(struct tunnel *t, struct tunnel_peer *p, size_t max);

/* What the control plane knows of it; until it is told otherwise: up. */
void tunnel_peer_set_level(struct tunnel *t, struct tunnel_peer *p, enum cryptokey_level level);
/* It gets what is sent to groups, and may speak link-local, where the device does; until it is told
 * otherwise: no. -ENOMEM: still no. */
int tunnel_peer_set_multicast(struct tunnel *t, struct tunnel_peer *p, bool is_on);
/* Its address in fe80::/64, nobody else's any more; NULL: none. -EINVAL: it isn't of there, or
 * fe80:: itself. -ENOMEM. */
int tunnel_peer_set_link_local(struct tunnel *t, struct tunnel_peer *p, const ip_addr *a);
/* Whether the device hands anything on to groups, and link-local; until it is told otherwise: no.
 * -ENOMEM: still no. */
int tunnel_set_multicast(struct tunnel *t, bool is_on);

/* --- prefixes with several owners (wg/cryptokey.h): each set of owners has a number --- */

struct tunnel_owner {
	struct tunnel_peer *peer;
	uint16_t rank, weight;
	bool is_relay;
};

/* NULL: no set has this number. */
struct tunnel_owners *tunnel_owners_find(struct tunnel *t, uint64_t number);
/* Makes it, without owners; the number is free. -ENOMEM. */
int tunnel_owners_add(struct tunnel *t, uint64_t number, struct tunnel_owners **ret);
/* Its owners are these n from now on, in one step for all its prefixes. -EINVAL (more than
 * CRYPTOKEY_MAX_OWNERS, or one twice) or -ENOMEM: nothing changed. */
int tunnel_owners_define(
	struct tunnel *t, struct tunnel_owners *s, const struct tunnel_owner *owners, size_t n);
/* Its prefixes go with it. */
void tunnel_owners_remove(struct tunnel *t, struct tunnel_owners *s);
/* Beforehand and in pieces: it has no owners any more, and at most max of its prefixes go; how
 * many. */
size_t tunnel_owners_remove_some(struct tunnel *t, struct tunnel_owners *s, size_t max);
/* The prefix is this set's, whoever had it. -ENOMEM. */
int tunnel_owners_bind(struct tunnel *t, struct tunnel_owners *s, const ip_prefix *prefix);
/* Only if this set has it. */
void tunnel_owners_unbind(struct tunnel *t, struct tunnel_owners *s, const ip_prefix *prefix);

/* Sets in the order they were made; NULL after the last, or first of all (prev NULL). */
struct tunnel_owners *tunnel_owners_next(struct tunnel *t, struct tunnel_owners *prev);
uint64_t tunnel_owners_number(const struct tunnel_owners *s);
/* By rank; how many. */
size_t tunnel_owners_get(
	const struct tunnel_owners *s, struct tunnel_owner ret[static CRYPTOKEY_MAX_OWNERS]);
/* Under whom its prefixes are shown; NULL: nobody. */
struct tunnel_peer *tunnel_owners_preferred(const struct tunnel_owners *s);
/* As tunnel_peer_allowed. */
size_t tunnel_owners_allowed(
	const struct tunnel_owners *s, const struct list **at, ip_prefix *ret, size_t max);

/* What get=1 tells. */
struct tunnel_info {
	bool has_private_key;
	wg_key private_key; /* wipe after use */
	uint16_t listen_port;
	uint32_t fwmark;
	bool has_multicast;
};

struct tunnel_peer_info {
	wg_key public_key;
	wg_key psk;	    /* wipe after use */
	sock_addr endpoint; /* AF_UNSPEC: none */
	uint16_t keepalive;
	uint64_t rx_bytes, tx_bytes;
	struct timespec last_handshake; /* wall clock; zero: never */
	enum cryptokey_level level;
	bool answers; /* as the device sees it; strict prefixes don't care */
	bool has_multicast;
	ip_addr link_local; /* AF_UNSPEC: none */
};

void tunnel_get(struct tunnel *t, struct tunnel_info *ret);
size_t tunnel_n_peers(const struct tunnel *t);
/* Peers in the order they were made; NULL after the last, or first of all (prev NULL). */
struct tunnel_peer *tunnel_peer_next(struct tunnel *t, struct tunnel_peer *prev);
const wg_key *tunnel_peer_key(const struct tunnel_peer *p);
void tunnel_peer_get(struct tunnel *t, struct tunnel_peer *p, struct tunnel_peer_info *ret);
/* The next of its allowed IPs into ret, at most max of them; how many, 0 after the last. *at is
 * NULL at first and says where it goes on, as long as nothing changes. */
size_t tunnel_peer_allowed(
	const struct tunnel_peer *p, const struct list **at, ip_prefix *ret, size_t max);

/* Why packets were dropped, and what else is counted; names are stable (`shunt-wg --stats`, the
 * UAPI's extension key). */
enum tunnel_counter {
	TUNNEL_TX_PACKETS,
	TUNNEL_RX_PACKETS,
	TUNNEL_TX_BY_WORKERS,
	TUNNEL_RX_BY_WORKERS,
	TUNNEL_DROP_NO_PEER,
	TUNNEL_DROP_NO_ENDPOINT,
	TUNNEL_DROP_RELAY_TO_RELAY,
	TUNNEL_DROP_NO_SESSION,
	TUNNEL_DROP_SOURCE_NOT_ALLOWED,
	TUNNEL_DROP_REPLAY,
	TUNNEL_DROP_BAD_TAG,
	TUNNEL_DROP_QUEUE_FULL,
	TUNNEL_DROP_MALFORMED,
	TUNNEL_DROP_UNKNOWN_INDEX,
	TUNNEL_DROP_HANDSHAKE,
	TUNNEL_DROP_TIMESTAMP,
	TUNNEL_DROP_SEND_ERROR,
	TUNNEL_DROP_TUN_WRITE,
	TUNNEL_DROP_TUN_QUEUE,
	TUNNEL_DROP_RECEIVE_QUEUE,
	TUNNEL_DROP_GROUP_RATE,
	TUNNEL_GROUP_COPIES,
	TUNNEL_RELAYED_FORGOTTEN,
	TUNNEL_PEERS_LOST,
	TUNNEL_COOKIES_SENT,
	TUNNEL_COUNTERS
};

const char *tunnel_counter_name(enum tunnel_counter c); /* "drop_no_peer" */
uint64_t tunnel_counter(struct tunnel *t, enum tunnel_counter c);

#endif

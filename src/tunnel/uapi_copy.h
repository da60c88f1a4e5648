/* SPDX-License-Identifier: MIT */
/*
 * What a device has, copied in pieces under its lock, so that sets get in between; one of these
 * makes it begin anew, unless it sets levels alone. So it shows one moment; levels, as counters,
 * may be of a later one.
 */
#ifndef SHUNT_TUNNEL_UAPI_COPY_H
#define SHUNT_TUNNEL_UAPI_COPY_H

#include "base/map.h"
#include "base/vec.h"
#include "tunnel/config.h"

#define UAPI_COPY_NONE SIZE_MAX

/* Of uapi_copy.prefixes. */
struct uapi_range {
	size_t at, end;
};

struct uapi_peer_copy {
	struct tunnel_peer_info info;
	struct uapi_range allowed; /* his alone */
	size_t first_set;	   /* that is shown under him, then by next; or NONE */
};

struct uapi_owner_copy {
	wg_key key;
	uint16_t rank, weight;
	bool is_relay;
};

struct uapi_set_copy {
	uint64_t number;
	const struct tunnel_peer *preferred; /* not to be looked into; NULL: nobody */
	size_t next;
	struct uapi_owner_copy owners[CRYPTOKEY_MAX_OWNERS];
	size_t n_owners;
	struct uapi_range allowed;
};

struct uapi_copy {
	struct tunnel_info device;
	uint64_t counters[TUNNEL_COUNTERS];
	VEC(struct uapi_set_copy) sets;
	struct uapi_peer_copy *peers; /* keys are in it */
	size_t n_peers;
	VEC(ip_prefix) prefixes;

	/* Where it goes on. */
	unsigned tries; /* begun */
	uint64_t changes;
	size_t room;		   /* of peers */
	struct tunnel_owners *set; /* the last one that is copied, or under way; NULL: none yet */
	struct tunnel_peer *peer;
	bool has_sets;		/* all of them */
	bool is_under_way;	/* some prefixes of the set, or of the peer, are missing */
	const struct list *at;	/* of these */
	struct map *first_sets; /* by preferred: 1 + the index of one of the sets */
};

/* Copies a piece, some thousands of prefixes. Zeroed at first; true: it is whole now. */
bool uapi_copy_more(struct uapi_copy *c, struct tunnel *t);
/* Wipes the peers from this one on (those before were wiped already) and frees it all. */
void uapi_copy_done(struct uapi_copy *c, size_t first_peer);

#endif

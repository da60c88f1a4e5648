/* SPDX-License-Identifier: MIT */
/* The UAPI's extension for prefixes with several owners (docs/uapi.md): the section of a set of
 * owners within a `set`, and the words that a get and a set share. All under tunnel_lock. */
#ifndef SHUNT_TUNNEL_UAPI_OWNERS_H
#define SHUNT_TUNNEL_UAPI_OWNERS_H

#include "base/buf.h"
#include "tunnel/config.h"

/* A section under way. Who the owners are is gathered until something else is said, so that it
 * becomes so in one step. */
struct uapi_owners {
	struct tunnel *tunnel;
	struct tunnel_owners *set; /* NULL: none, its lines are looked at and passed over */
	bool is_new;		   /* the section made it */
	struct tunnel_owner owners[CRYPTOKEY_MAX_OWNERS];
	size_t n; /* gathered; 0: nothing is to be applied */
};

/* Of the set with that number, which is made if it isn't there. 0 or -ENOMEM. */
int uapi_owners_begin(struct uapi_owners *u, struct tunnel *t, uint64_t number);
/* One more owner: "KEY,RANK,WEIGHT", or the same and ",relay". -EINVAL: it isn't, or he is one
 * already, or there are too many; -ENOENT: no peer has the key. */
int uapi_owners_add(struct uapi_owners *u, const char *value);
/* "PREFIX": it is the set's from now on; "-PREFIX": not any more, if it was. -EINVAL, -ENOMEM. */
int uapi_owners_prefix(struct uapi_owners *u, const char *value);
/* A set that the section made isn't. */
void uapi_owners_update_only(struct uapi_owners *u);
/* With all its prefixes. */
void uapi_owners_remove(struct uapi_owners *u);
/* Beforehand and in pieces: at most max of them; how many. */
size_t uapi_owners_remove_some(struct uapi_owners *u, size_t max);
/* What was gathered is so now. 0 or -ENOMEM. */
int uapi_owners_apply(struct uapi_owners *u);

/* "up", "last-resort" or "down". */
const char *uapi_level_name(enum cryptokey_level level);
/* The level of that name; -EINVAL: none. */
int uapi_level(const char *name);

#endif

/* SPDX-License-Identifier: MIT */
/* Where a prefix stands on a device: with one peer, or in a set of owners, or nowhere. A value. */
#ifndef SHUNT_FIB_HOME_H
#define SHUNT_FIB_HOME_H

#include "base/key.h"

/* Zeroed: nowhere. */
struct fib_home {
	wg_key peer;	    /* zero: no peer's */
	uint64_t owner_set; /* its number; 0, where there is no peer either: none of ours */
};

static inline struct fib_home fib_home_peer(const wg_key *key)
{
	return (struct fib_home){.peer = *key};
}

static inline struct fib_home fib_home_set(uint64_t number)
{
	return (struct fib_home){.owner_set = number};
}

static inline bool fib_home_is_nowhere(const struct fib_home *h)
{
	return !h->owner_set && wg_key_is_zero(&h->peer);
}

static inline bool fib_home_eq(const struct fib_home *a, const struct fib_home *b)
{
	return a->owner_set == b->owner_set && wg_key_eq(&a->peer, &b->peer);
}

#endif

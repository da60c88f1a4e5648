/* SPDX-License-Identifier: MIT */
/*
 * What a reload changed, in names: one line a change for people, bounded, whatever the size of the
 * mesh.
 */
#ifndef SHUNT_DAEMON_CHANGES_H
#define SHUNT_DAEMON_CHANGES_H

#include "base/vec.h"
#include "daemon/generation.h"
#include "fib/tell.h"

/* Prefixes that went from some to others: fib_moved's, and its own. */
struct changes_move {
	char *from, *to;
	ip_prefix first;
	size_t n;
};

struct changes {
	VEC(char *) lines;
	size_t left_out;		 /* lines beyond the bound */
	VEC(struct changes_move) moves;	 /* each has a line as well */
	const struct generation *before; /* where the names of peers that go stand; may be NULL */
};

void changes_done(struct changes *c);
void changes_add(struct changes *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void changes_moved(struct changes *c, const struct fib_moved *m);
/* "site-2's endpoint: 198.51.100.12:51820 -> 198.51.100.22:51820" */
void changes_endpoint(
	struct changes *c, const char *name, const sock_addr *before, const sock_addr *after);
/* Those so far, since what they tell didn't come to be. */
void changes_forget(struct changes *c);
/* A peer's name, in this generation or the one before. */
const char *changes_name(const struct changes *c, const struct generation *gen, const wg_key *key);

#endif

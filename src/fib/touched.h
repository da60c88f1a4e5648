/* SPDX-License-Identifier: MIT */
/*
 * Who spoke last of a prefix's owner, of its route into the device, of a peer's endpoint: for each
 * the number of the newest order, and what it made of it. Pure.
 */
#ifndef SHUNT_FIB_TOUCHED_H
#define SHUNT_FIB_TOUCHED_H

#include "fib/plan.h"

struct touched;

struct touched *touched_new(void);
/* Accepts NULL. */
void touched_free(struct touched *t);
/* The order of that number does, or did, the operation. What is about something else touches
 * nothing. */
void touched_note(struct touched *t, const struct fib_op *op, uint64_t seq);
/*
 * What newer orders leave to do of an operation of an older plan. True: nothing; one has withdrawn
 * the route that the plan would add, or needs the one that the plan would withdraw, or has set the
 * endpoint, or has taken the prefix from everybody, and nobody had it when the plan was made. What
 * clears away a second route of another table stays to be done. An owner that an order has given
 * the prefix, or taken from it, becomes what the operation does: on a device that was made anew, or
 * that refused an earlier order, that one may have come to nothing.
 */
bool touched_voids(const struct touched *t, struct fib_op *op, uint64_t seq);
typedef void touched_owner_fn(const ip_prefix *prefix, const wg_key *to, void *data);
/* Those prefixes to which orders newer than seq have given an owner, in no order. */
void touched_owners(const struct touched *t, uint64_t seq, touched_owner_fn *fn, void *data);
size_t touched_count(const struct touched *t);
void touched_forget(struct touched *t);

#endif

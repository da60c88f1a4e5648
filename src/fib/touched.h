/* SPDX-License-Identifier: MIT */
/*
 * Who spoke last of a prefix's home, of its route into the device, of a peer's signal to a routing
 * engine, of its endpoint and level, of a set's owners: for each the number of the newest order,
 * and what it made of it. Pure.
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
 * the route (or signal) that the plan would add, or needs the one that the plan would withdraw, or
 * has set the endpoint, or has taken the prefix from everybody, and nobody had it when the plan was
 * made, or has removed the set of owners that the operation is of, or that had the prefix, or has
 * moved a prefix to the set that the plan would remove. What clears away a second route of another
 * table stays to be done. A home that an order has given the prefix, or taken from it, becomes what
 * the operation does, and so does a level and who a set's owners are: on a device that was made
 * anew, or that refused an earlier order, that one may have come to nothing. arena: of the
 * operation's plan.
 */
bool touched_voids(const struct touched *t, struct fib_op *op, uint64_t seq, struct arena *arena);
typedef void touched_fn(const struct fib_op *op, void *data);
/* What orders newer than seq have said of prefixes that have a home by them, of levels, and of
 * owners: as operations with a type and an object alone, in no order; borrowed for the call. */
void touched_each(const struct touched *t, uint64_t seq, touched_fn *fn, void *data);
size_t touched_count(const struct touched *t);
void touched_forget(struct touched *t);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The peers' timers, one thread for all: it sleeps until the earliest deadline, then does what is
 * due. It also frees what was retired, once no thread can hold it.
 */
#ifndef SHUNT_TUNNEL_CLOCK_H
#define SHUNT_TUNNEL_CLOCK_H

#include "base/heap.h"
#include <stdatomic.h>

struct clock;

/* A peer's place in it. */
struct clock_entry {
	struct heap_node node; /* the clock's lock */
	_Atomic int64_t at_ns; /* where it stands; INT64_MAX: it doesn't. Written under that lock */
};

/* NULL without descriptors. */
struct clock *clock_new(void);
/* Its thread has ended. Accepts NULL. */
void clock_free(struct clock *c);
/* The thread's body. */
void *clock_run(void *tunnel);

void clock_entry_init(struct clock_entry *e);
/* Room for as many, so that clock_arm needs no memory. */
void clock_reserve(struct clock *c, size_t n);
/* The thread looks at this peer at that time, or earlier if it stood for earlier: whose deadline
 * moved away is found out then. Any thread. */
void clock_arm(struct clock *c, struct clock_entry *e, instant at);
void clock_forget(struct clock *c, struct clock_entry *e);
/* The thread looks around now. Any thread. */
void clock_wake(struct clock *c);

#endif

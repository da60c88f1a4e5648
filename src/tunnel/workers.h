/* SPDX-License-Identifier: MIT */
/*
 * Threads that take AEAD work off tx and rx. Each of these two has a lane: a queue of work that it
 * alone fills and empties, in order, and from which all workers and its owner take the oldest that
 * nobody has taken yet. So the owner never waits for work that hasn't begun, and with no worker
 * awake it does everything itself.
 *
 * No thread runs before workers_start; who finds nothing for some microseconds sleeps, and keeps no
 * key meanwhile. Nothing is allocated per work.
 */
#ifndef SHUNT_TUNNEL_WORKERS_H
#define SHUNT_TUNNEL_WORKERS_H

#include "wg/aead.h"
#include <stdatomic.h>

#define WORKERS_MAX 6
#define LANE_LEN 64 /* unfinished work that a lane can hold */

enum lane_of { LANE_TX, LANE_RX, N_LANES };

/* A part of the owner's own structure, untouched by it between lane_submit and lane_finish. */
struct work {
	void (*run)(struct work *w, struct aead_thread *aead);
	_Atomic uint32_t state;
	bool was_by_worker; /* once done */
};

struct workers;
struct lane;

/* For n threads at most WORKERS_MAX, 0: none ever. NULL without memory. */
struct workers *workers_new(const struct aead_backend *aead, unsigned n);
/* All lanes are empty and nobody uses them any more. Accepts NULL. */
void workers_free(struct workers *w);
/* Starts the threads if they don't run; any thread. Returns how many run. */
unsigned workers_start(struct workers *w);

struct lane *workers_lane(struct workers *w, enum lane_of which);
/* The owner: work to be done by anybody. At most LANE_LEN between the oldest unfinished and this.
 */
void lane_submit(struct lane *l, struct work *work);
/* The owner: true if the work was done; lane_finish won't wait. */
bool lane_is_done(const struct work *work);
/* The owner, in the order of lane_submit: returns once it was done, doing what nobody has begun
 * meanwhile with the owner's own AEAD state. */
void lane_finish(struct lane *l, struct work *work, struct aead_thread *aead);

#endif

/* SPDX-License-Identifier: MIT */
/* How long one that returns is only last resort: its hold time, doubled with each flap up to
 * LIVE_HOLD_MAX, and the flaps forgotten after LIVE_FLAP_FORGET up. */
#ifndef SHUNT_LIVE_HOLD_H
#define SHUNT_LIVE_HOLD_H

#include "base/time.h"
#include <stdbool.h>

struct hold {
	unsigned flaps;
	instant forget_at; /* INSTANT_NEVER: down, or nothing to forget */
	instant until;	   /* INSTANT_NEVER: no hold runs */
};

void hold_init(struct hold *h);
/* It came up: flaps begin to age. */
void hold_up(struct hold *h, instant now);
/* It went down: one more flap; a running hold is off. */
void hold_down(struct hold *h, instant now);
/* Starts to hold, if base_ns isn't 0; true if so. */
bool hold_start(struct hold *h, int64_t base_ns, instant now);
/* Forgets what is old; true once when the hold is over. */
bool hold_step(struct hold *h, instant now);
instant hold_deadline(const struct hold *h);

#endif

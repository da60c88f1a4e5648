/* SPDX-License-Identifier: MIT */
/*
 * What we say about ourselves: drained by hand, or holding because we returned. We are engaged
 * while any peer that signals is alive or has a session with us. Falling from that to none means
 * that we were cut off from all of them, so the next session makes us one that returns; so does the
 * first session of a device that is new.
 */
#ifndef SHUNT_LIVE_SELF_H
#define SHUNT_LIVE_SELF_H

#include "live/hold.h"
#include "live/live.h"

struct self {
	int64_t hold_ns;
	bool is_drained, is_holding;
	bool is_armed; /* the next engagement is a return */
	size_t engaged;
	struct hold hold;
};

void self_init(struct self *s, const struct live_self_config *c);
/* One more peer is engaged with us. */
void self_engage(struct self *s, instant now);
/* One peer fewer is; others_exist: there are peers left that could be, so that having none means
 * to be cut off. */
void self_disengage(struct self *s, bool others_exist, instant now);
/* True once when the hold is over, which ends only by self_clear. */
bool self_step(struct self *s, instant now);
void self_clear(struct self *s);
bool self_is_signalling(const struct self *s);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What we say about ourselves: drained by hand, or holding because we returned. We are engaged
 * while any peer that signals is alive or has a session with us. Falling from that to none means
 * that we were cut off from all of them, so the next session makes us one that returns; so does the
 * first session of a device that is new.
 *
 * A third reason: several peers flap within a short time. One of them alone may be to blame itself;
 * all in one moment are an accident. But where one now and another then goes and comes back, the
 * fault is ours, or our line's, and each return of theirs would lead traffic into it. So we hold,
 * longer each time, and from the start while it goes on. It is our word that everybody hears, since
 * on devices with one owner a node that damped us for itself would be cut off from all that don't.
 */
#ifndef SHUNT_LIVE_SELF_H
#define SHUNT_LIVE_SELF_H

#include "live/hold.h"
#include "live/live.h"

#define SELF_FLAPPERS 2			/* so many are several */
#define SELF_FLAPS_APART (2 * NS_PER_S) /* what lies closer together is one moment */

struct self {
	int64_t hold_ns;
	bool is_drained, is_holding;
	bool is_armed;	     /* the next engagement is a return */
	bool is_flapping;    /* holding since several peers flapped */
	instant isolated_at; /* the last time we were cut off from all: flaps until then say nothing
			      */
	size_t engaged;
	struct hold hold;
};

void self_init(struct self *s, const struct live_self_config *c);
/* One more peer is engaged with us. */
void self_engage(struct self *s, instant now);
/* One peer fewer is; others_exist: there are peers left that could be, so that having none means
 * to be cut off. */
void self_disengage(struct self *s, bool others_exist, instant now);
/* Several peers flap. */
void self_flap(struct self *s, instant now);
/* True once when the hold is over, which ends only by self_clear. */
bool self_step(struct self *s, instant now);
/* Nothing, if a hold runs. */
void self_clear(struct self *s);
bool self_is_signalling(const struct self *s);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The flaps of one peer: a BFD session with it ended and the same one is up again within
 * FLAP_SHORT. The verdict may have stayed meanwhile, on echoes, but it doesn't at the other end,
 * which believes our Down. Who stays away for longer was rebooted or cut off, which is another
 * thing, and another discriminator is a daemon that started anew. A few that lie in the last
 * FLAP_WINDOW are remembered, by the instant at which the session ended.
 */
#ifndef SHUNT_LIVE_FLAPS_H
#define SHUNT_LIVE_FLAPS_H

#include "base/time.h"

#define FLAP_SHORT (10 * NS_PER_S)
#define FLAP_WINDOW (60 * NS_PER_S)
#define FLAPS_MANY 3

struct flaps {
	instant down_at;	    /* INSTANT_NEVER: it isn't down */
	uint32_t discriminator;	    /* the peer's, of the session that ended */
	instant recent[FLAPS_MANY]; /* newest first; INSTANT_NEVER: none */
};

void flaps_init(struct flaps *f);
void flaps_down(struct flaps *f, uint32_t discriminator, instant now);
/* A session is up; true if that was a flap. */
bool flaps_up(struct flaps *f, uint32_t discriminator, instant now);
/* When it flapped last, if that is in the window; else INSTANT_NEVER. */
instant flaps_last(const struct flaps *f, instant now);
/* Whether FLAPS_MANY lie in the window. */
bool flaps_are_many(const struct flaps *f, instant now);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * When the device and the kernel are read back: now and then, since nobody tells of allowed IPs
 * that change; soon, when something may be wrong that only they know; after a failure with a
 * growing pause. One look is under way at a time. What calls for one meanwhile is remembered, since
 * the one that is under way may have read before it; and as long as a look took, at least, none
 * begins after it for such a reason, so that news without an end leave half of the time to others.
 */
#ifndef SHUNT_DAEMON_LOOKS_H
#define SHUNT_DAEMON_LOOKS_H

#include "base/time.h"
#include <stdbool.h>

/* What calls for a look; the later ones count more. */
enum looks_call { LOOKS_ROUTINE, LOOKS_DOUBT, LOOKS_NEWS, LOOKS_NEED };

struct looks {
	instant at;	   /* of the next one; INSTANT_NEVER: none is planned */
	unsigned failures; /* in a row */
	bool is_under_way;
	instant began;		   /* the last one */
	instant rest_until;	   /* no call but a need begins one before */
	enum looks_call meanwhile; /* what called while it was under way */
};

void looks_init(struct looks *l);
/* A look begins; nothing is planned until it is done. One that was under way counts no more. */
void looks_on_begin(struct looks *l, instant now);
/* What waits for another event, after which a look begins in any case: nothing is planned. */
void looks_on_wait(struct looks *l);
/* A look is over, and all is in line if it went well. by_handshakes: peers are known by what the
 * device says of them, and by nothing else. */
void looks_on_done(struct looks *l, bool well, bool by_handshakes, instant now);
/* The kernel has news of links, addresses or routes. */
void looks_on_news(struct looks *l, instant now);
/* A peer was lost, or somebody else wants to know more. */
void looks_on_doubt(struct looks *l, instant now);
/* One look is needed that begins after this, while one is under way. */
void looks_on_need(struct looks *l);

#endif

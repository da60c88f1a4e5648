/* SPDX-License-Identifier: MIT */
/*
 * When the device and the kernel are read back: now and then, since nobody tells of allowed IPs
 * that change; soon, when something may be wrong that only they know; after a failure with a
 * growing pause.
 */
#ifndef SHUNT_DAEMON_LOOKS_H
#define SHUNT_DAEMON_LOOKS_H

#include "base/time.h"
#include <stdbool.h>

struct looks {
	instant at;	   /* of the next one; INSTANT_NEVER: none is planned */
	unsigned failures; /* in a row */
};

void looks_init(struct looks *l);
/* A look is over, and all is in line if it went well. by_handshakes: peers are known by what the
 * device says of them, and by nothing else. */
void looks_on_done(struct looks *l, bool well, bool by_handshakes, instant now);
/* The kernel has news of links, addresses or routes. */
void looks_on_news(struct looks *l, instant now);
/* A peer was lost, or somebody else wants to know more. */
void looks_on_doubt(struct looks *l, instant now);

#endif

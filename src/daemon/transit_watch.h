/* SPDX-License-Identifier: MIT */
/* Looks at packets that pass through while this node is drained, or about to end: whoever sends
 * them uses it still. Otherwise it costs nothing. */
#ifndef SHUNT_DAEMON_TRANSIT_WATCH_H
#define SHUNT_DAEMON_TRANSIT_WATCH_H

#include "base/time.h"
#include "daemon/transit.h"
#include <stdbool.h>

struct daemon;
struct transit_watch;

struct transit_watch *transit_watch_new(struct daemon *d);
/* After the loop's end. Accepts NULL. */
void transit_watch_free(struct transit_watch *w);
/* Begins or ends it, as is wanted now; and sees to a device that is another. */
void transit_watch_step(struct transit_watch *w, instant now);
/* Who was seen; NULL: nobody looks, or it can't be seen here. */
struct transit *transit_watch_seen(struct transit_watch *w);

#endif

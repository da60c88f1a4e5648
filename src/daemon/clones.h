/* SPDX-License-Identifier: MIT */
/* Peers whose key is in use on two machines, as live/clone.h tells from what the device reports. */
#ifndef SHUNT_DAEMON_CLONES_H
#define SHUNT_DAEMON_CLONES_H

#include "base/vec.h"
#include "daemon/daemon.h"
#include "live/clone.h"

struct clones {
	VEC(struct clone_watch) watches; /* by the peer's id */
	bool is_open;			 /* the device should be asked again soon */
};

/* Looks at the peers as the daemon's mirror has them. */
void clones_note(struct clones *c, const struct daemon *d, instant now);
/* Calls fn per peer that seems to be two. */
void clones_name(const struct clones *c, const struct generation *g, instant now,
	void (*fn)(const char *what, const char *fix, void *data), void *data);
void clones_done(struct clones *c);

#endif

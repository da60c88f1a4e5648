/* SPDX-License-Identifier: MIT */
/*
 * Whose firewall keeps BFD away. Echoes are answered, so the tunnel works both ways; where BFD is
 * lost shows on the interface, which packets cross before our firewall on the way in and behind it
 * on the way out. So while a peer is without a session, the interface is watched: what comes in and
 * isn't heard our own firewall drops, what we send and doesn't leave as well; what leaves and isn't
 * heard the peer's does. If nothing comes in, the peer's drops it, or its daemon doesn't run. Where
 * the interface can't be watched, what is likely is said.
 */
#ifndef SHUNT_DAEMON_BFD_FILTER_H
#define SHUNT_DAEMON_BFD_FILTER_H

#include "base/time.h"
#include "daemon/health.h"

struct daemon;
struct bfd_filter;

struct bfd_filter *bfd_filter_new(void);
/* Accepts NULL. */
void bfd_filter_free(struct bfd_filter *f);
/* Once a second: watches, while there is a peer that answers echoes without a session. */
void bfd_filter_step(struct bfd_filter *f, const struct daemon *d, instant now);
/* Calls fn for each peer that has answered echoes for LIVE_NO_SESSION_AFTER without a session. */
void bfd_filter_check(
	const struct bfd_filter *f, const struct daemon *d, instant now, health_fn *fn, void *data);

#endif

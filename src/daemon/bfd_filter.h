/* SPDX-License-Identifier: MIT */
/*
 * Whose firewall keeps BFD away, as far as it can be told from here. Echoes are answered, so the
 * tunnel works both ways. If the peer's packets come and say that it hears nothing, ours are lost
 * on its side. If none come, they are lost on ours, unless its daemon doesn't run.
 */
#ifndef SHUNT_DAEMON_BFD_FILTER_H
#define SHUNT_DAEMON_BFD_FILTER_H

#include "daemon/daemon.h"
#include "daemon/health.h"

/* Calls fn for each peer that has answered echoes for LIVE_NO_SESSION_AFTER without a session. */
void bfd_filter_check(const struct daemon *d, instant now, health_fn *fn, void *data);

#endif

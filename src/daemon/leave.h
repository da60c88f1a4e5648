/* SPDX-License-Identifier: MIT */
/*
 * How the daemon ends when it is told to: at once, and the device goes on; or, where the inventory
 * (drain_on_stop) or the command line (--stop-devices) wants that, after its peers were told to use
 * others, and did or had their time.
 */
#ifndef SHUNT_DAEMON_LEAVE_H
#define SHUNT_DAEMON_LEAVE_H

#include "daemon/daemon.h"

/* uv_signal_cb with the daemon as data; a second signal waits for nobody. */
void leave_on_signal(uv_signal_t *s, int signum);

#endif

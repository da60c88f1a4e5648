/* SPDX-License-Identifier: MIT */
#ifndef SHUNT_DAEMON_SNAPSHOT_MAKE_H
#define SHUNT_DAEMON_SNAPSHOT_MAKE_H

#include "control/snapshot.h"
#include "daemon/daemon.h"

/* The daemon as it stands, with the device as it was last read: nothing waits for it. One
 * reference, the caller's. */
struct snapshot *snapshot_make(struct daemon *d);

#endif

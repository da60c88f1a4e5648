/* SPDX-License-Identifier: MIT */
#ifndef SHUNT_DAEMON_INTERFACE_LOCK_H
#define SHUNT_DAEMON_INTERFACE_LOCK_H

#include "base/buf.h"

/*
 * One daemon per interface and network namespace: two would each undo what the other does. The
 * lock is a socket in the abstract namespace, which is the network namespace's own and ends with
 * the process. *ret is closed by the caller. -EBUSY with why: another has it.
 */
int interface_lock(const char *ifname, int *ret, struct buf *why);

#endif

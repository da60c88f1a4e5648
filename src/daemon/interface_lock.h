/* SPDX-License-Identifier: MIT */
#ifndef SHUNT_DAEMON_INTERFACE_LOCK_H
#define SHUNT_DAEMON_INTERFACE_LOCK_H

#include "base/buf.h"

/*
 * One daemon per interface and network namespace: two would each undo what the other does. The
 * lock is a locked file in a folder below /run that nobody but root may enter, named by the
 * namespace and the interface, so that neither another --run-dir gets around it nor another user
 * can hold it.
 */
#define INTERFACE_LOCK_DIR "/run/shunt-interfaces"

struct interface_lock;

/* Takes the lock in dir, which is made where it is missing. -EBUSY: another has it. why gets a
 * sentence on failure. */
int interface_lock_take(
	const char *dir, const char *ifname, struct interface_lock **ret, struct buf *why);
/* Gives it back and removes its file. Accepts NULL. */
void interface_lock_release(struct interface_lock *l);

#endif

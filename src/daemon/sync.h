/* SPDX-License-Identifier: MIT */
/* The device and the kernel read back and brought into line, when the engine says so: its task
 * (sync_task.h) begun, and what came of it taken over. */
#ifndef SHUNT_DAEMON_SYNC_H
#define SHUNT_DAEMON_SYNC_H

#include "daemon/daemon.h"

/* Begins an ENGINE_SYNC; one of an older generation is given up. Its outcome is fed when it is
 * there. */
void sync_begin(struct daemon *d, const struct engine_action *a);
/* Begins an ENGINE_REOPEN, likewise. */
void sync_reopen(struct daemon *d, const struct engine_action *a);
/* fib_thread_hooks.task_done with the daemon as data. */
void sync_on_task_done(struct fib_task *task, void *daemon);

#endif

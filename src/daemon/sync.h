/* SPDX-License-Identifier: MIT */
/* The device and the kernel read back and brought into line, when the engine says so. */
#ifndef SHUNT_DAEMON_SYNC_H
#define SHUNT_DAEMON_SYNC_H

#include "daemon/daemon.h"

/* Carries out an ENGINE_SYNC, and logs what it changed. The outcome borrows d->mirror and
 * d->trouble. */
struct engine_event sync_device(struct daemon *d, const struct engine_action *a);
/* Carries out an ENGINE_REOPEN; the outcome borrows d->trouble. */
struct engine_event sync_reopen(struct daemon *d, const struct engine_action *a);
/* With --set-sysctl: what the generation and a new interface need. */
void sync_sysctls(struct daemon *d);

#endif

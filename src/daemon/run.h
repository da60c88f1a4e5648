/* SPDX-License-Identifier: MIT */
/* shuntd from its start to its end. */
#ifndef SHUNT_DAEMON_RUN_H
#define SHUNT_DAEMON_RUN_H

#include "daemon/daemon.h"

/* Keeps the signals that the daemon handles waiting until it does; the first thing that the program
 * does, since one that comes earlier would end it. */
void daemon_block_signals(void);
/* Runs until it is told to end; the process's exit status. */
int daemon_run(const struct daemon_options *o);

/* The steps of a start that tests take by themselves: a daemon that has asked nobody anything yet
 * (NULL with why); its first generation, whose names it begins to ask for; and, with state, device
 * and rtnetlink in place, the first reading and mending of the device, after which the prober runs.
 * Negative errno with why. */
struct daemon *daemon_new(const struct daemon_options *o, struct buf *why);
int daemon_take_inventory(struct daemon *d, struct buf *why);
int daemon_first_sync(struct daemon *d, struct buf *why);

#endif

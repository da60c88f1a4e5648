/* SPDX-License-Identifier: MIT */
/*
 * The inventory read again: loaded whole in a thread of libuv's, then put in force, then the device
 * brought into line with it. Who asks while one is under way gets the next one, since the file may
 * have changed meanwhile.
 */
#ifndef SHUNT_DAEMON_RELOAD_H
#define SHUNT_DAEMON_RELOAD_H

#include "control/source.h"
#include "daemon/daemon.h"

struct reload;

struct reload *reload_new(struct daemon *d);
/* Who waits is told that the daemon ends. Accepts NULL. */
void reload_free(struct reload *r);
/* done may be NULL, and is called once, at once or later. */
void reload_ask(struct reload *r, control_reloaded_fn *done, void *arg);
/* A SYNC tells what changes for the one that is under way. */
bool reload_is_told(const struct reload *r);
/* What became of it: the SYNC of the newest generation has ended. Takes the changes' lines. */
void reload_on_synced(
	struct reload *r, int err, const struct fib_counts *counts, struct changes *changes);
/* The same of a peer's endpoint, set after that. */
void reload_on_endpoint(
	struct reload *r, const char *peer, const sock_addr *before, const sock_addr *after);
/* No endpoint is being set any more: what was under way is done. */
void reload_settle(struct reload *r);

#endif

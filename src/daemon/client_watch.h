/* SPDX-License-Identifier: MIT */
/*
 * Clients with several servers are looked for: nothing but a handshake says that one has come to
 * this node, and of handshakes a device tells only whoever reads it. It is read beside all else
 * (device_reader.h), several times a second, and less often where that takes long.
 */
#ifndef SHUNT_DAEMON_CLIENT_WATCH_H
#define SHUNT_DAEMON_CLIENT_WATCH_H

#include "daemon/daemon.h"

struct client_watch;

struct client_watch *client_watch_start(struct daemon *d);
/* Accepts NULL. */
void client_watch_stop(struct client_watch *w);

#endif

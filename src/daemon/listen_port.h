/* SPDX-License-Identifier: MIT */
#ifndef SHUNT_DAEMON_LISTEN_PORT_H
#define SHUNT_DAEMON_LISTEN_PORT_H

#include "base/buf.h"
#include "daemon/generation.h"

/*
 * -EADDRINUSE with why if the generation's listen port isn't the device's and another program has
 * it; else 0. To be asked before the device is: some implementations lose the port that they have
 * when they are refused another.
 */
int listen_port_check(const struct generation *g, uint16_t device_port, struct buf *why);

#endif

/* SPDX-License-Identifier: MIT */
/* What the control side may ask of the daemon. */
#ifndef SHUNT_DAEMON_ASKED_H
#define SHUNT_DAEMON_ASKED_H

#include "daemon/daemon.h"

/* What the control side may ask; with the daemon as data. */
extern const struct control_source asked_source;

/* The drain that was asked for first is remembered now, or err says why it isn't. */
void asked_on_remembered(struct daemon *d, int err);

#endif

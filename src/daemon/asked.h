/* SPDX-License-Identifier: MIT */
#ifndef SHUNT_DAEMON_ASKED_H
#define SHUNT_DAEMON_ASKED_H

#include "control/source.h"

/* What the control side may ask; with the daemon as data. */
extern const struct control_source asked_source;

#endif

/* SPDX-License-Identifier: MIT */
/* The command line of shuntd, as data. */
#ifndef SHUNT_DAEMON_DECLARED_H
#define SHUNT_DAEMON_DECLARED_H

#include "sys/command.h"

extern const struct command daemon_command;

#endif

/* SPDX-License-Identifier: MIT */
/* The command line of shunt-wg, as data. */
#ifndef SHUNT_TUNNEL_DECLARED_H
#define SHUNT_TUNNEL_DECLARED_H

#include "sys/command.h"

extern const struct command tunnel_command;

#endif

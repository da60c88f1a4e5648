/* SPDX-License-Identifier: MIT */
/* The command line of shunt, as data. */
#ifndef SHUNT_CLI_DECLARED_H
#define SHUNT_CLI_DECLARED_H

#include "sys/command.h"

extern const struct command cli_command;

#endif

/* SPDX-License-Identifier: MIT */
/* What the program is told by its environment, which is wireguard-go's and SHUNT_WG_WORKERS. */
#ifndef SHUNT_TUNNEL_ENVIRONMENT_H
#define SHUNT_TUNNEL_ENVIRONMENT_H

#include "tunnel/log.h"
#include <stdbool.h>

/* The file descriptor that the variable tells; -1: it isn't set, -2: it tells none. */
int environment_fd(const char *variable);
/* As tunnel_new takes it. False: it is no number of workers. */
bool environment_workers(int *ret);
enum log_level environment_log_level(void);
bool environment_wants_foreground(void);

#endif

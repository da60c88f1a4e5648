/* SPDX-License-Identifier: MIT */
#ifndef SHUNT_TUNNEL_STATS_H
#define SHUNT_TUNNEL_STATS_H

#include <stdbool.h>

/* Prints a running device's counters, as text or as one JSON object; the process's exit status. */
int stats_print(const char *name, bool json);

#endif

/* SPDX-License-Identifier: MIT */
/* How long a drain may last, as people say it. */
#ifndef SHUNT_BASE_DRAIN_TIME_H
#define SHUNT_BASE_DRAIN_TIME_H

#include "base/time.h"

/* "90s", "30m", "2h", "1d". False, and *ret_ns untouched: it is no time, or out of bounds. */
bool drain_time_parse(const char *text, int64_t *ret_ns);
/* The complaint, with the text for its %s. */
#define DRAIN_TIME_ERROR "%.40s is no time from 1s to 366d, as in 90s, 30m, 2h or 1d"

#endif

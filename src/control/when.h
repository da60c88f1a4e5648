/* SPDX-License-Identifier: MIT */
/* Times for answers: absolute ones in UTC as RFC 3339 has them, and durations in seconds. */
#ifndef SHUNT_CONTROL_WHEN_H
#define SHUNT_CONTROL_WHEN_H

#include "base/time.h"
#include <jansson.h>

/* One moment on both clocks. */
struct when {
	instant at;
	int64_t wall_ns; /* since 1970 */
};

/* "2026-11-28T07:04:31.123Z", of the instant as the wall clock stands now; null: never. */
json_t *when_json(const struct when *now, instant t);
/* The same, of a time of the wall clock in nanoseconds since 1970. */
json_t *when_wall_json(int64_t wall_ns);
/* To a thousandth of a second. */
json_t *when_seconds(int64_t ns);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * An instant on the clock that also counts suspended time (CLOCK_BOOTTIME), as a type of its own so
 * that it can't be mixed with a duration; durations are int64_t nanoseconds in names that end in
 * _ns. Nothing here reads a clock: cores get the time as an argument, sys/clock.h reads it.
 */
#ifndef SHUNT_BASE_TIME_H
#define SHUNT_BASE_TIME_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
	int64_t ns;
} instant;

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)
/* Later than every instant: "no deadline". */
#define INSTANT_NEVER ((instant){INT64_MAX})

/* Never stays never; what no instant can hold is clipped to the nearest. */
static inline instant instant_add(instant t, int64_t ns)
{
	int64_t sum;

	if (t.ns == INT64_MAX)
		return t;
	if (__builtin_add_overflow(t.ns, ns, &sum))
		sum = ns < 0 ? INT64_MIN : INT64_MAX;
	return (instant){sum};
}

/* a - b in nanoseconds. */
static inline int64_t instant_diff(instant a, instant b)
{
	return a.ns - b.ns;
}

static inline bool instant_before(instant a, instant b)
{
	return a.ns < b.ns;
}

static inline instant instant_min(instant a, instant b)
{
	return a.ns < b.ns ? a : b;
}

static inline instant instant_max(instant a, instant b)
{
	return a.ns > b.ns ? a : b;
}

static inline bool instant_is_never(instant t)
{
	return t.ns == INT64_MAX;
}

/* "10ns", "250us", "100ms", "5s", "2m", "1h"; digits and one unit. Sets *ret_ns and returns true if
 * it fits. */
bool duration_parse(int64_t *ret_ns, const char *text);
/* The same, and days: "1d". */
bool duration_parse_days(int64_t *ret_ns, const char *text);
/* The shortest exact text of duration_parse's form. */
char *duration_format(int64_t ns, char buf[static 32]);

#endif

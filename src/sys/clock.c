/* SPDX-License-Identifier: MIT */
#include "sys/clock.h"

#include <assert.h>
#include <time.h>

static int64_t read_clock(clockid_t clock)
{
	struct timespec ts;
	int r = clock_gettime(clock, &ts);

	assert(r == 0);
	(void)r;
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

instant sys_now(void)
{
	return (instant){read_clock(CLOCK_BOOTTIME)};
}

int64_t sys_wall_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

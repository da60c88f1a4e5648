/* SPDX-License-Identifier: MIT */
#include "sys/clock.h"

#include <assert.h>
#include <time.h>

instant sys_now(void)
{
	struct timespec ts;
	int r = clock_gettime(CLOCK_BOOTTIME, &ts);

	assert(r == 0);
	(void)r;
	return (instant){ts.tv_sec * NS_PER_S + ts.tv_nsec};
}

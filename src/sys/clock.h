/* SPDX-License-Identifier: MIT */
#ifndef SHUNT_SYS_CLOCK_H
#define SHUNT_SYS_CLOCK_H

#include "base/time.h"

/* CLOCK_BOOTTIME: goes on while the machine is suspended. */
instant sys_now(void);
/* The wall clock in nanoseconds since 1970. It may step: no duration comes from it. */
int64_t sys_wall_ns(void);

#endif

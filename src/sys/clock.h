/* SPDX-License-Identifier: MIT */
#ifndef SHUNT_SYS_CLOCK_H
#define SHUNT_SYS_CLOCK_H

#include "base/time.h"

/* CLOCK_BOOTTIME: goes on while the machine is suspended. */
instant sys_now(void);

#endif

/* SPDX-License-Identifier: MIT */
/* What status tells of the kernel's routes: what isn't followed, why, and what to do about it. */
#ifndef SHUNT_DAEMON_KERNEL_PROBLEMS_H
#define SHUNT_DAEMON_KERNEL_PROBLEMS_H

#include "daemon/kernel_facts.h"

typedef void kernel_problems_fn(const char *what, const char *fix, void *data);

/* One for each; gen: the one in force. */
void kernel_problems_of(const struct generation *gen, const struct kernel_trouble *troubles,
	size_t n, kernel_problems_fn *fn, void *data);
/* The routes couldn't be read: negative errno. */
void kernel_problems_of_reading(int err, kernel_problems_fn *fn, void *data);

#endif

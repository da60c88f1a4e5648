/* SPDX-License-Identifier: MIT */
/* A generation out of files: the inventory, checked whole, and the keys that it names. */
#ifndef SHUNT_DAEMON_GENERATION_LOAD_H
#define SHUNT_DAEMON_GENERATION_LOAD_H

#include "base/buf.h"
#include "daemon/generation.h"

/* The generation that follows before (the one in force; NULL: none is). 0, or negative errno with
 * why: one or more lines in the user's names. Any thread may call it. */
int generation_load(const char *file, const char *node, const struct generation *before,
	const struct generation **ret, struct buf *why);

#endif

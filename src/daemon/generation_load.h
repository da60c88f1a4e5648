/* SPDX-License-Identifier: MIT */
/* A generation out of files: the inventory, checked whole, and the keys that it names. */
#ifndef SHUNT_DAEMON_GENERATION_LOAD_H
#define SHUNT_DAEMON_GENERATION_LOAD_H

#include "base/buf.h"
#include "daemon/generation.h"

/* 0, or negative errno with why: one or more lines in the user's names. */
int generation_load(const char *file, const char *node, struct names *names,
	struct generation **ret, struct buf *why);

#endif

/* SPDX-License-Identifier: MIT */
/* What is wrong or noteworthy, as the answers show it (docs/control.md). */
#ifndef SHUNT_DAEMON_ANSWERS_H
#define SHUNT_DAEMON_ANSWERS_H

#include "daemon/daemon.h"

/* The answers of the control socket (answers.c). query: a prefix or an address; NULL: all. */
json_t *answer_status(struct daemon *d);
json_t *answer_routes(struct daemon *d, const char *query);

/* [{"what", "fix"}]: health, the last sync's problems, preshared keys that can't be read, the
 * prober's sockets. */
json_t *answer_problems(struct daemon *d);
/* The same without what has a line in the log where it happens. */
json_t *answer_problems_to_log(struct daemon *d);
/*
 * Pairs of a hub and another node whose own line is down while others still see the hub: this node
 * is the hub and others are up, or it isn't and the hub is heard.
 * [{"a", "b", "effect"}]. If both live, whoever leans on that hub loses the other: a device with
 * one owner per prefix can't mend that.
 */
json_t *answer_cut_pairs(struct daemon *d);

#endif

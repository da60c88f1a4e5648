/* SPDX-License-Identifier: MIT */
/* A problem that appears, and one that goes, is one line in the log and one event: what `shunt
 * status` names, for those who look at these only. */
#ifndef SHUNT_DAEMON_PROBLEM_LOG_H
#define SHUNT_DAEMON_PROBLEM_LOG_H

#include "daemon/chronicle.h"
#include <jansson.h>

struct problem_log {
	json_t *known; /* as they were the last time; NULL: never asked */
};

/* list: as problems_look finds them; the reference is taken over. */
void problem_log_update(
	struct problem_log *l, json_t *list, struct chronicle *to, const struct when *now);
void problem_log_done(struct problem_log *l);

#endif

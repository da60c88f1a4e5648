/* SPDX-License-Identifier: MIT */
/* A problem that appears, and one that goes, is one line in the log: what `shunt status` names, for
 * those who read the log only. */
#ifndef SHUNT_DAEMON_PROBLEM_LOG_H
#define SHUNT_DAEMON_PROBLEM_LOG_H

#include <jansson.h>

struct problem_log {
	json_t *known; /* as they were the last time; NULL: never asked */
};

/* now: as problems_to_log gives them; the reference is taken over. */
void problem_log_update(struct problem_log *l, json_t *now);
void problem_log_done(struct problem_log *l);

#endif

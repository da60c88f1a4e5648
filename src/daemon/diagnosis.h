/* SPDX-License-Identifier: MIT */
/*
 * What the daemon notices about the network around it, for `shunt status` and the log. It decides
 * nothing: no verdict and no route depends on it, and it does its work slowly, on the main thread,
 * between other things.
 */
#ifndef SHUNT_DAEMON_DIAGNOSIS_H
#define SHUNT_DAEMON_DIAGNOSIS_H

#include <jansson.h>

struct daemon;
struct diagnosis;

/* Begins to look; the loop and the generation must be there. */
struct diagnosis *diagnosis_start(struct daemon *d);
/* Before the loop ends. Accepts NULL. */
void diagnosis_stop(struct diagnosis *g);
/* Appends what it has noticed to the problems of answers.h. g may be NULL. */
void diagnosis_problems(struct diagnosis *g, json_t *list);

#endif

/* SPDX-License-Identifier: MIT */
/* The answer to `status`, from a snapshot alone. */
#ifndef SHUNT_CONTROL_STATUS_H
#define SHUNT_CONTROL_STATUS_H

#include "control/pieces.h"
#include "control/snapshot.h"

/* When a drain ends by itself; null: it doesn't, or there is none. */
json_t *status_drained_until(const struct snapshot *s);
/* Who still sends through it; null: nobody looks, or not yet for long enough. */
json_t *status_users(const struct snapshot *s);

/* Takes over the reference. */
void status_answer(struct pieces *p, struct control_call *call, struct snapshot *s);

/* A status in the making, for tests: piece_fn with it as data. */
struct status_job *status_job_new(struct snapshot *s);
bool status_next(struct buf *text, void *status_job);
void status_job_free(void *status_job);

#endif

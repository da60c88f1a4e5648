/* SPDX-License-Identifier: MIT */
/* The answer to `status`, from a snapshot alone. */
#ifndef SHUNT_CONTROL_STATUS_H
#define SHUNT_CONTROL_STATUS_H

#include "control/pieces.h"
#include "control/snapshot.h"

/* Takes over the reference. */
void status_answer(struct pieces *p, struct control_call *call, struct snapshot *s);

/* A status in the making, for tests: piece_fn with it as data. */
struct status_job *status_job_new(struct snapshot *s);
bool status_next(struct buf *text, void *status_job);
void status_job_free(void *status_job);

#endif

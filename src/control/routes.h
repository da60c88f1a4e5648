/* SPDX-License-Identifier: MIT */
/* The answer to `routes`: candidates in words, asked of the RIB in slices. */
#ifndef SHUNT_CONTROL_ROUTES_H
#define SHUNT_CONTROL_ROUTES_H

#include "control/pieces.h"
#include "control/source.h"

/* One prefix or address, as somebody typed it. */
json_t *routes_of_query(const struct control_source *from, void *data, const char *query);
/* All prefixes. What changes while they are gathered is told as it is when its turn comes. */
void routes_answer_all(
	struct pieces *p, struct control_call *call, const struct control_source *from, void *data);

/* All of them in the making, for tests: piece_fn with it as data. */
struct routes_job *routes_job_new(const struct control_source *from, void *data);
bool routes_next(struct buf *text, void *routes_job);
void routes_job_free(void *routes_job);

#endif

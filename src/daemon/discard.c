/* SPDX-License-Identifier: MIT */
#include "daemon/discard.h"

#include "base/mem.h"
#include "sys/process.h"
#include <assert.h>
#include <stdlib.h>

struct job {
	uv_work_t req;
	void (*fn)(void *thing);
	void *thing;
};

static void work(uv_work_t *req)
{
	struct job *j = container_of(req, struct job, req);

	process_set_nice(PROCESS_NICE_BULK);
	j->fn(j->thing);
}

static void done(uv_work_t *req, int status)
{
	free(container_of(req, struct job, req));
}

void discard(uv_loop_t *loop, void (*fn)(void *thing), void *thing)
{
	struct job *j = mem_zalloc(1, sizeof(*j));
	int err;

	j->fn = fn;
	j->thing = thing;
	err = uv_queue_work(loop, &j->req, work, done);
	assert(!err); /* it fails only without a function */
}

/* SPDX-License-Identifier: MIT */
#include "daemon/device_reader.h"

#include "base/mem.h"
#include "base/vec.h"
#include "sys/clock.h"
#include "sys/process.h"
#include <stdlib.h>

struct device_reader {
	uv_loop_t *loop; /* NULL: nobody wants its answers any more */
	bool busy;
	device_reader_fn *take;
	void *data;
	int64_t took_ns;
	VEC(struct device_question) waiting;
};

/* What the thread works on: nothing that others have. */
struct job {
	uv_work_t req;
	struct device_reader *owner;
	struct device_address at;
	struct device_state found;
	int err;
	instant began, ended;
};

static void work(uv_work_t *req)
{
	struct job *j = container_of(req, struct job, req);
	struct device *d = NULL;

	process_set_nice(PROCESS_NICE_BULK);
	j->began = sys_now();
	j->err = device_open_at(&j->at, &d);
	if (!j->err)
		j->err = device_get(d, &j->found);
	device_close(d);
	j->ended = sys_now();
}

/* One who is called may ask again. */
static void tell_all(struct device_reader *r)
{
	size_t n = r->waiting.n;
	struct device_question *list = r->waiting.items;

	r->waiting.items = NULL;
	r->waiting.n = r->waiting.cap = 0;
	for (size_t i = 0; i < n; i++)
		list[i].ready(list[i].arg);
	free(list);
}

static void done(uv_work_t *req, int status)
{
	struct job *j = container_of(req, struct job, req);
	struct device_reader *r = j->owner;

	r->busy = false;
	if (!status)
		r->took_ns = instant_diff(j->ended, j->began);
	if (r->loop && !status && !j->err)
		r->take(&j->found, j->began, r->data);
	else
		device_state_done(&j->found);
	free(j);
	if (r->loop) {
		tell_all(r);
		return;
	}
	free(r);
}

struct device_reader *device_reader_new(uv_loop_t *loop, device_reader_fn *take, void *data)
{
	struct device_reader *r = mem_zalloc(1, sizeof(*r));

	r->loop = loop;
	r->take = take;
	r->data = data;
	return r;
}

void device_reader_free(struct device_reader *r)
{
	if (!r)
		return;
	r->loop = NULL;
	tell_all(r);
	if (!r->busy) /* else done() frees it */
		free(r);
}

static bool begin(struct device_reader *r, const struct device_address *at)
{
	struct job *j = mem_zalloc(1, sizeof(*j));

	j->owner = r;
	j->at = *at;
	if (uv_queue_work(r->loop, &j->req, work, done)) {
		free(j);
		return false;
	}
	r->busy = true;
	return true;
}

void device_reader_ask(struct device_reader *r, const struct device_address *at, int64_t age_ns,
	const struct device_question *q)
{
	bool is_read = r->loop && age_ns >= q->max_age_ns && (r->busy || begin(r, at));

	if (!q->ready)
		return;
	if (is_read)
		vec_push(&r->waiting, *q);
	else
		q->ready(q->arg);
}

int64_t device_reader_took(const struct device_reader *r)
{
	return r->took_ns;
}

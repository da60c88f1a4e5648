/* SPDX-License-Identifier: MIT */
#include "daemon/remember.h"

#include "base/vec.h"
#include "sys/clock.h"
#include <assert.h>
#include <string.h>

struct wish {
	struct state *state;
	struct engine_drain drain;
	uint64_t generation;
};

struct remember {
	uv_loop_t *loop; /* NULL: nobody wants its answers any more */
	remember_fn *done;
	void *data;
	VEC(struct wish) waiting;
	bool busy;
	struct wish now; /* while busy the thread's, with err */
	uv_work_t req;
	int err;
};

static void write_next(struct remember *r);

/* For the state: on the clock that a restart leaves alone. */
static int64_t end_of(const struct engine_drain *d)
{
	if (!d->drained)
		return STATE_NOT_DRAINED;
	return d->has_end ? sys_wall_ns() + instant_diff(d->until, sys_now()) : STATE_NO_END;
}

static void work(uv_work_t *req)
{
	struct remember *r = container_of(req, struct remember, req);

	r->err = state_set_drained(r->now.state, end_of(&r->now.drain));
}

static void destroy(struct remember *r)
{
	vec_done(&r->waiting);
	free(r);
}

static void after(uv_work_t *req, int status)
{
	struct remember *r = container_of(req, struct remember, req);
	struct wish w = r->now;
	int err = status ? status : r->err;

	r->busy = false;
	if (!r->loop) {
		destroy(r);
		return;
	}
	write_next(r);
	r->done(&w.drain, w.generation, err, r->data);
}

static void write_next(struct remember *r)
{
	int err;

	if (r->busy || !r->waiting.n)
		return;
	r->now = r->waiting.items[0];
	r->waiting.n--;
	memmove(&r->waiting.items[0], &r->waiting.items[1], r->waiting.n * sizeof(r->now));
	r->busy = true;
	err = uv_queue_work(r->loop, &r->req, work, after);
	assert(!err); /* it fails only without a function */
}

struct remember *remember_new(uv_loop_t *loop, remember_fn *done, void *data)
{
	struct remember *r = mem_zalloc(1, sizeof(*r));

	r->loop = loop;
	r->done = done;
	r->data = data;
	return r;
}

void remember_free(struct remember *r)
{
	if (!r)
		return;
	r->loop = NULL;
	if (!r->busy) /* else after() does it */
		destroy(r);
}

void remember_drain(
	struct remember *r, struct state *s, const struct engine_drain *drain, uint64_t generation)
{
	vec_push(&r->waiting, ((struct wish){s, *drain, generation}));
	write_next(r);
}

/* A wall clock that was set meanwhile moves the end: it is the one that people have. */
struct engine_drain remember_known(const struct state *s, instant now, int64_t wall_ns)
{
	int64_t until = state_drained_until(s);
	struct engine_drain d = {.drained = until != STATE_NOT_DRAINED};

	if (!d.drained || until == STATE_NO_END)
		return d;
	d.has_end = true;
	d.until = instant_add(now, until - wall_ns);
	return d;
}

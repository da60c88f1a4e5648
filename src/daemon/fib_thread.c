/* SPDX-License-Identifier: MIT */
#include "daemon/fib_thread.h"

#include "fib/tell.h"
#include "sys/clock.h"
#include "sys/process.h"
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#define LENT_MAX (10 * NS_PER_MS) /* an order may be large */

enum word_type {
	/* To the thread. */
	WORD_ORDER,
	WORD_ANNOUNCE,
	WORD_GO,
	WORD_CANCEL,
	WORD_WORKED,
	WORD_DO,
	WORD_URGENT,
	WORD_STOP,
	/* From it. */
	WORD_ORDER_DONE,
	WORD_WORK,
	WORD_TASK_DONE,
};

struct word {
	struct list of_box;
	enum word_type type;
	union {
		struct {
			struct fib_plan plan;
			uint64_t seq;
			bool is_lent; /* priority, with it */
		} order;
		struct fib_task *task;
		struct {
			fib_thread_fn *fn;
			void *arg;
		} call;
		struct {
			uint64_t seq;
			int err;
			instant at;
			fib_troubles troubles;
		} done;
	} u;
};

struct box {
	pthread_mutex_t lock;
	pthread_cond_t filled;
	struct list words;
};

struct fib_thread {
	uv_loop_t *loop;
	struct fib_thread_hooks hooks;
	pthread_t thread;
	struct box in, out;
	uv_async_t async;
	uint64_t last_seq;
	unsigned at_work; /* tasks with libuv */
	bool stopping;
	/* The thread's own. */
	struct fib_core *core;
	struct fib_io *io;
	bool ends; /* who ended it reads it, too */
	enum process_nice nice;
	instant lent_at; /* when it heard that it was lent priority; INSTANT_NEVER: it has none */
};

/* --- boxes ---------------------------------------------------------------------------------------
 */

static void box_init(struct box *b)
{
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->filled, NULL);
	list_init(&b->words);
}

static void box_done(struct box *b)
{
	pthread_mutex_destroy(&b->lock);
	pthread_cond_destroy(&b->filled);
}

static struct word *word_new(enum word_type type)
{
	struct word *w = mem_zalloc(1, sizeof(*w));

	w->type = type;
	return w;
}

static void box_put(struct box *b, struct word *w)
{
	pthread_mutex_lock(&b->lock);
	list_append(&b->words, &w->of_box);
	pthread_cond_signal(&b->filled);
	pthread_mutex_unlock(&b->lock);
}

/* NULL: it is empty, and nobody waits. */
static struct word *box_take(struct box *b, bool wait)
{
	struct word *w = NULL;

	pthread_mutex_lock(&b->lock);
	while (wait && list_is_empty(&b->words))
		pthread_cond_wait(&b->filled, &b->lock);
	if (!list_is_empty(&b->words)) {
		w = container_of(b->words.next, struct word, of_box);
		list_remove(&w->of_box);
	}
	pthread_mutex_unlock(&b->lock);
	return w;
}

static void word_free(struct word *w)
{
	if (w->type == WORD_ORDER)
		fib_plan_done(&w->u.order.plan);
	else if (w->type == WORD_ORDER_DONE)
		fib_troubles_done(&w->u.done.troubles);
	free(w);
}

/* --- in the thread -------------------------------------------------------------------------------
 */

/* What the core says at its end is taken from the box, and the loop is gone by then. */
static void say(struct fib_thread *t, struct word *w)
{
	box_put(&t->out, w);
	if (!t->ends)
		uv_async_send(&t->async);
}

static struct fib_task *task_of(struct fib_job *job)
{
	return container_of(job, struct fib_task, job);
}

static void say_task(struct fib_thread *t, enum word_type type, struct fib_job *job)
{
	struct word *w = word_new(type);

	w->u.task = task_of(job);
	say(t, w);
}

static void on_work(struct fib_job *job, void *data)
{
	say_task(data, WORD_WORK, job);
}

static void on_job_done(struct fib_job *job, void *data)
{
	say_task(data, WORD_TASK_DONE, job);
}

static void on_order_done(uint64_t seq, const struct fib_plan *plan, int err,
	const fib_failures *failures, void *data)
{
	struct word *w = word_new(WORD_ORDER_DONE);

	w->u.done.seq = seq;
	w->u.done.err = err;
	w->u.done.at = sys_now();
	fib_tell_failures(plan, failures, NULL, &w->u.done.troubles);
	say(data, w);
}

static void hear(struct fib_thread *t, struct word *w)
{
	switch (w->type) {
	case WORD_ORDER:
		fib_core_order(t->core, &w->u.order.plan, w->u.order.seq);
		if (w->u.order.is_lent)
			t->lent_at = sys_now();
		break;
	case WORD_ANNOUNCE:
		fib_core_announce(t->core, &w->u.task->job);
		break;
	case WORD_GO:
		fib_core_go(t->core, &w->u.task->job);
		break;
	case WORD_CANCEL:
		fib_core_cancel(t->core);
		break;
	case WORD_WORKED:
		fib_core_worked(t->core, &w->u.task->job);
		break;
	case WORD_DO:
		w->u.call.fn(t->io, w->u.call.arg);
		break;
	case WORD_URGENT:
		t->nice = PROCESS_NICE_URGENT;
		process_set_nice(t->nice);
		break;
	case WORD_STOP:
		t->ends = true;
		break;
	default:
		assert(false);
	}
	word_free(w);
}

/* What was lent for an order is given back when nothing is left to do, or after a while. */
static void give_back(struct fib_thread *t, bool busy)
{
	if (instant_is_never(t->lent_at))
		return;
	if (busy && instant_diff(sys_now(), t->lent_at) < LENT_MAX)
		return;
	t->lent_at = INSTANT_NEVER;
	process_return_priority(t->nice);
}

/* All that is in the box; waits for something. */
static void hear_all(struct fib_thread *t, bool wait)
{
	struct word *w;

	while (!t->ends && (w = box_take(&t->in, wait))) {
		hear(t, w);
		wait = false;
	}
}

static void *run(void *data)
{
	struct fib_thread *t = data;
	bool busy = false;

	while (!t->ends) {
		hear_all(t, !busy);
		busy = !t->ends && fib_core_step(t->core);
		give_back(t, busy);
	}
	return NULL;
}

/* --- on the loop ---------------------------------------------------------------------------------
 */

/* In a thread of libuv's; those inherit what the loop's has. */
static void work(uv_work_t *req)
{
	struct fib_task *task = container_of(req, struct fib_task, req);

	process_set_nice(PROCESS_NICE_BULK);
	task->work(task);
}

static void tell_worked(struct fib_thread *t, struct fib_task *task)
{
	struct word *w = word_new(WORD_WORKED);

	w->u.task = task;
	box_put(&t->in, w);
}

static void after_work(uv_work_t *req, int status)
{
	struct fib_task *task = container_of(req, struct fib_task, req);
	struct fib_thread *t = req->data;

	t->at_work--;
	if (!t->stopping)
		tell_worked(t, task);
}

static void begin_work(struct fib_thread *t, struct fib_task *task)
{
	int err;

	if (t->stopping)
		return;
	task->req.data = t;
	t->at_work++;
	err = uv_queue_work(t->loop, &task->req, work, after_work);
	assert(!err); /* it fails only without a function */
}

static void answer(struct fib_thread *t, struct word *w)
{
	switch (w->type) {
	case WORD_ORDER_DONE:
		t->hooks.order_done(w->u.done.seq, w->u.done.err, w->u.done.at, &w->u.done.troubles,
			t->hooks.data);
		break;
	case WORD_WORK:
		begin_work(t, w->u.task);
		break;
	case WORD_TASK_DONE:
		t->hooks.task_done(w->u.task, t->hooks.data);
		break;
	default:
		assert(false);
	}
	word_free(w);
}

static void on_async(uv_async_t *async)
{
	struct fib_thread *t = async->data;
	struct word *w;

	while (!t->stopping && (w = box_take(&t->out, false)))
		answer(t, w);
}

static void put(struct fib_thread *t, enum word_type type)
{
	box_put(&t->in, word_new(type));
}

static void put_task(struct fib_thread *t, enum word_type type, struct fib_task *task)
{
	struct word *w = word_new(type);

	w->u.task = task;
	box_put(&t->in, w);
}

void fib_thread_set_urgent(struct fib_thread *t)
{
	put(t, WORD_URGENT);
}

uint64_t fib_thread_order(struct fib_thread *t, struct fib_plan *plan)
{
	struct word *w = word_new(WORD_ORDER);

	w->u.order.plan = *plan;
	*plan = (struct fib_plan){0};
	w->u.order.seq = ++t->last_seq;
	/* Who orders in a hurry, hurries whom he asks. */
	w->u.order.is_lent = process_has_lent_priority();
	if (w->u.order.is_lent)
		process_lend_priority(t->thread);
	box_put(&t->in, w);
	return t->last_seq;
}

void fib_thread_announce(struct fib_thread *t, struct fib_task *task)
{
	task->job.basis = t->last_seq;
	put_task(t, WORD_ANNOUNCE, task);
}

void fib_thread_go(struct fib_thread *t, struct fib_task *task)
{
	put_task(t, WORD_GO, task);
}

void fib_thread_cancel(struct fib_thread *t)
{
	put(t, WORD_CANCEL);
}

uint64_t fib_thread_last(const struct fib_thread *t)
{
	return t->last_seq;
}

void fib_thread_do(struct fib_thread *t, fib_thread_fn *fn, void *arg)
{
	struct word *w = word_new(WORD_DO);

	w->u.call.fn = fn;
	w->u.call.arg = arg;
	box_put(&t->in, w);
}

/* --- start and end -------------------------------------------------------------------------------
 */

static void free_closed(uv_handle_t *async)
{
	free(async->data);
}

/* The loop knows of the handle already. */
static void undo_start(struct fib_thread *t)
{
	fib_core_free(t->core);
	box_done(&t->in);
	box_done(&t->out);
	uv_close((uv_handle_t *)&t->async, free_closed);
}

int fib_thread_start(uv_loop_t *loop, const struct fib_thread_hooks *hooks, struct fib_io *io,
	struct fib_thread **ret)
{
	struct fib_thread *t = mem_zalloc(1, sizeof(*t));
	struct fib_core_hooks of_core = {on_work, on_job_done, on_order_done, t};
	int err = uv_async_init(loop, &t->async, on_async);

	if (err) {
		free(t);
		return err;
	}
	t->async.data = t;
	t->loop = loop;
	t->hooks = *hooks;
	t->io = io;
	t->lent_at = INSTANT_NEVER;
	t->core = fib_core_new(io, &of_core);
	box_init(&t->in);
	box_init(&t->out);
	err = -pthread_create(&t->thread, NULL, run, t);
	if (err) {
		undo_start(t);
		return err;
	}
	*ret = t;
	return 0;
}

void fib_thread_stop(struct fib_thread *t)
{
	if (!t || t->stopping)
		return;
	t->stopping = true;
	put(t, WORD_STOP);
	pthread_join(t->thread, NULL);
}

/* Tasks that came back, and those that the core gives back now, are their owner's again. */
static void give_tasks_back(struct fib_thread *t)
{
	struct word *w;

	while ((w = box_take(&t->out, false))) {
		if (w->type == WORD_TASK_DONE)
			t->hooks.task_done(w->u.task, t->hooks.data);
		word_free(w);
	}
}

bool fib_thread_free(struct fib_thread *t)
{
	struct word *w;

	if (!t)
		return true;
	assert(t->stopping);
	if (t->at_work)
		return false;
	while ((w = box_take(&t->in, false)))
		word_free(w);
	give_tasks_back(t);
	fib_core_free(t->core);
	give_tasks_back(t);
	box_done(&t->in);
	box_done(&t->out);
	free(t);
	return true;
}

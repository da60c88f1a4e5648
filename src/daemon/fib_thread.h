/* SPDX-License-Identifier: MIT */
/*
 * The thread that changes device and kernel: fib/core.h, given steps. It does nothing but what
 * waits on them, so that a move waits for one piece of other work at most. What reads much or
 * writes files is done in a thread of libuv's (the job's prepare and finish), at the priority of
 * bulk work.
 *
 * All functions are for the loop's thread, and hooks are called on it.
 */
#ifndef SHUNT_DAEMON_FIB_THREAD_H
#define SHUNT_DAEMON_FIB_THREAD_H

#include "base/time.h"
#include "fib/core.h"
#include "fib/trouble.h"
#include <uv.h>

struct fib_thread;

/* A job with its work; the first member of what its owner makes of it. */
struct fib_task {
	struct fib_job job;
	/* In a thread of libuv's, with job.phase telling which it is; fills what fib/core.h says.
	 */
	void (*work)(struct fib_task *t);
	uv_work_t req; /* fib_thread.c's */
};

struct fib_thread_hooks {
	/* seq: as fib_thread_order had it; at: since then. troubles: of what was not done; may be
	 * moved away. */
	void (*order_done)(uint64_t seq, int err, instant at, fib_troubles *troubles, void *data);
	/* The task is its owner's again; job.err as fib/core.h has it. */
	void (*task_done)(struct fib_task *t, void *data);
	void *data;
};

/* The io is the thread's until it ends. 0 or negative errno. */
int fib_thread_start(uv_loop_t *loop, const struct fib_thread_hooks *hooks, struct fib_io *io,
	struct fib_thread **ret);
/* Ends after the piece under way; the io is its owner's again. Orders that nobody began are
 * dropped. Accepts NULL. */
void fib_thread_stop(struct fib_thread *t);
/* Once the loop has closed its handles. False: a thread of libuv's still works on a task, and
 * neither is freed. Accepts NULL. */
bool fib_thread_free(struct fib_thread *t);

/* Before all bulk work of the machine, as far as that may be had. */
void fib_thread_set_urgent(struct fib_thread *t);
/* The plan is taken over. Returns its number. */
uint64_t fib_thread_order(struct fib_thread *t, struct fib_plan *plan);
/* What the task is to know is gathered from now on; then it goes. */
void fib_thread_announce(struct fib_thread *t, struct fib_task *task);
void fib_thread_go(struct fib_thread *t, struct fib_task *task);
/* Whatever task is under way is given up as soon as that can be. */
void fib_thread_cancel(struct fib_thread *t);
/* The number of the last order. */
uint64_t fib_thread_last(const struct fib_thread *t);
/* Something else on its io, between two pieces of work. */
typedef void fib_thread_fn(struct fib_io *io, void *arg);
void fib_thread_do(struct fib_thread *t, fib_thread_fn *fn, void *arg);

#endif

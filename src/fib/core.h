/* SPDX-License-Identifier: MIT */
/*
 * The thread that moves prefixes, without the thread: orders come in, each step does one piece of
 * work, outcomes go out by hooks. No clock, no lock, no waiting; who owns one gives it steps, a
 * thread (daemon/fib_thread.h) or a simulation that puts its own steps between.
 *
 * Two kinds of orders. An urgent one (the difference of an event, an endpoint) is a plan ready to
 * be done. A job brings everything into line: a worker prepares it (reads, compares, plans), the
 * core does its plan, the worker finishes it. Urgent orders go first, the small before the large,
 * and all that is large gives way between two pieces.
 *
 * So an older plan may meet what a newer order has moved. Everything has a number: an urgent order
 * its own, a job the one from which on it knows nothing (its basis). While anything older is
 * unfinished the core remembers for each prefix, peer and set the newest order that touched it, and
 * operations of older plans on it are passed over, or say what it said: the newer word counts. If
 * that failed, its owner asks for a job.
 */
#ifndef SHUNT_FIB_CORE_H
#define SHUNT_FIB_CORE_H

#include "base/list.h"
#include "fib/do.h"

enum fib_job_phase {
	FIB_JOB_ANNOUNCED, /* its input is being gathered */
	FIB_JOB_READY,	   /* waits for its turn */
	FIB_JOB_PREPARING, /* the worker's */
	FIB_JOB_DOING,
	FIB_JOB_FINISHING, /* the worker's */
	FIB_JOB_DONE,
};

/* The first member of what its owner makes of it. Nobody but the worker touches it while it is
 * PREPARING or FINISHING. */
struct fib_job {
	struct list of_core;
	enum fib_job_phase phase; /* the core's */
	bool cancelled;		  /* the core's */
	uint64_t basis; /* the owner's: the number of the last order that its input knows of */
	/* The worker's, when it prepares: */
	struct fib_plan plan;
	struct fib_state is, shall;
	bool again; /* this plan first, then prepare anew */
	int err;    /* negative: nothing is done. Of the plan, too, once it was begun */
	/* What came of the plan; an error last. */
	fib_failures failures;
};

struct fib_core_hooks {
	/* Hands the job to the worker, who says so by fib_core_worked when it is prepared or
	 * finished, as its phase asks. */
	void (*work)(struct fib_job *job, void *data);
	/* It is its owner's again. err -ECANCELED: given up. */
	void (*job_done)(struct fib_job *job, void *data);
	/* The order of that number; plan and failures are borrowed. */
	void (*order_done)(uint64_t seq, const struct fib_plan *plan, int err,
		const fib_failures *failures, void *data);
	void *data;
};

struct fib_core;

/* io is borrowed. */
struct fib_core *fib_core_new(struct fib_io *io, const struct fib_core_hooks *hooks);
/* The worker may be at work on nothing; what it was given counts as given up, whether or not it
 * began or ended. Jobs are given back as given up, orders are dropped without a word. Accepts NULL.
 */
void fib_core_free(struct fib_core *c);

/* An urgent order; takes the plan over. seq: its number, larger than those before. */
void fib_core_order(struct fib_core *c, struct fib_plan *plan, uint64_t seq);
/* A job whose basis counts from now on, and which fib_core_go makes ready. One that is under way
 * goes first, unless it is cancelled. */
void fib_core_announce(struct fib_core *c, struct fib_job *job);
void fib_core_go(struct fib_core *c, struct fib_job *job);
/* All jobs are given up as soon as that can be. */
void fib_core_cancel(struct fib_core *c);
/* From the worker, on the core's thread. */
void fib_core_worked(struct fib_core *c, struct fib_job *job);

/* What urgent orders know of the kernel: of the last job that went well what its finish has left
 * there; empty before. */
const struct fib_state *fib_core_is(const struct fib_core *c);
/* The number of prefixes, peers and sets that are remembered: none if nothing old is unfinished. */
size_t fib_core_touched(const struct fib_core *c);

/* One piece of work; false if there is none to do now. */
bool fib_core_step(struct fib_core *c);

#endif

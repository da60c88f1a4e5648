/* SPDX-License-Identifier: MIT */
/*
 * A SYNC from end to end: what is, what shall be, the plan between them, and what came of it. Its
 * input is filled on the loop and then borrowed by nobody else; its work runs in a thread of
 * libuv's (fib_thread.h), with sockets of its own.
 */
#ifndef SHUNT_DAEMON_SYNC_TASK_H
#define SHUNT_DAEMON_SYNC_TASK_H

#include "base/time.h"
#include "daemon/changes.h"
#include "daemon/fib_thread.h"
#include "daemon/shall.h"
#include "daemon/state.h"
#include "device/device.h"
#include "fib/tell.h"

/* Opens what a look reads by; close takes it back. The open's errno is the look's. */
struct look_io {
	int (*open)(const struct device_address *at, struct fib_io **ret);
	void (*close)(struct fib_io *io);
};

/* The real one. */
extern const struct look_io look_io_kernel;

struct sync_task {
	struct fib_task task;
	/* The input, the task's own but for what is said otherwise. */
	/* References; before: NULL unless changes are told. */
	const struct generation *gen, *before;
	const char *why; /* static: for the log */
	bool keeps;	 /* nothing is removed */
	struct shall_rib rib;
	ip_prefix last; /* of rib, while it is gathered */
	sock_addr *endpoints;
	prefix_vec apart;
	uint32_t mark;
	struct state *state; /* borrowed: its journal is the task's while it works */
	struct device_address at;
	const struct look_io *look;
	/* What came of it. */
	bool is_brought_up; /* the link was asked to come up, if it had to be */
	struct shall_input in;
	struct shall shall;
	int journal_error;
	instant began;		  /* the look */
	struct fib_counts counts; /* of what was done */
	struct changes changes;	  /* if they are told; nothing if the job failed */
	fib_troubles troubles;	  /* what was not done, and what stands in the way */
	prefix_vec foreign;	  /* sorted: what foreign peers own */
	int ifindex;
	struct device_state mirror; /* the device after it; empty if the job failed */
};

/* Without its input. */
struct sync_task *sync_task_new(void);
/* Gathers at most max prefixes more; false: that was all. */
bool sync_task_gather(struct sync_task *t, const struct rib *rib, size_t max);
/* Once it is given back: troubles of what the plan failed at. */
void sync_task_conclude(struct sync_task *t);
/* Accepts NULL. */
void sync_task_free(struct sync_task *t);

#endif

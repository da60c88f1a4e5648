/* SPDX-License-Identifier: MIT */
/*
 * shuntd: the wiring, as its parts see it. Two threads: the prober's, which keeps time, and this
 * one, which runs libuv's loop and does all else. Events flow one way:
 *
 *	prober (verdicts) ─┐
 *	inventory (reload) ─┼─> engine ──> actions ──> device, kernel, prober, log
 *	control (drain)   ─┤      ^            │
 *	monitor, time     ─┘      └── outcomes ┘
 *
 * run.c starts and ends it, actions.c carries out what the engine decides. Nothing that the thread
 * does changes a verdict, so a slow device delays a move and nothing else.
 */
#ifndef SHUNT_DAEMON_DAEMON_H
#define SHUNT_DAEMON_DAEMON_H

#include "control/requests.h"
#include "daemon/device_reader.h"
#include "daemon/engine.h"
#include "daemon/fib.h"
#include "daemon/foreign_look.h"
#include "daemon/problem_log.h"
#include "daemon/session_keys.h"
#include "prober/prober.h"
#include "sys/resolver.h"

struct daemon_options {
	const char *file;
	const char *node;
	enum device_kind kind;
	const char *userspace;
	const char *run_dir; /* never NULL once parsed */
	const char *state_dir;
	bool set_sysctl;
	bool stop_devices;
	bool verbose;
};

/* What a reload does, for who asked for it. */
struct daemon_report {
	int err; /* of the sync */
	struct fib_counts counts;
	struct changes changes;
};

/* What was wrong when it was last asked. */
struct daemon_problems {
	json_t *list; /* problems.h; NULL: nobody asked yet */
	instant at;
	uint64_t generation;
};

struct daemon {
	const struct daemon_options *options;
	uv_loop_t loop;
	struct engine *engine;
	const struct generation *gen; /* the engine's */
	struct rib *rib;	      /* the engine's */
	struct state *state;
	struct interface_lock *interface_lock;
	struct fib fib; /* owns device and rtnl */
	struct rtnl_monitor *monitor;
	struct foreign_look *foreign; /* routes of others that take ours' packets */
	struct resolver *resolver;
	struct prober *prober;		   /* NULL until the device was brought into line once */
	struct session_keys *session_keys; /* of the prober's peers */
	struct control *control;
	struct control_desk *desk;	 /* answers what comes over it */
	struct snapshot *snapshot;	 /* the last that was made for it; NULL: none */
	struct daemon_problems problems; /* as it shows them */
	struct problem_log problem_log;
	unsigned seconds;	      /* since the start, as the timer counts */
	struct device_reader *reader; /* reads the device into mirror when somebody asks */
	struct diagnosis *diagnosis;
	struct bfd_filter *bfd_filter;
	/* The device as it was last seen, for those who ask; the engine has what it decides by. */
	struct device_state mirror;
	struct handshakes *handshakes;
	instant mirror_at;
	instant started_at;
	struct daemon_report *report;	 /* of the reload that is under way; NULL: none is */
	VEC(struct live_event) standing; /* how all peers stood when they were last asked for */
	char trouble[512];		 /* why the last sync failed */
	int start_error;		 /* of the prober; 0: none */
	int remember_error;		 /* of the last drain or its end */
	bool is_feeding;
	bool cold_start; /* the device was made by us, now */
	bool stopping;
	uv_poll_t prober_poll, monitor_poll;
	uv_timer_t engine_timer, second_timer, stop_timer;
	uv_signal_t sigterm, sigint, sighup;
	int exit_status;
};

/* Takes what the device said just now. */
void daemon_take_mirror(struct daemon *d, struct device_state *fresh);
/* The same, unless something younger is there; device_reader_fn with the daemon as data. */
void daemon_take_reading(struct device_state *fresh, instant began, void *daemon);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * shuntd: the wiring, as its parts see it. Three threads that keep time: the prober's, this one,
 * which runs libuv's loop, and the FIB thread, which alone changes device and kernel; a fourth
 *reads the kernel's routes where a routing engine runs. What takes long (reading the device, an
 *inventory, the disk) is in threads of libuv's. Events flow one way:
 *
 *	prober (verdicts) ─┐
 *	kernel's routes   ─┤
 *	inventory (reload) ─┼─> engine ──> actions ──> FIB thread, prober, log
 *	control (drain)   ─┤      ^            │
 *	monitor, time     ─┘      └── outcomes ┘
 *
 * run.c starts and ends it, actions.c carries out what the engine decides. Nothing that the loop
 * does changes a verdict, and nothing that takes long keeps a move from the device.
 */
#ifndef SHUNT_DAEMON_DAEMON_H
#define SHUNT_DAEMON_DAEMON_H

#include "control/requests.h"
#include "daemon/chronicle.h"
#include "daemon/device_choice.h"
#include "daemon/device_reader.h"
#include "daemon/endpoint_ways.h"
#include "daemon/engine.h"
#include "daemon/fib_facts.h"
#include "daemon/fib_thread.h"
#include "daemon/foreign_look.h"
#include "daemon/own_networks.h"
#include "daemon/problem_log.h"
#include "daemon/remember.h"
#include "daemon/route_reader.h"
#include "daemon/session_keys.h"
#include "daemon/sync_task.h"
#include "fib/kernel_io.h"
#include "prober/prober.h"
#include "sys/resolver.h"

struct daemon_options {
	const char *file;
	const char *node;
	enum device_kind kind;
	struct device_programs programs;
	const char *run_dir; /* never NULL once parsed */
	const char *state_dir;
	bool set_sysctl;
	bool stop_devices;
	bool verbose;
};

/* What is known of the device without asking it. */
struct daemon_device {
	struct device_address at;
	enum device_kind kind;
	char name[64];
	unsigned max_owners; /* per prefix, RIB_MAX_OWNERS at most */
};

/* Under way with the FIB thread. */
struct daemon_order {
	uint64_t seq;
	bool is_part; /* the beginning of the one behind it, whose outcome it shares */
	struct engine_event outcome; /* but for its err */
	sock_addr endpoint_before;   /* of an endpoint that is being set */
};

/* Who waits for a drain to be remembered. */
struct daemon_drainer {
	control_drained_fn *done;
	void *arg;
};

struct client_watch;
struct reload;
struct routing_status;
struct transit_watch;

/* The daemon was told to end, and its peers that they use others. */
struct daemon_leave {
	bool is_leaving;
	bool waits_for_users; /* it ends as soon as nobody uses it, and not only at the end */
	instant until;
};

/* At most so many portions of the kernel's routes are with the FIB thread. */
#define DAEMON_PORTIONS 2

struct daemon_routes {
	struct route_reader *reader; /* NULL: no routing engine, or err */
	int err;		     /* of its start */
	struct kernel_words first;   /* before ENGINE_FOUND */
	bool is_on;		     /* the start asked for them: from now on they are followed */
	bool is_begun;		     /* ENGINE_FOUND was fed */
	bool is_all;		     /* what there was is in first */
	/* Orders that a portion waits for until the next one is asked for, the eldest first. */
	uint64_t orders[DAEMON_PORTIONS];
	unsigned n_orders;
	bool is_full;		/* the reader waits for the first of them */
	uint64_t told_peers_of; /* generation: the reader knows how its peers stand */
};

/* What was wrong when it was last asked. */
struct daemon_problems {
	json_t *list; /* problems.h; NULL: nobody asked yet */
	instant at;
	uint64_t generation;
};

/* What a peer had said of its lines when it began to say something else. */
struct daemon_reporter {
	bool is_on;
	uint32_t peer;
	uint32_t lost[REPORTS_LOST_MAX];
	size_t n_lost;
};

struct daemon {
	const struct daemon_options *options;
	uv_loop_t loop;
	/* Takes an event, from whoever began what has ended now: actions_feed. */
	void (*feed)(struct daemon *d, const struct engine_event *event);
	struct engine *engine;
	const struct generation *gen; /* the engine's */
	struct rib *rib;	      /* the engine's */
	struct state *state;	      /* of a SYNC's thread: its journal */
	struct interface_lock *interface_lock;

	struct kernel_io io;	       /* the FIB thread's, once that runs: device and rtnetlink */
	struct fib_thread *fib_thread; /* NULL before the start and after the end */
	struct daemon_device device;
	const struct look_io *look; /* where a SYNC reads */
	struct fib_facts fib;
	VEC(struct daemon_order) orders; /* of the FIB thread, in their order */
	unsigned endpoint_orders;	 /* of them */
	unsigned syncs;			 /* with the FIB thread; all but one are given up */
	struct sync_task *gathering;	 /* the newest, while its input is copied */
	uv_idle_t gather_idle;
	bool is_reopening; /* the device is being made anew */

	struct rtnl *rtnl; /* the loop's own, for small questions */
	struct nft *nft;   /* the same; NULL: not opened yet */
	struct rtnl_monitor *monitor;
	struct foreign_look *foreign; /* routes of others that take ours' packets */
	struct daemon_routes routes;  /* of the kernel, with a routing engine */
	struct resolver *resolver;
	struct prober *prober;		   /* NULL until the device was brought into line once */
	struct session_keys *session_keys; /* of the prober's peers */
	struct remember *remember;
	VEC(struct daemon_drainer) drainers; /* in the order of what they asked for */
	struct reload *reload;
	struct control *control;
	struct control_desk *desk;	 /* answers what comes over it */
	struct snapshot *snapshot;	 /* the last that was made for it; NULL: none */
	struct daemon_problems problems; /* as it shows them */
	struct problem_log problem_log;
	struct events *events; /* what happened lately, for those who ask */
	struct chronicle *chronicle;
	struct daemon_reporter reporter;
	struct own_networks own_networks;   /* asked for second by second */
	struct endpoint_ways endpoint_ways; /* likewise */
	unsigned seconds;		    /* since the start, as the timer counts */
	struct device_reader *reader;	    /* reads the device into mirror when somebody asks */
	struct diagnosis *diagnosis;
	struct client_watch *client_watch;
	struct routing_status *routing;
	struct bfd_filter *bfd_filter;
	struct transit_watch *transit;
	struct daemon_leave leave;
	/* The device as it was last seen, for those who ask; the engine has what it decides by. */
	struct device_state mirror;
	struct handshakes *handshakes;
	instant mirror_at;
	instant started_at;
	VEC(struct live_event) standing; /* how all peers stood when they were last asked for */
	char trouble[512];		 /* why the last SYNC failed */
	int start_error;		 /* of the prober; 0: none */
	bool is_feeding;
	bool cold_start; /* the device was made by us, now */
	bool stopping;
	uv_poll_t prober_poll, monitor_poll;
	uv_timer_t engine_timer, second_timer, stop_timer;
	uv_signal_t sigterm, sigint, sighup;
};

/* As many owners a prefix may have there as can be made use of. */
unsigned daemon_max_owners(const struct device_state *s);
/* Takes what the device said, not before that moment. */
void daemon_take_mirror(struct daemon *d, struct device_state *fresh, instant began);
/* The same, unless something younger is there; device_reader_fn with the daemon as data. */
void daemon_take_reading(struct device_state *fresh, instant began, void *daemon);
/* Another device from now on, or the first; the FIB thread closes the one before. */
void daemon_take_device(struct daemon *d, struct device *device);
/* A SYNC or what comes with it is under way. */
bool daemon_is_syncing(const struct daemon *d);
/* With --set-sysctl: what the generation and a new interface need. */
void daemon_set_sysctls(const struct daemon *d);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * shuntd: the wiring. Two threads: the prober's, which keeps time, and this one, which runs libuv's
 *loop and does all else. Events flow one way:
 *
 *	prober (verdicts) ─┐
 *	inventory (reload) ─┼─> RIB ──> difference ──> fib_apply ──> device and kernel routes
 *	control (drain)   ─┘	          monitor, timer ──> fib_sync (reads back, mends)
 *
 * Nothing that the thread does changes a verdict, so a slow device delays a move and nothing else.
 */
#ifndef SHUNT_DAEMON_DAEMON_H
#define SHUNT_DAEMON_DAEMON_H

#include "daemon/control.h"
#include "daemon/endpoints.h"
#include "daemon/fib.h"
#include "daemon/foreign_look.h"
#include "daemon/handshakes.h"
#include "daemon/session_keys.h"
#include "prober/prober.h"

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

struct daemon {
	const struct daemon_options *options;
	uv_loop_t loop;
	struct names names;
	struct state *state;
	struct interface_lock *interface_lock;
	struct generation *gen;
	struct rib *rib;
	struct fib fib; /* owns device and rtnl */
	struct rtnl_monitor *monitor;
	struct foreign_look *foreign; /* routes of others that take ours' packets */
	struct endpoints *endpoints;
	struct prober *prober;
	struct session_keys *session_keys; /* of the prober's peers */
	struct control *control;
	struct diagnosis *diagnosis;
	struct device_state mirror; /* of the last sync */
	struct handshakes *handshakes;
	struct bfd_filter *bfd_filter;
	instant mirror_at, started_at;
	unsigned failures; /* in a row */
	char trouble[512]; /* why, the last time */
	bool cold_start;   /* the device was made by us, now */
	bool stopping;
	uv_poll_t prober_poll, monitor_poll;
	uv_timer_t sync_timer, endpoints_timer, stop_timer;
	uv_signal_t sigterm, sigint, sighup;
	int exit_status;
};

/* Keeps the signals that the daemon handles waiting until it does; the first thing that the program
 * does, since one that comes earlier would end it. */
void daemon_block_signals(void);
/* Runs until it is told to end; the process's exit status. */
int daemon_run(const struct daemon_options *o);

/* The steps of a start that tests take by themselves: a daemon that has asked nobody anything yet
 * (NULL with why);
 * and, with its generation, state, endpoints, device and rtnetlink in place, the first reading and
 * mending of the device, after which the prober runs. Negative errno with why. */
struct daemon *daemon_new(const struct daemon_options *o, struct buf *why);
int daemon_first_sync(struct daemon *d, struct buf *why);

/* The answers of the control socket (answers.c). */
json_t *answer_status(struct daemon *d);
json_t *answer_routes(struct daemon *d, const char *query);
/* What a request wants (requests.c); control_fn with the daemon as data. */
json_t *daemon_answer(const json_t *request, void *daemon);

/*
 * Takes a new inventory and logs how that went (reload.c). 0; or negative errno with why: without
 * counts it was refused and the old one stays, with them it is in force and the device refused a
 * part. counts gets {"peers_added": n, ...}, names an array of lines for people.
 */
int daemon_reload(struct daemon *d, struct buf *why, json_t **counts, json_t **names);
/* Remembers and signals it. */
int daemon_set_drained(struct daemon *d, bool drained);
/* Feeds the RIB with a generation: new and changed prefixes, prefixes of old (may be NULL) that are
 * gone. */
void daemon_feed_rib(struct daemon *d, const struct generation *old);
/* Tells the prober who the peers are. */
void daemon_feed_prober(struct daemon *d, const struct device_state *adopted);
/* With --set-sysctl: what the generation and a new interface need. */
void daemon_mend_sysctls(struct daemon *d);
/* Reads back and mends; schedules a retry on failure. what: for the log ("drift", "reload", ...).
 */
int daemon_sync(struct daemon *d, const char *what, struct fib_counts *ret);
/* Handshakes and counters as of now, without mending anything; if the device doesn't answer, as of
 * the last time it did. What isn't older than max_age_ns is left. */
void daemon_refresh_mirror(struct daemon *d, int64_t max_age_ns);
/* Within a second, as something may be wrong that only the device knows. */
void daemon_sync_soon(struct daemon *d);
/* Syncs when the kernel has news. */
void daemon_watch_kernel(struct daemon *d);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What shuntd decides: an event in, actions out. Pure: no I/O, no clock, no chance; who owns an
 * engine carries its actions out (actions.c), in their order, and tells it how that went.
 *
 * It owns the generation in force and its number, the RIB, where peers are
 *(endpoints.h), their handshakes as the device reported them, and when the device is read back
 *(looks.h). What an event or the outcome of an action speaks of is the generation whose number it
 *carries; what speaks of an older one is dropped, since a reload asks for all anew. Two things
 *stand above generations: what is remembered of a drain, and that the device was made anew. And
 *verdicts of the generation before count until PROBE_SET, of peers that are probed as before.
 *
 *	ENGINE_GENERATION, the first    names to resolve; then the owner finds or makes the device
 *	ENGINE_FOUND                    adoption; SYNC, and once that is done PROBE_SET
 *	ENGINE_VERDICTS, from then on   the RIB's step; MOVE
 *	ENGINE_ROUTES, likewise         the same, of what a routing engine chose (kernel_source.h)
 *	ENGINE_GENERATION, a later one  the RIB is told, a slice at once and others by ENGINE_TIME;
 *then SYNC, then endpoints that moved, then PROBE_SET ENGINE_TIME, at engine_deadline SYNC; names
 *of peers that are overdue
 *
 * An action's outcome comes in at any later time, and other events before it. Several MOVEs may be
 * under way, of which outcomes come in their order; one SYNC of the newest generation, which counts
 * as under way until it is SYNCED without need of a REOPEN. What calls for another meanwhile is
 * remembered (looks.h), but a reload asks for its own at once: the older one counts no more, and
 * may be given up. Pointers in actions are valid until the next event.
 */
#ifndef SHUNT_DAEMON_ENGINE_H
#define SHUNT_DAEMON_ENGINE_H

#include "base/buf.h"
#include "base/vec.h"
#include "daemon/endpoints.h"
#include "daemon/generation.h"
#include "daemon/handshakes.h"
#include "daemon/names.h"
#include "daemon/reports.h"
#include "device/device.h"
#include "live/live.h"
#include "route/rib.h"

/* At most so many prefixes are changed in the RIB by one event, but for the start: a fraction of a
 * millisecond. */
#define ENGINE_SLICE 100

enum engine_event_type {
	ENGINE_GENERATION, /* generation: made from the one in force; the hold on it is taken over
			    */
	ENGINE_FOUND,	   /* found: the device, before anything was changed on it */
	ENGINE_VERDICTS,   /* verdicts: of the prober, in their order */
	ENGINE_REPORT,	   /* report: a peer's, another than before */
	ENGINE_RESOLVED,   /* resolved: answers RESOLVE */
	ENGINE_ROUTES, /* routes: what the kernel's routes say of prefixes, of that generation */
	ENGINE_HANDSHAKES, /* handshakes: the device was read for these alone */
	ENGINE_NEWS,	   /* the kernel has some */
	ENGINE_DRAIN,	   /* drain: is asked for */
	ENGINE_TIME,	   /* nothing but that time passes */
	/* Outcomes of actions. */
	ENGINE_MOVED,	     /* err */
	ENGINE_SYNCED,	     /* synced */
	ENGINE_REOPENED,     /* synced.err and .trouble */
	ENGINE_ENDPOINT_SET, /* endpoint_set */
	ENGINE_PROBED,	     /* verdicts: how all peers stand, after PROBE_SET */
	ENGINE_REMEMBERED,   /* remembered */
};

/* A drain, or that there is none. */
struct engine_drain {
	bool drained;
	bool has_end; /* until: from then on there is none */
	instant until;
	bool is_end; /* of one whose time was over: nobody asked */
};

/* A portion of what the source RIB_KERNEL says. */
struct engine_routes {
	const struct rib_event *events; /* RIB_EVENT_PREFIX */
	size_t n;
	bool is_all; /* with it, and those before, all is said that the kernel had */
};

struct engine_event {
	enum engine_event_type type;
	uint64_t generation; /* of the action that this is an outcome of or an answer to */
	union {
		const struct generation *generation;
		struct {
			const struct device_state *device;
			unsigned max_owners;
			/* With a routing engine what its routes say, if all of it is known by now:
			 * what isn't known is removed from nobody until it is. */
			struct engine_routes routes;
			/* Peers whose signal to a routing engine stands; borrowed. */
			const ip_addr *signals;
			size_t n_signals;
			struct engine_drain drain; /* as it is remembered */
		} found;
		struct {
			const struct live_event *events; /* each with its own generation */
			size_t n;
		} verdicts;
		struct {
			uint32_t peer;
			const struct live_report *report; /* copied; NULL: there is none any more */
		} report;
		struct engine_routes routes;
		struct {
			const struct device_state *device;
			int64_t wall_ns; /* the wall clock of now */
		} handshakes;
		struct {
			uint32_t peer;
			const sock_addr *addrs;
			size_t n; /* 0: the name stands for nothing */
		} resolved;
		int err; /* 0 or negative errno, as everywhere here */
		struct {
			int err;			   /* -ENODEV: the device is gone */
			const char *trouble;		   /* a sentence; NULL without err */
			const struct device_state *device; /* as it is now; NULL with err */
			int64_t wall_ns;		   /* the wall clock of now */
			bool again; /* who looks beside it couldn't, and wants to soon */
		} synced;
		struct {
			uint32_t peer;
			sock_addr endpoint;
			int err;
		} endpoint_set;
		struct engine_drain drain;
		struct {
			struct engine_drain drain;
			int err;
		} remembered;
	} u;
};

enum engine_action_type {
	ENGINE_MOVE,	       /* move: change owners and routes at once -> MOVED */
	ENGINE_SYNC,	       /* sync: read all back and bring it into line -> SYNCED */
	ENGINE_REOPEN,	       /* make the device anew, or find it again -> REOPENED */
	ENGINE_SET_ENDPOINT,   /* endpoint -> ENDPOINT_SET */
	ENGINE_RESOLVE,	       /* resolve -> RESOLVED, at any time or never */
	ENGINE_PROBE_SET,      /* probe: exactly these peers -> PROBED */
	ENGINE_PROBE_REOPEN,   /* the device is another */
	ENGINE_PROBE_REPORT,   /* report: what the device says of a peer */
	ENGINE_TELL,	       /* tell: our own report, for the peers */
	ENGINE_PROBE_DRAIN,    /* drained: tell the peers */
	ENGINE_HOLD_CLEAR,     /* our own FIB is programmed: the peers may come back */
	ENGINE_REMEMBER_DRAIN, /* drain, beyond a restart -> REMEMBERED */
	ENGINE_LET_GO, /* generation: a hold on it that is the owner's now; its end may take long */
	ENGINE_LINE,   /* line: into the log */
	ENGINE_MOVED_LINES, /* move: engine_moved_lines, into the log */
};

enum engine_line_type {
	ENGINE_LINE_VERDICT,	  /* peer, state, cause, at: when it was made */
	ENGINE_LINE_SELF,	  /* self */
	ENGINE_LINE_MOVED,	  /* moved */
	ENGINE_LINE_REFUSED,	  /* err: of a MOVE */
	ENGINE_LINE_TROUBLE,	  /* trouble: of a SYNC */
	ENGINE_LINE_NOT_REOPENED, /* trouble: of a REOPEN */
	ENGINE_LINE_ENDPOINT,	  /* peer is given this endpoint */
	ENGINE_LINE_NO_ENDPOINT,  /* peer can't be given one: err */
	ENGINE_LINE_DRAINED,	  /* drained */
	ENGINE_LINE_DRAIN_STAYS,  /* its time is over, and that can't be remembered: err */
};

#define ENGINE_NOBODY UINT32_MAX

/* A line of the log in values; engine_line_text makes words of it. */
struct engine_line {
	enum engine_line_type type;
	uint32_t peer;
	int err;
	sock_addr endpoint;
	enum live_state state;
	enum live_cause cause;
	instant at;
	struct {
		bool drained, holding, flapping;
	} self;
	struct {
		bool drained;
		int64_t for_ns; /* 0: until it is told otherwise */
		bool is_end;	/* engine_drain's */
	} drained;
	struct {
		uint32_t from, to; /* or ENGINE_NOBODY */
		ip_prefix first;   /* in ip_prefix_cmp order */
		unsigned n;
	} moved;
	const char *trouble;
};

struct engine_action {
	enum engine_action_type type;
	uint64_t generation;
	bool keeps; /* of a SYNC: nothing is removed, since not all is known that shall be */
	union {
		const struct rib_diff *move;
		const char *sync; /* why, for the log: "drift mended" */
		struct {
			uint32_t peer;
			sock_addr endpoint, before; /* before AF_UNSPEC: none */
		} endpoint;
		struct {
			uint32_t peer;
			const char *host;
			uint16_t port;
		} resolve;
		struct {
			const struct live_peer_config *peers; /* without their keys */
			size_t n;
		} probe;
		struct {
			uint32_t peer;
			int64_t handshake_age_ns; /* handshake_clock_age's */
			uint64_t rx_bytes;
		} report;
		const struct live_report *tell;
		bool drained;
		struct engine_drain drain;
		const struct generation *generation;
		struct engine_line line;
	} u;
};

typedef VEC(struct engine_action) engine_actions;

struct engine;

struct engine *engine_new(instant now);
/* Accepts NULL. */
void engine_free(struct engine *e);

/* Slices of n prefixes in place of ENGINE_SLICE: for who wants to see what comes between. */
void engine_set_slice(struct engine *e, size_t n);

/* Takes one event; ret gets what is to be done, behind what it has. */
void engine_step(
	struct engine *e, const struct engine_event *event, instant now, engine_actions *ret);
/* When ENGINE_TIME is due at the latest; INSTANT_NEVER. */
instant engine_deadline(const struct engine *e);

/* The RIB hasn't heard of all that the generation in force changes; ENGINE_TIME goes on with it. */
bool engine_is_feeding(const struct engine *e);
/* Another SYNC follows the one that is under way, which is known not to be all. */
bool engine_needs_sync(const struct engine *e);

/* --- what it knows, until the next event --- */

/* NULL before the first. */
const struct generation *engine_generation(const struct engine *e);
/* The one that the device was last brought in line with, until that was tried with the newest; else
 * NULL. Who is gone has a name in it. */
const struct generation *engine_generation_before(const struct engine *e);
/* NULL before ENGINE_FOUND. Not const, since a look may order candidates anew; only the engine
 * steps it. */
struct rib *engine_rib(const struct engine *e);
const char *engine_name(const struct engine *e, uint32_t peer);
const struct endpoints *engine_endpoints(const struct engine *e);
const struct reports *engine_reports(const struct engine *e);
/* What stands in the way of the SYNC that is tried again; NULL: nothing. */
const char *engine_trouble(const struct engine *e);

/* A line for each pair of owners between whom prefixes went: a look at each of these. */
void engine_moved_lines(const struct rib_diff *move,
	void (*fn)(const struct engine_line *l, void *data), void *data);
/* One line, without a newline; the severity is syslog's. */
int engine_line_severity(const struct engine_line *l);
void engine_line_text(const struct engine *e, const struct engine_line *l, struct buf *ret);

#endif

/* SPDX-License-Identifier: MIT */
/* What the parts of the engine share; nobody else includes it. */
#ifndef SHUNT_DAEMON_ENGINE_INTERNAL_H
#define SHUNT_DAEMON_ENGINE_INTERNAL_H

#include "daemon/engine.h"
#include "daemon/looks.h"

/* How the device stands to what the RIB wants, as far as we know. */
struct engine_fib {
	bool was_in_line; /* the last SYNC went well, and no MOVE was refused since it began */
	bool was_refused; /* a MOVE, since the SYNC that is under way began */
	unsigned moves;	  /* of this generation, under way */
};

typedef VEC(uint32_t) engine_peers;

/* A generation of which the RIB hasn't heard all yet. */
struct engine_feed {
	const struct generation *of;
	size_t next; /* of its changes */
};

struct engine {
	const struct generation *gen;
	const struct generation *before; /* engine_generation_before */
	bool is_fresh;			 /* no SYNC of gen has ended yet */
	struct {
		VEC(struct engine_feed) queue; /* the eldest first */
		engine_peers gone;	       /* peers no more, of which the RIB hasn't heard */
		size_t slice;		       /* of so many prefixes */
		instant at;		       /* the last one */
	} feed;
	struct rib *rib;
	unsigned max_owners;  /* the RIB's */
	bool device_has_many; /* owners a prefix, as it was read last: another may have come */
	bool awaits_routes;   /* of a routing engine: the RIB hasn't heard of all of them yet */
	struct rib_diff diff; /* of the last step, for the MOVE */
	struct engine_fib fib;
	struct endpoints *endpoints;
	/* Peers whose endpoint is set after a SYNC that knows of it: the next one to begin, and the
	 * one that is under way. */
	engine_peers offered, covered;
	engine_peers late; /* of which the SYNC under way may not have known: offered again */
	struct handshakes *handshakes;
	struct reports *reports;
	struct looks looks;
	const char *why; /* the next look: for the log */
	instant started_at;
	instant check_at;		     /* whether peers are overdue: the next slice */
	instant check_began;		     /* the round */
	size_t checked;			     /* in this round */
	struct engine_drain drain;	     /* as it is remembered */
	unsigned remembering;		     /* drains that are under way to the disk */
	bool is_probing;		     /* the start is over */
	bool is_hold_over;		     /* the prober waits for HOLD_CLEAR */
	bool is_reopening;		     /* a REOPEN is under way, of whichever generation */
	bool awaits_reopened;		     /* it is what the SYNC that is under way waits for */
	bool was_reopened;		     /* since the last SYNC that went well */
	char trouble[512];		     /* of the last failure */
	VEC(struct live_peer_config) probes; /* of the last PROBE_SET */
};

/* --- actions --- */

struct engine_action *engine_emit(
	const struct engine *e, enum engine_action_type type, engine_actions *out);
/* The hold on a generation that isn't in force any more. Accepts NULL. */
void engine_emit_let_go(const struct engine *e, const struct generation *g, engine_actions *out);
struct engine_line *engine_emit_line(
	const struct engine *e, enum engine_line_type type, engine_actions *out);
void engine_emit_sync(struct engine *e, const char *why, instant now, engine_actions *out);
/* The same, or as soon as the one that is under way is done. */
void engine_ask_sync(struct engine *e, const char *why, instant now, engine_actions *out);

/* --- drains (engine_drain.c) --- */

void engine_on_drain(struct engine *e, const struct engine_drain *asked, engine_actions *out);
void engine_on_remembered(
	struct engine *e, const struct engine_event *event, instant now, engine_actions *out);
/* Ends one whose time is over. */
void engine_end_drain(struct engine *e, instant now, engine_actions *out);
/* When that is; INSTANT_NEVER. */
instant engine_drain_end(const struct engine *e);

/* --- verdicts (engine_verdicts.c) --- */

enum live_probe engine_probe_of(const struct generation_peer *p);
/* What counts of a peer until it is heard, or found in use. Whom nobody probes (another hub's
 * client) will never be heard: down, it would put what comes from it by way of others in doubt. */
enum rib_state engine_unheard(const struct generation_peer *p);
void engine_on_verdicts(
	struct engine *e, const struct engine_event *event, instant now, engine_actions *out);
void engine_on_moved(struct engine *e, int err, instant now, engine_actions *out);
/* Who waits for the device to be as the RIB wants it goes on, if it is. */
void engine_go_on_if_in_line(struct engine *e, engine_actions *out);
void engine_emit_probe_set(struct engine *e, instant now, engine_actions *out);
/* What the RIB's last step changed; nothing if it changed nothing. */
void engine_emit_move(struct engine *e, engine_actions *out);
enum live_state engine_live_state(enum rib_state s);

/* --- the kernel's routes (engine_routes.c) --- */

void engine_on_routes(
	struct engine *e, const struct engine_event *event, instant now, engine_actions *out);
/* At the start, before the first SYNC. */
void engine_take_first_routes(struct engine *e, const struct engine_routes *r);
/* After the generation in force took the place of before, or of none: NULL. */
void engine_expect_routes(struct engine *e, const struct generation *before);

/* --- handshakes (engine_sync.c) --- */

void engine_on_handshakes(
	struct engine *e, const struct engine_event *event, instant now, engine_actions *out);

/* --- generations (engine_generation.c) --- */

void engine_on_generation(
	struct engine *e, const struct generation *fresh, instant now, engine_actions *out);
void engine_on_found(
	struct engine *e, const struct engine_event *event, instant now, engine_actions *out);

/* --- the device as it was found (engine_adoption.c) --- */

struct engine_found;

/* Borrows both. */
struct engine_found *engine_found_new(const struct generation *g, const struct engine_event *event);
void engine_found_free(struct engine_found *f);
/* What counts of the peer until it is heard. */
enum rib_state engine_found_state(const struct engine_found *f, const struct generation_peer *p);
/* The RIB, which has all candidates, and the reports: what else the device shows (adoption.h). */
void engine_found_refine(struct engine *e, struct engine_found *f, instant now);

/* --- what nodes report to each other (engine_reports.c) --- */

void engine_on_report(
	struct engine *e, const struct engine_event *event, instant now, engine_actions *out);
/* The RIB is told what reports say, a slice of it. */
void engine_take_reports(struct engine *e, engine_actions *out);
/* Our own, if it changed. */
void engine_tell_report(struct engine *e, engine_actions *out);

/* --- the RIB is told of them (engine_feed.c) --- */

/* What makes of before the generation in force: the first slice. */
void engine_feed_change(
	struct engine *e, const struct generation *before, instant now, engine_actions *out);
/* The next slice; behind the last one a SYNC. */
void engine_feed(struct engine *e, instant now, engine_actions *out);
void engine_feed_done(struct engine *e);

/* --- the device read back (engine_sync.c) --- */

void engine_on_synced(
	struct engine *e, const struct engine_event *event, instant now, engine_actions *out);
void engine_on_reopened(
	struct engine *e, const struct engine_event *event, instant now, engine_actions *out);

/* --- where peers are (engine_endpoints.c) --- */

/* Names of which nothing is known. */
void engine_resolve_open(struct engine *e, instant now, engine_actions *out);
void engine_on_resolved(
	struct engine *e, const struct engine_event *event, instant now, engine_actions *out);
void engine_on_endpoint_set(
	struct engine *e, const struct engine_event *event, instant now, engine_actions *out);
/* Peers that are overdue are looked for, a slice of them at once. */
void engine_check_peers(struct engine *e, instant now, engine_actions *out);
/* What waited for a SYNC: moved: also peers that the generation before had elsewhere. */
void engine_set_endpoints(struct engine *e, bool moved, instant now, engine_actions *out);

#endif

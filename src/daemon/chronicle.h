/* SPDX-License-Identifier: MIT */
/*
 * What happens in the daemon, as events for those who want to hear of it (control/event.h): in the
 * order of cause and effect, whichever way the news came. The engine moves before it speaks, since
 * a move is urgent; here a step's verdicts stand first, each move waits for its order to be done,
 * and tells by which verdict it was caused and how long it took from there.
 *
 * No I/O, no clock: time comes in.
 */
#ifndef SHUNT_DAEMON_CHRONICLE_H
#define SHUNT_DAEMON_CHRONICLE_H

#include "base/time.h"
#include "control/events.h"
#include "control/when.h"

struct chronicle;

/* Adds to these, which outlive it. */
struct chronicle *chronicle_new(struct events *to);
/* Accepts NULL. */
void chronicle_free(struct chronicle *c);

/* An event that is no effect of another one, or of that one: its number. Texts are copied. gap_ns
 * is left alone unless it is a move. */
uint64_t chronicle_add(struct chronicle *c, const struct event *e, const struct when *now);

/* --- a step of the engine --- */

/* Nobody's moves are caused by a step that is over. */
void chronicle_step(struct chronicle *c, const struct when *now);

struct chronicle_verdict {
	uint32_t peer;
	const char *name, *state, *cause, *text; /* state and cause are static */
	instant at;				 /* it was made */
};

void chronicle_verdict(struct chronicle *c, const struct chronicle_verdict *v);

/* A peer tells of its line to a node: state is static. It causes the moves of this step, and those
 * of slices that follow within a second. */
void chronicle_report(struct chronicle *c, const char *peer, const char *state, const char *text);

/* The step's move is that order. */
void chronicle_ordered(struct chronicle *c, uint64_t order);

struct chronicle_move {
	uint32_t from_peer, to_peer;
	const char *from, *to; /* NULL: nobody */
	ip_prefix first;
	unsigned n;
};

/* What it moves. */
void chronicle_moves(struct chronicle *c, const struct chronicle_move *m);
bool chronicle_has_moves(const struct chronicle *c);
/* All is said of the step: causes are known now. */
void chronicle_step_end(struct chronicle *c);

/* The order is done since then, or the device refused a part of it. */
void chronicle_done(struct chronicle *c, uint64_t order, int err, const struct when *at);

/* --- a reload --- */

/* In force from now on, and the cause of what chronicle_reloaded adds; text: in words. */
void chronicle_reload(struct chronicle *c, const char *text, const struct when *now);
/* By the look at the device that brought it in line with the new inventory. */
void chronicle_reload_moved(
	struct chronicle *c, const struct chronicle_move *m, const struct when *now);
/* state: done, or failed; refused without chronicle_reload before it. */
void chronicle_reload_end(
	struct chronicle *c, const char *state, const char *text, const struct when *now);

#endif

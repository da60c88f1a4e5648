/* SPDX-License-Identifier: MIT */
/*
 * Echoes towards one peer: when the next one is due, and whether the last ones were answered. A
 * reply counts once, if its identifier is ours and its sequence number is one of the last
 * ECHO_WINDOW that were sent since the start. Identifier, first number and nonce are random, so
 * that nobody makes up a reply.
 */
#ifndef SHUNT_LIVE_ECHO_H
#define SHUNT_LIVE_ECHO_H

#include "live/live.h"

#define ECHO_WINDOW 64

struct echo {
	bool is_on;
	struct echo_mark next;
	unsigned outstanding; /* how many of the last ones may still be answered */
	uint64_t answered;    /* bit n: the n-th last was */
	int64_t interval_ns;
	instant next_at;
	instant answered_at; /* the last answer since the start; INSTANT_NEVER: none */
};

void echo_init(struct echo *e, const struct echo_mark *first);
/* Starts at once; what was sent before doesn't count any more. Running, it only changes pace. */
void echo_start(struct echo *e, int64_t interval_ns, instant now);
void echo_stop(struct echo *e);
/* True if one is to be sent now, with the mark given. */
bool echo_output(struct echo *e, struct echo_mark *ret, instant now);
/* True if the reply answers one of ours for the first time. */
bool echo_on_reply(struct echo *e, const struct echo_mark *mark, instant now);
/* If an echo is late by more than an interval it is we who slept: that time doesn't count as
 * silence of the peer. It is returned; 0: we didn't. */
int64_t echo_excuse_sleep(struct echo *e, instant now);
/* Whether an answer came within the last ns. */
bool echo_is_answered(const struct echo *e, int64_t within_ns, instant now);
instant echo_deadline(const struct echo *e);

#endif

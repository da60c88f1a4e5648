/* SPDX-License-Identifier: MIT */
/*
 * Events for those who ask: the last ones as one answer, or each as it comes, a line each. Who
 * follows has a place in the ring of events and one text on its way, nothing else: who reads slowly
 * finds itself behind what the ring still has, and is told how many were lost.
 */
#ifndef SHUNT_CONTROL_STREAMS_H
#define SHUNT_CONTROL_STREAMS_H

#include "control/events.h"
#include "control/pieces.h"

struct streams;

struct streams *streams_new(uv_loop_t *loop, struct events *events);
/* Once nobody follows any more (the control socket is closed); the loop must run once more. Accepts
 * NULL. */
void streams_free(struct streams *s);

struct streams_wish {
	struct event_filter filter; /* taken over */
	size_t last;		    /* so many of those that are there, first */
	/* Or all behind that one, if it was of the life that began then; NULL: there is none. */
	const char *started;
	uint64_t after;
};

/* {"events": [...]}: the last ones. */
void streams_answer_last(
	struct streams *s, struct pieces *p, struct control_call *call, struct streams_wish *wish);
/* The answer, and behind it a line for each event from now on. */
void streams_begin(struct streams *s, struct control_call *call, struct streams_wish *wish);
/* What waits goes now, as far as it is taken at once: before the end. */
void streams_flush(struct streams *s);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Something that has happened, in names: a verdict, the moves that it caused, a reload. Events have
 * numbers, from 1 in each life of the daemon, and stand in the order of cause and effect: what
 * follows from an event has a greater number, and tells by which one it was caused.
 */
#ifndef SHUNT_CONTROL_EVENT_H
#define SHUNT_CONTROL_EVENT_H

#include "base/prefix.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum event_kind {
	EVENT_START,	/* the daemon is ready; state: made or adopted the device */
	EVENT_STOP,	/* it ends */
	EVENT_VERDICT,	/* peer is state since then, by cause */
	EVENT_MOVE,	/* prefixes went, or couldn't go: state */
	EVENT_REPORT,	/* peer tells of its line to a node: state */
	EVENT_RELOAD,	/* state: in-force, done, failed, refused */
	EVENT_PROBLEM,	/* state: begins, over */
	EVENT_DRAIN,	/* state: drained, in-service */
	EVENT_SIGNAL,	/* what peers are told of us: state */
	EVENT_ENDPOINT, /* where peer is looked for */
	EVENT_DEVICE,	/* what the device refused, or what was mended there */
	EVENT_LOST,	/* to a reader who was too slow: so many that no more are there */
};

#define EVENT_KINDS (EVENT_LOST + 1)

/* The words of all kinds, with blanks between: what a filter may be. */
#define EVENT_KIND_WORDS \
	"start stop verdict move report reload problem drain signal endpoint device"

/* Texts are in UTF-8; NULL: none. state and cause are static. */
struct event {
	uint64_t number, because; /* because 0: nothing that is told */
	int64_t wall_ns;	  /* when, since 1970 */
	enum event_kind kind;
	const char *state, *cause;
	const char *peer;
	const char *from, *to; /* of a move; NULL: nobody */
	ip_prefix prefix;      /* of a move, the first of n_prefixes; family 0: none */
	unsigned n_prefixes;
	int64_t gap_ns; /* from the verdict, or what else was the cause, to done; negative: none */
	uint64_t lost;
	const char *text; /* all of it as half a sentence; never NULL once it happened */
	const char *fix;  /* of a problem: mostly a command */
};

/* "verdict" */
const char *event_kind_word(enum event_kind k);
/* False: no kind has that word. */
bool event_kind_parse(enum event_kind *ret, const char *word);

/* What a reader wants to hear of. */
struct event_filter {
	char *peer;	/* NULL: of any */
	unsigned kinds; /* 1 << kind each; 0: of any */
};

/* A problem concerns the peers that its text names. A loss concerns everybody. */
bool event_passes(const struct event *e, const struct event_filter *f);
/* As docs/schema/event.json has it; node: whose daemon tells it. */
json_t *event_json(const struct event *e, const char *node);

#endif

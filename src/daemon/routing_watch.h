/* SPDX-License-Identifier: MIT */
/*
 * Whether the routing engine has the BGP sessions that the inventory means it to have, with those
 * who live: where one doesn't stand for longer than it takes to come up, somebody must look. Pure.
 */
#ifndef SHUNT_DAEMON_ROUTING_WATCH_H
#define SHUNT_DAEMON_ROUTING_WATCH_H

#include "daemon/generation.h"
#include "daemon/routing_talk.h"

/* Reconnect timers run to seconds, an engine's start to some more. */
#define ROUTING_QUIET (20 * NS_PER_S)
/* Who doesn't answer for so long isn't just starting. */
#define ROUTING_MUTE_AFTER (10 * NS_PER_S)

/* One that doesn't stand. */
struct routing_missing {
	uint32_t peer;
	ip_addr neighbor;
	instant since; /* both live, the engine answers, and it isn't established */
};

/* Zeroed: empty. */
struct routing_watch {
	VEC(struct routing_missing) list; /* by peer and neighbor */
};

struct routing_watch_facts {
	const struct generation *gen;
	struct routing_said said;
	bool (*lives)(uint32_t peer, void *data);
	void *data;
};

void routing_watch_done(struct routing_watch *w);
/* To be called when there is news of any of it. */
void routing_watch_step(struct routing_watch *w, const struct routing_watch_facts *f, instant now);

typedef void routing_watch_fn(const char *what, const char *fix, void *data);
/* What is wrong for longer than may be, each with what to do. */
void routing_watch_check(const struct routing_watch *w, const struct routing_watch_facts *f,
	instant now, routing_watch_fn *fn, void *data);

#endif

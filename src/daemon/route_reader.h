/* SPDX-License-Identifier: MIT */
/*
 * The thread that follows the kernel's routes on a node with a routing engine: it reads all that
 * waits before anything is acted on, keeps the mirror and the source (route_follow.h), and hands
 * the loop what the source says, in portions of READER_PORTION prefixes, additions before
 * withdrawals. Nobody waits for it: the loop takes one portion after another, and meanwhile the
 * source gathers.
 *
 * All functions are for the loop's thread, and hooks are called on it.
 */
#ifndef SHUNT_DAEMON_ROUTE_READER_H
#define SHUNT_DAEMON_ROUTE_READER_H

#include "daemon/route_follow.h"
#include <uv.h>

struct route_reader;

struct route_reader_hooks {
	/* Words for the engine; of the generation of that number, which is the one that was set
	 * last: others are said anew. Borrowed. Until route_reader_taken no others come. is_first:
	 * all that the kernel had is said with it and those before. */
	void (*words)(const struct kernel_words *w, uint64_t generation, bool is_first, void *data);
	void *data;
};

/* 0 or negative errno. */
int route_reader_start(
	uv_loop_t *loop, const struct route_reader_hooks *hooks, struct route_reader **ret);
/* Its memory goes once the loop has run. Accepts NULL. */
void route_reader_stop(struct route_reader *r);
/* Another generation, device or set of endpoints: copied; all is said anew where it differs. The
 * same again costs nothing. */
void route_reader_set(struct route_reader *r, const struct kernel_source_facts *f,
	const struct route_mirror_config *c);
/* Verdicts, for what is held. */
void route_reader_peer(struct route_reader *r, uint32_t peer, bool lives);
/* The portion is done with: the next one may come. */
void route_reader_taken(struct route_reader *r);

/* For status, as of a moment ago. */
struct route_reader_view {
	struct route_follow_view counts;
	kernel_troubles troubles; /* a copy; for vec_done */
};
void route_reader_look(struct route_reader *r, struct route_reader_view *ret);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Follows the kernel's routes, for the thread of route_reader.h: its socket, the mirror, the
 * source, and what the source has said and nobody was told yet. A round reads what waits, asks for
 * all where the kernel may not have told, and lets the source hear of what changed.
 *
 * Words are handed on in the order in which they were said, READER_PORTION prefixes at most, one
 * portion at a time. While many wait the mirror gathers: a prefix that changes ten times meanwhile
 * is one more word.
 */
#ifndef SHUNT_DAEMON_ROUTE_FOLLOW_H
#define SHUNT_DAEMON_ROUTE_FOLLOW_H

#include "daemon/kernel_source.h"

#define READER_PORTION 1000

/* What it goes by; owned by who made it. */
struct route_follow_facts {
	const struct generation *gen; /* a reference */
	int ifindex;
	VEC(ip_addr) endpoints; /* sorted */
	VEC(uint32_t) tables;
	VEC(uint8_t) protocols;
};

/* A copy with a reference of its own; the endpoints in order, each once. */
struct route_follow_facts *route_follow_facts_new(
	const struct kernel_source_facts *f, const struct route_mirror_config *c);
/* Accepts NULL. */
void route_follow_facts_free(struct route_follow_facts *f);
bool route_follow_facts_eq(const struct route_follow_facts *a, const struct route_follow_facts *b);

struct route_follow;

/* 0 or negative errno, of its socket. */
int route_follow_new(struct route_follow **ret);
/* Accepts NULL. */
void route_follow_free(struct route_follow *f);
/* To poll for reading. */
int route_follow_fd(const struct route_follow *f);

/* Takes the facts over, which count once no news is left unread that they may contradict. */
void route_follow_set(struct route_follow *f, struct route_follow_facts *facts);
void route_follow_peer(struct route_follow *f, uint32_t peer, bool lives, instant now);

/* One round; true: another one is due at once. */
bool route_follow_round(struct route_follow *f, instant now);
/* When one is due without news; INSTANT_NEVER. */
instant route_follow_deadline(const struct route_follow *f);

struct route_portion {
	struct kernel_words words; /* borrowed until the portion is given back */
	uint64_t generation;
	bool is_first;
};

/* False: there is none, or the last one wasn't given back. */
bool route_follow_next(struct route_follow *f, struct route_portion *ret);
/* The portion is done with; is_lost: nobody heard of it, and what it said is said anew. */
void route_follow_give_back(struct route_follow *f, bool is_lost, instant now);

struct route_follow_view {
	uint64_t generation; /* by which it is judged; 0: by none yet */
	bool is_filled;	     /* all was read once, and the source has heard of all of it */
	int err;	     /* of the last dump, negative errno; 0: it went well */
	size_t n_routes, n_prefixes, n_waiting;
	uint64_t overruns, dumps;
};

/* troubles: appended. */
void route_follow_look(
	const struct route_follow *f, struct route_follow_view *ret, kernel_troubles *troubles);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * How a routing engine is asked for its BGP sessions, and what its answer says: BIRD over its
 * control socket, FRR's bgpd over that of its vty. Pure. What is told is another program's, so it
 * is bounded, and whatever stands in it does no harm. Fuzzed.
 */
#ifndef SHUNT_DAEMON_ROUTING_TALK_H
#define SHUNT_DAEMON_ROUTING_TALK_H

#include "base/prefix.h"
#include "base/time.h"
#include "base/vec.h"
#include "mesh/inventory.h"

#define ROUTING_ANSWER_MAX (4u << 20) /* bytes: some 3,000 sessions of BIRD */
#define ROUTING_SESSIONS_MAX 4096
#define ROUTING_ERROR_LEN 80

/* Of BGP's machine (RFC 4271, 8.2.2), the farther the higher; down: the engine keeps it so. */
enum routing_state {
	ROUTING_DOWN,
	ROUTING_IDLE,
	ROUTING_PASSIVE, /* BIRD: waits for the other side to call */
	ROUTING_CONNECT,
	ROUTING_ACTIVE,
	ROUTING_OPEN_SENT,
	ROUTING_OPEN_CONFIRM,
	ROUTING_ESTABLISHED,
	ROUTING_N_STATES
};

struct routing_session {
	ip_addr neighbor;
	enum routing_state state;
	uint32_t routes; /* that it took from there, of all families */
	int64_t for_ns;	 /* how long it is established, as the engine says; negative: it doesn't */
	char error[ROUTING_ERROR_LEN]; /* the last, in the engine's words; "": none. Printable */
	instant since;		       /* in this state: who asks sets it, and parsing doesn't */
};

/* By ip_addr_cmp of the neighbor, each once. */
typedef VEC(struct routing_session) routing_sessions;

struct routing_talk {
	const char *socket;   /* its usual place */
	const char *question; /* len bytes, to be sent as they are */
	size_t len;
	/* How many of n bytes are a whole answer; 0: not yet. *at, 0 at first, is where it goes on
	 * when more has come. */
	size_t (*whole)(const char *bytes, size_t n, size_t *at);
	/* Of a whole answer. -EPROTO: it says no, or isn't understood; -EMSGSIZE: of more sessions
	 * than we take. */
	int (*parse)(const char *bytes, size_t n, routing_sessions *ret);
};

/* What came of asking; borrowed until the loop goes on. */
struct routing_said {
	const struct routing_talk *talk; /* NULL: nobody is asked */
	const char *socket;
	uint64_t n;    /* how many answers and failures there were so far; 0: none yet */
	int err;       /* of the last question: 0 or negative errno */
	instant since; /* it is well, or isn't, since then */
	const routing_sessions *sessions; /* of the last answer; empty where err */
};

/* NULL: that one can't be asked. */
const struct routing_talk *routing_talk_of(enum mesh_engine engine);
extern const struct routing_talk routing_talk_bird, routing_talk_frr;

const char *routing_state_name(enum routing_state s); /* stable, for JSON: "open-sent" */
/* NULL: it has none with that one. */
const struct routing_session *routing_session_with(
	const routing_sessions *list, const ip_addr *neighbor);

/* --- for those who parse --- */

/* The state of an engine's word, read to its first blank; down if it is none. */
enum routing_state routing_state_of(const char *word, size_t n);
/* False: there are too many. */
bool routing_add(routing_sessions *to, const struct routing_session *s);
/* Sorts, and makes one of those with the same neighbor: families that an engine lists apart, or a
 * listener beside the session. */
void routing_settle(routing_sessions *list);

#endif

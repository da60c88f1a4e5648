/* SPDX-License-Identifier: MIT */
/* What the parts of reports.h share; nobody else includes it. */
#ifndef SHUNT_DAEMON_REPORTS_INTERNAL_H
#define SHUNT_DAEMON_REPORTS_INTERNAL_H

#include "daemon/reports.h"

/* Places of an inventory that is ours or was: who stands where. */
struct known_inventory {
	uint8_t digest[LIVE_DIGEST_LEN];
	uint32_t *ids; /* of nodes, by place */
	size_t n;
};

/* Ours and those before it, as many as roll-outs that may overlap. */
#define KNOWN_INVENTORIES 4

/* How many peers a node takes packets of one source from. */
enum takes { TAKES_UNKNOWN, TAKES_ONE, TAKES_MANY };

/* Our own line to a peer, as its verdicts say. */
struct own_line {
	bool is_judged; /* by a verdict or by what was found; state and cause hold */
	bool was_lost;	/* before our start */
	enum live_state state;
	enum live_cause cause;
	instant unheard_until; /* probed and not heard: INSTANT_NEVER: not probed yet */
	instant since;	       /* of its value in our report */
	enum takes takes;      /* by its own last word, also while it is down */
	/* Of a client that roams: */
	instant handshake;	  /* the last one with us; INSTANT_NEVER: none is known */
	instant away_until;	  /* the device was found to have it elsewhere; or INSTANT_NEVER */
	enum rib_reach away_told; /* what the RIB has heard of that it is elsewhere */
};

/* A peer that has reported, or of which something was recalled. Of one that relays nothing only
 * little is kept: there are many of them, and much that each could say. */
struct reporter {
	uint32_t id;
	bool is_there; /* its report stands */
	struct live_report report;
	bool is_short;			  /* without nodes: what is kept of them was taken */
	const struct known_inventory *by; /* its places; NULL: not understood */
	instant other_since;
	instant forget_at;		/* INSTANT_NEVER: it stands */
	struct reports_line of_us;	/* its line to us */
	bool is_of_us_by_word;		/* poor, since we say so */
	VEC(uint32_t) lost;		/* nodes that it lost, at most REPORTS_LOST_MAX */
	VEC(struct reports_line) lines; /* of a hub: by node, as understood */
	VEC(uint8_t) told;		/* enum rib_reach by node: what the RIB has heard */
	bool is_dirty;			/* from next on the RIB may not have heard it all */
	size_t next;
};

/* Whether a node takes packets from several peers. */
struct takes_many {
	bool known, told;
};

struct reports {
	const struct generation *gen;
	struct known_inventory known[KNOWN_INVENTORIES]; /* the newest is gen's; unused: n 0 */
	VEC(uint32_t) places; /* by node's number: its place in gen and one; 0: it has none */
	VEC(struct own_line) own;
	VEC(struct reporter *) reporters; /* by peer; NULL: none */
	VEC(struct takes_many) many;	  /* by node */
	bool is_many_dirty;
	struct live_report report; /* our own */
	bool has_news;
	bool is_away_dirty; /* the RIB may not have heard of all that are elsewhere */
	instant away_at;    /* the next own_line.away_until */
	instant unheard_at; /* the next that isn't heard in its time */
	instant at;	    /* of the last that came in */
};

/* A vector by node, with room for each name there is; what is new is zero. */
#define reports_fit(v, n_ids)                                                                   \
	do {                                                                                    \
		size_t want_ = (n_ids);                                                         \
		if ((v)->n < want_) {                                                           \
			vec_reserve(v, want_);                                                  \
			memset((v)->items + (v)->n, 0, (want_ - (v)->n) * sizeof(*(v)->items)); \
			(v)->n = want_;                                                         \
		}                                                                               \
	} while (0)

/* NULL if it never reported. */
struct reporter *reports_reporter(const struct reports *r, uint32_t peer);
/* The RIB is to hear what has become another to us of what it says. */
void reports_tell_anew(struct reporter *s);

/* --- clients that roam (reports_clients.c) --- */

/* Our line to a client: unknown, unless it roams. */
enum live_line reports_client_line(
	const struct reports *r, const struct generation_peer *p, instant now);
/* The client that it claims roams, and another claims it by a younger handshake. */
bool reports_is_outdone(const struct reports *r, const struct reporter *s, uint32_t client);
/* What peers claim may be something else now. */
void reports_clients_update(struct reports *r, instant now);
void reports_recall_away(struct reports *r, uint32_t client, instant now);
size_t reports_take_away(struct reports *r, struct rib_event *ret, size_t max);

/* --- our own report (reports_own.c) --- */

/* A generation came. */
void reports_own_renew(struct reports *r, instant now);
/* One line of it, or all: as verdicts and what peers say make them. */
void reports_own_update(struct reports *r, const struct generation_peer *p, instant now);
void reports_own_update_all(struct reports *r, instant now);
/* Whether a node takes many, or all, as we know of ourselves. */
void reports_own_update_many(struct reports *r, size_t place);
void reports_own_update_all_many(struct reports *r);

#endif

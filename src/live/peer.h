/* SPDX-License-Identifier: MIT */
/*
 * One peer: its probes and the verdict on it. What probes say becomes evidence (alive, and why),
 * and peer_settle makes the verdict of it: what the peer signals and our hold lie on top.
 */
#ifndef SHUNT_LIVE_PEER_H
#define SHUNT_LIVE_PEER_H

#include "base/heap.h"
#include "base/list.h"
#include "live/bfd_gate.h"
#include "live/echo.h"
#include "live/flaps.h"
#include "live/hold.h"
#include "live/line.h"
#include "live/live.h"
#include "live/report_in.h"
#include "live/report_out.h"

struct peer {
	struct live_peer_config config; /* without its keys */
	struct list link;
	struct heap_node timer;
	bool is_engaged; /* counted by self.h */

	struct bfd_session bfd;
	struct bfd_gate gate;
	struct echo echo;
	bool has_sample; /* of the device: rx_bytes and grown_at hold */
	uint64_t rx_bytes;
	instant grown_at; /* when rx_bytes grew last; INSTANT_NEVER: not yet */

	bool is_alive;
	enum live_cause why;
	bool was_alive;	    /* coming again it is one that returns */
	bool is_signalled;  /* by its last word while Up it drains or holds */
	bool waits;	    /* that word of an adopted hub waits for those of the others (live.c) */
	instant wait_until; /* and no longer than that; 0: it never does */
	bool is_kept;	    /* alive without a session: on echoes, or in its grace */
	enum live_cause lost; /* why it will be down, if what keeps it fails */
	instant judge_at;     /* until then nothing is decided; INSTANT_NEVER: nothing is open */
	instant grace_end;    /* while its cause is adopted: until then its session may come */
	int64_t interval_ns;  /* of its last session, for echoes */
	int64_t detection_ns; /* likewise */
	struct hold hold;
	struct flaps flaps;
	bool has_flapped; /* just now; whoever looks at it puts it back */
	struct line line;
	unsigned naps;		   /* of ours, before its last word */
	struct report_in heard;	   /* its reports; live_reports.c drives both */
	struct report_target told; /* and ours, as they go to it */

	enum live_state state;
	enum live_cause cause;
	instant since;
	uint64_t sent, received; /* BFD packets, or echoes and replies */
	instant answered_since;	 /* echoes are, without a session; INSTANT_NEVER: they aren't */
	bool hears_us;		 /* by its last BFD packet */
	bool had_session;	 /* since its probing began */
	instant lost_at; /* a BFD packet of it came to the device but not to us; INSTANT_NEVER */
};

/* What a peer needs of chance. */
struct peer_seed {
	uint32_t discriminator;
	uint32_t sequence; /* of authentication */
	uint64_t session;  /* of jitter */
	struct echo_mark echo;
};

/* An adopted peer that answers echoes is awaited until grace_end; INSTANT_NEVER isn't allowed. */
void peer_init(struct peer *p, const struct live_peer_config *c, const struct peer_seed *seed,
	instant grace_end, instant now);
/* True if the change is so great that probing must begin anew, by peer_restart. */
bool peer_needs_restart(const struct peer *p, const struct live_peer_config *c);
/* Begins to probe anew; one that was up stays so until grace_end, whatever its probes say. */
void peer_restart(struct peer *p, const struct live_peer_config *c, const struct peer_seed *seed,
	instant grace_end, instant now);
/* Takes new settings of the same probe. */
void peer_adjust(struct peer *p, const struct live_peer_config *c, instant now);

/* Wipes its keys, frees what it holds. */
void peer_done(struct peer *p);

/* What became of a packet, which d holds. Of one that is refused nothing follows. */
enum bfd_word peer_on_bfd(struct peer *p, const struct bfd_packet *packet,
	const struct live_datagram *d, instant now);
/* False if it answers none of ours. */
bool peer_on_echo_reply(struct peer *p, const struct echo_mark *mark, instant now);
/* A BFD packet of it came to the device, but not to us. */
void peer_on_bfd_lost(struct peer *p, instant now);
void peer_on_handshake(struct peer *p, int64_t age_ns, uint64_t rx_bytes, instant now);
/* Everything that time alone brings about. */
void peer_step(struct peer *p, instant now);
instant peer_deadline(const struct peer *p);

/* It runs shuntd and its probe is BFD: it could tell us that it holds, and hear it from us. */
bool peer_is_signaller(const struct live_peer_config *c);
/* The line to it is poor, from now on or still. */
void peer_condemn_line(struct peer *p, instant now);
/* We slept: what is missing now may have been lost by us. */
void peer_excuse_line(struct peer *p, unsigned naps);
/* The session is up at both ends. */
bool peer_has_session(const struct peer *p);
/* Makes the verdict of the evidence; true if it or its cause changed. */
bool peer_settle(struct peer *p, instant now);

#endif

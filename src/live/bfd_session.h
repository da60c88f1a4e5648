/* SPDX-License-Identifier: MIT */
/*
 * One BFD session as a state machine without I/O: packets and instants in, a state and packets out.
 * The variables are those of RFC 5880 section 6.8.1. Whoever drives it calls bfd_session_output
 * until it says no after everything else it called, so that decisions about a change of state (what
 * to signal) come before the packet that tells of it.
 */
#ifndef SHUNT_LIVE_BFD_SESSION_H
#define SHUNT_LIVE_BFD_SESSION_H

#include "live/bfd.h"

struct bfd_session {
	enum bfd_state state, remote_state;
	enum bfd_diag diag, remote_diag; /* diag: why the state changed last */
	uint32_t local_discriminator, remote_discriminator;
	uint32_t up_discriminator; /* the peer's when it was last heard in state Up */
	uint32_t interval_us;	   /* wanted while Up, in both directions */
	uint32_t desired_min_tx, required_min_rx; /* as announced */
	uint32_t used_min_tx, used_min_rx;	  /* in force: a Poll Sequence may stand between */
	uint32_t remote_min_tx, remote_min_rx;
	uint8_t detect_mult, remote_detect_mult; /* remote: 0 while nothing was heard */
	bool remote_demand;
	bool signalling;		  /* while Up, say Concatenated Path Down */
	bool poll, poll_again, final_due; /* poll_again: changed again while polling */
	bool any_sent;
	struct bfd_packet sent; /* the last one, to see what is new */
	instant sent_at, next_at, heard_at;
	bool wants_discriminator; /* the session ended: see bfd_session_rename */
	instant final_at;	  /* no Final before, one for each interval */
	instant silence_ended;	  /* after we ourselves were silent for the peer's detection time */
	uint64_t random;
};

/* What happened to the state. */
enum bfd_change {
	BFD_UNCHANGED,
	BFD_CAME_UP,
	BFD_EXPIRED,	/* was Up: nothing heard within the detection time */
	BFD_PEER_DOWN,	/* was Up: the peer doesn't hear us or goes down */
	BFD_PEER_ADMIN, /* was Up: the peer is administratively down */
	BFD_PEER_RESET, /* was Up: the peer's daemon started anew, or missed us while we slept;
			   nothing is said about the path */
};

/* A session in state Down whose first packet is due at once. Accepts any interval and multiplier;
 * they are clipped to what a packet can say. */
void bfd_session_init(struct bfd_session *s, uint32_t discriminator, int64_t interval_ns,
	unsigned multiplier, uint64_t seed, instant now);
/* Takes new wishes; while Up by a Poll Sequence (RFC 5880 section 6.8.3). */
void bfd_session_set(struct bfd_session *s, int64_t interval_ns, unsigned multiplier);
/* What ended begins again under another discriminator, so that packets of old can't revive it; of
 * chance its low bits are taken. The others stay, by which one sees that it is the same daemon. */
void bfd_session_rename(struct bfd_session *s, uint32_t chance);
/* Whether two discriminators of a peer are of one daemon; one of 4096 that aren't looks so. */
bool bfd_is_same_daemon(uint32_t a, uint32_t b);
/* A packet that was found to be this session's (RFC 5880 section 6.8.6). */
enum bfd_change bfd_session_receive(struct bfd_session *s, const struct bfd_packet *p, instant now);
/* Ends the session if its detection time is over (section 6.8.4). */
enum bfd_change bfd_session_step(struct bfd_session *s, instant now);
/* True and a packet as long as one is to be sent now (section 6.8.7). */
bool bfd_session_output(struct bfd_session *s, struct bfd_packet *ret, instant now);
instant bfd_session_deadline(const struct bfd_session *s);

/* How often we send before jitter; 0: not at all, the peer wants none. */
int64_t bfd_session_tx_interval(const struct bfd_session *s);
/* How often the peer is to send, at the slowest; 0: nothing was heard. */
int64_t bfd_session_rx_interval(const struct bfd_session *s);
/* 0: nothing was heard. */
int64_t bfd_session_detection_time(const struct bfd_session *s);
/* While Up, the instant at which a packet of the peer is missing, a little slack included. */
instant bfd_session_miss_at(const struct bfd_session *s);

#endif

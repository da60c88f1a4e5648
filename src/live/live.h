/* SPDX-License-Identifier: MIT */
/*
 * Liveness of a node's peers: who is up, who is last resort, who is down, and why. A pure core in
 * virtual time: packets and instants in, packets to send and verdicts out. Peers are the caller's
 * small numbers.
 *
 * Three probes: BFD (RFC 5880, bfd.h), ICMP echo towards stock peers, and handshake age with
 * received bytes for peers that answer neither. The verdict on a peer is apart from the state of
 * its BFD session: a session that runs out while the peer answers echoes is a dead daemon, not a
 * dead node, and the verdict stays.
 *
 * A peer that signals runs shuntd: it tells drain and hold by diagnostic 6 while Up, so no hold of
 * ours is laid on it. It counts as up only once a packet of it in state Up was seen, since only
 * that one tells whether it holds. Where the line to it is poor (line.h) both ends take it for last
 * resort: who sees it says so on that session.
 *
 * A peer that doesn't signal and returns is last resort for its hold time, doubled with each flap
 * up to LIVE_HOLD_MAX, forgotten after LIVE_FLAP_FORGET up.
 *
 * We ourselves hold when all our sessions with signalling peers were down (or the device is new: a
 * cold start) and the first comes up again, and when several peers flap (self.h). Every packet of
 * ours carries diagnostic 6 until our hold time is over and the owner, asked by
 * LIVE_EVENT_HOLD_OVER, has programmed its FIB and called live_hold_clear.
 *
 * Peers that the adopted FIB uses count as up at the start and are asked by echoes at once: one
 * that answers none within its detection time is down, one that answers has LIVE_ADOPT_GRACE for
 * its session to come.
 */
#ifndef SHUNT_LIVE_LIVE_H
#define SHUNT_LIVE_LIVE_H

#include "base/prefix.h"
#include "base/time.h"
#include "live/bfd.h"
#include "live/report.h"

#define LIVE_HOLD_MAX (60 * NS_PER_S)
#define LIVE_POOR_HOLD (5 * NS_PER_S) /* at least so long a poor line is one, when it is clean */
#define LIVE_FLAP_FORGET (600 * NS_PER_S)
#define LIVE_ADOPT_GRACE (3 * NS_PER_S)
/* Echoes answered for so long without a BFD session: it won't come, something is in its way. */
#define LIVE_NO_SESSION_AFTER (10 * NS_PER_S)

/* What an echo carries and its reply must bring back. */
struct echo_mark {
	uint16_t id, seq;
	uint32_t nonce; /* the first bytes of its data */
};

enum live_probe { LIVE_PROBE_NONE, LIVE_PROBE_BFD, LIVE_PROBE_ECHO, LIVE_PROBE_HANDSHAKE };
enum live_state { LIVE_DOWN, LIVE_LAST_RESORT, LIVE_UP };

/* Why a peer's verdict is what it is; live_cause_text has the sentence. */
enum live_cause {
	LIVE_CAUSE_NEW,		  /* never heard of since we started */
	LIVE_CAUSE_ADOPTED,	  /* counts as up after our start until its session had its time */
	LIVE_CAUSE_SESSION_UP,	  /* BFD is up at both ends */
	LIVE_CAUSE_ECHO,	  /* answers echoes (stock peer) */
	LIVE_CAUSE_HANDSHAKE,	  /* recent handshake or growing received bytes */
	LIVE_CAUSE_UNPROBED,	  /* no probe possible or wanted: counts as up */
	LIVE_CAUSE_DAEMON_SILENT, /* BFD is gone but the peer answers echoes */
	LIVE_CAUSE_NO_SESSION,	  /* it answers echoes for long, but BFD doesn't get through */
	LIVE_CAUSE_PEER_SIGNALS,  /* diagnostic 6: it drains or holds */
	LIVE_CAUSE_HELD,	  /* our local hold on a returned peer */
	LIVE_CAUSE_POOR_LINE,	  /* the line to it loses packets, or flaps: we told it so */
	LIVE_CAUSE_EXPIRED,	  /* nothing heard within the detection time, echoes unanswered */
	LIVE_CAUSE_PEER_DOWN,	  /* it says it doesn't hear us (Down with diagnostic 1), or that it
				     goes down */
	LIVE_CAUSE_PEER_ADMIN_DOWN,
	LIVE_CAUSE_NO_ECHO, /* stock peer: echoes unanswered */
	LIVE_CAUSE_STALE,   /* handshake too old and nothing received */
};

struct live_peer_config {
	uint32_t peer;
	enum live_probe probe;
	bool signals;	 /* runs shuntd */
	bool is_transit; /* a hub: traffic of others goes through it */
	/* In use by the FIB that was found at start, as this; DOWN: not. Read when the peer is
	 * added only. */
	enum live_state adopted_as;
	ip_addr local, remote;
	int64_t interval_ns;
	unsigned multiplier;
	int64_t hold_ns;
	uint64_t generation;  /* the caller's number of this configuration; its events carry it */
	bool authenticates;   /* LIVE_PROBE_BFD: by these keys, and only then it counts */
	struct bfd_keys keys; /* never told again */
};

struct live_self_config {
	int64_t hold_ns;
	bool cold_start;   /* the device is new: hold at the first session */
	bool drained;	   /* as the state directory remembers */
	uint32_t sequence; /* where authentication starts: bfd_auth.h */
};

enum live_event_type {
	LIVE_EVENT_PEER,      /* the verdict or its cause changed */
	LIVE_EVENT_SELF,      /* what we signal changed: drained and holding say it */
	LIVE_EVENT_HOLD_OVER, /* program your own FIB, then call live_hold_clear */
	LIVE_EVENT_REPORT,    /* the peer reports something else than before: live_peer_report */
};

struct live_event {
	enum live_event_type type;
	uint32_t peer;
	uint64_t generation; /* of the peer's configuration when it happened */
	enum live_state state;
	enum live_cause cause;
	bool drained, holding;
	bool flapping; /* holding since several peers flapped */
	instant at;
};

/* What the core wants done. Called from within live_* functions; must not call back into the core.
 */
struct live_ops {
	/* len is at most BFD_PACKET_MAX. */
	void (*send_bfd)(uint32_t peer, const uint8_t *packet, size_t len, void *data);
	/* An ICMP or ICMPv6 echo request to the peer's remote address. */
	void (*send_echo)(uint32_t peer, const struct echo_mark *mark, void *data);
	void (*event)(const struct live_event *e, void *data);
	/* 64 bits that nobody can guess; what strangers must not know is made of them. */
	uint64_t (*chance)(void *data);
	/* To LIVE_REPORT_PORT; len is at most LIVE_REPORT_DATAGRAM. Called after live_tell_report
	 * only. */
	void (*send_report)(uint32_t peer, const uint8_t *bytes, size_t len, void *data);
};

/* For status: one peer whole. */
struct live_peer_info {
	struct live_peer_config config;
	enum live_state state;
	enum live_cause cause;
	instant since;	    /* of the verdict */
	unsigned flaps;	    /* not yet forgotten */
	instant hold_until; /* local hold; INSTANT_NEVER: none */
	enum bfd_state session, remote_session;
	enum bfd_diag diag, remote_diag;
	uint32_t local_discriminator, remote_discriminator;
	int64_t tx_interval_ns, detection_time_ns; /* as negotiated; 0: no session */
	uint64_t packets_sent, packets_received;
	bool is_poor;		  /* we hold the line to it for poor, and signal so on it */
	bool is_heard, hears_us;  /* BFD packets come from it just now; the last one had heard us */
	instant answered_since;	  /* echoes are, while there is no BFD session; INSTANT_NEVER */
	uint64_t packets_refused; /* of the peer's address, but not believed or too many */
};

struct live;

struct live *live_new(
	const struct live_self_config *self, const struct live_ops *ops, void *data, instant now);
void live_free(struct live *l);

/* Adds the peer or changes it in place: new intervals are negotiated by a Poll Sequence (RFC
 * 5880 6.8.3), no session is lost. */
void live_peer_set(struct live *l, const struct live_peer_config *c, instant now);
/* Forgets the peer; sends nothing. */
void live_peer_remove(struct live *l, uint32_t peer, instant now);

/* A UDP payload on BFD_PORT, or on LIVE_REPORT_PORT. */
struct live_datagram {
	ip_addr src, dst;
	uint16_t port; /* it was sent from */
	unsigned ttl;
	const uint8_t *bytes;
	size_t len;
};

/* True if it counts. Anything with another TTL than 255 (RFC 5881 section 5), from nobody we know,
 * not authenticated where it should be, or beyond the sender's budget is dropped. */
bool live_on_bfd(struct live *l, const struct live_datagram *d, instant now);
/* False if it was dropped: another TTL than 255, from nobody whose session is known, not sealed by
 * its key, or beyond the sender's budget. */
bool live_on_report(struct live *l, const struct live_datagram *d, instant now);
/* True if it answers one of ours. */
bool live_on_echo_reply(
	struct live *l, const ip_addr *src, const struct echo_mark *mark, instant now);
/* A BFD packet of the peer came to the device but was dropped on its way to us: its daemon runs. */
void live_on_bfd_lost(struct live *l, uint32_t peer, instant now);
/* What the device reports; the age is handshake_clock_age's. Feed it every second or so for
 * LIVE_PROBE_HANDSHAKE. */
void live_on_handshake(
	struct live *l, uint32_t peer, int64_t handshake_age_ns, uint64_t rx_bytes, instant now);

/* Drained or not; signalled at once on all sessions. */
void live_drain(struct live *l, bool drained, instant now);
/* Ends our hold: our FIB is programmed. Signalled at once on all sessions, back to back. Nothing,
 * if a new hold has begun since LIVE_EVENT_HOLD_OVER. */
void live_hold_clear(struct live *l, instant now);

/* What we report of ourselves from now on, to all peers with shuntd; copied. */
void live_tell_report(struct live *l, const struct live_report *r, instant now);
/* What the peer reported last; NULL: nothing, or it is down. The core's own, until it is told
 * something else. */
const struct live_report *live_peer_report(const struct live *l, uint32_t peer);

instant live_deadline(const struct live *l);
/* Does what is due at now. */
void live_step(struct live *l, instant now);

/* False if unknown. */
bool live_peer_info(const struct live *l, uint32_t peer, struct live_peer_info *ret);
bool live_is_holding(const struct live *l);
/* We hold since several peers flapped. */
bool live_is_flapping(const struct live *l);
bool live_is_drained(const struct live *l);

const char *live_state_name(enum live_state s); /* "last-resort" */
const char *live_cause_name(enum live_cause c); /* stable, for JSON: "daemon-silent" */
const char *live_cause_text(
	enum live_cause c); /* for people: "its daemon is silent, but it answers echoes" */

#endif

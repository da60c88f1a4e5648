/* SPDX-License-Identifier: MIT */
/*
 * The timers of a peer (the paper, section 6; Linux's timers.c), named by event. A pure object:
 * events with their instants in, "when is your next deadline" and "what is due" out. The owner
 * serialises calls (a peer's own small lock).
 */
#ifndef SHUNT_WG_TIMERS_H
#define SHUNT_WG_TIMERS_H

#include "base/time.h"
#include "wg/messages.h"
#include <stdbool.h>

struct timers {
	instant retransmit_handshake, send_keepalive, new_handshake, zero_keys,
		persistent_keepalive;
	unsigned handshake_attempts; /* retries so far; a new handshake that isn't one starts at 0
				      */
	bool need_another_keepalive;
	bool sent_lastminute_handshake;
	int64_t persistent_interval_ns; /* 0: off */
	instant last_handshake_sent; /* ns 0: never; limits own initiations to one per REKEY_TIMEOUT
				      */
	/* Whether it answers, and what is done about it if not. */
	bool had_session;
	unsigned unanswered; /* initiations in a row since the last session */
	bool is_lost;	     /* it had a session, and WG_LOST_AFTER of them went unanswered */
	bool is_sought;	     /* while it is lost, initiations go on, by the next */
	instant seek;
};

/* One alone may be lost by chance. */
#define WG_LOST_AFTER 2

/* What timers_expire found due; bits. Wipe and drop first, send then. */
enum timers_due {
	TIMERS_SEND_KEEPALIVE = 1,
	TIMERS_SEND_INITIATION = 2, /* a new one; is_retry tells retransmissions */
	TIMERS_RETRY = 4,	    /* with SEND_INITIATION: of the handshake under way */
	TIMERS_GIVE_UP = 8,	    /* handshakes exhausted: drop staged packets */
	TIMERS_ZERO_KEYS = 16,	    /* wipe all keypairs and the handshake */
	TIMERS_PERSISTENT = 32,	    /* send a keepalive for the sake of the interval */
	TIMERS_CLEAR_SOURCE = 64,   /* no answer came: forget the sticky source address */
	TIMERS_LOST = 128,	    /* it doesn't answer any more: is_lost */
};

void timers_init(struct timers *t);
/* The device went down: nothing is pending, nothing remembered but the interval. */
void timers_stop(struct timers *t);
/* 0: off. Returns true if a keepalive should be sent at once (off -> on); only if the device is up,
 * and it is sending it that starts the interval. */
bool timers_set_persistent(struct timers *t, unsigned seconds, instant now);
/* Others may be sent to in its place: while it is lost, nobody else would ask it for a session. */
void timers_set_sought(struct timers *t, bool is_sought, instant now);

/* Events. jitter_ns: 0..WG_REKEY_TIMEOUT_JITTER, fresh for each call that may arm a handshake
 * timer. */
/* With a payload: neither is called for keepalives, which would then answer each other. */
void timers_data_sent(struct timers *t, instant now, int64_t jitter_ns);
void timers_data_received(struct timers *t, instant now);
/* Data, keepalives and handshakes (not cookie replies). */
void timers_any_authenticated_sent(struct timers *t);
void timers_any_authenticated_received(struct timers *t);
void timers_any_authenticated_traversal(struct timers *t, instant now);
void timers_handshake_initiated(struct timers *t, instant now, int64_t jitter_ns);
/* A response counts as a handshake sent: none of ours for REKEY_TIMEOUT. */
void timers_handshake_responded(struct timers *t, instant now);
/* A session that works both ways: an answer to our initiation, or the first message of one that we
 * answered. It is lost no more. */
void timers_handshake_complete(struct timers *t);
void timers_session_derived(struct timers *t, instant now);

/* INSTANT_NEVER: none. */
instant timers_deadline(const struct timers *t);
/* What is due, re-arming itself as the kernel's does; the union of enum timers_due. */
unsigned timers_expire(struct timers *t, instant now);

/* May an initiation be sent? At most one handshake message of ours per REKEY_TIMEOUT. */
bool timers_may_initiate(const struct timers *t, instant now);
/* Limits by age (section 6.2): the keypair's birth and the side decide. counter: the next nonce. On
 * receive the caller sets sent_lastminute_handshake. */
bool timers_should_rekey_on_send(instant born, bool is_initiator, uint64_t counter, instant now);
bool timers_should_rekey_on_receive(
	const struct timers *t, instant born, bool is_initiator, instant now);

#endif

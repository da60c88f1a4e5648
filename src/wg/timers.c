/* SPDX-License-Identifier: MIT */
/*
 * Six timers, an instant each, INSTANT_NEVER while they aren't pending:
 *
 *	retransmit_handshake	armed by an initiation, ended by a finished handshake: tries again
 *	send_keepalive		armed by data received, ended by anything sent: answers emptily, so
 *				that the other side knows that it was heard
 *	new_handshake		armed by data sent, ended by anything received: nobody answers, so
 *				the session may be dead at the other end
 *	zero_keys		armed by a session: no key outlives three times its validity
 *	persistent_keepalive	armed by anything in either direction, if there is an interval
 *	seek			armed once it is lost and while it is sought: tries for ever, since
 *				what is sent to others in its place asks it for no session
 *
 * The second and the third are never moved while they are pending: a stream of data in one
 * direction can't put off the answer. Keepalives are not data, hence never answered.
 *
 * Instants count suspended time. After a suspension all that is due is due once.
 */
#include "wg/timers.h"

#define NEW_HANDSHAKE_AFTER (WG_KEEPALIVE_TIMEOUT + WG_REKEY_TIMEOUT)
#define ZERO_KEYS_AFTER (3 * WG_REJECT_AFTER_TIME)
/* The last moment at which a session that only receives can be replaced in time. */
#define REKEY_ON_RECEIVE_AFTER (WG_REJECT_AFTER_TIME - WG_KEEPALIVE_TIMEOUT - WG_REKEY_TIMEOUT)

#define GIVEN_UP (WG_MAX_HANDSHAKE_TRIES + 2) /* handshake_attempts, until it is asked for anew */

static void stop_all(struct timers *t)
{
	t->retransmit_handshake = INSTANT_NEVER;
	t->send_keepalive = INSTANT_NEVER;
	t->new_handshake = INSTANT_NEVER;
	t->zero_keys = INSTANT_NEVER;
	t->persistent_keepalive = INSTANT_NEVER;
	t->seek = INSTANT_NEVER;
}

void timers_init(struct timers *t)
{
	*t = (struct timers){0};
	stop_all(t);
}

void timers_stop(struct timers *t)
{
	int64_t interval_ns = t->persistent_interval_ns;
	bool is_sought = t->is_sought;

	timers_init(t);
	t->persistent_interval_ns = interval_ns;
	t->is_sought = is_sought;
}

bool timers_set_persistent(struct timers *t, unsigned seconds, instant now)
{
	bool was_off = !t->persistent_interval_ns;

	t->persistent_interval_ns = seconds * NS_PER_S;
	if (!seconds)
		t->persistent_keepalive = INSTANT_NEVER;
	else if (!instant_is_never(t->persistent_keepalive))
		t->persistent_keepalive = instant_min(
			t->persistent_keepalive, instant_add(now, t->persistent_interval_ns));
	return was_off && seconds;
}

static bool is_seeking(const struct timers *t)
{
	return t->is_lost && t->is_sought;
}

void timers_set_sought(struct timers *t, bool is_sought, instant now)
{
	t->is_sought = is_sought;
	if (!is_seeking(t))
		t->seek = INSTANT_NEVER;
	else if (instant_is_never(t->seek))
		t->seek = now;
}

/* --- events --------------------------------------------------------------------------------------
 */

void timers_data_sent(struct timers *t, instant now, int64_t jitter_ns)
{
	if (instant_is_never(t->new_handshake))
		t->new_handshake = instant_add(now, NEW_HANDSHAKE_AFTER + jitter_ns);
}

void timers_data_received(struct timers *t, instant now)
{
	if (instant_is_never(t->send_keepalive))
		t->send_keepalive = instant_add(now, WG_KEEPALIVE_TIMEOUT);
	else
		t->need_another_keepalive = true;
}

void timers_any_authenticated_sent(struct timers *t)
{
	t->send_keepalive = INSTANT_NEVER;
}

void timers_any_authenticated_received(struct timers *t)
{
	t->new_handshake = INSTANT_NEVER;
}

void timers_any_authenticated_traversal(struct timers *t, instant now)
{
	if (t->persistent_interval_ns)
		t->persistent_keepalive = instant_add(now, t->persistent_interval_ns);
}

void timers_handshake_initiated(struct timers *t, instant now, int64_t jitter_ns)
{
	instant again = instant_add(now, WG_REKEY_TIMEOUT + jitter_ns);

	t->last_handshake_sent = now;
	if (is_seeking(t))
		t->seek = again;
	/* What seeks goes on by itself after the others have given up. */
	if (!is_seeking(t) || t->handshake_attempts < GIVEN_UP)
		t->retransmit_handshake = again;
}

void timers_handshake_responded(struct timers *t, instant now)
{
	t->last_handshake_sent = now;
}

void timers_handshake_complete(struct timers *t)
{
	t->retransmit_handshake = INSTANT_NEVER;
	t->handshake_attempts = 0;
	t->sent_lastminute_handshake = false;
	t->had_session = true;
	t->unanswered = 0;
	t->is_lost = false;
	t->seek = INSTANT_NEVER;
}

void timers_session_derived(struct timers *t, instant now)
{
	t->zero_keys = instant_add(now, ZERO_KEYS_AFTER);
}

/* --- deadlines -----------------------------------------------------------------------------------
 */

instant timers_deadline(const struct timers *t)
{
	instant first = instant_min(t->retransmit_handshake, t->send_keepalive);

	first = instant_min(first, t->new_handshake);
	first = instant_min(first, t->zero_keys);
	first = instant_min(first, t->seek);
	return instant_min(first, t->persistent_keepalive);
}

/* True if the timer has expired; it isn't pending then. */
static bool take(instant *timer, instant now)
{
	if (instant_is_never(*timer) || instant_before(now, *timer))
		return false;
	*timer = INSTANT_NEVER;
	return true;
}

static unsigned unanswered(struct timers *t, instant now)
{
	t->unanswered++;
	if (!t->had_session || t->is_lost || t->unanswered < WG_LOST_AFTER)
		return 0;
	t->is_lost = true;
	timers_set_sought(t, t->is_sought, instant_add(now, WG_REKEY_TIMEOUT));
	return TIMERS_LOST;
}

static unsigned no_response(struct timers *t, instant now)
{
	if (t->handshake_attempts > WG_MAX_HANDSHAKE_TRIES) {
		t->handshake_attempts = GIVEN_UP;
		t->send_keepalive = INSTANT_NEVER;
		if (instant_is_never(t->zero_keys))
			t->zero_keys = instant_add(now, ZERO_KEYS_AFTER);
		return TIMERS_GIVE_UP;
	}
	t->handshake_attempts++;
	return TIMERS_SEND_INITIATION | TIMERS_RETRY | TIMERS_CLEAR_SOURCE;
}

/* Not beside a handshake that is under way. */
static unsigned seek_is_due(struct timers *t, instant now)
{
	t->seek = instant_add(now, WG_REKEY_TIMEOUT);
	if (!instant_is_never(t->retransmit_handshake))
		return 0;
	return TIMERS_SEND_INITIATION | TIMERS_RETRY | TIMERS_CLEAR_SOURCE;
}

static unsigned keepalive_is_due(struct timers *t, instant now)
{
	if (t->need_another_keepalive) {
		t->need_another_keepalive = false;
		t->send_keepalive = instant_add(now, WG_KEEPALIVE_TIMEOUT);
	}
	return TIMERS_SEND_KEEPALIVE;
}

unsigned timers_expire(struct timers *t, instant now)
{
	unsigned due = 0;

	if (take(&t->retransmit_handshake, now)) {
		due |= unanswered(t, now);
		due |= no_response(t, now);
	}
	if (take(&t->seek, now))
		due |= seek_is_due(t, now);
	if (take(&t->send_keepalive, now))
		due |= keepalive_is_due(t, now);
	if (take(&t->new_handshake, now)) {
		t->handshake_attempts = 0;
		due &= ~(unsigned)TIMERS_RETRY;
		due |= TIMERS_SEND_INITIATION | TIMERS_CLEAR_SOURCE;
	}
	if (take(&t->zero_keys, now))
		due |= TIMERS_ZERO_KEYS;
	if (take(&t->persistent_keepalive, now)) {
		/* Whatever comes of it, the next one isn't lost: there may be no endpoint yet. */
		timers_any_authenticated_traversal(t, now);
		due |= TIMERS_PERSISTENT;
	}
	return due;
}

/* --- limits --------------------------------------------------------------------------------------
 */

static bool is_past(instant from, int64_t ns, instant now)
{
	return instant_diff(now, from) >= ns;
}

bool timers_may_initiate(const struct timers *t, instant now)
{
	return !t->last_handshake_sent.ns || is_past(t->last_handshake_sent, WG_REKEY_TIMEOUT, now);
}

bool timers_should_rekey_on_send(instant born, bool is_initiator, uint64_t counter, instant now)
{
	return counter > WG_REKEY_AFTER_MESSAGES ||
	       (is_initiator && is_past(born, WG_REKEY_AFTER_TIME, now));
}

bool timers_should_rekey_on_receive(
	const struct timers *t, instant born, bool is_initiator, instant now)
{
	return !t->sent_lastminute_handshake && is_initiator &&
	       is_past(born, REKEY_ON_RECEIVE_AFTER, now);
}

/* SPDX-License-Identifier: MIT */
/* The timers by themselves, event by event. test_timers_peers.c has them at work. */
#include "base/mem.h"
#include "unit.h"
#include "wg/timers.h"

#define MS NS_PER_MS
#define S NS_PER_S
#define JITTER (100 * MS)

static instant at(int64_t ns)
{
	return (instant){1000 * S + ns};
}

static void assert_at(instant t, int64_t ns)
{
	assert_int_equal(t.ns, at(ns).ns);
}

static void assert_never(instant t)
{
	assert_true(instant_is_never(t));
}

static struct timers fresh(void)
{
	struct timers t;

	timers_init(&t);
	return t;
}

/* --- event by event ------------------------------------------------------------------------------
 */

static void nothing_pending(void **state)
{
	struct timers t = fresh();

	assert_never(timers_deadline(&t));
	assert_int_equal(timers_expire(&t, at(1000000 * S)), 0);
	timers_any_authenticated_sent(&t);
	timers_any_authenticated_received(&t);
	timers_any_authenticated_traversal(&t, at(0));
	timers_handshake_complete(&t);
	assert_never(timers_deadline(&t));
}

static void data_received_arms_one_keepalive(void **state)
{
	struct timers t = fresh();

	timers_data_received(&t, at(0));
	assert_at(timers_deadline(&t), 10 * S);
	assert_false(t.need_another_keepalive);
	assert_int_equal(timers_expire(&t, at(10 * S - 1)), 0);
	assert_int_equal(timers_expire(&t, at(10 * S)), TIMERS_SEND_KEEPALIVE);
	assert_never(timers_deadline(&t));
}

/* More data meanwhile doesn't put it off, but asks for another one. */
static void data_received_while_pending(void **state)
{
	struct timers t = fresh();

	timers_data_received(&t, at(0));
	timers_data_received(&t, at(9 * S));
	assert_at(timers_deadline(&t), 10 * S);
	assert_int_equal(timers_expire(&t, at(10 * S)), TIMERS_SEND_KEEPALIVE);
	assert_at(timers_deadline(&t), 20 * S);
	assert_int_equal(timers_expire(&t, at(20 * S)), TIMERS_SEND_KEEPALIVE);
	assert_never(timers_deadline(&t));
}

/* Relative to what was received, ended by what is sent. */
static void anything_sent_ends_keepalive(void **state)
{
	struct timers t = fresh();

	timers_data_received(&t, at(0));
	timers_any_authenticated_sent(&t);
	assert_never(timers_deadline(&t));
	timers_any_authenticated_sent(&t);
	timers_data_received(&t, at(7 * S));
	assert_at(timers_deadline(&t), 17 * S);
	timers_any_authenticated_received(&t);
	assert_at(timers_deadline(&t), 17 * S);
}

/* A received keepalive is these two events and arms nothing. */
static void keepalive_received_arms_nothing(void **state)
{
	struct timers t = fresh();

	timers_any_authenticated_received(&t);
	timers_any_authenticated_traversal(&t, at(0));
	assert_never(timers_deadline(&t));
}

static void data_sent_arms_new_handshake_once(void **state)
{
	struct timers t = fresh();

	timers_data_sent(&t, at(0), JITTER);
	timers_data_sent(&t, at(5 * S), JITTER);
	assert_at(timers_deadline(&t), 15 * S + JITTER);
	timers_any_authenticated_sent(&t);
	assert_at(timers_deadline(&t), 15 * S + JITTER);
	timers_any_authenticated_received(&t);
	assert_never(timers_deadline(&t));
	timers_data_sent(&t, at(6 * S), 0);
	assert_at(timers_deadline(&t), 21 * S);
	t.handshake_attempts = 7;
	assert_int_equal(
		timers_expire(&t, at(21 * S)), TIMERS_SEND_INITIATION | TIMERS_CLEAR_SOURCE);
	assert_int_equal(t.handshake_attempts, 0);
	assert_never(timers_deadline(&t));
}

/* One initiation and 19 retries, as Linux: it counts to beyond 18. */
static void gives_up(void **state)
{
	struct timers t = fresh();
	instant now = at(0);
	unsigned due, retries = 0;

	timers_data_received(&t, now);
	t.send_keepalive = at(10000 * S);
	for (;;) {
		timers_handshake_initiated(&t, now, JITTER);
		assert_int_equal(instant_diff(timers_deadline(&t), now), 5 * S + JITTER);
		now = timers_deadline(&t);
		due = timers_expire(&t, now);
		if (due & TIMERS_GIVE_UP)
			break;
		assert_int_equal(due, TIMERS_SEND_INITIATION | TIMERS_RETRY | TIMERS_CLEAR_SOURCE);
		retries++;
	}
	assert_int_equal(due, TIMERS_GIVE_UP);
	assert_int_equal(retries, WG_MAX_HANDSHAKE_TRIES + 1);
	assert_never(t.send_keepalive);
	assert_int_equal(instant_diff(timers_deadline(&t), now), 540 * S);
	assert_int_equal(timers_expire(&t, instant_add(now, 540 * S)), TIMERS_ZERO_KEYS);
	assert_never(timers_deadline(&t));
}

/* Giving up doesn't put off the end of keys that are there. */
static void gives_up_keeping_zero_keys(void **state)
{
	struct timers t = fresh();

	timers_session_derived(&t, at(0));
	timers_handshake_initiated(&t, at(300 * S), 0);
	t.handshake_attempts = WG_MAX_HANDSHAKE_TRIES + 1;
	assert_int_equal(timers_expire(&t, at(305 * S)), TIMERS_GIVE_UP);
	assert_at(timers_deadline(&t), 540 * S);
}

static void complete_ends_retries(void **state)
{
	struct timers t = fresh();

	timers_handshake_initiated(&t, at(0), 0);
	t.handshake_attempts = 3;
	t.sent_lastminute_handshake = true;
	timers_handshake_complete(&t);
	assert_never(timers_deadline(&t));
	assert_int_equal(t.handshake_attempts, 0);
	assert_false(t.sent_lastminute_handshake);
}

/* Who never had a session may be anybody; one initiation may be lost by chance. */
static void lost_after_some_unanswered(void **state)
{
	struct timers t = fresh();

	for (unsigned had_session = 0; had_session < 2; had_session++) {
		for (unsigned i = 1; i < 2 * WG_LOST_AFTER; i++) {
			unsigned due;

			timers_handshake_initiated(&t, at(10 * i * S), 0);
			due = timers_expire(&t, at((10 * i + 5) * S));
			assert_int_equal(!!(due & TIMERS_LOST), had_session && i == WG_LOST_AFTER);
			assert_int_equal(t.is_lost, had_session && i >= WG_LOST_AFTER);
			/* What comes by an older session says nothing of this direction. */
			timers_any_authenticated_received(&t);
			t.retransmit_handshake = INSTANT_NEVER;
		}
		timers_handshake_complete(&t);
		assert_false(t.is_lost);
	}
	timers_stop(&t);
	assert_false(t.had_session || t.is_lost || t.unanswered);
}

static void each_session_puts_off_zero_keys(void **state)
{
	struct timers t = fresh();

	timers_session_derived(&t, at(0));
	assert_at(timers_deadline(&t), 540 * S);
	timers_session_derived(&t, at(120 * S));
	assert_at(timers_deadline(&t), 660 * S);
	assert_int_equal(timers_expire(&t, at(660 * S)), TIMERS_ZERO_KEYS);
	assert_never(timers_deadline(&t));
}

static void persistent_follows_traffic(void **state)
{
	struct timers t = fresh();

	assert_false(timers_set_persistent(&t, 0, at(0)));
	assert_true(timers_set_persistent(&t, 25, at(0)));
	assert_never(timers_deadline(&t)); /* the first one is sent at once, if at all */
	timers_any_authenticated_traversal(&t, at(0));
	assert_at(timers_deadline(&t), 25 * S);
	timers_any_authenticated_traversal(&t, at(24 * S));
	assert_at(timers_deadline(&t), 49 * S);
	assert_int_equal(timers_expire(&t, at(49 * S)), TIMERS_PERSISTENT);
	assert_at(timers_deadline(&t), 74 * S); /* even if nothing could be sent */

	assert_false(timers_set_persistent(&t, 60, at(50 * S)));
	assert_at(timers_deadline(&t), 74 * S);
	assert_false(timers_set_persistent(&t, 5, at(50 * S)));
	assert_at(timers_deadline(&t), 55 * S);
	assert_false(timers_set_persistent(&t, 0, at(51 * S)));
	assert_never(timers_deadline(&t));
	timers_any_authenticated_traversal(&t, at(52 * S));
	assert_never(timers_deadline(&t));
	assert_true(timers_set_persistent(&t, 65535, at(53 * S)));
	timers_any_authenticated_traversal(&t, at(53 * S));
	assert_at(timers_deadline(&t), (53 + 65535) * S);
}

static void stop_keeps_the_interval_only(void **state)
{
	struct timers t = fresh();

	timers_set_persistent(&t, 25, at(0));
	timers_data_received(&t, at(0));
	timers_data_received(&t, at(0));
	timers_data_sent(&t, at(0), 0);
	timers_session_derived(&t, at(0));
	timers_handshake_initiated(&t, at(0), 0);
	timers_any_authenticated_traversal(&t, at(0));
	t.sent_lastminute_handshake = true;
	t.handshake_attempts = 4;
	timers_stop(&t);
	assert_never(timers_deadline(&t));
	assert_int_equal(t.persistent_interval_ns, 25 * S);
	assert_int_equal(t.handshake_attempts, 0);
	assert_false(t.need_another_keepalive || t.sent_lastminute_handshake);
	assert_true(timers_may_initiate(&t, at(0)));
}

/* The machine slept for a day: all that is due is due at once, and once. */
static void suspended(void **state)
{
	struct timers t = fresh();
	instant morning = at(86400 * S);

	timers_set_persistent(&t, 25, at(0));
	timers_any_authenticated_traversal(&t, at(0));
	timers_session_derived(&t, at(0));
	timers_data_received(&t, at(0));
	timers_data_sent(&t, at(0), 0);
	timers_handshake_initiated(&t, at(0), 0);
	assert_int_equal(timers_expire(&t, morning),
		TIMERS_ZERO_KEYS | TIMERS_SEND_INITIATION | TIMERS_CLEAR_SOURCE |
			TIMERS_SEND_KEEPALIVE | TIMERS_PERSISTENT);
	assert_at(timers_deadline(&t), (86400 + 25) * S);
	assert_int_equal(timers_expire(&t, morning), 0);
	assert_true(timers_should_rekey_on_send(at(0), true, 0, morning));
}

static void one_handshake_in_rekey_timeout(void **state)
{
	struct timers t = fresh();

	assert_true(timers_may_initiate(&t, at(0)));
	timers_handshake_initiated(&t, at(0), JITTER);
	assert_false(timers_may_initiate(&t, at(5 * S - 1)));
	assert_true(timers_may_initiate(&t, at(5 * S)));
	timers_handshake_responded(&t, at(6 * S));
	assert_at(timers_deadline(&t), 5 * S + JITTER);
	assert_false(timers_may_initiate(&t, at(11 * S - 1)));
	assert_true(timers_may_initiate(&t, at(11 * S)));
}

static const struct {
	int64_t age_ns;
	bool is_initiator;
	uint64_t counter;
	bool on_send, on_receive;
} limits[] = {
	{0, true, 0, false, false}, {120 * S - 1, true, 0, false, false},
	{120 * S, true, 0, true, false}, {165 * S - 1, true, 0, true, false},
	{165 * S, true, 0, true, true}, {10000 * S, false, 0, false, false},
	{0, false, WG_REKEY_AFTER_MESSAGES, false, false},
	{0, false, WG_REKEY_AFTER_MESSAGES + 1, true, false},
	{0, true, WG_REKEY_AFTER_MESSAGES, false, false},
	{0, true, WG_REKEY_AFTER_MESSAGES + 1, true, false},
	{0, false, UINT64_C(1) << 32, false, false}, /* counters have 64 bits */
};

static void rekey_limits(void **state)
{
	struct timers t = fresh();

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		instant now = at(limits[i].age_ns);

		assert_int_equal(timers_should_rekey_on_send(
					 at(0), limits[i].is_initiator, limits[i].counter, now),
			limits[i].on_send);
		assert_int_equal(
			timers_should_rekey_on_receive(&t, at(0), limits[i].is_initiator, now),
			limits[i].on_receive);
	}
	t.sent_lastminute_handshake = true;
	assert_false(timers_should_rekey_on_receive(&t, at(0), true, at(170 * S)));
	timers_handshake_complete(&t);
	assert_true(timers_should_rekey_on_receive(&t, at(0), true, at(170 * S)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_pending),
		cmocka_unit_test(data_received_arms_one_keepalive),
		cmocka_unit_test(data_received_while_pending),
		cmocka_unit_test(anything_sent_ends_keepalive),
		cmocka_unit_test(keepalive_received_arms_nothing),
		cmocka_unit_test(data_sent_arms_new_handshake_once),
		cmocka_unit_test(gives_up),
		cmocka_unit_test(gives_up_keeping_zero_keys),
		cmocka_unit_test(complete_ends_retries),
		cmocka_unit_test(lost_after_some_unanswered),
		cmocka_unit_test(each_session_puts_off_zero_keys),
		cmocka_unit_test(persistent_follows_traffic),
		cmocka_unit_test(stop_keeps_the_interval_only),
		cmocka_unit_test(suspended),
		cmocka_unit_test(one_handshake_in_rekey_timeout),
		cmocka_unit_test(rekey_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

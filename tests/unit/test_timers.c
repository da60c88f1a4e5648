/* SPDX-License-Identifier: MIT */
/* The timers by themselves, event by event, and then two peers over a link in virtual time: what
 * they send, and when, as a text to be read. */
#include "base/mem.h"
#include "unit.h"
#include "wg/timers.h"

#include <string.h>

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

/* --- two peers -----------------------------------------------------------------------------------
 *
 * Sessions are what the timers need of them: when they were born, who initiated, whether they may
 * be used. A message takes LATENCY, or is lost. All clocks are one.
 */

#define LATENCY (20 * MS)
#define MAX_FLYING 16

enum message { INITIATION, RESPONSE, DATA, KEEPALIVE };
static const char *const message_names[] = {"initiation", "response", "data", "keepalive"};

struct side {
	const char *name;
	struct timers t;
	bool has_keys, may_send, is_initiator, staged;
	instant born;
	bool deaf; /* what comes is lost */
};

struct flying {
	enum message what;
	instant arrives;
	struct side *to, *from;
};

struct world {
	struct side a, b;
	instant now;
	struct flying flying[MAX_FLYING];
	unsigned n_flying;
	char text[4096];
	size_t len;
};

static void note(struct world *w, const struct side *s, const char *what)
{
	int64_t ms = instant_diff(w->now, at(0)) / MS;

	w->len +=
		(size_t)snprintf(w->text + w->len, sizeof(w->text) - w->len, "%lld.%03lld %s %s\n",
			(long long)(ms / 1000), (long long)(ms % 1000), s->name, what);
	assert_true(w->len < sizeof(w->text));
}

static void sent(struct world *w, struct side *s, enum message what)
{
	struct side *to = s == &w->a ? &w->b : &w->a;

	note(w, s, message_names[what]);
	assert_true(w->n_flying < MAX_FLYING);
	w->flying[w->n_flying++] = (struct flying){what, instant_add(w->now, LATENCY), to, s};
	timers_any_authenticated_sent(&s->t);
	timers_any_authenticated_traversal(&s->t, w->now);
}

static void initiate(struct world *w, struct side *s, bool is_retry)
{
	if (!is_retry)
		s->t.handshake_attempts = 0;
	if (!timers_may_initiate(&s->t, w->now))
		return;
	timers_handshake_initiated(&s->t, w->now, JITTER);
	sent(w, s, INITIATION);
}

static bool session_is_good(const struct world *w, const struct side *s)
{
	return s->has_keys && s->may_send && instant_diff(w->now, s->born) < WG_REJECT_AFTER_TIME;
}

static void send_by_session(struct world *w, struct side *s, enum message what)
{
	if (!session_is_good(w, s)) {
		s->staged |= what == DATA;
		initiate(w, s, false);
		return;
	}
	if (what == DATA)
		timers_data_sent(&s->t, w->now, JITTER);
	sent(w, s, what);
	if (timers_should_rekey_on_send(s->born, s->is_initiator, 0, w->now))
		initiate(w, s, false);
}

static void begin_session(struct world *w, struct side *s, bool is_initiator)
{
	s->has_keys = true;
	s->is_initiator = is_initiator;
	s->may_send = is_initiator;
	s->born = w->now;
	timers_session_derived(&s->t, w->now);
	if (is_initiator)
		timers_handshake_complete(&s->t);
}

static void flush(struct world *w, struct side *s)
{
	bool staged = s->staged;

	s->staged = false;
	if (staged)
		send_by_session(w, s, DATA);
	else if (s->is_initiator)
		send_by_session(w, s, KEEPALIVE);
}

static void received_by_session(struct world *w, struct side *s, enum message what)
{
	if (!s->has_keys || instant_diff(w->now, s->born) >= WG_REJECT_AFTER_TIME)
		return;
	if (!s->may_send) {
		s->may_send = true;
		timers_handshake_complete(&s->t);
		if (s->staged)
			flush(w, s);
	}
	timers_any_authenticated_received(&s->t);
	timers_any_authenticated_traversal(&s->t, w->now);
	if (what == DATA)
		timers_data_received(&s->t, w->now);
	if (timers_should_rekey_on_receive(&s->t, s->born, s->is_initiator, w->now)) {
		s->t.sent_lastminute_handshake = true;
		initiate(w, s, false);
	}
}

static void arrive(struct world *w, const struct flying *f)
{
	struct side *s = f->to;

	if (s->deaf)
		return;
	if (f->what >= DATA) {
		received_by_session(w, s, f->what);
		return;
	}
	timers_any_authenticated_received(&s->t);
	timers_any_authenticated_traversal(&s->t, w->now);
	begin_session(w, s, f->what == RESPONSE);
	if (f->what == RESPONSE) {
		flush(w, s);
	} else {
		timers_handshake_responded(&s->t, w->now);
		sent(w, s, RESPONSE);
	}
}

static void expire(struct world *w, struct side *s)
{
	unsigned due = timers_expire(&s->t, w->now);

	if (due & TIMERS_ZERO_KEYS) {
		s->has_keys = s->may_send = false;
		note(w, s, "forgets all keys");
	}
	if (due & TIMERS_GIVE_UP) {
		s->staged = false;
		note(w, s, "gives up");
	}
	if (due & TIMERS_SEND_INITIATION)
		initiate(w, s, due & TIMERS_RETRY);
	if (due & (TIMERS_SEND_KEEPALIVE | TIMERS_PERSISTENT))
		send_by_session(w, s, KEEPALIVE);
}

static instant next_event(const struct world *w)
{
	instant next = instant_min(timers_deadline(&w->a.t), timers_deadline(&w->b.t));

	/* Latency is the same for all: first out, first in. */
	return w->n_flying ? instant_min(next, w->flying[0].arrives) : next;
}

static void run_until(struct world *w, int64_t ns)
{
	instant next;

	while (next = next_event(w), next.ns <= at(ns).ns) {
		w->now = next;
		if (w->n_flying && w->flying[0].arrives.ns <= next.ns) {
			struct flying f = w->flying[0];

			memmove(w->flying, w->flying + 1, --w->n_flying * sizeof(f));
			arrive(w, &f);
		}
		expire(w, &w->a);
		expire(w, &w->b);
	}
	w->now = at(ns);
}

static struct world two_peers(void)
{
	struct world w = {.a.name = "A", .b.name = "B", .now = at(0)};

	timers_init(&w.a.t);
	timers_init(&w.b.t);
	return w;
}

/* One datagram, unanswered: B says that it heard it, nobody says more. */
static void one_datagram(void **state)
{
	struct world w = two_peers();

	send_by_session(&w, &w.a, DATA);
	run_until(&w, 2000 * S);
	assert_string_equal(w.text, "0.000 A initiation\n"
				    "0.020 B response\n"
				    "0.040 A data\n"
				    "10.060 B keepalive\n"
				    "540.020 B forgets all keys\n"
				    "540.040 A forgets all keys\n");
}

/* A question and its answer: one keepalive from the side that heard last, not answered in turn. */
static void question_and_answer(void **state)
{
	struct world w = two_peers();

	send_by_session(&w, &w.a, DATA);
	run_until(&w, 100 * MS);
	send_by_session(&w, &w.b, DATA);
	run_until(&w, 500 * S);
	assert_string_equal(w.text, "0.000 A initiation\n"
				    "0.020 B response\n"
				    "0.040 A data\n"
				    "0.100 B data\n"
				    "10.120 A keepalive\n");
}

/* B falls silent in the middle of a session: after 15 s a new handshake, 20 tries in all, the end.
 */
static void peer_falls_silent(void **state)
{
	struct world w = two_peers();
	char want[4096];
	size_t len;

	send_by_session(&w, &w.a, DATA);
	run_until(&w, 20 * S);
	w.b.deaf = true;
	send_by_session(&w, &w.a, DATA);
	run_until(&w, 2000 * S);

	len = (size_t)snprintf(want, sizeof(want),
		"0.000 A initiation\n"
		"0.020 B response\n"
		"0.040 A data\n"
		"10.060 B keepalive\n"
		"20.000 A data\n");
	for (unsigned i = 0; i < WG_MAX_HANDSHAKE_TRIES + 2; i++)
		len += (size_t)snprintf(want + len, sizeof(want) - len, "%u.%u00 A initiation\n",
			35 + 5 * i + (i + 1) / 10, (i + 1) % 10);
	snprintf(want + len, sizeof(want) - len,
		"137.100 A gives up\n"
		"540.020 B forgets all keys\n"
		"540.040 A forgets all keys\n");
	assert_string_equal(w.text, want);
}

/* A peer that never answered is asked again as soon as there is something to send. */
static void tries_again_after_giving_up(void **state)
{
	struct world w = two_peers();

	w.b.deaf = true;
	send_by_session(&w, &w.a, DATA);
	run_until(&w, 200 * S);
	assert_non_null(strstr(w.text, "102.000 A gives up\n"));
	assert_false(w.a.staged);
	w.b.deaf = false;
	w.len = 0;
	send_by_session(&w, &w.a, DATA);
	run_until(&w, 211 * S);
	assert_string_equal(w.text, "200.000 A initiation\n"
				    "200.020 B response\n"
				    "200.040 A data\n"
				    "210.060 B keepalive\n");
}

/* The interval starts anew with everything that passes; the side that initiated renews the session
 * when it is 120 s old, on sending. */
static void persistent_keepalives_and_rekey(void **state)
{
	struct world w = two_peers();

	assert_true(timers_set_persistent(&w.a.t, 25, w.now));
	send_by_session(&w, &w.a, KEEPALIVE);
	run_until(&w, 40 * S);
	send_by_session(&w, &w.b, DATA);
	run_until(&w, 180 * S);
	assert_string_equal(w.text, "0.000 A initiation\n"
				    "0.020 B response\n"
				    "0.040 A keepalive\n"
				    "25.040 A keepalive\n"
				    "40.000 B data\n"
				    "50.020 A keepalive\n"
				    "75.020 A keepalive\n"
				    "100.020 A keepalive\n"
				    "125.020 A keepalive\n"
				    "125.020 A initiation\n"
				    "125.040 B response\n"
				    "125.060 A keepalive\n"
				    "150.060 A keepalive\n"
				    "175.060 A keepalive\n");
}

/* Only B speaks, and A's keepalives can't be sent before it is too late: it renews on receiving,
 * once. */
static void rekey_on_receive(void **state)
{
	struct world w = two_peers();

	send_by_session(&w, &w.a, DATA);
	run_until(&w, 166 * S);
	w.len = 0;
	w.b.deaf = true; /* the initiation is lost */
	send_by_session(&w, &w.b, DATA);
	run_until(&w, 168 * S);
	send_by_session(&w, &w.b, DATA);
	run_until(&w, 171 * S);
	assert_string_equal(w.text, "166.000 B data\n"
				    "166.020 A initiation\n"
				    "168.000 B data\n");
	assert_true(w.a.t.sent_lastminute_handshake);
	w.b.deaf = false;
	w.len = 0;
	run_until(&w, 172 * S);
	assert_string_equal(w.text, "171.120 A initiation\n"
				    "171.140 B response\n"
				    "171.160 A keepalive\n");
	assert_false(w.a.t.sent_lastminute_handshake);
}

/* The responder never renews by age. With a session past its end it must ask for a new one. */
static void responder_waits_for_the_end(void **state)
{
	struct world w = two_peers();

	send_by_session(&w, &w.a, DATA);
	run_until(&w, 179 * S);
	w.len = 0;
	w.a.deaf = true;
	send_by_session(&w, &w.b, DATA);
	run_until(&w, 181 * S);
	w.a.deaf = false;
	send_by_session(&w, &w.b, DATA);
	run_until(&w, 182 * S);
	assert_string_equal(w.text, "179.000 B data\n"
				    "181.000 B initiation\n"
				    "181.020 A response\n"
				    "181.040 B data\n");
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
		cmocka_unit_test(each_session_puts_off_zero_keys),
		cmocka_unit_test(persistent_follows_traffic),
		cmocka_unit_test(stop_keeps_the_interval_only),
		cmocka_unit_test(suspended),
		cmocka_unit_test(one_handshake_in_rekey_timeout),
		cmocka_unit_test(rekey_limits),
		cmocka_unit_test(one_datagram),
		cmocka_unit_test(question_and_answer),
		cmocka_unit_test(peer_falls_silent),
		cmocka_unit_test(tries_again_after_giving_up),
		cmocka_unit_test(persistent_keepalives_and_rekey),
		cmocka_unit_test(rekey_on_receive),
		cmocka_unit_test(responder_waits_for_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

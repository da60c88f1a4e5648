/* SPDX-License-Identifier: MIT */
/*
 * Two peers over a link in virtual time: what they send, and when, as a text to be read. Sessions
 * are what the timers need of them: when they were born, who initiated, whether they may be used. A
 * message takes LATENCY, or is lost. All clocks are one.
 */
#include "unit.h"
#include "wg/timers.h"

#include <string.h>

#define MS NS_PER_MS
#define S NS_PER_S
#define JITTER (100 * MS)
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

static instant at(int64_t ns)
{
	return (instant){1000 * S + ns};
}

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
	if (due & TIMERS_LOST)
		note(w, s, "misses the other");
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
	for (unsigned i = 0; i < WG_MAX_HANDSHAKE_TRIES + 2; i++) {
		if (i == WG_LOST_AFTER)
			len += (size_t)snprintf(
				want + len, sizeof(want) - len, "45.300 A misses the other\n");
		len += (size_t)snprintf(want + len, sizeof(want) - len, "%u.%u00 A initiation\n",
			35 + 5 * i + (i + 1) / 10, (i + 1) % 10);
	}
	snprintf(want + len, sizeof(want) - len,
		"137.100 A gives up\n"
		"540.020 B forgets all keys\n"
		"540.040 A forgets all keys\n");
	assert_string_equal(w.text, want);
}

static unsigned count(const struct world *w, const char *what)
{
	unsigned n = 0;

	for (const char *at = w->text; (at = strstr(at, what)); at++)
		n++;
	return n;
}

/* Both have others to send to, so that neither asks the other because of data. They meet again long
 * after both gave up, since each goes on asking every few seconds. */
static void two_who_miss_each_other(void **state)
{
	struct world w = two_peers();

	timers_set_sought(&w.a.t, true, w.now);
	timers_set_sought(&w.b.t, true, w.now);
	send_by_session(&w, &w.a, DATA);
	run_until(&w, 20 * S);
	w.a.deaf = w.b.deaf = true;
	send_by_session(&w, &w.a, DATA);
	send_by_session(&w, &w.b, DATA);
	run_until(&w, 60 * S);
	assert_true(w.a.t.is_lost && w.b.t.is_lost);
	assert_int_equal(count(&w, "misses the other"), 2);
	run_until(&w, 200 * S);
	assert_int_equal(count(&w, "gives up"), 2);
	w.len = 0;
	run_until(&w, 300 * S);
	assert_in_range(count(&w, "A initiation"), 18, 20);
	assert_in_range(count(&w, "B initiation"), 18, 20);
	assert_int_equal(count(&w, "gives up"), 0);
	w.a.deaf = w.b.deaf = false;
	run_until(&w, 306 * S);
	assert_false(w.a.t.is_lost || w.b.t.is_lost);
	w.len = 0;
	w.text[0] = '\0';
	run_until(&w, 400 * S);
	assert_int_equal(count(&w, "initiation"), 0);
}

/* Nobody else is sent to in its place: as ever. */
static void who_is_not_sought_is_given_up(void **state)
{
	struct world w = two_peers();

	send_by_session(&w, &w.a, DATA);
	run_until(&w, 20 * S);
	w.b.deaf = true;
	send_by_session(&w, &w.a, DATA);
	run_until(&w, 200 * S);
	assert_true(w.a.t.is_lost);
	w.len = 0;
	w.text[0] = '\0';
	run_until(&w, 300 * S);
	assert_string_equal(w.text, "");
	/* Until a set has it. */
	timers_set_sought(&w.a.t, true, w.now);
	run_until(&w, 310 * S);
	assert_int_equal(count(&w, "A initiation"), 2);
	timers_set_sought(&w.a.t, false, w.now);
	w.b.deaf = false;
	run_until(&w, 330 * S);
	assert_true(w.a.t.is_lost);
	/* What comes from it anew is a session too. */
	send_by_session(&w, &w.b, DATA);
	run_until(&w, 331 * S);
	assert_false(w.a.t.is_lost);
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
		cmocka_unit_test(one_datagram),
		cmocka_unit_test(question_and_answer),
		cmocka_unit_test(peer_falls_silent),
		cmocka_unit_test(two_who_miss_each_other),
		cmocka_unit_test(who_is_not_sought_is_given_up),
		cmocka_unit_test(tries_again_after_giving_up),
		cmocka_unit_test(persistent_keepalives_and_rekey),
		cmocka_unit_test(rekey_on_receive),
		cmocka_unit_test(responder_waits_for_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Cause before effect: in whatever order the engine and the FIB thread speak, a verdict's event
 * stands before the moves that it caused, and a reload's before its moves. */
#include "base/buf.h"
#include "base/mem.h"
#include "daemon/chronicle.h"
#include "unit.h"
#include <errno.h>
#include <string.h>

enum { NOBODY = -1, HUB_A, HUB_B, SITE_2 };

static const char *const names[] = {"hub-a", "hub-b", "site-2"};

struct scene {
	struct events *events;
	struct chronicle *c;
	struct when now;
	uint64_t told;
	struct buf text;
};

static struct scene begin(void)
{
	struct scene s = {.events = events_new(100, "site-1", "now")};

	s.c = chronicle_new(s.events);
	s.now = (struct when){{100 * NS_PER_S}, INT64_C(1795849471000000000)};
	return s;
}

static void end(struct scene *s)
{
	chronicle_free(s->c);
	events_free(s->events);
	buf_done(&s->text);
}

static void pass(struct scene *s, int64_t ns)
{
	s->now.at = instant_add(s->now.at, ns);
	s->now.wall_ns += ns;
}

static void step(struct scene *s)
{
	chronicle_step(s->c, &s->now);
}

/* Made a while ago. */
static void verdict(struct scene *s, int peer, const char *state, int64_t ago)
{
	AUTO_FREE char *text = mem_printf("%s is %s", names[peer], state);

	chronicle_verdict(s->c, &(struct chronicle_verdict){(uint32_t)peer, names[peer], state,
					"expired", text, instant_add(s->now.at, -ago)});
}

static void moves(struct scene *s, int from, int to, const char *first, unsigned n)
{
	struct chronicle_move m = {(uint32_t)from, (uint32_t)to, from < 0 ? NULL : names[from],
		to < 0 ? NULL : names[to], .n = n};

	assert_true(ip_prefix_parse(&m.first, first));
	chronicle_moves(s->c, &m);
}

static void done(struct scene *s, uint64_t order, int err)
{
	chronicle_done(s->c, order, err, &s->now);
}

/* What is new: "number<because kind: text". */
#define expect(s, words) expect_at(s, words, __LINE__)
static void expect_at(struct scene *s, const char *words, int line)
{
	buf_reset(&s->text);
	while (s->told < events_last(s->events)) {
		const struct event *e = events_at(s->events, ++s->told);

		buf_printf(&s->text, "%u<%u %s: %s\n", (unsigned)e->number, (unsigned)e->because,
			event_kind_word(e->kind), e->text);
	}
	if (strcmp(buf_str(&s->text), words) != 0)
		fail_msg("line %d: expected\n%sgot\n%s", line, words, buf_str(&s->text));
}

/* The engine moves first and speaks afterwards; the move is told once it is done. */
static void a_verdict_stands_before_its_moves(void **state)
{
	struct scene s = begin();

	step(&s);
	chronicle_ordered(s.c, 7);
	moves(&s, HUB_A, HUB_B, "10.20.2.0/24", 4);
	moves(&s, HUB_A, NOBODY, "10.40.0.0/24", 1);
	verdict(&s, HUB_A, "down", NS_PER_MS);
	chronicle_step_end(s.c);
	expect(&s, "1<0 verdict: hub-a is down\n");
	pass(&s, 1500000);
	done(&s, 7, 0);
	expect(&s, "2<1 move: 10.20.2.0/24 and 3 others: hub-a -> hub-b in 2.5 ms\n"
		   "3<1 move: 10.40.0.0/24: hub-a -> nobody in 2.5 ms\n");
	assert_int_equal(events_at(s.events, 2)->gap_ns, 2500000);
	assert_int_equal(events_at(s.events, 2)->n_prefixes, 4);
	/* Told as when it was made, and as when it was done. */
	assert_int_equal(
		events_at(s.events, 2)->wall_ns - events_at(s.events, 1)->wall_ns, 2500000);
	end(&s);
}

/* Two orders are under way; each tells of its own cause, in the order in which they are done. */
static void each_order_has_its_cause(void **state)
{
	struct scene s = begin();

	step(&s);
	chronicle_ordered(s.c, 1);
	moves(&s, HUB_A, HUB_B, "10.20.1.0/24", 1);
	verdict(&s, HUB_A, "down", 0);
	chronicle_step_end(s.c);
	pass(&s, NS_PER_MS);
	step(&s);
	chronicle_ordered(s.c, 2);
	moves(&s, HUB_B, HUB_A, "10.20.1.0/24", 2);
	verdict(&s, HUB_A, "up", 0);
	chronicle_step_end(s.c);
	pass(&s, NS_PER_MS);
	done(&s, 1, 0);
	done(&s, 2, 0);
	done(&s, 3, 0); /* moves nothing */
	expect(&s, "1<0 verdict: hub-a is down\n"
		   "2<0 verdict: hub-a is up\n"
		   "3<1 move: 10.20.1.0/24: hub-a -> hub-b in 2.0 ms\n"
		   "4<2 move: 10.20.1.0/24 and 1 other: hub-b -> hub-a in 1.0 ms\n");
	end(&s);
}

/* Of several verdicts of a step that on who had it, then that on who gets it, then the first. */
static void of_several_verdicts_the_one_that_did_it(void **state)
{
	struct scene s = begin();

	step(&s);
	chronicle_ordered(s.c, 1);
	moves(&s, HUB_B, HUB_A, "10.1.0.0/16", 1);
	moves(&s, NOBODY, HUB_B, "10.2.0.0/16", 1);
	moves(&s, NOBODY, HUB_A, "10.3.0.0/16", 1);
	verdict(&s, SITE_2, "up", 0);
	verdict(&s, HUB_B, "down", 0);
	chronicle_step_end(s.c);
	done(&s, 1, 0);
	expect(&s, "1<0 verdict: site-2 is up\n"
		   "2<0 verdict: hub-b is down\n"
		   "3<2 move: 10.1.0.0/16: hub-b -> hub-a in 0.0 ms\n"
		   "4<2 move: 10.2.0.0/16: nobody -> hub-b in 0.0 ms\n"
		   "5<1 move: 10.3.0.0/16: nobody -> hub-a in 0.0 ms\n");
	end(&s);
}

static void a_refused_move_has_no_gap(void **state)
{
	struct scene s = begin();

	step(&s);
	chronicle_ordered(s.c, 1);
	moves(&s, HUB_A, HUB_B, "10.1.0.0/16", 1);
	verdict(&s, HUB_A, "down", 0);
	chronicle_step_end(s.c);
	done(&s, 1, -EIO);
	expect(&s, "1<0 verdict: hub-a is down\n"
		   "2<1 move: 10.1.0.0/16: hub-a -> hub-b: the device refused (Input/output "
		   "error)\n");
	assert_true(events_at(s.events, 2)->gap_ns < 0);
	assert_string_equal(events_at(s.events, 2)->state, "refused");
	end(&s);
}

/* A report's slices follow at once; what comes long after it has another cause. */
static void what_a_peer_reports_moves_in_slices(void **state)
{
	struct scene s = begin();

	step(&s);
	chronicle_ordered(s.c, 1);
	moves(&s, HUB_A, HUB_B, "10.1.0.0/16", 100);
	chronicle_report(s.c, "hub-a", "lost", "hub-a says that it lost site-2");
	chronicle_step_end(s.c);
	pass(&s, NS_PER_MS);
	step(&s);
	chronicle_ordered(s.c, 2);
	moves(&s, HUB_A, HUB_B, "10.2.0.0/16", 3);
	chronicle_step_end(s.c);
	done(&s, 1, 0);
	done(&s, 2, 0);
	pass(&s, 60 * NS_PER_S);
	step(&s);
	chronicle_ordered(s.c, 3);
	moves(&s, HUB_B, HUB_A, "10.2.0.0/16", 3);
	chronicle_step_end(s.c);
	done(&s, 3, 0);
	expect(&s, "1<0 report: hub-a says that it lost site-2\n"
		   "2<1 move: 10.1.0.0/16 and 99 others: hub-a -> hub-b in 1.0 ms\n"
		   "3<1 move: 10.2.0.0/16 and 2 others: hub-a -> hub-b in 1.0 ms\n"
		   "4<0 move: 10.2.0.0/16 and 2 others: hub-b -> hub-a in 0.0 ms\n");
	end(&s);
}

/* A verdict meanwhile is its own cause. */
static void a_reload_stands_before_its_moves(void **state)
{
	struct scene s = begin();
	struct chronicle_move m = {.from = "hub-a", .to = "hub-b", .n = 2};

	assert_true(ip_prefix_parse(&m.first, "10.1.0.0/16"));
	chronicle_reload(s.c, "in force", &s.now);
	step(&s);
	chronicle_ordered(s.c, 1);
	moves(&s, HUB_A, HUB_B, "10.2.0.0/16", 1);
	verdict(&s, HUB_A, "down", 0);
	chronicle_step_end(s.c);
	done(&s, 1, 0);
	pass(&s, 3 * NS_PER_MS);
	chronicle_reload_moved(s.c, &m, &s.now);
	chronicle_reload_end(s.c, "done", "reloaded", &s.now);
	chronicle_reload_end(s.c, "refused", "another one is refused", &s.now);
	expect(&s, "1<0 reload: in force\n"
		   "2<0 verdict: hub-a is down\n"
		   "3<2 move: 10.2.0.0/16: hub-a -> hub-b in 0.0 ms\n"
		   "4<1 move: 10.1.0.0/16 and 1 other: hub-a -> hub-b in 3.0 ms\n"
		   "5<1 reload: reloaded\n"
		   "6<0 reload: another one is refused\n");
	end(&s);
}

static void peers_are_told_because_of_a_drain(void **state)
{
	struct scene s = begin();
	struct event drain = {.kind = EVENT_DRAIN, .text = "drained"};
	struct event signal = {.kind = EVENT_SIGNAL, .text = "signals"};

	chronicle_add(s.c, &signal, &s.now);
	chronicle_add(s.c, &drain, &s.now);
	chronicle_add(s.c, &signal, &s.now);
	chronicle_add(s.c, &signal, &s.now);
	expect(&s, "1<0 signal: signals\n2<0 drain: drained\n3<2 signal: signals\n"
		   "4<0 signal: signals\n");
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_verdict_stands_before_its_moves),
		cmocka_unit_test(each_order_has_its_cause),
		cmocka_unit_test(of_several_verdicts_the_one_that_did_it),
		cmocka_unit_test(a_refused_move_has_no_gap),
		cmocka_unit_test(what_a_peer_reports_moves_in_slices),
		cmocka_unit_test(a_reload_stands_before_its_moves),
		cmocka_unit_test(peers_are_told_because_of_a_drain),
	};

	return cmocka_run_group_tests_name("chronicle", tests, NULL, NULL);
}

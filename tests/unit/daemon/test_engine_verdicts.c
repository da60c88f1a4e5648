/* SPDX-License-Identifier: MIT */
#include "engine_bench.h"

/* --- verdicts --- */

static void test_a_peer_that_is_lost_moves_its_prefixes(void **state)
{
	struct bench *b = *state;

	start(b);
	verdict(b, HUB_A, LIVE_DOWN);
	expect(b, "move 10.9.0.4/32 to hub-b 10.20.2.0/24 to hub-b 10.30.0.0/24 to hub-b\n"
		  "(6) 10.9.0.4/32 and 2 others: hub-a -> hub-b\n"
		  "(4) hub-a is down: nothing comes from it and echoes stay unanswered\n");
	moved(b, 0);
	expect(b, "");
	verdict(b, HUB_A, LIVE_UP);
	expect(b, "move 10.9.0.4/32 to hub-a 10.20.2.0/24 to hub-a 10.30.0.0/24 to hub-a\n"
		  "(6) 10.9.0.4/32 and 2 others: hub-b -> hub-a\n"
		  "(6) hub-a is up: its BFD session is up\n");
}

static void test_a_verdict_of_an_old_generation_is_nothing(void **state)
{
	struct bench *b = *state;

	start(b);
	verdict_of(b, HUB_A, LIVE_DOWN, engine_generation(b->e)->number - 1);
	expect(b, "");
	assert_int_equal(rib_peer_state(engine_rib(b->e), id(b, HUB_A)), RIB_UP);
}

static void test_a_verdict_that_changes_nothing_moves_nothing(void **state)
{
	struct bench *b = *state;

	start(b);
	verdict(b, HUB_A, LIVE_UP);
	expect(b, "(6) hub-a is up: its BFD session is up\n");
}

static void test_a_move_that_is_refused_is_mended(void **state)
{
	struct bench *b = *state;

	start(b);
	verdict(b, HUB_A, LIVE_DOWN);
	forget(b);
	moved(b, -ENOMEM);
	expect(b, "(4) the device refused a change (Cannot allocate memory); reading it back\n"
		  "sync: mended\n");
}

/* --- the hold --- */

static void test_a_hold_ends_at_once_if_all_is_in_line(void **state)
{
	struct bench *b = *state;

	start(b);
	hold_over(b);
	expect(b, "clear the hold\n");
}

static void test_a_hold_ends_after_the_move(void **state)
{
	struct bench *b = *state;

	start(b);
	verdict(b, HUB_A, LIVE_DOWN);
	hold_over(b);
	forget(b);
	moved(b, 0);
	expect(b, "clear the hold\n");
	verdict(b, HUB_A, LIVE_UP);
	forget(b);
	moved(b, 0);
	expect(b, ""); /* once is enough */
}

static void test_a_hold_ends_after_the_last_move(void **state)
{
	struct bench *b = *state;

	start(b);
	verdict(b, HUB_A, LIVE_DOWN);
	verdict(b, HUB_A, LIVE_UP);
	hold_over(b);
	forget(b);
	moved(b, 0);
	expect(b, "");
	moved(b, 0);
	expect(b, "clear the hold\n");
}

static void test_a_sync_does_not_end_a_hold_before_a_move(void **state)
{
	struct bench *b = *state;

	start(b);
	until_sync(b);
	verdict(b, HUB_A, LIVE_DOWN);
	hold_over(b);
	forget(b);
	synced(b);
	expect(b, "");
	moved(b, 0);
	expect(b, "clear the hold\n");
}

static void test_a_hold_waits_for_a_device_that_refuses(void **state)
{
	struct bench *b = *state;

	start(b);
	verdict(b, HUB_A, LIVE_DOWN);
	moved(b, -ENOMEM);
	forget(b);
	hold_over(b);
	expect(b, "");
	sync_fails(b, -ENOMEM, "no memory");
	expect(b, "(3) wg0 can't be brought into line: no memory\n");
	verdict(b, HUB_A, LIVE_UP);
	forget(b);
	moved(b, 0); /* one move that works doesn't make up for the other */
	expect(b, "");
	until_sync(b);
	synced(b);
	expect(b, "clear the hold\n");
}

/* --- what peers are told --- */

static void asks(struct bench *b, struct engine_drain drain)
{
	feed(b, (struct engine_event){.type = ENGINE_DRAIN, .u.drain = drain});
}

static void remembered(struct bench *b, struct engine_drain drain, int err)
{
	struct engine_event done = {.type = ENGINE_REMEMBERED};

	done.u.remembered.drain = drain;
	done.u.remembered.err = err;
	feed(b, done);
}

static void test_a_drain_is_told_once_it_is_remembered(void **state)
{
	struct engine_drain drain = {.drained = true}, none = {0};
	struct bench *b = *state;

	start(b);
	asks(b, drain);
	expect(b, "remember: drained\n");
	remembered(b, drain, -ENOSPC);
	expect(b, "");
	asks(b, drain);
	forget(b);
	remembered(b, drain, 0);
	expect(b, "tell peers: drained\n"
		  "(6) drained: peers are told to use others where they can\n");
	asks(b, none);
	expect(b, "remember: not drained\n");
	remembered(b, none, 0);
	expect(b, "tell peers: not drained\n"
		  "(6) no longer drained: peers are told to come back\n");
}

static struct engine_drain drain_until(double s)
{
	return (struct engine_drain){.drained = true, .has_end = true, .until = at(s)};
}

/* It is remembered, and told, as one that somebody ends. */
static void ends(struct bench *b)
{
	expect(b, "remember: not drained\n");
	remembered(b, (struct engine_drain){.is_end = true}, 0);
	expect(b, "tell peers: not drained\n"
		  "(6) no longer drained, since its time is over: peers are told to come back\n");
}

static void passes(struct bench *b, double s)
{
	b->now = at(s);
	happens(b, ENGINE_TIME);
}

static void quiet_start(struct bench *b)
{
	start(b);
	until_sync(b); /* which stays under way, and asks for nothing more */
	forget(b);
}

static void test_a_drain_ends_when_its_time_is_over(void **state)
{
	struct bench *b = *state;

	quiet_start(b);
	asks(b, drain_until(1805));
	expect(b, "remember: drained until 1805\n");
	b->now = at(1799.6);
	remembered(b, drain_until(1805), 0);
	expect(b, "tell peers: drained\n"
		  "(6) drained for 5s: peers are told to use others where they can\n");
	passes(b, 1804.9);
	expect(b, "");
	assert_false(instant_before(at(1805), engine_deadline(b->e)));
	passes(b, 1805);
	ends(b);
	passes(b, 1900);
	expect(b, "");
}

static void test_the_last_word_on_a_drain_counts(void **state)
{
	struct engine_drain none = {0}, forever = {.drained = true};
	struct bench *b = *state;

	quiet_start(b);
	asks(b, drain_until(1800));
	remembered(b, drain_until(1800), 0);
	forget(b);
	asks(b, drain_until(1900)); /* on its way to a slow disk when the first one is over */
	forget(b);
	passes(b, 1800.5);
	expect(b, "");
	remembered(b, drain_until(1900), 0);
	forget(b);
	passes(b, 1801);
	expect(b, "");
	asks(b, none);
	remembered(b, none, 0);
	forget(b);
	passes(b, 1901);
	expect(b, "");
	asks(b, drain_until(1950));
	remembered(b, drain_until(1950), 0);
	asks(b, forever);
	remembered(b, forever, 0);
	forget(b);
	passes(b, 2000);
	expect(b, "");
	/* Another end that can't be remembered leaves the one that is. */
	asks(b, drain_until(2010));
	remembered(b, drain_until(2010), 0);
	asks(b, drain_until(2100));
	remembered(b, drain_until(2100), -EIO);
	forget(b);
	passes(b, 2010);
	ends(b);
}

static void test_an_end_that_the_disk_refuses_is_tried_again(void **state)
{
	struct bench *b = *state;

	quiet_start(b);
	asks(b, drain_until(1800));
	remembered(b, drain_until(1800), 0);
	forget(b);
	passes(b, 1800);
	expect(b, "remember: not drained\n");
	passes(b, 1801); /* it is under way */
	expect(b, "");
	remembered(b, (struct engine_drain){.is_end = true}, -EROFS);
	expect(b, "(3) the drain's time is over, but the state directory doesn't take it: "
		  "Read-only file system; it is tried again\n");
	passes(b, 1810);
	expect(b, "");
	passes(b, 1811);
	ends(b);
}

static void test_what_we_signal_is_said(void **state)
{
	struct bench *b = *state;
	struct live_event v = {.type = LIVE_EVENT_SELF, .holding = true};
	struct engine_event e = {.type = ENGINE_VERDICTS};

	start(b);
	e.u.verdicts.events = &v;
	e.u.verdicts.n = 1;
	feed(b, e);
	v.flapping = true;
	feed(b, e);
	v.holding = v.flapping = false;
	feed(b, e);
	v.drained = true;
	feed(b, e);
	expect(b, "(6) signals to peers: holding\n"
		  "(6) signals to peers: holding, since several peers flap\n"
		  "(6) signals to peers: in service\n"
		  "(6) signals to peers: drained\n");
}

static void test_the_prober_hears_what_the_device_says(void **state)
{
	struct bench *b = *state;

	start(b);
	until_sync(b);
	b->now = at(1007);
	b->peers[HUB_B].rx_bytes = 77;
	synced(b);
	assert_int_equal(b->todo.n, 2);
	assert_int_equal(b->todo.items[1].type, ENGINE_PROBE_REPORT);
	assert_int_equal(b->todo.items[1].u.report.peer, id(b, HUB_B));
	assert_int_equal(b->todo.items[1].u.report.rx_bytes, 77);
	assert_int_equal(b->todo.items[1].u.report.handshake_age_ns, 7 * NS_PER_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_peer_that_is_lost_moves_its_prefixes),
		TEST(a_verdict_of_an_old_generation_is_nothing),
		TEST(a_verdict_that_changes_nothing_moves_nothing),
		TEST(a_move_that_is_refused_is_mended),
		TEST(a_hold_ends_at_once_if_all_is_in_line),
		TEST(a_hold_ends_after_the_move),
		TEST(a_hold_ends_after_the_last_move),
		TEST(a_sync_does_not_end_a_hold_before_a_move),
		TEST(a_hold_waits_for_a_device_that_refuses),
		TEST(a_drain_is_told_once_it_is_remembered),
		TEST(a_drain_ends_when_its_time_is_over),
		TEST(the_last_word_on_a_drain_counts),
		TEST(an_end_that_the_disk_refuses_is_tried_again),
		TEST(what_we_signal_is_said),
		TEST(the_prober_hears_what_the_device_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

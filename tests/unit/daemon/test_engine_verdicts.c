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

static void test_a_drain_is_told_once_it_is_remembered(void **state)
{
	struct bench *b = *state;
	struct engine_event ask = {.type = ENGINE_DRAIN, .u.drained = true};
	struct engine_event done = {.type = ENGINE_REMEMBERED};

	start(b);
	feed(b, ask);
	expect(b, "remember: drained\n");
	done.u.remembered.drained = true;
	done.u.remembered.err = -ENOSPC;
	feed(b, done);
	expect(b, "");
	done.u.remembered.err = 0;
	feed(b, done);
	expect(b, "tell peers: drained\n"
		  "(6) drained: peers are told to use others where they can\n");
	done.u.remembered.drained = false;
	feed(b, done);
	expect(b, "tell peers: not drained\n"
		  "(6) no longer drained: peers are told to come back\n");
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
		TEST(what_we_signal_is_said),
		TEST(the_prober_hears_what_the_device_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

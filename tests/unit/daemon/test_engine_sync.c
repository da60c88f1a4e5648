/* SPDX-License-Identifier: MIT */
#include "engine_bench.h"

static void test_it_is_read_now_and_then(void **state)
{
	struct bench *b = *state;

	start(b);
	for (unsigned s = 1000; s < 1010; s++)
		wait_until(b, s);
	expect(b, "");
	wait_until(b, 1010);
	expect(b, "sync: drift mended\n");
	wait_until(b, 1011); /* nothing is planned while it is under way */
	synced(b);
	assert_int_equal(engine_deadline(b->e).ns, at(1012).ns);
}

static void test_handshakes_are_read_more_often(void **state)
{
	struct bench *b = *state;

	b->build->nodes.items[HUB_B].liveness.probe = MESH_PROBE_HANDSHAKE;
	start(b);
	wait_until(b, 1000);
	wait_until(b, 1001);
	wait_until(b, 1002);
	expect(b, "sync: drift mended\n");
}

static void test_news_and_lost_peers_hurry_it(void **state)
{
	struct bench *b = *state;

	start(b);
	run_until(b, 1005.5);
	happens(b, ENGINE_NEWS);
	wait_until(b, 1005.7);
	expect(b, "sync: drift mended\n");
	synced(b);
	verdict(b, HUB_B, LIVE_DOWN);
	forget(b);
	wait_until(b, 1006);
	forget(b);
	wait_until(b, 1006.7);
	expect(b, "sync: drift mended\n");
}

/* Each failure doubles the pause; news of our own vain tries don't hurry it. */
static void test_failures_are_tried_again_ever_later(void **state)
{
	static const double pauses[] = {0.5, 1, 2, 4, 8, 16, 30, 30};
	struct bench *b = *state;

	start(b);
	until_sync(b);
	for (size_t i = 0; i < sizeof(pauses) / sizeof(*pauses); i++) {
		double due = (double)b->now.ns / 1e9 + pauses[i];

		sync_fails(b, -EBUSY, "busy");
		expect(b, i ? "" : "(3) wg0 can't be brought into line: busy\n");
		assert_string_equal(engine_trouble(b->e), "busy");
		while (instant_before(engine_deadline(b->e), at(due))) {
			b->now = engine_deadline(b->e);
			happens(b, ENGINE_TIME);
		}
		expect(b, "");
		wait_until(b, due);
		expect(b, "sync: drift mended\n");
	}
	sync_fails(b, -EBUSY, "something else");
	expect(b, "(3) wg0 can't be brought into line: something else\n");
	happens(b, ENGINE_NEWS);
	assert_true(instant_before(b->now, engine_deadline(b->e)));
	until_sync(b);
	synced(b);
	assert_null(engine_trouble(b->e));
}

static void test_a_device_that_is_gone_is_made_anew(void **state)
{
	struct bench *b = *state;
	struct engine_event e = {.type = ENGINE_REOPENED};

	start(b);
	until_sync(b);
	sync_fails(b, -ENODEV, "no such device");
	expect(b, "reopen\n");
	feed(b, e);
	expect(b, "sync: made anew\nreopen the prober\n");
	hold_over(b);
	expect(b, ""); /* it is empty */
	synced(b);
	expect(b, "clear the hold\n");
	assert_null(engine_trouble(b->e));
	until_sync(b);
	sync_fails(b, -ENODEV, "no such device");
	expect(b, "reopen\n");
	e.u.synced.err = -EPERM;
	e.u.synced.trouble = "may not";
	feed(b, e);
	expect(b, "(3) wg0 can't be made again: may not\n");
	assert_string_equal(engine_trouble(b->e), "may not");
}

static void test_a_device_that_goes_again_at_once_waits(void **state)
{
	struct bench *b = *state;

	start(b);
	until_sync(b);
	sync_fails(b, -ENODEV, "no such device");
	happens(b, ENGINE_REOPENED);
	forget(b);
	sync_fails(b, -ENODEV, "no such device");
	expect(b, "(3) wg0 can't be brought into line: no such device\n");
	until_sync(b);
	assert_int_equal(b->now.ns, at(1010.5).ns);
	sync_fails(b, -ENODEV, "no such device");
	expect(b, "reopen\n");
}

/* --- what calls for a look while one is under way ------------------------------------------------
 */

static void test_nothing_is_planned_beside_one(void **state)
{
	struct bench *b = *state;

	start(b);
	until_sync(b);
	happens(b, ENGINE_NEWS);
	verdict(b, HUB_B, LIVE_DOWN);
	forget(b);
	for (unsigned s = 1011; s < 1100; s++) /* peers are looked after all the same */
		wait_until(b, s);
	for (size_t i = 0; i < b->todo.n; i++)
		assert_int_equal(b->todo.items[i].type, ENGINE_RESOLVE);
}

/* It may have read before them. */
static void test_news_meanwhile_are_looked_at(void **state)
{
	struct bench *b = *state;

	start(b);
	until_sync(b);
	happens(b, ENGINE_NEWS);
	b->now = at(1010.05);
	synced(b);
	forget(b);
	wait_until(b, 1010.25);
	expect(b, "sync: drift mended\n");
	synced(b);
	until_sync(b);
	assert_int_equal(b->now.ns, at(1020.25).ns);
}

/* A route that changes without an end beside a look of half a second. */
static void test_news_leave_half_of_the_time(void **state)
{
	struct bench *b = *state;

	start(b);
	until_sync(b);
	for (unsigned i = 0; i < 4; i++) {
		double began = 1010 + i;

		assert_int_equal(b->now.ns, at(began).ns);
		happens(b, ENGINE_NEWS);
		b->now = at(began + 0.5);
		synced(b);
		b->now = at(began + 0.6);
		happens(b, ENGINE_NEWS);
		until_sync(b);
	}
}

static void test_news_just_after_a_long_look_leave_half_too(void **state)
{
	struct bench *b = *state;

	start(b);
	until_sync(b);
	b->now = at(1013);
	synced(b);
	b->now = at(1013.1);
	happens(b, ENGINE_NEWS);
	until_sync(b);
	assert_int_equal(b->now.ns, at(1016).ns);
}

static void test_a_peer_lost_meanwhile_is_looked_at(void **state)
{
	struct bench *b = *state;

	start(b);
	until_sync(b);
	verdict(b, HUB_B, LIVE_DOWN);
	synced(b);
	until_sync(b);
	assert_int_equal(b->now.ns, at(1011).ns);
}

static void test_news_beside_a_failure_are_tried_later(void **state)
{
	struct bench *b = *state;

	start(b);
	until_sync(b);
	for (unsigned i = 0; i < 4; i++) {
		sync_fails(b, -EBUSY, "busy");
		until_sync(b);
	}
	assert_int_equal(b->now.ns, at(1017.5).ns);
	happens(b, ENGINE_NEWS);
	sync_fails(b, -EBUSY, "busy");
	until_sync(b);
	assert_int_equal(b->now.ns, at(1019.5).ns);
}

static void test_a_move_refused_meanwhile_needs_another(void **state)
{
	struct bench *b = *state;

	start(b);
	verdict(b, HUB_A, LIVE_DOWN);
	until_sync(b);
	moved(b, -ENOMEM);
	expect(b, "(4) the device refused a change (Cannot allocate memory); reading it back\n");
	hold_over(b);
	b->now = at(1001.5);
	synced(b); /* may be older than the move */
	expect(b, "");
	wait_until(b, 1001.5);
	expect(b, "sync: mended\n");
	synced(b);
	expect(b, "clear the hold\n");
}

static void test_a_device_may_be_long_in_the_making(void **state)
{
	struct bench *b = *state;

	start(b);
	until_sync(b);
	sync_fails(b, -ENODEV, "no such device");
	expect(b, "reopen\n");
	happens(b, ENGINE_NEWS);
	verdict(b, HUB_A, LIVE_DOWN);
	forget(b);
	moved(b, -ENODEV);
	b->now = at(1050);
	happens(b, ENGINE_TIME);
	expect(b, "(4) the device refused a change (No such device); reading it back\n"
		  "resolve hub-a.example.net:51820\n");
	hold_over(b);
	happens(b, ENGINE_REOPENED);
	expect(b, "sync: made anew\nreopen the prober\n");
	synced(b); /* began after all of that */
	expect(b, "clear the hold\n");
	until_sync(b);
	assert_int_equal(b->now.ns, at(1060).ns);
}

/* Nobody else tells the prober. */
static void test_a_device_made_anew_for_an_older_generation(void **state)
{
	struct bench *b = *state;

	start(b);
	until_sync(b);
	sync_fails(b, -ENODEV, "no such device");
	inventory(b);
	take_generation(b);
	forget(b);
	step(b, &(struct engine_event){.type = ENGINE_REOPENED, .generation = 1});
	expect(b, "reopen the prober\n");
	sync_fails(b, -ENODEV, "no such device");
	expect(b, "reopen\n");
}

/* And nobody makes two of them. */
static void test_a_device_that_is_being_made_is_not_made_twice(void **state)
{
	struct bench *b = *state;
	struct engine_event done = {.type = ENGINE_REOPENED, .generation = 1};

	start(b);
	until_sync(b);
	sync_fails(b, -ENODEV, "no such device");
	inventory(b);
	take_generation(b);
	forget(b);
	sync_fails(b, -ENODEV, "no such device");
	expect(b, "");
	step(b, &done);
	expect(b, "sync: made anew\nreopen the prober\n");
	synced(b);
	expect(b, "probe hub-a=down hub-b=down\n");
	until_sync(b);
	sync_fails(b, -ENODEV, "no such device");
	inventory(b);
	take_generation(b);
	sync_fails(b, -ENODEV, "no such device");
	forget(b);
	done.generation = 2;
	done.u.synced.err = -EPERM;
	done.u.synced.trouble = "may not";
	step(b, &done);
	expect(b, "(3) wg0 can't be made again: may not\nprobe hub-a=down hub-b=down\n");
	until_sync(b);
	sync_fails(b, -ENODEV, "no such device");
	expect(b, "reopen\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_is_read_now_and_then),
		TEST(handshakes_are_read_more_often),
		TEST(news_and_lost_peers_hurry_it),
		TEST(failures_are_tried_again_ever_later),
		TEST(a_device_that_is_gone_is_made_anew),
		TEST(a_device_that_goes_again_at_once_waits),
		TEST(nothing_is_planned_beside_one),
		TEST(news_meanwhile_are_looked_at),
		TEST(news_leave_half_of_the_time),
		TEST(news_just_after_a_long_look_leave_half_too),
		TEST(a_peer_lost_meanwhile_is_looked_at),
		TEST(news_beside_a_failure_are_tried_later),
		TEST(a_move_refused_meanwhile_needs_another),
		TEST(a_device_may_be_long_in_the_making),
		TEST(a_device_made_anew_for_an_older_generation),
		TEST(a_device_that_is_being_made_is_not_made_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

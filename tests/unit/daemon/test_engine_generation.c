/* SPDX-License-Identifier: MIT */
#include "engine_bench.h"

/* --- the start --- */

static void test_a_first_start(void **state)
{
	struct bench *b = *state;

	take_generation(b);
	expect(b, "resolve hub-a.example.net:51820\nresolve hub-b.example.net:51820\n");
	resolved(b, HUB_A, "192.0.2.1:51820");
	resolved(b, HUB_B, NULL);
	expect(b, ""); /* the first sync sets it */
	assert_null(endpoints_unknown(engine_endpoints(b->e), id(b, HUB_A)));
	assert_string_equal(
		endpoints_unknown(engine_endpoints(b->e), id(b, HUB_B)), "hub-b.example.net");
	find(b);
	expect(b, "sync: start\n");
	device_has(b, HUB_A, "192.0.2.1:51820", NULL);
	device_has(b, HUB_B, NULL, NULL);
	synced(b);
	expect(b, "probe hub-a=down hub-b=down\n");
}

static void test_whom_the_device_uses_is_adopted(void **state)
{
	struct bench *b = *state;
	struct rib_answer a;
	ip_prefix net = mesh_build_prefix(SITE_2_NET);

	take_generation(b);
	device_has(b, HUB_A, NULL, SITE_2_NET);
	device_has(b, HUB_B, NULL, NULL); /* its own address never moves, and says nothing */
	forget(b);
	find(b);
	assert_true(rib_explain(engine_rib(b->e), &net, &a));
	assert_int_equal(a.owners.peer[0], id(b, HUB_A));
	synced(b);
	expect(b, "sync: start\nprobe hub-a=up hub-b=down\n");
}

/* hub-a carries its own network, but hub-b what hub-a could: it drained or held. */
static void test_whom_the_device_passes_over_is_last_resort(void **state)
{
	struct bench *b = *state;

	take_generation(b);
	device_has(b, HUB_A, NULL, HUB_A_NET);
	device_has(b, HUB_B, NULL, SITE_2_NET);
	forget(b);
	find(b);
	synced(b);
	expect(b, "sync: start\nprobe hub-a=last-resort hub-b=up\n");
}

static void test_a_start_that_fails_says_why_once(void **state)
{
	struct bench *b = *state;

	take_generation(b);
	find(b);
	forget(b);
	sync_fails(b, -EADDRINUSE, "the port is taken");
	expect(b, ""); /* who starts says it */
	assert_string_equal(engine_trouble(b->e), "the port is taken");
}

/* --- reloads --- */

static void test_a_reload_keeps_the_verdicts(void **state)
{
	struct bench *b = *state;

	start(b);
	verdict(b, HUB_B, LIVE_DOWN);
	forget(b);
	inventory(b);
	take_generation(b);
	assert_int_equal(engine_generation(b->e)->number, 2);
	assert_int_equal(engine_generation_before(b->e)->number, 1);
	expect(b, "sync: reload\n");
	synced(b);
	assert_null(engine_generation_before(b->e));
	expect(b, "probe hub-a=down hub-b=down\n"); /* read of peers that are new only */
	probed(b, LIVE_UP, LIVE_DOWN);
	expect(b, "");
	assert_int_equal(rib_peer_state(engine_rib(b->e), id(b, HUB_A)), RIB_UP);
}

/* What was decided by the prober while the reload went on. */
static void test_after_a_reload_all_are_asked(void **state)
{
	struct bench *b = *state;

	start(b);
	inventory(b);
	take_generation(b);
	synced(b);
	verdict_of(b, HUB_A, LIVE_DOWN, 1);
	forget(b);
	probed(b, LIVE_DOWN, LIVE_UP);
	expect(b, "move 10.9.0.4/32 to hub-b 10.20.2.0/24 to hub-b 10.30.0.0/24 to hub-b\n"
		  "(6) 10.9.0.4/32 and 2 others: hub-a -> hub-b\n"
		  "(4) hub-a is down: nothing was heard of it yet\n");
}

static void test_a_new_network_is_known_and_an_old_one_gone(void **state)
{
	struct bench *b = *state;
	struct rib_answer a;
	ip_prefix was = mesh_build_prefix(SITE_2_NET), is = mesh_build_prefix("10.20.3.0/24");

	start(b);
	inventory(b);
	b->build->networks.items[0].network.prefix = is;
	take_generation(b);
	assert_false(rib_explain(engine_rib(b->e), &was, &a));
	assert_true(rib_explain(engine_rib(b->e), &is, &a));
	assert_int_equal(a.owners.peer[0], id(b, HUB_A));
}

static void test_a_new_peer_is_down_until_it_is_heard(void **state)
{
	struct bench *b = *state;

	start(b);
	inventory(b);
	mesh_build_link(b->build, SITE_1, SITE_2);
	take_generation(b);
	assert_int_equal(rib_peer_state(engine_rib(b->e), id(b, SITE_2)), RIB_DOWN);
	synced(b);
	forget(b);
	inventory(b);
	take_generation(b);
	/* Nobody judges it any more, and what hubs carry for it is in no doubt. */
	assert_int_equal(rib_peer_state(engine_rib(b->e), id(b, SITE_2)), RIB_UP);
}

/* --- reloads beside what takes long --------------------------------------------------------------
 */

static void outcome_of(struct bench *b, enum engine_event_type type, uint64_t generation)
{
	struct engine_event e = {.type = type, .generation = generation};

	if (type == ENGINE_SYNCED)
		e.u.synced.device = &b->device;
	step(b, &e);
}

static void test_a_reload_does_not_wait_for_a_sync(void **state)
{
	struct bench *b = *state;

	start(b);
	until_sync(b);
	inventory(b);
	take_generation(b);
	expect(b, "sync: reload\n");
	outcome_of(b, ENGINE_SYNCED, 1);
	expect(b, "");
	happens(b, ENGINE_NEWS); /* after it began */
	synced(b);
	expect(b, "probe hub-a=down hub-b=down\n");
	until_sync(b);
	assert_int_equal(b->now.ns, at(1010.2).ns);
}

/* Who is gone has a name in what the device was last brought in line with. */
static void test_the_generation_before_is_the_one_in_use(void **state)
{
	struct bench *b = *state;

	start(b);
	inventory(b);
	take_generation(b);
	inventory(b);
	take_generation(b);
	assert_int_equal(engine_generation(b->e)->number, 3);
	assert_int_equal(engine_generation_before(b->e)->number, 1);
	outcome_of(b, ENGINE_SYNCED, 2);
	assert_int_equal(engine_generation_before(b->e)->number, 1);
	forget(b);
	synced(b);
	expect(b, "probe hub-a=down hub-b=down\n");
	assert_null(engine_generation_before(b->e));
	until_sync(b);
	synced(b);
	expect(b, "");
	inventory(b);
	take_generation(b);
	assert_int_equal(engine_generation_before(b->e)->number, 3);
}

static void test_a_reload_beside_the_first_sync(void **state)
{
	struct bench *b = *state;

	take_generation(b);
	find(b);
	inventory(b);
	take_generation(b);
	assert_null(engine_generation_before(b->e));
	forget(b);
	sync_fails(b, -EBUSY, "busy");
	expect(b, ""); /* nobody is probed before the device is in line */
	until_sync(b);
	synced(b);
	expect(b, "probe hub-a=down hub-b=down\n");
	assert_int_equal(engine_deadline(b->e).ns, b->now.ns);
}

/* The device may take long, and the prober hears of the new generation only then. */
static void test_a_peer_lost_during_a_reload_moves_its_prefixes(void **state)
{
	struct bench *b = *state;

	start(b);
	inventory(b);
	take_generation(b);
	inventory(b);
	take_generation(b);
	forget(b);
	verdict_of(b, HUB_A, LIVE_DOWN, 1);
	expect(b, "move 10.9.0.4/32 to hub-b 10.20.2.0/24 to hub-b 10.30.0.0/24 to hub-b\n"
		  "(6) 10.9.0.4/32 and 2 others: hub-a -> hub-b\n"
		  "(4) hub-a is down: nothing comes from it and echoes stay unanswered\n");
	moved(b, 0);
	verdict_of(b, HUB_A, LIVE_DOWN, 2); /* nobody was probed by it */
	expect(b, "");
	synced(b);
	forget(b);
	verdict_of(b, HUB_A, LIVE_UP, 1); /* how all stand is asked */
	expect(b, "");
}

static void test_a_peer_that_is_another_now_is_not_judged_by_the_old(void **state)
{
	struct bench *b = *state;

	start(b);
	inventory(b)->nodes.items[HUB_A].public_key.bytes[0] ^= 1;
	b->build->nodes.items[HUB_B].liveness.probe = MESH_PROBE_ECHO;
	take_generation(b);
	forget(b);
	verdict_of(b, HUB_A, LIVE_DOWN, 1);
	verdict_of(b, HUB_B, LIVE_DOWN, 1);
	verdict_of(b, SITE_2, LIVE_DOWN, 1);
	expect(b, "");
}

static void test_moves_of_an_older_generation_are_not_waited_for(void **state)
{
	struct bench *b = *state;

	start(b);
	verdict(b, HUB_A, LIVE_DOWN);
	inventory(b);
	take_generation(b);
	hold_over(b);
	forget(b);
	outcome_of(b, ENGINE_MOVED, 1);
	expect(b, "");
	synced(b);
	expect(b, "clear the hold\nprobe hub-a=down hub-b=down\n");
}

/* It was remembered, whichever inventory is in force. */
static void test_a_drain_outlives_a_reload(void **state)
{
	struct bench *b = *state;
	struct engine_event done = {.type = ENGINE_REMEMBERED, .generation = 1};

	start(b);
	feed(b, (struct engine_event){.type = ENGINE_DRAIN, .u.drain.drained = true});
	inventory(b);
	take_generation(b);
	forget(b);
	done.u.remembered.drain.drained = true;
	step(b, &done);
	expect(b, "tell peers: drained\n"
		  "(6) drained: peers are told to use others where they can\n");
}

/* One that is over by now ends as soon as there is somebody to tell. */
static void test_a_drain_that_was_remembered_ends(void **state)
{
	struct bench *b = *state;

	b->drain = (struct engine_drain){.drained = true, .has_end = true, .until = at(1000)};
	take_generation(b);
	find(b);
	forget(b);
	assert_false(instant_before(b->now, engine_deadline(b->e)));
	happens(b, ENGINE_TIME);
	expect(b, "remember: not drained\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_first_start),
		TEST(whom_the_device_uses_is_adopted),
		TEST(whom_the_device_passes_over_is_last_resort),
		TEST(a_start_that_fails_says_why_once),
		TEST(a_reload_keeps_the_verdicts),
		TEST(after_a_reload_all_are_asked),
		TEST(a_new_network_is_known_and_an_old_one_gone),
		TEST(a_new_peer_is_down_until_it_is_heard),
		TEST(a_reload_does_not_wait_for_a_sync),
		TEST(the_generation_before_is_the_one_in_use),
		TEST(a_reload_beside_the_first_sync),
		TEST(a_peer_lost_during_a_reload_moves_its_prefixes),
		TEST(a_peer_that_is_another_now_is_not_judged_by_the_old),
		TEST(moves_of_an_older_generation_are_not_waited_for),
		TEST(a_drain_outlives_a_reload),
		TEST(a_drain_that_was_remembered_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

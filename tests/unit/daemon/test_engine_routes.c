/* SPDX-License-Identifier: MIT */
/* What a routing engine chose, in the daemon's engine: at the start, between verdicts and reloads.
 */
#include "engine_bench.h"

/* All of them run a routing engine, and so the inventory has no word of each other's networks. */
static struct mesh_build *engines(struct bench *b)
{
	struct mesh_build *m = inventory(b);

	for (unsigned i = 0; i < NODES; i++) {
		m->nodes.items[i].routing.engine = MESH_ENGINE_BIRD;
		m->nodes.items[i].routing.distance = RIB_DISTANCE_KERNEL;
	}
	return m;
}

struct word {
	const char *prefix;
	int hub, other; /* nodes; -1: none */
};

static struct rib_candidate by_hub(struct bench *b, unsigned hub)
{
	return (struct rib_candidate){.peer = id(b, hub),
		.origin = id(b, SITE_2),
		.distance = RIB_DISTANCE_KERNEL,
		.transit = true,
		.hub_metric = hub == HUB_A ? 10 : 20,
		.place = hub,
		.origin_place = SITE_2};
}

#define WORDS_MAX 1200

static struct rib_event events[WORDS_MAX];
static struct rib_candidate candidates[WORDS_MAX][2];

static void put_word(struct bench *b, const ip_prefix *prefix, int hub, int other, size_t at)
{
	struct rib_event *e = &events[at];

	*e = (struct rib_event){.type = RIB_EVENT_PREFIX};
	e->u.prefix.source = RIB_KERNEL;
	e->u.prefix.prefix = *prefix;
	e->u.prefix.candidates = candidates[at];
	if (hub >= 0)
		candidates[at][e->u.prefix.n++] = by_hub(b, (unsigned)hub);
	if (other >= 0)
		candidates[at][e->u.prefix.n++] = by_hub(b, (unsigned)other);
}

static struct engine_routes routes_of(struct bench *b, const struct word *w, size_t n, bool is_all)
{
	for (size_t i = 0; i < n; i++) {
		ip_prefix p = mesh_build_prefix(w[i].prefix);

		put_word(b, &p, w[i].hub, w[i].other, i);
	}
	return (struct engine_routes){events, n, is_all};
}

static void say(struct bench *b, const char *prefix, int hub, int other)
{
	struct word w = {prefix, hub, other};
	struct engine_event e = {.type = ENGINE_ROUTES};

	e.u.routes = routes_of(b, &w, 1, false);
	feed(b, e);
}

static void say_all_is_said(struct bench *b)
{
	struct engine_event e = {.type = ENGINE_ROUTES};

	e.u.routes.is_all = true;
	feed(b, e);
}

/* The start's ENGINE_FOUND; n words, and whether that was all. */
static void find_with(struct bench *b, const struct word *w, size_t n, bool is_all)
{
	struct engine_event e = {.type = ENGINE_FOUND};

	e.u.found.device = &b->device;
	e.u.found.max_owners = 1;
	e.u.found.routes = routes_of(b, w, n, is_all);
	feed(b, e);
}

static const struct engine_action *last_sync(const struct bench *b)
{
	const struct engine_action *found = NULL;

	for (size_t i = 0; i < b->todo.n; i++)
		if (b->todo.items[i].type == ENGINE_SYNC)
			found = &b->todo.items[i];
	return found;
}

/* Both hubs are up; nothing is known of anybody's network but a hub's, by its own word. */
static void begin_with_engines(struct bench *b)
{
	static const struct word w = {SITE_2_NET, HUB_A, HUB_B};

	engines(b);
	take_generation(b);
	resolved(b, HUB_A, "192.0.2.1:51820");
	resolved(b, HUB_B, "192.0.2.2:51820");
	device_has(b, HUB_A, "192.0.2.1:51820", SITE_2_NET);
	device_has(b, HUB_B, "192.0.2.2:51820", "10.50.0.0/16");
	handshake_now(b, HUB_A);
	handshake_now(b, HUB_B);
	find_with(b, &w, 1, true);
	assert_false(last_sync(b)->keeps);
	synced(b);
	forget(b);
}

/* --- the start ----------------------------------------------------------------------------------
 */

static void test_the_first_sync_knows_of_all(void **state)
{
	struct bench *b = *state;
	struct rib_answer a;
	ip_prefix p = mesh_build_prefix(SITE_2_NET);

	begin_with_engines(b);
	assert_true(rib_explain(engine_rib(b->e), &p, &a));
	assert_int_equal(a.owners.peer[0], id(b, HUB_A));
	assert_int_equal(a.candidates[0].source, RIB_KERNEL);
}

static void test_what_is_not_known_yet_is_removed_from_nobody(void **state)
{
	struct bench *b = *state;

	engines(b);
	take_generation(b);
	device_has(b, HUB_A, "192.0.2.1:51820", SITE_2_NET);
	find_with(b, NULL, 0, false);
	assert_true(last_sync(b)->keeps);
	synced(b);
	forget(b);
	say(b, SITE_2_NET, HUB_A, -1);
	expect(b, "move 10.20.2.0/24 to hub-a\n"
		  "(6) 10.20.2.0/24: nobody -> hub-a\n");
	until_sync(b);
	synced(b);
	forget(b);
	say_all_is_said(b);
	assert_false(last_sync(b)->keeps);
	expect(b, "sync: the routing engine's routes are known\n");
}

static void test_words_before_the_first_sync_is_done_call_for_another(void **state)
{
	struct bench *b = *state;

	engines(b);
	take_generation(b);
	find_with(b, NULL, 0, true);
	forget(b);
	say(b, SITE_2_NET, HUB_A, -1);
	expect(b, "");
	synced(b);
	forget(b);
	happens(b, ENGINE_TIME);
	assert_non_null(last_sync(b)); /* one that began after it */
}

/* --- words and verdicts -------------------------------------------------------------------------
 */

static void test_words_move_what_they_change(void **state)
{
	struct bench *b = *state;

	begin_with_engines(b);
	say(b, SITE_2_NET, HUB_B, HUB_A);
	expect(b, "");
	say(b, SITE_2_NET, HUB_B, -1);
	expect(b, "move 10.20.2.0/24 to hub-b\n"
		  "(6) 10.20.2.0/24: hub-a -> hub-b\n");
	moved(b, 0);
	say(b, "2001:db8::/48", HUB_A, -1);
	expect(b, "move 2001:db8::/48 to hub-a\n"
		  "(6) 2001:db8::/48: nobody -> hub-a\n");
	moved(b, 0);
	say(b, SITE_2_NET, -1, -1);
	expect(b, "move 10.20.2.0/24 to nobody\n"
		  "(6) 10.20.2.0/24: hub-b -> nobody\n");
	moved(b, -EIO);
	forget(b);
}

static void test_a_verdict_comes_between_two_portions(void **state)
{
	struct bench *b = *state;

	begin_with_engines(b);
	say(b, "10.60.1.0/24", HUB_A, HUB_B);
	forget(b);
	verdict(b, HUB_A, LIVE_DOWN);
	expect(b, "move 10.9.0.4/32 to hub-b 10.20.2.0/24 to hub-b 10.60.1.0/24 to hub-b\n"
		  "(6) 10.9.0.4/32 and 2 others: hub-a -> hub-b\n"
		  "(4) hub-a is down: nothing comes from it and echoes stay unanswered\n");
	say(b, "10.60.2.0/24", HUB_A, HUB_B);
	expect(b, "move 10.60.2.0/24 to hub-b\n"
		  "(6) 10.60.2.0/24: nobody -> hub-b\n");
}

static void test_a_portion_is_one_step(void **state)
{
	struct bench *b = *state;
	struct engine_event e = {.type = ENGINE_ROUTES};
	size_t moves = 0;

	begin_with_engines(b);
	for (unsigned i = 0; i < 1000; i++) {
		ip_prefix p = mesh_build_prefix("10.60.0.0/32");

		p.bytes[2] = (uint8_t)(i >> 8);
		p.bytes[3] = (uint8_t)i;
		put_word(b, &p, HUB_A, HUB_B, i);
	}
	e.u.routes = (struct engine_routes){events, 1000, false};
	feed(b, e);
	for (size_t i = 0; i < b->todo.n; i++)
		moves += b->todo.items[i].type == ENGINE_MOVE;
	assert_int_equal(moves, 1);
	forget(b);
}

/* Marks and tables are not for a move to make. */
static void test_a_default_route_takes_a_sync(void **state)
{
	struct bench *b = *state;

	begin_with_engines(b);
	say(b, "0.0.0.0/0", HUB_A, HUB_B);
	assert_non_null(last_sync(b));
	synced(b);
	forget(b);
	say(b, "0.0.0.0/0", HUB_B, -1);
	assert_null(last_sync(b));
	forget(b);
	say(b, "0.0.0.0/0", -1, -1);
	assert_non_null(last_sync(b));
	synced(b);
	forget(b);
}

/* --- generations --------------------------------------------------------------------------------
 */

static void test_words_of_an_older_generation_count_for_nothing(void **state)
{
	struct bench *b = *state;
	struct word w = {SITE_2_NET, HUB_B, -1};
	struct engine_event e = {.type = ENGINE_ROUTES, .generation = 1};

	begin_with_engines(b);
	engines(b);
	take_generation(b);
	forget(b);
	e.u.routes = routes_of(b, &w, 1, false);
	step(b, &e);
	expect(b, "");
	e.generation = 2;
	step(b, &e);
	expect(b, "move 10.20.2.0/24 to hub-b\n"
		  "(6) 10.20.2.0/24: hub-a -> hub-b\n");
}

static void test_words_come_while_a_reload_is_fed(void **state)
{
	struct bench *b = *state;

	begin_with_engines(b);
	engine_set_slice(b->e, 1);
	engines(b);
	for (unsigned i = 0; i < 5; i++)
		mesh_build_network(b->build, SITE_2,
			(const char *[]){"10.71.0.0/24", "10.72.0.0/24", "10.73.0.0/24",
				"10.74.0.0/24", "10.75.0.0/24"}[i],
			0);
	b->build->nodes.items[SITE_2].routing.engine = MESH_ENGINE_NONE;
	take_generation(b);
	assert_true(engine_is_feeding(b->e));
	forget(b);
	say(b, "10.60.1.0/24", HUB_B, -1);
	expect(b, "move 10.60.1.0/24 to hub-b\n"
		  "(6) 10.60.1.0/24: nobody -> hub-b\n");
	while (engine_is_feeding(b->e))
		happens(b, ENGINE_TIME);
	assert_false(last_sync(b)->keeps);
	forget(b);
}

static void test_a_node_gets_a_routing_engine(void **state)
{
	struct bench *b = *state;

	start(b);
	engines(b);
	take_generation(b);
	while (engine_is_feeding(b->e))
		happens(b, ENGINE_TIME);
	assert_true(last_sync(b)->keeps); /* what it chose isn't known yet */
	synced(b);
	forget(b);
	say_all_is_said(b);
	assert_false(last_sync(b)->keeps);
	synced(b);
	forget(b);
	/* And loses it. */
	inventory(b);
	take_generation(b);
	while (engine_is_feeding(b->e))
		happens(b, ENGINE_TIME);
	assert_false(last_sync(b)->keeps);
	forget(b);
}

/* --- what the kernel has for an engine -----------------------------------------------------------
 */

/* Whom the last life held for living is taken for it, though nothing is sent there. */
static void test_a_signal_that_stands_says_who_was_up(void **state)
{
	struct engine_event e = {.type = ENGINE_FOUND};
	struct bench *b = *state;
	ip_addr hub_b;

	engines(b);
	take_generation(b);
	device_has(b, HUB_A, "192.0.2.1:51820", NULL);
	device_has(b, HUB_B, "192.0.2.2:51820", NULL);
	assert_true(ip_addr_parse(&hub_b, "10.9.0.2"));
	e.u.found.device = &b->device;
	e.u.found.max_owners = 1;
	e.u.found.routes = routes_of(b, NULL, 0, true);
	e.u.found.signals = &hub_b;
	e.u.found.n_signals = 1;
	feed(b, e);
	assert_int_equal(rib_peer_state(engine_rib(b->e), id(b, HUB_A)), RIB_DOWN);
	assert_int_equal(rib_peer_state(engine_rib(b->e), id(b, HUB_B)), RIB_UP);
}

/* What others may announce is refused where nobody does; not so the tunnel's own packets. */
static void test_an_endpoint_within_what_may_be_announced_waits(void **state)
{
	struct bench *b = *state;

	begin_with_engines(b);
	run_until(b, 1005);
	verdict(b, HUB_B, LIVE_DOWN);
	run_until(b, 1006);
	forget(b);
	resolved(b, HUB_B, "10.20.2.7:51820");
	expect(b, "sync: an endpoint within a carried prefix\n");
	synced(b);
	expect(b, "hub-b goes to 10.20.2.7:51820 from 192.0.2.2:51820\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_first_sync_knows_of_all, begin, end),
		cmocka_unit_test_setup_teardown(
			test_what_is_not_known_yet_is_removed_from_nobody, begin, end),
		cmocka_unit_test_setup_teardown(
			test_words_before_the_first_sync_is_done_call_for_another, begin, end),
		cmocka_unit_test_setup_teardown(test_words_move_what_they_change, begin, end),
		cmocka_unit_test_setup_teardown(
			test_a_verdict_comes_between_two_portions, begin, end),
		cmocka_unit_test_setup_teardown(test_a_portion_is_one_step, begin, end),
		cmocka_unit_test_setup_teardown(test_a_default_route_takes_a_sync, begin, end),
		cmocka_unit_test_setup_teardown(
			test_words_of_an_older_generation_count_for_nothing, begin, end),
		cmocka_unit_test_setup_teardown(test_words_come_while_a_reload_is_fed, begin, end),
		cmocka_unit_test_setup_teardown(test_a_node_gets_a_routing_engine, begin, end),
		cmocka_unit_test_setup_teardown(
			test_a_signal_that_stands_says_who_was_up, begin, end),
		cmocka_unit_test_setup_teardown(
			test_an_endpoint_within_what_may_be_announced_waits, begin, end),
	};

	return cmocka_run_group_tests_name("engine_routes", tests, NULL, NULL);
}

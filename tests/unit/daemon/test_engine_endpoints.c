/* SPDX-License-Identifier: MIT */
#include "engine_bench.h"

/* --- a reload --- */
static void test_a_peer_follows_its_endpoint_in_the_inventory(void **state)
{
	struct bench *b = *state;

	start(b);
	inventory(b)->nodes.items[HUB_A].endpoint.host = "192.0.2.11";
	take_generation(b);
	expect(b, "sync: reload\n");
	synced(b);
	expect(b, "hub-a goes to 192.0.2.11:51820 from 192.0.2.1:51820\n"
		  "probe hub-a=down hub-b=down\n");
	endpoint_set(b, HUB_A, "192.0.2.11:51820", 0);
	expect(b, "(6) hub-a is looked for at 192.0.2.11:51820\n");
}

static void test_a_peer_follows_even_if_the_sync_fails(void **state)
{
	struct bench *b = *state;

	start(b);
	inventory(b)->nodes.items[HUB_A].endpoint.host = "192.0.2.11";
	take_generation(b);
	forget(b);
	sync_fails(b, -EADDRINUSE, "the port is taken");
	expect(b, "(3) wg0 can't be brought into line: the port is taken\n"
		  "hub-a goes to 192.0.2.11:51820 from 192.0.2.1:51820\n"
		  "probe hub-a=down hub-b=down\n");
}

static void test_a_new_name_is_followed_when_it_is_known(void **state)
{
	struct bench *b = *state;

	start(b);
	inventory(b)->nodes.items[HUB_A].endpoint.host = "new.example.net";
	take_generation(b);
	expect(b, "resolve new.example.net:51820\nsync: reload\n");
	synced(b);
	forget(b);
	resolved(b, HUB_A, "192.0.2.12:51820");
	expect(b, "hub-a goes to 192.0.2.12:51820 from 192.0.2.1:51820\n");
}

/* --- where peers are --- */

/* It roamed, and works there. */
static void test_roaming_is_kept_while_it_works(void **state)
{
	struct bench *b = *state;

	start(b);
	device_has(b, HUB_A, "198.51.100.7:4000", SITE_2_NET);
	handshake_now(b, HUB_A);
	inventory(b)->nodes.items[HUB_A].endpoint.host = "192.0.2.11";
	take_generation(b);
	synced(b);
	expect(b, "sync: reload\nprobe hub-a=down hub-b=down\n");
	run_until(b, 1100);
	expect(b, "sync: drift mended\nsync: drift mended\nsync: drift mended\n"
		  "sync: drift mended\nsync: drift mended\nsync: drift mended\n"
		  "sync: drift mended\nsync: drift mended\nsync: drift mended\n"
		  "sync: drift mended\n");
}

static void test_a_lost_peer_is_looked_for_by_its_name(void **state)
{
	struct bench *b = *state;

	start(b);
	run_until(b, 1005);
	verdict(b, HUB_A, LIVE_DOWN);
	forget(b);
	wait_until(b, 1006);
	expect(b, "sync: drift mended\nresolve hub-a.example.net:51820\n");
	resolved(b, HUB_A, "192.0.2.21:51820");
	expect(b, "hub-a goes to 192.0.2.21:51820 from 192.0.2.1:51820\n");
	endpoint_set(b, HUB_A, "192.0.2.21:51820", -ENODEV);
	expect(b, "(4) hub-a's endpoint could not be set: No such device\n");
	endpoint_set(b, HUB_A, "192.0.2.21:51820", 0);
	forget(b);
	resolved(b, HUB_A, "192.0.2.21:51820"); /* it is there already */
	expect(b, "");
}

/* It came back meanwhile, by roaming. */
static void test_an_answer_that_comes_late_overwrites_nothing(void **state)
{
	struct bench *b = *state;

	start(b);
	run_until(b, 1005);
	verdict(b, HUB_A, LIVE_DOWN);
	forget(b);
	wait_until(b, 1006);
	verdict(b, HUB_A, LIVE_UP);
	forget(b);
	resolved(b, HUB_A, "192.0.2.21:51820");
	expect(b, "");
}

static void test_an_answer_of_an_old_generation_is_nothing(void **state)
{
	struct bench *b = *state;
	struct engine_event e = {.type = ENGINE_RESOLVED, .generation = 1};
	sock_addr a;

	start(b);
	verdict(b, HUB_A, LIVE_DOWN);
	inventory(b);
	take_generation(b);
	synced(b);
	forget(b);
	assert_true(sock_addr_parse(&a, "192.0.2.99:51820"));
	e.u.resolved.peer = id(b, HUB_A);
	e.u.resolved.addrs = &a;
	e.u.resolved.n = 1;
	step(b, &e);
	expect(b, "");
	resolved(b, SITE_2, "192.0.2.99:51820"); /* no peer of ours */
	expect(b, "");
}

static void test_names_are_asked_with_a_growing_pause(void **state)
{
	static const double pauses[] = {6, 12, 24, 48, 60, 60};
	struct bench *b = *state;
	double asked = 1006;

	start(b);
	run_until(b, 1005);
	verdict(b, HUB_A, LIVE_DOWN);
	for (size_t i = 0; i < sizeof(pauses) / sizeof(*pauses); i++) {
		run_until(b, asked - 0.5);
		forget(b);
		run_until(b, asked);
		buf_reset(&b->text);
		for (size_t k = 0; k < b->todo.n; k++)
			if (b->todo.items[k].type == ENGINE_RESOLVE)
				put(b, &b->todo.items[k]);
		assert_string_equal(buf_str(&b->text), "resolve hub-a.example.net:51820\n");
		asked += pauses[i];
	}
}

/* A peer without probes is known by its handshakes alone. */
static void test_an_old_handshake_is_overdue(void **state)
{
	struct bench *b = *state;

	b->build->nodes.items[HUB_A].liveness.probe = MESH_PROBE_HANDSHAKE;
	start(b);
	run_until(b, 1150);
	buf_reset(&b->text);
	for (size_t i = 0; i < b->todo.n; i++)
		assert_int_not_equal(b->todo.items[i].type, ENGINE_RESOLVE);
	forget(b);
	b->now = at(1151);
	happens(b, ENGINE_TIME);
	assert_int_equal(b->todo.items[b->todo.n - 1].type, ENGINE_RESOLVE);
}

/* Roamed to where it isn't any more, and the inventory gives an address. */
static void test_an_address_is_offered_again(void **state)
{
	struct bench *b = *state;

	b->build->nodes.items[HUB_A].endpoint.host = "2001:db8::1";
	start(b);
	expect(b, "");
	device_has(b, HUB_A, "198.51.100.7:4000", SITE_2_NET);
	until_sync(b);
	synced(b);
	forget(b);
	verdict(b, HUB_A, LIVE_DOWN);
	forget(b);
	wait_until(b, 1011);
	expect(b, "sync: drift mended\nhub-a goes to [2001:db8::1]:51820 from 198.51.100.7:4000\n");
}

/* Each time that the peer is lost at one address the next is tried, and after the last the first.
 */
static void test_the_addresses_of_a_name_take_turns(void **state)
{
	static const char *const turns[] = {
		"192.0.2.2:51820", "[2001:db8::1]:51820", "192.0.2.1:51820", "192.0.2.2:51820"};
	struct bench *b = *state;
	struct engine_event e = {.type = ENGINE_RESOLVED};
	sock_addr addrs[3];

	assert_true(sock_addr_parse(&addrs[0], "192.0.2.1:51820"));
	assert_true(sock_addr_parse(&addrs[1], "192.0.2.2:51820"));
	assert_true(sock_addr_parse(&addrs[2], "[2001:db8::1]:51820"));
	start(b);
	e.u.resolved.peer = id(b, HUB_A);
	e.u.resolved.addrs = addrs;
	e.u.resolved.n = 3;
	for (size_t i = 0; i < sizeof(turns) / sizeof(*turns); i++) {
		sock_addr now, want;

		feed(b, e);
		now = endpoints_of(engine_endpoints(b->e), id(b, HUB_A));
		assert_true(sock_addr_parse(&want, turns[i]));
		assert_true(sock_addr_eq(&now, &want));
	}
}

/* The peer has no endpoint, and nobody asks for one. */
static void test_a_peer_that_only_calls_is_not_looked_for(void **state)
{
	struct bench *b = *state;

	b->build->nodes.items[HUB_A].endpoint.host = NULL;
	take_generation(b);
	expect(b, "resolve hub-b.example.net:51820\n");
	device_has(b, HUB_A, "198.51.100.7:4000", SITE_2_NET);
	find(b);
	synced(b);
	verdict(b, HUB_A, LIVE_DOWN);
	forget(b);
	run_until(b, 1009);
	expect(b, "sync: drift mended\n");
	assert_null(endpoints_unknown(engine_endpoints(b->e), id(b, HUB_A)));
}

static void test_an_endpoint_within_a_carried_prefix_waits_for_its_routes(void **state)
{
	struct bench *b = *state;

	start(b);
	run_until(b, 1005);
	verdict(b, HUB_A, LIVE_DOWN);
	run_until(b, 1006);
	forget(b);
	resolved(b, HUB_A, "10.20.2.7:51820");
	expect(b, "sync: an endpoint within a carried prefix\n");
	synced(b);
	expect(b, "hub-a goes to 10.20.2.7:51820 from 192.0.2.1:51820\n");
	endpoint_set(b, HUB_A, "10.20.2.7:51820", 0);
	until_sync(b);
	synced(b);
	expect(b, "");
}

/* --- while other things are under way ------------------------------------------------------------
 */

/* Lost at 1005, and looked for since 1006. */
static void lose_hub_a(struct bench *b)
{
	start(b);
	run_until(b, 1005);
	verdict(b, HUB_A, LIVE_DOWN);
	run_until(b, 1006);
	forget(b);
}

static void test_what_is_being_set_is_not_set_again(void **state)
{
	struct bench *b = *state;

	lose_hub_a(b);
	resolved(b, HUB_A, "192.0.2.21:51820");
	expect(b, "hub-a goes to 192.0.2.21:51820 from 192.0.2.1:51820\n");
	resolved(b, HUB_A, "192.0.2.21:51820");
	resolved(b, HUB_A, "192.0.2.22:51820");
	expect(b, "");
	endpoint_set(b, HUB_A, "192.0.2.21:51820", 0);
	forget(b);
	resolved(b, HUB_A, "192.0.2.22:51820");
	expect(b, "hub-a goes to 192.0.2.22:51820 from 192.0.2.21:51820\n");
	endpoint_set(b, HUB_A, "192.0.2.22:51820", -ENODEV);
	forget(b);
	resolved(b, HUB_A, "192.0.2.22:51820");
	expect(b, "hub-a goes to 192.0.2.22:51820 from 192.0.2.21:51820\n");
}

/* A look that began before may tell of the old one. */
static void test_a_look_says_nothing_of_what_is_set_meanwhile(void **state)
{
	struct bench *b = *state;
	sock_addr is, now;

	assert_true(sock_addr_parse(&now, "192.0.2.21:51820"));
	lose_hub_a(b);
	until_sync(b);
	resolved(b, HUB_A, "192.0.2.21:51820");
	synced(b);
	until_sync(b);
	b->now = instant_add(b->now, NS_PER_MS);
	endpoint_set(b, HUB_A, "192.0.2.21:51820", 0);
	synced(b);
	is = endpoints_set_on_device(engine_endpoints(b->e), id(b, HUB_A));
	assert_true(sock_addr_eq(&is, &now));
	until_sync(b);
	synced(b);
	is = endpoints_set_on_device(engine_endpoints(b->e), id(b, HUB_A));
	assert_false(sock_addr_eq(&is, &now));
}

/* The sync may have begun to make the peer without. */
static void test_an_answer_beside_the_first_sync_is_set_after_it(void **state)
{
	struct bench *b = *state;

	take_generation(b);
	find(b);
	forget(b);
	resolved(b, HUB_A, "192.0.2.1:51820");
	resolved(b, HUB_B, "[2001:db8::2]:51820");
	device_has(b, HUB_A, "192.0.2.1:51820", NULL);
	device_has(b, HUB_B, NULL, NULL);
	expect(b, "");
	synced(b);
	expect(b, "hub-b goes to [2001:db8::2]:51820\nprobe hub-a=down hub-b=down\n");
}

static void test_an_answer_for_a_new_peer_waits_until_it_is_there(void **state)
{
	struct bench *b = *state;

	start(b);
	inventory(b);
	mesh_build_link(b->build, SITE_1, SITE_2);
	b->build->nodes.items[SITE_2].endpoint = b->build->nodes.items[HUB_A].endpoint;
	b->build->nodes.items[SITE_2].endpoint.host = "site-2.example.net";
	take_generation(b);
	expect(b, "resolve site-2.example.net:51820\nsync: reload\n");
	resolved(b, SITE_2, "10.30.0.9:51820");
	expect(b, "");
	device_has(b, SITE_2, NULL, NULL);
	synced(b); /* it lies within what hub-a carries */
	expect(b, "sync: an endpoint within a carried prefix\n"
		  "probe hub-a=down hub-b=down site-2=down\n");
	synced(b);
	expect(b, "site-2 goes to 10.30.0.9:51820\n");
}

static void test_an_endpoint_within_a_carried_prefix_waits_for_a_sync_of_its_own(void **state)
{
	struct bench *b = *state;

	lose_hub_a(b);
	until_sync(b);
	resolved(b, HUB_A, "10.20.2.7:51820");
	resolved(b, HUB_A, "10.20.2.7:51820");
	expect(b, "");
	synced(b);
	expect(b, "");
	b->now = engine_deadline(b->e);
	happens(b, ENGINE_TIME);
	expect(b, "sync: an endpoint within a carried prefix\n");
	synced(b);
	expect(b, "hub-a goes to 10.20.2.7:51820 from 192.0.2.1:51820\n");
}

/* --- two reloads, one soon after the other -------------------------------------------------------
 */

static void reload_at(struct bench *b, const char *host)
{
	inventory(b)->nodes.items[HUB_A].endpoint.host = host;
	take_generation(b);
	forget(b);
}

/* The device still has what the first inventory said. */
static void test_a_place_that_the_device_never_got_is_passed_over(void **state)
{
	struct bench *b = *state;

	b->build->nodes.items[HUB_A].endpoint.host = "192.0.2.1";
	start(b);
	reload_at(b, "192.0.2.11");
	reload_at(b, "192.0.2.12");
	synced(b);
	expect(b, "hub-a goes to 192.0.2.12:51820 from 192.0.2.1:51820\n"
		  "probe hub-a=down hub-b=down\n");
}

static void test_a_place_that_the_device_never_got_and_that_stays(void **state)
{
	struct bench *b = *state;

	b->build->nodes.items[HUB_A].endpoint.host = "192.0.2.1";
	start(b);
	reload_at(b, "192.0.2.11");
	reload_at(b, "192.0.2.11");
	synced(b);
	expect(b, "hub-a goes to 192.0.2.11:51820 from 192.0.2.1:51820\n"
		  "probe hub-a=down hub-b=down\n");
}

static void test_a_place_that_was_on_its_way_to_the_device(void **state)
{
	struct bench *b = *state;

	b->build->nodes.items[HUB_A].endpoint.host = "192.0.2.1";
	start(b);
	reload_at(b, "192.0.2.11");
	synced(b);
	forget(b);
	reload_at(b, "192.0.2.12");
	device_has(b, HUB_A, "192.0.2.11:51820", SITE_2_NET);
	handshake_now(b, HUB_A);
	synced(b);
	expect(b, "hub-a goes to 192.0.2.12:51820 from 192.0.2.11:51820\n"
		  "probe hub-a=down hub-b=down\n");
	reload_at(b, "192.0.2.11"); /* as it still is, maybe */
	device_has(b, HUB_A, "192.0.2.12:51820", SITE_2_NET);
	handshake_now(b, HUB_A);
	synced(b);
	expect(b, "hub-a goes to 192.0.2.11:51820 from 192.0.2.12:51820\n"
		  "probe hub-a=down hub-b=down\n");
}

/* --- many peers ----------------------------------------------------------------------------------
 */

/* So that no event keeps others waiting. */
static void test_a_round_of_many_peers_takes_turns(void **state)
{
	struct bench *b = *state;
	char address[IP_PREFIX_STRLEN];
	unsigned turns = 0;

	for (unsigned i = 0; i < 1200; i++) {
		snprintf(address, sizeof(address), "10.8.%u.%u", i >> 8, i & 255);
		mesh_build_node(
			b->build, arena_printf(&b->build->arena, "hub-%u", i), MESH_HUB, address);
	}
	start(b);
	for (; instant_before(engine_deadline(b->e), at(1001)); turns++)
		happens(b, ENGINE_TIME);
	assert_true(turns > 1 && turns < 10);
	b->now = at(1001.5); /* late, and yet in time afterwards */
	while (instant_before(engine_deadline(b->e), at(1002)))
		happens(b, ENGINE_TIME);
	assert_int_equal(engine_deadline(b->e).ns, at(1002.5).ns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_peer_follows_its_endpoint_in_the_inventory),
		TEST(a_peer_follows_even_if_the_sync_fails),
		TEST(a_new_name_is_followed_when_it_is_known),
		TEST(roaming_is_kept_while_it_works),
		TEST(a_lost_peer_is_looked_for_by_its_name),
		TEST(an_answer_that_comes_late_overwrites_nothing),
		TEST(an_answer_of_an_old_generation_is_nothing),
		TEST(names_are_asked_with_a_growing_pause),
		TEST(an_old_handshake_is_overdue),
		TEST(an_address_is_offered_again),
		TEST(the_addresses_of_a_name_take_turns),
		TEST(a_peer_that_only_calls_is_not_looked_for),
		TEST(an_endpoint_within_a_carried_prefix_waits_for_its_routes),
		TEST(what_is_being_set_is_not_set_again),
		TEST(a_look_says_nothing_of_what_is_set_meanwhile),
		TEST(an_answer_beside_the_first_sync_is_set_after_it),
		TEST(an_answer_for_a_new_peer_waits_until_it_is_there),
		TEST(an_endpoint_within_a_carried_prefix_waits_for_a_sync_of_its_own),
		TEST(a_place_that_the_device_never_got_is_passed_over),
		TEST(a_place_that_the_device_never_got_and_that_stays),
		TEST(a_place_that_was_on_its_way_to_the_device),
		TEST(a_round_of_many_peers_takes_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* What the kernel's routes say. */
#include "kernel_bench.h"

/* --- next hops -----------------------------------------------------------------------------------
 */

static void test_next_hops_are_peers(void **state)
{
	struct bench *b = *state;

	stands(b, "10.20.2.0/24", "10.9.0.1");
	says(b, "10.20.2.0/24 hub-a>site-2\n");
	stands(b, "10.30.0.0/24", "10.9.0.1");
	says(b, "10.30.0.0/24 hub-a\n"); /* its own */
	stands(b, "10.20.3.0/24", "10.9.0.5");
	stands(b, "10.40.7.0/24", "10.9.0.1"); /* within what site-3 may announce */
	says(b, "10.20.3.0/24 site-3\n10.40.7.0/24 hub-a>site-3\n");
	stands(b, "fd20:2::/48", "fd09::2");
	says(b, "fd20:2::/48 hub-b>site-2\n");
	assert_int_equal(kernel_source_count(b->source), 5);
	refuses(b, "");
}

static void test_the_hub_and_the_file_order_what_the_engine_found_equal(void **state)
{
	struct bench *b = *state;
	const struct rib_candidate *c;

	b->build->nodes.items[HUB_B].weight = 3;
	stands(b, "10.20.2.0/24", "10.9.0.2*2 10.9.0.1");
	assert_int_equal(b->words.events.items[0].u.prefix.n, 2);
	c = b->words.events.items[0].u.prefix.candidates;
	assert_int_equal(c[0].peer, bench_id(b, HUB_B));
	assert_int_equal(c[0].distance, RIB_DISTANCE_KERNEL);
	assert_int_equal(c[0].metric, 0);
	assert_int_equal(c[0].hub_metric, 20);
	assert_int_equal(c[0].place, HUB_B);
	assert_int_equal(c[0].origin_place, SITE_2);
	assert_int_equal(c[0].weight, 6);
	assert_true(c[0].transit);
	assert_int_equal(c[1].hub_metric, 10);
	assert_int_equal(c[1].weight, 1);
	kernel_words_done(&b->words);
	stands(b, "10.30.0.0/24", "10.9.0.1*70");
	c = b->words.events.items[0].u.prefix.candidates;
	assert_int_equal(c[0].hub_metric, 0); /* no transit */
	assert_int_equal(c[0].weight, 70);
	kernel_words_done(&b->words);
	stands(b, "10.20.2.0/24", "10.9.0.2*999");
	says(b, "10.20.2.0/24 hub-b>site-2*1000 hub-a>site-2~\n");
}

static void test_gateways_of_any_family_and_kind(void **state)
{
	struct bench *b = *state;
	char link_local[IP_ADDR_STRLEN];
	ip_addr a = mesh_link_local(&b->gen->inv->nodes[HUB_A]);

	stands(b, "10.20.2.0/24", "fd09::1"); /* RFC 8950 */
	says(b, "10.20.2.0/24 hub-a>site-2\n");
	stands(b, "10.20.2.0/24", ip_addr_format(&a, link_local));
	says(b, ""); /* the same peer */
	stands(b, "10.20.2.0/24", "10.9.0.1 fd09::1*2 10.9.0.2");
	says(b, "10.20.2.0/24 hub-a>site-2*3 hub-b>site-2\n"); /* one next hop with two addresses */
	stands(b, "10.20.2.0/24", "10.9.0.1 eth");
	says(b, "10.20.2.0/24 hub-a>site-2 hub-b>site-2~\n"); /* another device's share isn't ours
							       */
	refuses(b, "");
}

static void test_what_does_not_lead_through_the_device(void **state)
{
	struct bench *b = *state;

	stands(b, "10.20.2.0/24", "eth");
	settles(b);
	says(b, "");
	stands(b, "10.20.2.0/24", "10.9.0.1");
	says(b, "10.20.2.0/24 hub-a>site-2\n");
	stands(b, "10.20.2.0/24", "eth"); /* the engine found a way beside the mesh */
	says(b, "");
	settles(b);
	says(b, "10.20.2.0/24\n");
	refuses(b, "");
	assert_int_equal(kernel_source_count(b->source), 0);
}

static void test_several_may_stand_behind_a_hub(void **state)
{
	struct bench *b = *state;

	bench_inventory(b);
	mesh_build_network(b->build, SITE_2, "192.0.2.53/32", 0);
	mesh_build_network(b->build, SITE_3, "192.0.2.53/32", 0);
	mesh_build_network(b->build, SITE_1, "192.0.2.53/32", 0);
	bench_take(b);
	stands(b, "192.0.2.53/32", "10.9.0.1");
	says(b, "192.0.2.53/32 hub-a>site-2 hub-a>site-3\n"); /* never we ourselves */
	stands(b, "192.0.2.53/32", "10.9.0.5 10.9.0.1");
	says(b, "192.0.2.53/32 site-3 hub-a>site-2 hub-a>site-3\n");
}

static void test_a_cover_stands_behind_nothing_within(void **state)
{
	struct bench *b = *state;

	bench_inventory(b);
	mesh_build_network(b->build, HUB_A, "10.20.0.0/16", 0);
	bench_take(b);
	stands(b, "10.20.2.0/24", "10.9.0.1");
	stands(b, "10.20.9.0/24", "10.9.0.1");
	stands(b, "10.20.9.0/25", "10.9.0.2");
	stands(b, "10.20.1.0/25", "10.9.0.1"); /* of ours only the hub may say so */
	says(b, "10.20.2.0/24 hub-a>site-2\n10.20.9.0/24 hub-a\n10.20.9.0/25 hub-b>hub-a\n"
		"10.20.1.0/25 hub-a\n");
}

/* --- what is refused -----------------------------------------------------------------------------
 */

static void test_a_route_without_a_gateway(void **state)
{
	struct bench *b = *state;

	stands(b, "10.20.2.0/24", "dev");
	settles(b);
	says(b, "");
	refuses(b, "no-gateway 1 10.20.2.0/24\n");
	stands(b, "10.20.2.0/24", "10.9.0.1"); /* mended */
	says(b, "10.20.2.0/24 hub-a>site-2\n");
	refuses(b, "");
	stands(b, "10.20.2.0/24", "dev"); /* it may be about to say more */
	says(b, "");
	refuses(b, "no-gateway 1 10.20.2.0/24\n");
	settles(b);
	says(b, "10.20.2.0/24\n");
	goes(b, "10.20.2.0/24", ROUTE_WITHDRAWN);
	settles(b);
	says(b, "");
	refuses(b, "");
}

static void test_a_next_hop_that_is_no_peer(void **state)
{
	struct bench *b = *state;

	stands(b, "10.20.2.0/24", "10.9.0.4");	   /* site-2 is behind the hubs */
	stands(b, "10.40.1.0/24", "198.51.100.9"); /* nobody's */
	stands(b, "10.30.0.0/24", "10.9.0.3");	   /* our own */
	stands(b, "10.20.3.0/24", "fe80::1234");
	says(b, "");
	refuses(b, "unknown-hop 4 10.20.2.0/24\n");
	stands(b, "10.20.2.0/24", "10.9.0.4 10.9.0.2"); /* what can be told counts */
	says(b, "10.20.2.0/24 hub-b>site-2\n");
	refuses(b, "unknown-hop 4 10.20.2.0/24\n");
}

static void test_addresses_never_move(void **state)
{
	struct bench *b = *state;

	stands(b, "10.9.0.3/32", "10.9.0.1"); /* ours, as Babel announces it */
	stands(b, "fd09::3/128", "fd09::1");
	stands(b, "10.9.0.5/32", "10.9.0.1"); /* a direct peer's */
	stands(b, "10.9.0.2/32", "10.9.0.1");
	says(b, "");
	refuses(b, "overlay 4 10.9.0.2/32 hub-a\n");
	stands(b, "10.9.0.4/32", "10.9.0.1"); /* of who is behind the hubs */
	stands(b, "fd09::4/128", "fd09::1");
	says(b, "10.9.0.4/32 hub-a>site-2\nfd09::4/128 hub-a>site-2\n");
	stands(b, "10.9.0.4/32", "10.9.0.5");
	settles(b);
	says(b, "10.9.0.4/32\n");
	refuses(b, "overlay 4 10.9.0.2/32 hub-a\nmay-not 1 10.9.0.4/32 site-3\n");
}

static void test_routes_that_only_resolve_next_hops(void **state)
{
	struct bench *b = *state;

	stands(b, "10.9.0.1/32", "dev");
	stands(b, "10.9.0.1/32", "10.9.0.1");
	stands(b, "fd09::1/128", "fd09::1");
	stands(b, "10.9.0.0/24", "dev");
	settles(b);
	says(b, "");
	refuses(b, "");
	stands(b, "10.9.0.0/24", "10.9.0.1");
	refuses(b, "may-not 1 10.9.0.0/24 hub-a\n");
}

static void test_endpoints_are_not_reached_by_the_mesh(void **state)
{
	struct bench *b = *state;

	bench_inventory(b);
	bench_may_announce(b->build, SITE_3, "198.51.100.0/24");
	bench_take(b);
	stands(b, "198.51.100.1/32", "10.9.0.1");
	stands(b, "198.51.100.0/24", "10.9.0.1"); /* the mark keeps the tunnel's own apart */
	says(b, "198.51.100.1/32 hub-a>site-3\n198.51.100.0/24 hub-a>site-3\n");
	b->endpoints[0] = addr_of("198.51.100.1");
	b->facts.n_endpoints = 1;
	kernel_source_set_endpoints(b->source, &b->facts);
	stands(b, "198.51.100.1/32", "10.9.0.1");
	settles(b);
	says(b, "198.51.100.1/32\n");
	refuses(b, "endpoint 1 198.51.100.1/32 hub-a\n");
	b->facts.n_endpoints = 0;
	kernel_source_set_endpoints(b->source, &b->facts);
	stands(b, "198.51.100.1/32", "10.9.0.1");
	says(b, "198.51.100.1/32 hub-a>site-3\n");
	refuses(b, "");
	/* By another device it is as it should be. */
	b->facts.n_endpoints = 1;
	kernel_source_set_endpoints(b->source, &b->facts);
	stands(b, "198.51.100.1/32", "eth");
	settles(b);
	says(b, "198.51.100.1/32\n");
	refuses(b, "");
}

static void test_a_default_route_where_a_node_offers_it(void **state)
{
	struct bench *b = *state;

	stands(b, "0.0.0.0/0", "10.9.0.1");
	stands(b, "::/0", "fd09::1");
	stands(b, "0.0.0.0/0", "10.9.0.1");
	says(b, "");
	refuses(b, "default 2 0.0.0.0/0 hub-a\n");
	bench_inventory(b);
	bench_may_announce(b->build, HUB_A, "0.0.0.0/0");
	bench_take(b);
	stands(b, "0.0.0.0/0", "10.9.0.1");
	stands(b, "::/0", "fd09::1");
	stands(b, "203.0.113.0/24", "10.9.0.1"); /* it permits nothing within */
	settles(b);
	says(b, "0.0.0.0/0 hub-a\n");
	refuses(b, "default 1 ::/0 hub-a\nmay-not 1 203.0.113.0/24 hub-a\n");
	stands(b, "0.0.0.0/0", "10.9.0.2"); /* passed on by the other hub */
	says(b, "0.0.0.0/0 hub-b>hub-a hub-a~\n");
	stands(b, "0.0.0.0/0", "10.9.0.5"); /* and by a site */
	settles(b);
	says(b, "0.0.0.0/0\n");
}

static void test_nobody_takes_another_ones_prefix(void **state)
{
	struct bench *b = *state;

	stands(b, "10.20.2.128/25", "10.9.0.5"); /* a part of site-2's, by site-3 */
	stands(b, "10.20.1.128/25", "10.9.0.5"); /* a part of ours */
	stands(b, "10.20.1.0/25", "10.9.0.1");	 /* the same by a hub */
	stands(b, "10.0.0.0/8", "10.9.0.1");	 /* wider than anybody may */
	stands(b, "10.20.2.0/24", "10.9.0.5");
	says(b, "");
	refuses(b, "may-not 2 10.0.0.0/8 hub-a\nmay-not 3 10.20.1.128/25 site-3\n");
	stands(b, "10.20.2.128/25", "10.9.0.1"); /* by a hub it may be site-2's own */
	says(b, "10.20.2.128/25 hub-a>site-2\n");
	refuses(b, "may-not 2 10.0.0.0/8 hub-a\nmay-not 2 10.20.1.128/25 site-3\n");
	stands(b, "10.20.2.0/24", "10.9.0.5 10.9.0.2"); /* nor by sharing it */
	says(b, "10.20.2.0/24 hub-b>site-2\n");
	refuses(b, "may-not 2 10.0.0.0/8 hub-a\nmay-not 2 10.20.1.128/25 site-3\n");
}

static void test_without_an_engine_or_a_device_nothing_counts(void **state)
{
	struct bench *b = *state;

	stands(b, "10.20.2.0/24", "10.9.0.1");
	says(b, "10.20.2.0/24 hub-a>site-2\n");
	b->facts.ifindex = 0;
	kernel_source_set(b->source, &b->facts);
	stands(b, "10.20.2.0/24", "10.9.0.1");
	settles(b);
	says(b, "10.20.2.0/24\n");
	b->facts.ifindex = WG;
	bench_inventory(b)->nodes.items[SITE_1].routing.engine = MESH_ENGINE_NONE;
	bench_take(b);
	stands(b, "10.20.2.0/24", "10.9.0.1");
	settles(b);
	says(b, "");
	refuses(b, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BENCH_TEST(test_next_hops_are_peers),
		BENCH_TEST(test_the_hub_and_the_file_order_what_the_engine_found_equal),
		BENCH_TEST(test_gateways_of_any_family_and_kind),
		BENCH_TEST(test_what_does_not_lead_through_the_device),
		BENCH_TEST(test_several_may_stand_behind_a_hub),
		BENCH_TEST(test_a_cover_stands_behind_nothing_within),
		BENCH_TEST(test_a_route_without_a_gateway),
		BENCH_TEST(test_a_next_hop_that_is_no_peer),
		BENCH_TEST(test_addresses_never_move),
		BENCH_TEST(test_routes_that_only_resolve_next_hops),
		BENCH_TEST(test_endpoints_are_not_reached_by_the_mesh),
		BENCH_TEST(test_a_default_route_where_a_node_offers_it),
		BENCH_TEST(test_nobody_takes_another_ones_prefix),
		BENCH_TEST(test_without_an_engine_or_a_device_nothing_counts),
	};

	return cmocka_run_group_tests_name("kernel_source", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* What the kernel's routes say, and for how long. */
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
	says(b, "10.20.2.0/24 hub-b>site-2*1000\n");
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
	says(b, "10.20.2.0/24 hub-a>site-2\n"); /* another device's share is the kernel's matter */
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
	says(b, "0.0.0.0/0 hub-b>hub-a\n");
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

/* --- what goes -----------------------------------------------------------------------------------
 */

static void test_a_withdrawal_counts_when_nothing_is_left_unread(void **state)
{
	struct bench *b = *state;

	stands(b, "10.20.2.0/24", "10.9.0.1");
	stands(b, "fd20:2::/48", "fd09::1");
	kernel_words_done(&b->words);
	goes(b, "10.20.2.0/24", ROUTE_WITHDRAWN);
	goes(b, "fd20:2::/48", ROUTE_WITHDRAWN);
	kernel_source_settle(b->source, b->now, &b->words);
	assert_int_equal(kernel_source_deadline(b->source).ns, b->now.ns + KERNEL_SOURCE_LEAVES);
	says(b, "");
	stands(b, "fd20:2::/48", "fd09::2"); /* FRR replaces by DEL and NEW */
	says(b, "fd20:2::/48 hub-b>site-2\n");
	settles(b);
	says(b, "10.20.2.0/24\n");
	settles(b);
	says(b, "");
	goes(b, "10.20.2.0/24", ROUTE_WITHDRAWN); /* never was */
	goes(b, "10.77.0.0/24", ROUTE_SWEPT);
	goes(b, "10.78.0.0/24", ROUTE_REFUSED);
	settles(b);
	says(b, "");
	assert_true(instant_is_never(kernel_source_deadline(b->source)));
}

static void test_what_was_swept_stays_while_a_next_hop_lives(void **state)
{
	struct bench *b = *state;

	stands(b, "10.20.2.0/24", "10.9.0.1 10.9.0.2");
	stands(b, "10.30.0.0/24", "10.9.0.1");
	stands(b, "10.20.3.0/24", "10.9.0.5");
	kernel_words_done(&b->words);
	goes(b, "10.20.2.0/24", ROUTE_SWEPT);
	goes(b, "10.30.0.0/24", ROUTE_SWEPT);
	dies(b, SITE_3);
	goes(b, "10.20.3.0/24", ROUTE_SWEPT); /* nobody is left who would carry it */
	settles(b);
	says(b, "10.20.3.0/24\n");
	refuses(b, "swept 2 10.20.2.0/24\n");
	passes(b, 2);
	goes(b, "10.20.2.0/24", ROUTE_SWEPT); /* a dump says so again */
	dies(b, HUB_A);
	says(b, "10.30.0.0/24\n");
	lives(b, HUB_A);
	stands(b, "10.20.2.0/24", "10.9.0.1 10.9.0.2"); /* the engine is back */
	says(b, "");
	refuses(b, "");
	passes(b, 100);
	says(b, "");
}

static void test_what_was_swept_stays_a_minute_at_most(void **state)
{
	struct bench *b = *state;

	stands(b, "10.20.2.0/24", "10.9.0.1");
	kernel_words_done(&b->words);
	goes(b, "10.20.2.0/24", ROUTE_SWEPT);
	settles(b);
	passes(b, 30);
	goes(b, "10.20.2.0/24", ROUTE_SWEPT);
	assert_int_equal(kernel_source_deadline(b->source).ns, at(1060).ns);
	passes(b, 29.9);
	says(b, "");
	passes(b, 0.1);
	says(b, "10.20.2.0/24\n");
	refuses(b, "");
	assert_int_equal(kernel_source_count(b->source), 0);
	/* Its writer withdraws what is held. */
	stands(b, "10.20.2.0/24", "10.9.0.1");
	goes(b, "10.20.2.0/24", ROUTE_SWEPT);
	goes(b, "10.20.2.0/24", ROUTE_WITHDRAWN);
	kernel_words_done(&b->words);
	settles(b);
	says(b, "10.20.2.0/24\n");
}

static void test_unreachable_is_no_owner_yet(void **state)
{
	struct bench *b = *state;

	stands(b, "10.20.2.0/24", "10.9.0.1");
	stands(b, "10.30.0.0/24", "10.9.0.1");
	stands(b, "10.20.3.0/24", "10.9.0.5");
	kernel_words_done(&b->words);
	goes(b, "10.20.2.0/24", ROUTE_REFUSED);
	goes(b, "10.30.0.0/24", ROUTE_REFUSED);
	goes(b, "10.20.3.0/24", ROUTE_REFUSED);
	settles(b);
	passes(b, 0.3);
	stands(b, "10.20.2.0/24", "10.9.0.2"); /* BIRD has found another path */
	says(b, "10.20.2.0/24 hub-b>site-2\n");
	goes(b, "10.30.0.0/24", ROUTE_WITHDRAWN); /* none */
	settles(b);
	says(b, "10.30.0.0/24\n");
	goes(b, "10.20.3.0/24", ROUTE_SWEPT); /* a short hold isn't made a long one */
	passes(b, 0.69);
	says(b, "");
	passes(b, 0.01);
	says(b, "10.20.3.0/24\n");
	/* An engine that is back from a sweep and refuses knows what it says. */
	stands(b, "10.20.3.0/24", "10.9.0.5");
	goes(b, "10.20.3.0/24", ROUTE_SWEPT);
	passes(b, 5);
	goes(b, "10.20.3.0/24", ROUTE_REFUSED);
	kernel_words_done(&b->words);
	refuses(b, "");
	passes(b, 1);
	says(b, "10.20.3.0/24\n");
}

/* --- other facts ---------------------------------------------------------------------------------
 */

static void test_another_generation_says_what_differs(void **state)
{
	struct bench *b = *state;

	stands(b, "10.20.2.0/24", "10.9.0.1");
	stands(b, "10.40.7.0/24", "10.9.0.1");
	stands(b, "10.40.8.0/24", "10.9.0.5");
	stands(b, "10.40.9.0/24", "10.9.0.5");
	kernel_words_done(&b->words);
	goes(b, "10.40.8.0/24", ROUTE_SWEPT);
	goes(b, "10.40.9.0/24", ROUTE_SWEPT);
	bench_inventory(b);
	bench_take(b);
	stands(b, "10.20.2.0/24", "10.9.0.1");
	stands(b, "10.40.7.0/24", "10.9.0.1");
	settles(b);
	says(b, "");
	refuses(b, "swept 2 10.40.8.0/24\n");
	bench_inventory(b)->nodes.items[SITE_3].n_may_announce = 0;
	bench_may_announce(b->build, SITE_3, "10.40.9.0/24");
	b->build->nodes.items[HUB_A].weight = 4;
	bench_take(b);
	stands(b, "10.20.2.0/24", "10.9.0.1");
	stands(b, "10.40.7.0/24", "10.9.0.1");
	settles(b);
	says(b, "10.20.2.0/24 hub-a>site-2*4\n10.40.7.0/24\n10.40.8.0/24\n");
	refuses(b, "may-not 1 10.40.7.0/24 hub-a\nswept 1 10.40.9.0/24\n");
	passes(b, 60);
	says(b, "10.40.9.0/24\n");
}

static void test_what_is_not_given_again_went(void **state)
{
	struct bench *b = *state;

	stands(b, "10.20.2.0/24", "10.9.0.1");
	stands(b, "10.20.3.0/24", "dev");
	kernel_words_done(&b->words);
	kernel_source_set(b->source, &b->facts);
	says(b, "");
	settles(b);
	says(b, "10.20.2.0/24\n");
	refuses(b, "");
}

static void test_a_peer_that_is_none_any_more(void **state)
{
	struct bench *b = *state;

	stands(b, "10.20.3.0/24", "10.9.0.5");
	stands(b, "10.40.1.0/24", "10.9.0.5 10.9.0.1");
	stands(b, "10.40.2.0/24", "10.9.0.5 10.9.0.1");
	kernel_words_done(&b->words);
	goes(b, "10.20.3.0/24", ROUTE_SWEPT);
	goes(b, "10.40.1.0/24", ROUTE_SWEPT);
	bench_inventory(b)->links.n = 0;
	bench_take(b);
	stands(b, "10.40.2.0/24", "10.9.0.5 10.9.0.1");
	settles(b);
	says(b, "10.40.2.0/24 hub-a>site-3\n10.40.1.0/24 hub-a>site-3\n10.20.3.0/24\n");
	refuses(b, "unknown-hop 1 10.40.2.0/24\nswept 1 10.40.1.0/24\n");
}

static void unsay(struct bench *b, const char *prefix)
{
	ip_prefix p = mesh_build_prefix(prefix);

	kernel_source_unsay(b->source, &p);
}

static void test_what_nobody_heard_is_said_anew(void **state)
{
	struct bench *b = *state;

	stands(b, "10.20.2.0/24", "10.9.0.1");
	stands(b, "10.40.1.0/24", "10.9.0.1");
	stands(b, "10.40.2.0/24", "10.9.0.1");
	goes(b, "10.40.1.0/24", ROUTE_SWEPT);
	goes(b, "10.40.2.0/24", ROUTE_WITHDRAWN);
	settles(b);
	kernel_words_done(&b->words);
	unsay(b, "10.20.2.0/24");
	unsay(b, "10.40.1.0/24"); /* held */
	unsay(b, "10.40.2.0/24"); /* its end */
	unsay(b, "10.40.3.0/24"); /* of which nothing is known any more */
	stands(b, "10.20.2.0/24", "10.9.0.1");
	says(b, "10.20.2.0/24 hub-a>site-2\n");
	settles(b);
	says(b, "10.40.1.0/24 hub-a>site-3\n10.40.2.0/24\n10.40.3.0/24\n");
	settles(b);
	says(b, "");
	unsay(b, "10.20.2.0/24"); /* and refused by now */
	stands(b, "10.20.2.0/24", "dev");
	settles(b);
	says(b, "10.20.2.0/24\n");
	refuses(b, "no-gateway 1 10.20.2.0/24\nswept 1 10.40.1.0/24\n");
}

/* --- many ----------------------------------------------------------------------------------------
 */

#define MANY 100000

static ip_prefix nth(unsigned i)
{
	ip_prefix p = mesh_build_prefix("10.40.0.0/32");

	p.bytes[1] = (uint8_t)(40 + (i >> 16));
	p.bytes[2] = (uint8_t)(i >> 8);
	p.bytes[3] = (uint8_t)i;
	return p;
}

static void tell_many(struct bench *b, enum route_state state, const char *hops)
{
	struct route_hop list[ROUTE_HOPS_MAX];
	struct route_view v = {.state = state, .protocol = 12, .hops = list};

	v.n_hops = bench_hops(hops, list);
	for (unsigned i = 0; i < MANY; i++) {
		v.prefix = nth(i);
		kernel_source_take(b->source, &v, b->now, &b->words);
	}
}

static size_t words_of(struct bench *b)
{
	size_t n = b->words.events.n;

	kernel_words_done(&b->words);
	return n;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void test_a_hundred_thousand(void **state)
{
	struct bench *b = *state;
	double from = seconds();
	kernel_troubles troubles = {0};

	bench_inventory(b);
	bench_may_announce(b->build, SITE_3, "10.41.0.0/16");
	bench_take(b);
	tell_many(b, ROUTE_STANDS, "10.9.0.1 10.9.0.2");
	assert_int_equal(words_of(b), MANY);
	tell_many(b, ROUTE_STANDS, "10.9.0.2 10.9.0.1");
	tell_many(b, ROUTE_STANDS, "10.9.0.1 10.9.0.2");
	assert_int_equal(words_of(b), 2 * MANY);
	tell_many(b, ROUTE_SWEPT, "");
	settles(b);
	assert_int_equal(words_of(b), 0);
	kernel_source_troubles(b->source, &troubles);
	assert_int_equal(troubles.n, 1);
	assert_int_equal(troubles.items[0].n, MANY);
	vec_done(&troubles);
	dies(b, HUB_A);
	assert_int_equal(words_of(b), 0);
	tell_many(b, ROUTE_STANDS, "10.9.0.1 10.9.0.2");
	assert_int_equal(words_of(b), 0);
	kernel_source_set(b->source, &b->facts);
	tell_many(b, ROUTE_STANDS, "10.9.0.1 10.9.0.2");
	settles(b);
	assert_int_equal(words_of(b), 0);
	tell_many(b, ROUTE_WITHDRAWN, "");
	settles(b);
	assert_int_equal(words_of(b), MANY);
	assert_int_equal(kernel_source_count(b->source), 0);
	print_message("8 times %d prefixes: %.2f s\n", MANY, seconds() - from);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BENCH_TEST(test_next_hops_are_peers),
		BENCH_TEST(test_the_hub_and_the_file_order_what_the_engine_found_equal),
		BENCH_TEST(test_gateways_of_any_family_and_kind),
		BENCH_TEST(test_what_does_not_lead_through_the_device),
		BENCH_TEST(test_several_may_stand_behind_a_hub),
		BENCH_TEST(test_a_route_without_a_gateway),
		BENCH_TEST(test_a_next_hop_that_is_no_peer),
		BENCH_TEST(test_addresses_never_move),
		BENCH_TEST(test_routes_that_only_resolve_next_hops),
		BENCH_TEST(test_endpoints_are_not_reached_by_the_mesh),
		BENCH_TEST(test_a_default_route_where_a_node_offers_it),
		BENCH_TEST(test_nobody_takes_another_ones_prefix),
		BENCH_TEST(test_without_an_engine_or_a_device_nothing_counts),
		BENCH_TEST(test_a_withdrawal_counts_when_nothing_is_left_unread),
		BENCH_TEST(test_what_was_swept_stays_while_a_next_hop_lives),
		BENCH_TEST(test_what_was_swept_stays_a_minute_at_most),
		BENCH_TEST(test_unreachable_is_no_owner_yet),
		BENCH_TEST(test_another_generation_says_what_differs),
		BENCH_TEST(test_what_is_not_given_again_went),
		BENCH_TEST(test_a_peer_that_is_none_any_more),
		BENCH_TEST(test_what_nobody_heard_is_said_anew),
		BENCH_TEST(test_a_hundred_thousand),
	};

	return cmocka_run_group_tests_name("kernel_source", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Findings about routing engines: meshes spoiled in one way each. */
#include "check_expect.h"
#include "mesh/routing.h"

/* start() with an engine on each node: bird on hubs, frr on sites. */
static void start_engines(struct mesh_build *b)
{
	start(b);
	for (unsigned i = 0; i < b->nodes.n; i++)
		b->nodes.items[i].routing = (struct mesh_routing){
			.engine = i < SITE_1 ? MESH_ENGINE_BIRD : MESH_ENGINE_FRR,
			.distance = 5,
			.pos = b->nodes.items[i].pos,
			.asn_pos = b->nodes.items[i].pos,
			.reflectors_pos = b->nodes.items[i].pos,
		};
}

static struct mesh_routing *routing_of(struct mesh_build *b, unsigned node)
{
	return &b->nodes.items[node].routing;
}

static void reflect(struct mesh_build *b, unsigned node, const unsigned *list, size_t n)
{
	routing_of(b, node)->reflectors = list;
	routing_of(b, node)->n_reflectors = n;
}

/* On a line of its own, the next. */
static void announce(struct mesh_build *b, unsigned node, const char *prefix)
{
	struct mesh_node *n = &b->nodes.items[node];
	struct mesh_overlay *o = arena_array(&b->arena, struct mesh_overlay, n->n_may_announce + 1);
	ip_prefix p = mesh_build_prefix(prefix);

	if (n->n_may_announce)
		memcpy(o, n->may_announce, n->n_may_announce * sizeof(*o));
	o[n->n_may_announce++] = (struct mesh_overlay){
		ip_prefix_masked(&p), ip_prefix_has_host_bits(&p), mesh_build_pos(b)};
	n->may_announce = o;
}

/* An address in place of the node's own one, or besides it. */
static void address(struct mesh_build *b, unsigned node, const char *text, bool besides)
{
	struct mesh_node *n = &b->nodes.items[node];
	struct mesh_address *a = arena_array(&b->arena, struct mesh_address, 2);
	bool ok = ip_addr_parse(&a[besides].addr, text);

	assert_true(ok);
	if (besides)
		a[0] = n->addresses[0];
	a[besides].pos = n->pos;
	n->addresses = a;
	n->n_addresses = besides ? 2 : 1;
}

static void ipv6_overlay(struct mesh_build *b)
{
	vec_push(&b->overlays, (struct mesh_overlay){.prefix = mesh_build_prefix("fd10::/64")});
}

static void all_is_well(void **state)
{
	struct mesh_build b;

	start_engines(&b);
	mesh_build_network(&b, SITE_1, "10.20.1.0/24", NONE);
	mesh_build_network(&b, SITE_2, "10.20.1.0/24", NONE); /* who has it is for the engines */
	announce(&b, SITE_3, "10.40.0.0/16");
	announce(&b, SITE_2, "10.20.1.0/24");
	announce(&b, SITE_3, "0.0.0.0/0");
	expect(&b, "");
}

/* Hubs alone, a site without, a client: a mesh may be mixed. */
static void mixed_is_well(void **state)
{
	struct mesh_build b;

	start_engines(&b);
	mesh_build_node(&b, "laptop", MESH_CLIENT, "10.10.0.100");
	routing_of(&b, SITE_3)->engine = MESH_ENGINE_NONE;
	mesh_build_network(&b, SITE_1, "10.20.1.0/24", 10);
	mesh_build_network(&b, SITE_2, "10.20.1.0/24", 20);
	mesh_build_network(&b, 5, "10.20.2.0/24", NONE);
	expect(&b, "2 single-point-of-failure: hub-a laptop\n");
}

static void in_a_mixed_mesh_metrics_are_wanted(void **state)
{
	struct mesh_build b;

	start_engines(&b);
	routing_of(&b, SITE_3)->engine = MESH_ENGINE_NONE;
	mesh_build_network(&b, SITE_1, "10.20.1.0/24", NONE);
	mesh_build_network(&b, SITE_2, "10.20.1.0/24", NONE);
	expect(&b, "13 duplicate-prefix: site-1 site-2 10.20.1.0/24\n");
}

static void keys_without_engine(void **state)
{
	struct mesh_build b;

	start(&b);
	routing_of(&b, SITE_1)->idle_key = "asn";
	routing_of(&b, SITE_1)->idle_pos = (struct mesh_pos){40, 1};
	b.inv.idle_key = "protocol";
	b.inv.idle_pos = (struct mesh_pos){50, 1};
	mesh_build_node(&b, "laptop", MESH_CLIENT, "10.10.0.100");
	routing_of(&b, 5)->idle_key = "engine";
	routing_of(&b, 5)->idle_pos = (struct mesh_pos){60, 1};
	expect(&b, "2 single-point-of-failure: hub-a laptop\n"
		   "40 routing-without-engine: site-1\n"
		   "50 routing-without-engine:\n"
		   "60 routing-without-engine: laptop\n");
}

static void others_say_what_is_theirs(void **state)
{
	static const uint8_t protocols[] = {4};
	struct mesh_build b;

	start_engines(&b);
	for (unsigned i = HUB_B; i <= SITE_2; i++)
		*routing_of(&b, i) =
			(struct mesh_routing){.engine = MESH_ENGINE_OTHER, .pos = {40 + i / 2, 1}};
	expect(&b, "40 engine-without-protocols: hub-b\n"
		   "41 engine-without-protocols: site-1 site-2\n");
	start_engines(&b);
	*routing_of(&b, HUB_B) = (struct mesh_routing){
		.engine = MESH_ENGINE_OTHER, .protocols = protocols, .n_protocols = 1};
	expect(&b, "");
}

static void reserved_asns(void **state)
{
	static const struct {
		uint32_t asn;
		bool is_reserved;
	} table[] = {{1, false}, {23455, false}, {23456, true}, {64495, false}, {64496, true},
		{64511, true}, {64512, false}, {65534, false}, {65535, true}, {65536, true},
		{65551, true}, {65552, false}, {4294967294, false}};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct mesh_build b;

		start_engines(&b);
		for (unsigned k = 0; k < b.nodes.n; k++) {
			routing_of(&b, k)->asn = table[i].asn;
			routing_of(&b, k)->asn_pos = (struct mesh_pos){40, 1};
		}
		expect(&b, table[i].is_reserved
				   ? "40 reserved-asn: hub-a hub-b site-1 site-2 site-3\n"
				   : "");
	}
}

static void derived_asns_are_ones_own(void **state)
{
	struct mesh_build b;

	/* 10.10.0.11 and 172.10.0.11 */
	start_engines(&b);
	vec_push(&b.overlays, (struct mesh_overlay){.prefix = mesh_build_prefix("172.10.0.0/16")});
	address(&b, SITE_3, "172.10.0.11", false);
	expect(&b, "10 duplicate-asn: site-1 site-3\n");
	/* stated as another's derived one */
	start_engines(&b);
	routing_of(&b, SITE_1)->asn = 4200000000 + 0x0a000d;
	expect(&b, "10 duplicate-asn: site-1 site-3\n");
	/* of one address, which is a finding already */
	start_engines(&b);
	address(&b, SITE_3, "10.10.0.11", false);
	expect(&b, "10 duplicate-address: site-1 site-3 10.10.0.11/32\n");
	/* stated alike: internal BGP */
	start_engines(&b);
	for (unsigned i = 0; i < b.nodes.n; i++)
		routing_of(&b, i)->asn = 65001;
	expect(&b, "");
}

/* Two IPv6 addresses of which the same 24 bits are made. */
static void router_ids_are_ones_own(void **state)
{
	struct mesh_build b;

	start_engines(&b);
	ipv6_overlay(&b);
	address(&b, HUB_A, "fd10::a", true);
	address(&b, SITE_1, "fd10::19aa", false);
	address(&b, SITE_2, "fd10::230f", false);
	address(&b, HUB_B, "fd10::b", true);
	expect(&b, "8 duplicate-asn: site-1 site-2\n"
		   "8 duplicate-identifier: site-1 site-2\n");
}

static void reflectors(void **state)
{
	static const unsigned by_hub_b[] = {HUB_B}, by_site_2[] = {SITE_2}, by_laptop[] = {5},
			      both[] = {HUB_A, HUB_B};
	struct mesh_build b;

	start_engines(&b);
	reflect(&b, SITE_1, by_hub_b, 1);
	expect(&b, "4 single-point-of-failure: hub-b site-1\n");
	/* under defaults a list names its own nodes, too */
	start_engines(&b);
	for (unsigned i = 0; i < b.nodes.n; i++) {
		reflect(&b, i, both, 2);
		routing_of(&b, i)->reflectors_pos = (struct mesh_pos){40, 1};
	}
	expect(&b, "");
	start_engines(&b);
	routing_of(&b, HUB_B)->engine = MESH_ENGINE_NONE;
	reflect(&b, SITE_1, both, 2);
	expect(&b, "2 single-point-of-failure: hub-a site-1 site-2 site-3\n"
		   "6 impossible-reflector: hub-b site-1\n");
	start_engines(&b);
	mesh_build_node(&b, "laptop", MESH_CLIENT, "10.10.0.100");
	mesh_build_link(&b, SITE_1, 5);
	reflect(&b, SITE_1, by_laptop, 1);
	expect(&b, "2 single-point-of-failure: hub-a laptop\n"
		   "6 impossible-reflector: laptop site-1\n"
		   "6 no-session: site-1\n"
		   "14 no-endpoint: site-1 laptop\n");
	start_engines(&b);
	reflect(&b, SITE_2, by_site_2, 1);
	expect(&b, "8 impossible-reflector: site-2\n"
		   "8 no-session: site-2\n");
	start_engines(&b);
	for (unsigned i = SITE_1; i <= SITE_3; i++) {
		reflect(&b, i, by_site_2, 1);
		routing_of(&b, i)->reflectors_pos = (struct mesh_pos){40, 1};
	}
	expect(&b, "6 no-session: site-1 site-2 site-3\n"
		   "40 impossible-reflector: site-2 site-1 site-3\n"
		   "40 split-routing: site-1 site-3\n");
	/* A site passes on nothing. */
	start_engines(&b);
	b.nodes.items[SITE_2].endpoint.host = "192.0.2.1";
	b.nodes.items[SITE_2].endpoint.port = 1;
	mesh_build_link(&b, SITE_1, SITE_2);
	reflect(&b, SITE_1, by_site_2, 1);
	expect(&b, "6 split-routing: site-1\n");
}

static void nodes_without_session(void **state)
{
	struct mesh_build b;

	start_engines(&b);
	routing_of(&b, HUB_A)->engine = routing_of(&b, HUB_B)->engine = MESH_ENGINE_NONE;
	expect(&b, "6 no-session: site-1 site-2 site-3\n");
	start_engines(&b);
	routing_of(&b, HUB_A)->engine = routing_of(&b, HUB_B)->engine = MESH_ENGINE_NONE;
	mesh_build_link(&b, SITE_1, SITE_3);
	expect(&b, "8 no-session: site-2\n"
		   "12 no-endpoint: site-1 site-3\n");
	/* No family in common. */
	start_engines(&b);
	ipv6_overlay(&b);
	address(&b, SITE_2, "fd10::12", false);
	expect(&b, "8 no-session: site-2\n");
}

static void full_meshes(void **state)
{
	struct mesh_build b;

	mesh_build_begin(&b, MESH_FULL_MESH, "10.10.0.0/24");
	for (unsigned i = 0; i < 3; i++) {
		static const char *const names[] = {"a", "b", "c"};
		static const char *const addresses[] = {"10.10.0.1", "10.10.0.2", "10.10.0.3"};

		mesh_build_node(&b, names[i], MESH_SPOKE, addresses[i]);
		b.nodes.items[i].endpoint.host = "192.0.2.1";
		b.nodes.items[i].endpoint.port = (uint16_t)(1 + i);
		routing_of(&b, i)->engine = i ? MESH_ENGINE_FRR : MESH_ENGINE_NONE;
	}
	expect(&b, "");
}

static void sites_with_different_hubs(void **state)
{
	static const unsigned a[] = {HUB_A}, b_alone[] = {HUB_B};
	struct mesh_build b;

	start_engines(&b);
	reflect(&b, SITE_1, a, 1);
	reflect(&b, SITE_2, b_alone, 1);
	expect(&b, "2 single-point-of-failure: hub-a site-1\n"
		   "4 single-point-of-failure: hub-b site-2\n"
		   "8 split-routing: site-1 site-2\n");
	start_engines(&b);
	reflect(&b, SITE_1, a, 1);
	expect(&b, "2 single-point-of-failure: hub-a site-1\n");
	start_engines(&b);
	b.nodes.items[SITE_1].endpoint.host = "192.0.2.1";
	b.nodes.items[SITE_1].endpoint.port = 1;
	mesh_build_link(&b, SITE_1, SITE_2);
	reflect(&b, SITE_1, a, 1);
	reflect(&b, SITE_2, b_alone, 1);
	expect(&b, "2 single-point-of-failure: hub-a site-1\n"
		   "4 single-point-of-failure: hub-b site-2\n");
}

static void sites_of_one_number_behind_another(void **state)
{
	static const uint8_t protocols[] = {4};
	struct mesh_build b;

	/* What is rendered takes it. */
	start_engines(&b);
	routing_of(&b, SITE_1)->asn = routing_of(&b, SITE_3)->asn = 65001;
	expect(&b, "");
	start_engines(&b);
	routing_of(&b, SITE_1)->asn = routing_of(&b, SITE_3)->asn = 65001;
	routing_of(&b, SITE_3)->engine = MESH_ENGINE_OTHER;
	routing_of(&b, SITE_3)->protocols = protocols;
	routing_of(&b, SITE_3)->n_protocols = 1;
	expect(&b, "10 asn-loop: hub-a site-3\n"
		   "10 asn-loop: hub-b site-3\n");
	start_engines(&b);
	routing_of(&b, SITE_1)->asn = routing_of(&b, SITE_3)->asn = 65001;
	routing_of(&b, HUB_A)->asn = routing_of(&b, HUB_B)->asn = 65001;
	expect(&b, "");
	start_engines(&b);
	routing_of(&b, SITE_1)->asn = 65001;
	routing_of(&b, SITE_3)->asn = 65002;
	expect(&b, "");
}

static void ipv6_over_ipv4(void **state)
{
	struct mesh_build b;

	start_engines(&b);
	mesh_build_network(&b, SITE_1, "fd20:1::/64", NONE);
	announce(&b, SITE_3, "fd20:3::/64");
	expect(&b, "12 family-not-carried: site-1 site-3 fd20:1::/64 fd20:3::/64\n");
	/* One hub will do. */
	start_engines(&b);
	ipv6_overlay(&b);
	mesh_build_network(&b, SITE_1, "fd20:1::/64", NONE);
	address(&b, SITE_1, "fd10::11", true);
	address(&b, HUB_B, "fd10::b", true);
	expect(&b, "");
	/* IPv4 by IPv6. */
	start_engines(&b);
	ipv6_overlay(&b);
	mesh_build_network(&b, SITE_1, "10.20.1.0/24", NONE);
	for (unsigned i = 0; i < b.nodes.n; i++)
		address(&b, i, arena_printf(&b.arena, "fd10::%u", i + 1), false);
	expect(&b, "");
	/* Where no engine decides, the inventory's networks need no session. */
	start(&b);
	mesh_build_network(&b, SITE_1, "fd20:1::/64", NONE);
	expect(&b, "");
}

static void what_may_not_be_announced(void **state)
{
	struct mesh_build b;

	start_engines(&b);
	announce(&b, SITE_1, "10.0.0.0/8");
	announce(&b, SITE_2, "10.10.0.64/26");
	announce(&b, SITE_3, "10.10.0.0/24");
	announce(&b, SITE_2, "10.0.0.0/8");
	announce(&b, SITE_1, "10.10.1.0/24");
	expect(&b, "12 announced-overlay: site-1 site-2 10.0.0.0/8\n"
		   "13 announced-overlay: site-2 10.10.0.64/26\n"
		   "14 announced-overlay: site-3 10.10.0.0/24\n");
	start_engines(&b);
	announce(&b, SITE_1, "127.0.0.0/8");
	announce(&b, SITE_2, "10.40.7.0/16");
	expect(&b, "12 impossible-prefix: site-1 127.0.0.0/8\n"
		   "13 host-bits: site-2 10.40.0.0/16\n");
}

static void endpoints_stay_outside(void **state)
{
	struct mesh_build b;

	start_engines(&b);
	b.nodes.items[HUB_A].endpoint.host = "203.0.113.1";
	b.nodes.items[HUB_B].endpoint.host = "203.0.113.200";
	announce(&b, SITE_1, "203.0.113.0/24");
	announce(&b, SITE_2, "203.0.113.1/32");
	announce(&b, SITE_3, "0.0.0.0/0");
	announce(&b, SITE_3, "198.51.100.0/24");
	expect(&b, "12 announced-endpoint: site-1 hub-a hub-b 203.0.113.0/24\n"
		   "13 announced-endpoint: site-2 hub-a 203.0.113.1/32\n");
	start_engines(&b);
	mesh_build_link(&b, SITE_1, SITE_2);
	mesh_build_link_endpoint(&b, SITE_2, "2001:db8::5", 7);
	ipv6_overlay(&b);
	for (unsigned i = 0; i < b.nodes.n; i++)
		address(&b, i, arena_printf(&b.arena, "fd10::%u", i + 1), true);
	announce(&b, SITE_3, "2001:db8::/32");
	expect(&b, "14 announced-endpoint: site-3 site-2 2001:db8::/32\n");
}

static void nobody_there_to_announce(void **state)
{
	struct mesh_build b;

	start_engines(&b);
	routing_of(&b, SITE_2)->engine = MESH_ENGINE_NONE;
	announce(&b, SITE_2, "10.40.0.0/16");
	expect(&b, "12 announces-without-engine: site-2 10.40.0.0/16\n");
}

static void said_without_effect(void **state)
{
	struct mesh_build b;

	start_engines(&b);
	mesh_build_network(&b, SITE_1, "10.20.1.0/24", 10);
	mesh_build_network(&b, SITE_2, "10.20.2.0/24", NONE);
	mesh_build_network(&b, SITE_3, "10.20.3.0/24", NONE);
	b.networks.items[1].network.on_dead = MESH_HOLD;
	b.networks.items[2].network.weight = 2;
	expect(&b, "12 left-to-engines: site-1 site-3 10.20.1.0/24 10.20.3.0/24\n"
		   "13 left-to-engines: site-2 10.20.2.0/24\n");
	/* For who has no engine, metrics and weights count. */
	start_engines(&b);
	routing_of(&b, HUB_B)->engine = MESH_ENGINE_NONE;
	mesh_build_network(&b, SITE_1, "10.20.1.0/24", 10);
	mesh_build_network(&b, SITE_2, "10.20.2.0/24", NONE);
	b.networks.items[1].network.on_dead = MESH_RELEASE;
	expect(&b, "2 single-point-of-failure: hub-a site-1 site-2 site-3\n"
		   "13 left-to-engines: site-2 10.20.2.0/24\n");
	/* One engine leaves nothing to others. */
	start(&b);
	routing_of(&b, SITE_1)->engine = MESH_ENGINE_BIRD;
	mesh_build_network(&b, SITE_1, "10.20.1.0/24", 10);
	b.networks.items[0].network.on_dead = MESH_RELEASE;
	expect(&b, "6 no-session: site-1\n");
}

/* The set that engines supply is cut for devices of one owner as the inventory's is. */
static void equal_hubs_are_cut_for_engines_too(void **state)
{
	struct mesh_build b;

	start_engines(&b);
	b.nodes.items[HUB_B].metric = 10;
	b.nodes.items[SITE_1].device = b.nodes.items[SITE_2].device = MESH_DEVICE_SHUNT_WG;
	b.nodes.items[SITE_3].device = MESH_DEVICE_KERNEL;
	expect(&b, "4 cut-set: hub-a hub-b site-3\n");
	/* Between engines a metric of the network doesn't tell origins apart. */
	start_engines(&b);
	b.nodes.items[HUB_B].metric = 10;
	b.nodes.items[HUB_A].device = MESH_DEVICE_KERNEL;
	for (unsigned i = HUB_B; i <= SITE_3; i++)
		b.nodes.items[i].device = MESH_DEVICE_SHUNT_WG;
	mesh_build_network(&b, SITE_1, "192.0.2.53/32", NONE);
	mesh_build_network(&b, SITE_2, "192.0.2.53/32", NONE);
	expect(&b, "2 asymmetric-path: hub-a 192.0.2.53/32\n");
}

static void ten_thousand_sites(void **state)
{
	struct mesh_build b;

	start_engines(&b);
	b.overlays.items[0].prefix = mesh_build_prefix("10.0.0.0/12");
	for (unsigned i = 0; i < 10000; i++) {
		unsigned at = mesh_build_node(&b, arena_printf(&b.arena, "s%u", i), MESH_SPOKE,
			arena_printf(&b.arena, "10.1.%u.%u", i / 200, 1 + i % 200));

		b.nodes.items[at].routing.engine = MESH_ENGINE_BIRD;
		announce(&b, at, "172.16.0.0/12");
	}
	expect(&b, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_is_well),
		cmocka_unit_test(mixed_is_well),
		cmocka_unit_test(in_a_mixed_mesh_metrics_are_wanted),
		cmocka_unit_test(keys_without_engine),
		cmocka_unit_test(others_say_what_is_theirs),
		cmocka_unit_test(reserved_asns),
		cmocka_unit_test(derived_asns_are_ones_own),
		cmocka_unit_test(router_ids_are_ones_own),
		cmocka_unit_test(reflectors),
		cmocka_unit_test(nodes_without_session),
		cmocka_unit_test(full_meshes),
		cmocka_unit_test(sites_with_different_hubs),
		cmocka_unit_test(sites_of_one_number_behind_another),
		cmocka_unit_test(ipv6_over_ipv4),
		cmocka_unit_test(what_may_not_be_announced),
		cmocka_unit_test(endpoints_stay_outside),
		cmocka_unit_test(nobody_there_to_announce),
		cmocka_unit_test(said_without_effect),
		cmocka_unit_test(equal_hubs_are_cut_for_engines_too),
		cmocka_unit_test(ten_thousand_sites),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

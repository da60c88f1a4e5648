/* SPDX-License-Identifier: MIT */
#include "base/buf.h"
#include "mesh/routing.h"
#include "mesh/view.h"
#include "mesh_build.h"
#include "unit.h"

#define NONE MESH_METRIC_NONE

/*
 * hub-a (metric 10) and hub-b (none); site-1 and site-2 linked directly; 192.0.2.53 at site-1
 * (metric 20) and site-3 (metric 5); a client with a network.
 */
enum { SITE_1, HUB_B, HUB_A, SITE_2, SITE_3, LAPTOP, N_NODES };

struct fixture {
	struct mesh_build b;
	struct mesh_topology_index *t;
	struct mesh_view view;
};

static void start(struct fixture *f, enum mesh_topology topology)
{
	struct mesh_build *b = &f->b;

	mesh_build_begin(b, topology, "10.10.0.0/24");
	mesh_build_node(b, "site-1", MESH_SPOKE, "10.10.0.11");
	mesh_build_node(b, "hub-b", MESH_HUB, "10.10.0.2");
	mesh_build_node(b, "hub-a", MESH_HUB, "10.10.0.1");
	mesh_build_node(b, "site-2", MESH_SPOKE, "10.10.0.12");
	mesh_build_node(b, "site-3", MESH_SPOKE, "10.10.0.13");
	mesh_build_node(b, "laptop", MESH_CLIENT, "10.10.0.100");
	b->nodes.items[HUB_A].metric = 10;
	mesh_build_network(b, SITE_1, "10.20.1.0/24", NONE);
	mesh_build_network(b, SITE_1, "192.0.2.53/32", 20);
	mesh_build_network(b, SITE_3, "192.0.2.53/32", 5);
	mesh_build_network(b, HUB_B, "10.30.0.0/24", NONE);
	mesh_build_network(b, LAPTOP, "10.40.0.0/24", NONE);
	mesh_build_link(b, SITE_1, SITE_2);
	f->t = mesh_topology_new(mesh_build_end(b));
	memset(&f->view, 0, sizeof(f->view));
}

static void stop(struct fixture *f)
{
	mesh_view_done(&f->view);
	mesh_topology_free(f->t);
	mesh_build_done(&f->b);
}

/* "hub-a>site-3" per candidate of the prefix, in order; "=site-3" where it is direct. */
static void assert_candidates(
	struct fixture *f, unsigned self, const char *prefix, const char *want)
{
	const struct mesh_node *nodes = f->b.inv.nodes;
	ip_prefix p = mesh_build_prefix(prefix);
	AUTO_BUF got = {0};

	mesh_view_done(&f->view);
	mesh_view_build(f->t, self, &f->view);
	for (size_t i = 0; i < f->view.n_candidates; i++) {
		const struct mesh_candidate *c = &f->view.candidates[i];

		if (!ip_prefix_eq(&c->prefix, &p))
			continue;
		assert_true(c->transit == (c->via != c->origin));
		buf_printf(&got, "%s%s%s%s", got.n ? " " : "", c->transit ? nodes[c->via].name : "",
			c->transit ? ">" : "=", nodes[c->origin].name);
	}
	assert_string_equal(buf_str(&got), want);
}

/* A default route goes to whom its node names; what else it has goes to all. */
static void default_routes_go_to_those_who_are_named(void **state)
{
	static const unsigned site_2[] = {SITE_2};
	struct fixture f;

	start(&f, MESH_HUB_AND_SPOKE);
	mesh_topology_free(f.t);
	mesh_build_network(&f.b, HUB_A, "0.0.0.0/0", NONE);
	f.b.nodes.items[HUB_A].takers = (struct mesh_takers){
		.stated = true, .clients = true, .nodes = site_2, .n_nodes = 1};
	f.t = mesh_topology_new(mesh_build_end(&f.b));
	assert_candidates(&f, LAPTOP, "0.0.0.0/0", "=hub-a");
	assert_candidates(&f, SITE_2, "0.0.0.0/0", "=hub-a hub-b>hub-a");
	assert_candidates(&f, SITE_1, "0.0.0.0/0", "");
	assert_candidates(&f, HUB_B, "0.0.0.0/0", "");
	assert_candidates(&f, SITE_1, "10.10.0.1/32", "=hub-a");
	stop(&f);
}

static void candidates_of_networks(void **state)
{
	struct fixture f;

	start(&f, MESH_HUB_AND_SPOKE);
	assert_candidates(&f, SITE_1, "10.20.1.0/24", "");
	assert_candidates(&f, SITE_2, "10.20.1.0/24", "=site-1 hub-a>site-1 hub-b>site-1");
	assert_candidates(&f, SITE_3, "10.20.1.0/24", "hub-a>site-1 hub-b>site-1");
	assert_candidates(&f, HUB_A, "10.20.1.0/24", "=site-1 hub-b>site-1");
	assert_candidates(&f, LAPTOP, "10.20.1.0/24", "hub-a>site-1");
	assert_candidates(&f, SITE_1, "10.30.0.0/24", "=hub-b hub-a>hub-b");
	assert_candidates(&f, LAPTOP, "10.30.0.0/24", "hub-a>hub-b");
	stop(&f);
}

static void candidates_of_a_prefix_with_two_origins(void **state)
{
	struct fixture f;

	start(&f, MESH_HUB_AND_SPOKE);
	assert_candidates(&f, SITE_1, "192.0.2.53/32", "");
	assert_candidates(&f, SITE_3, "192.0.2.53/32", "");
	assert_candidates(&f, SITE_2, "192.0.2.53/32",
		"hub-a>site-3 hub-b>site-3 =site-1 hub-a>site-1 hub-b>site-1");
	assert_candidates(&f, HUB_B, "192.0.2.53/32", "=site-3 hub-a>site-3 =site-1 hub-a>site-1");
	assert_candidates(&f, LAPTOP, "192.0.2.53/32", "hub-a>site-3 hub-a>site-1");
	stop(&f);
}

/* The weight of the candidate by way of via to the origin; also as the RIB gets it. */
static unsigned weight_of(struct fixture *f, unsigned self, const char *prefix, unsigned via)
{
	ip_prefix p = mesh_build_prefix(prefix);

	mesh_view_done(&f->view);
	mesh_view_build(f->t, self, &f->view);
	for (size_t i = 0; i < f->view.n_candidates; i++) {
		const struct mesh_candidate *c = &f->view.candidates[i];

		if (!ip_prefix_eq(&c->prefix, &p) || c->via != via)
			continue;
		assert_int_equal(mesh_rib_candidate(c, NULL).weight, c->weight);
		return c->weight;
	}
	fail();
	return 0;
}

static void weights(void **state)
{
	struct fixture f;

	start(&f, MESH_HUB_AND_SPOKE);
	f.b.nodes.items[HUB_A].weight = 70;
	f.b.networks.items[0].network.weight = 30;
	mesh_topology_free(f.t);
	f.t = mesh_topology_new(mesh_build_end(&f.b));
	assert_int_equal(weight_of(&f, SITE_2, "10.20.1.0/24", SITE_1), 30);
	assert_int_equal(weight_of(&f, SITE_2, "10.20.1.0/24", HUB_A), 70);
	assert_int_equal(weight_of(&f, SITE_2, "10.20.1.0/24", HUB_B), 1);
	assert_int_equal(weight_of(&f, SITE_2, "10.30.0.0/24", HUB_B), 1);
	assert_int_equal(weight_of(&f, SITE_2, "10.10.0.11/32", SITE_1), 1);
	assert_int_equal(weight_of(&f, SITE_3, "10.10.0.11/32", HUB_A), 70);
	stop(&f);
}

static void a_clients_prefixes_have_one_candidate(void **state)
{
	struct fixture f;

	start(&f, MESH_HUB_AND_SPOKE);
	assert_candidates(&f, HUB_A, "10.40.0.0/24", "=laptop");
	assert_candidates(&f, HUB_B, "10.40.0.0/24", "hub-a>laptop");
	assert_candidates(&f, HUB_B, "10.10.0.100/32", "hub-a>laptop");
	assert_candidates(&f, SITE_1, "10.40.0.0/24", "hub-a>laptop");
	stop(&f);
}

/* By each of its servers; on one of these it is direct, and by the others. */
static void a_client_that_roams_has_one_by_each_server(void **state)
{
	struct fixture f;

	start(&f, MESH_HUB_AND_SPOKE);
	mesh_topology_free(f.t);
	mesh_build_link(&f.b, HUB_A, LAPTOP);
	mesh_build_link(&f.b, HUB_B, LAPTOP);
	mesh_build_link(&f.b, SITE_3, LAPTOP);
	f.t = mesh_topology_new(mesh_build_end(&f.b));
	for (size_t i = 0; i < 2; i++) {
		const char *prefix = i ? "10.10.0.100/32" : "10.40.0.0/24";

		assert_candidates(&f, HUB_A, prefix, "=laptop hub-b>laptop");
		assert_candidates(&f, HUB_B, prefix, "=laptop hub-a>laptop");
		assert_candidates(&f, SITE_1, prefix, "hub-a>laptop hub-b>laptop");
		assert_candidates(&f, SITE_3, prefix, "=laptop");
	}
	assert_candidates(&f, LAPTOP, "10.30.0.0/24", "hub-a>hub-b");
	stop(&f);
}

static void overlay_addresses_never_move(void **state)
{
	struct fixture f;

	start(&f, MESH_HUB_AND_SPOKE);
	assert_candidates(&f, SITE_1, "10.10.0.12/32", "=site-2");
	assert_candidates(&f, SITE_1, "10.10.0.1/32", "=hub-a");
	assert_candidates(&f, SITE_1, "10.10.0.13/32", "hub-a>site-3 hub-b>site-3");
	assert_candidates(&f, SITE_1, "10.10.0.11/32", "");
	stop(&f);
}

static void a_full_mesh_is_direct_before_transit(void **state)
{
	struct fixture f;

	start(&f, MESH_FULL_MESH);
	assert_candidates(&f, SITE_3, "10.20.1.0/24", "=site-1 hub-a>site-1 hub-b>site-1");
	assert_candidates(&f, SITE_3, "10.40.0.0/24", "=laptop");
	assert_candidates(&f, LAPTOP, "10.20.1.0/24", "=site-1");
	stop(&f);
}

static void candidates_carry_what_the_inventory_says(void **state)
{
	struct fixture f;

	start(&f, MESH_HUB_AND_SPOKE);
	mesh_view_build(f.t, HUB_B, &f.view);
	for (size_t i = 0; i < f.view.n_candidates; i++) {
		const struct mesh_candidate *c = &f.view.candidates[i];
		bool anycast = c->prefix.bytes[0] == 192;

		assert_int_equal(c->metric, !anycast ? 0 : c->origin == SITE_1 ? 20 : 5);
		assert_int_equal(c->hub_metric, c->transit ? 10 : 0);
		assert_true(c->address == (c->prefix.bytes[1] == 10));
	}
	stop(&f);
}

static void peers_know_how_to_be_probed(void **state)
{
	struct fixture f;

	start(&f, MESH_HUB_AND_SPOKE);
	mesh_view_build(f.t, HUB_B, &f.view);
	assert_int_equal(f.view.n_peers, 5);
	for (size_t i = 0; i < f.view.n_peers; i++) {
		const struct mesh_view_peer *p = &f.view.peers[i];
		bool client = p->node == LAPTOP;

		assert_true(p->runs_shuntd == !client);
		/* The laptop belongs to hub-a: listed, not probed. */
		assert_int_equal(p->remote.family, client ? 0 : AF_INET);
		assert_int_equal(p->local.family, client ? 0 : AF_INET);
		assert_int_equal(p->keepalive, 0);
	}
	mesh_view_done(&f.view);
	mesh_view_build(f.t, LAPTOP, &f.view);
	assert_int_equal(f.view.n_peers, 1);
	assert_int_equal(f.view.peers[0].node, HUB_A);
	assert_int_equal(f.view.peers[0].keepalive, 25);
	assert_int_equal(f.view.peers[0].remote.bytes[3], 1);
	stop(&f);
}

static void engines(struct fixture *f, unsigned a, unsigned b, unsigned c)
{
	f->b.nodes.items[a].routing.engine = MESH_ENGINE_BIRD;
	f->b.nodes.items[b].routing.engine = MESH_ENGINE_FRR;
	f->b.nodes.items[c].routing.engine = MESH_ENGINE_OTHER;
}

static void networks_among_engines_are_theirs(void **state)
{
	struct fixture f;

	start(&f, MESH_HUB_AND_SPOKE);
	engines(&f, SITE_1, HUB_A, SITE_3);
	assert_candidates(&f, HUB_A, "10.20.1.0/24", "");
	assert_candidates(&f, SITE_3, "10.20.1.0/24", "");
	assert_candidates(&f, SITE_2, "10.20.1.0/24", "=site-1 hub-a>site-1 hub-b>site-1");
	assert_candidates(&f, HUB_B, "10.20.1.0/24", "=site-1 hub-a>site-1");
	assert_candidates(&f, LAPTOP, "10.20.1.0/24", "hub-a>site-1");
	assert_candidates(&f, SITE_1, "10.30.0.0/24", "=hub-b hub-a>hub-b");
	assert_candidates(&f, HUB_A, "10.40.0.0/24", "=laptop");
	assert_candidates(&f, SITE_1, "10.40.0.0/24", "hub-a>laptop");
	assert_candidates(&f, SITE_1, "10.10.0.13/32", "hub-a>site-3 hub-b>site-3");
	assert_candidates(&f, HUB_A, "192.0.2.53/32", "");
	stop(&f);
}

/* Of three origins, one has no engine. */
static void of_a_shared_network_those_without_engine_stay(void **state)
{
	struct fixture f;

	start(&f, MESH_HUB_AND_SPOKE);
	mesh_build_network(&f.b, HUB_B, "192.0.2.53/32", 30);
	mesh_topology_free(f.t);
	f.t = mesh_topology_new(mesh_build_end(&f.b));
	engines(&f, SITE_1, HUB_A, SITE_3);
	assert_candidates(&f, HUB_A, "192.0.2.53/32", "=hub-b");
	f.b.nodes.items[SITE_2].routing.engine = MESH_ENGINE_BIRD;
	assert_candidates(&f, SITE_2, "192.0.2.53/32", "=hub-b hub-a>hub-b");
	stop(&f);
}

/* "fe80::...=peer" is a candidate for each of these, and no other link-local address is. */
static void assert_link_locals(struct fixture *f, unsigned self, const char *want)
{
	AUTO_BUF got = {0};

	mesh_view_done(&f->view);
	mesh_view_build(f->t, self, &f->view);
	for (size_t i = 0; i < f->view.n_candidates; i++) {
		const struct mesh_candidate *c = &f->view.candidates[i];
		ip_addr a = mesh_link_local(&f->b.inv.nodes[c->origin]);
		ip_prefix host = ip_prefix_host(&a);

		if (c->prefix.bytes[0] != 0xfe)
			continue;
		assert_true(ip_prefix_eq(&c->prefix, &host));
		assert_int_equal(c->via, c->origin);
		assert_true(c->address && !c->transit);
		buf_printf(&got, "%u ", c->origin);
	}
	assert_int_equal(strlen(buf_str(&got)), strlen(want));
	for (const char *p = want; *p; p += 2)
		assert_non_null(strchr(buf_str(&got), *p));
}

static void direct_peers_with_engines_have_link_locals(void **state)
{
	struct fixture f;

	start(&f, MESH_HUB_AND_SPOKE);
	engines(&f, SITE_1, HUB_A, SITE_2);
	assert_link_locals(&f, HUB_A, "0 3 ");
	assert_link_locals(&f, SITE_1, "2 3 ");
	assert_link_locals(&f, SITE_2, "0 2 ");
	assert_link_locals(&f, HUB_B, "");
	assert_link_locals(&f, LAPTOP, "");
	f.b.nodes.items[SITE_3].routing.engine = MESH_ENGINE_BIRD;
	assert_link_locals(&f, SITE_3, "2 ");
	stop(&f);
}

static void the_order_is_total(void **state)
{
	static const struct mesh_candidate in_order[] = {
		{.metric = 1, .transit = true, .hub_metric = 9, .via = 9, .origin = 9},
		{.metric = 2, .via = 5, .origin = 5},
		{.metric = 2, .via = 6, .origin = 6},
		{.metric = 2, .transit = true, .hub_metric = 3, .via = 8, .origin = 1},
		{.metric = 2, .transit = true, .hub_metric = 4, .via = 0, .origin = 3},
		{.metric = 2, .transit = true, .hub_metric = 4, .via = 0, .origin = 4},
		{.metric = 2, .transit = true, .hub_metric = 4, .via = 1, .origin = 2},
		{.metric = 2, .transit = true, .hub_metric = NONE, .via = 0, .origin = 2},
	};

	for (size_t i = 0; i < ARRAY_SIZE(in_order); i++)
		for (size_t k = 0; k < ARRAY_SIZE(in_order); k++) {
			int d = mesh_candidate_cmp(&in_order[i], &in_order[k]);

			assert_true(i < k ? d < 0 : i > k ? d > 0 : d == 0);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(candidates_of_networks),
		cmocka_unit_test(default_routes_go_to_those_who_are_named),
		cmocka_unit_test(candidates_of_a_prefix_with_two_origins),
		cmocka_unit_test(weights),
		cmocka_unit_test(a_clients_prefixes_have_one_candidate),
		cmocka_unit_test(a_client_that_roams_has_one_by_each_server),
		cmocka_unit_test(overlay_addresses_never_move),
		cmocka_unit_test(a_full_mesh_is_direct_before_transit),
		cmocka_unit_test(candidates_carry_what_the_inventory_says),
		cmocka_unit_test(peers_know_how_to_be_probed),
		cmocka_unit_test(networks_among_engines_are_theirs),
		cmocka_unit_test(of_a_shared_network_those_without_engine_stay),
		cmocka_unit_test(direct_peers_with_engines_have_link_locals),
		cmocka_unit_test(the_order_is_total),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "mesh/topology.h"
#include "mesh_build.h"
#include "unit.h"

#define NONE MESH_METRIC_NONE

/*
 * hub-a and hub-b, sites 1 to 3 (1 and 2 linked directly), three clients: laptop without a word;
 * phone that is given hub-a although hub-b comes first, and a direct line to site-3; pad with an
 * entry for either hub.
 */
enum { HUB_A, SITE_1, HUB_B, SITE_2, SITE_3, LAPTOP, PHONE, PAD, N_NODES };

struct fixture {
	struct mesh_build b;
	struct mesh_topology_index *t;
};

static void start(struct fixture *f, enum mesh_topology topology)
{
	mesh_build_begin(&f->b, topology, "10.10.0.0/24");
	mesh_build_node(&f->b, "hub-a", MESH_HUB, "10.10.0.1");
	mesh_build_node(&f->b, "site-1", MESH_SPOKE, "10.10.0.11");
	mesh_build_node(&f->b, "hub-b", MESH_HUB, "10.10.0.2");
	mesh_build_node(&f->b, "site-2", MESH_SPOKE, "10.10.0.12");
	mesh_build_node(&f->b, "site-3", MESH_SPOKE, "10.10.0.13");
	mesh_build_node(&f->b, "laptop", MESH_CLIENT, "10.10.0.100");
	mesh_build_node(&f->b, "phone", MESH_CLIENT, "10.10.0.101");
	mesh_build_node(&f->b, "pad", MESH_CLIENT, "10.10.0.102");
	f->b.nodes.items[HUB_A].metric = 20;
	f->b.nodes.items[HUB_B].metric = 10;
	mesh_build_link(&f->b, SITE_2, SITE_1);
	mesh_build_link(&f->b, PHONE, HUB_A);
	mesh_build_link(&f->b, PHONE, SITE_3);
	mesh_build_link(&f->b, HUB_A, PAD);
	mesh_build_link(&f->b, HUB_B, PAD);
	f->t = mesh_topology_new(mesh_build_end(&f->b));
}

static void stop(struct fixture *f)
{
	mesh_topology_free(f->t);
	mesh_build_done(&f->b);
}

/* Rows and columns in the order of the enum: - itself, . not linked, l linked, D direct. */
static void assert_pairs(const struct mesh_topology_index *t, const char *const *want)
{
	for (unsigned a = 0; a < N_NODES; a++) {
		char row[N_NODES + 1] = {0};

		for (unsigned b = 0; b < N_NODES; b++)
			row[b] = a == b			? '-'
				 : mesh_direct(t, a, b) ? 'D'
				 : mesh_linked(t, a, b) ? 'l'
							: '.';
		assert_string_equal(row, want[a]);
	}
}

static void pairs_of_hub_and_spoke(void **state)
{
	static const char *const want[] = {
		"-DDDDlDD",
		"D-DD....",
		"DD-DDDlD",
		"DDD-....",
		"D.D.-.D.",
		"l.D..-..",
		"D.l.D.-.",
		"D.D....-",
	};
	struct fixture f;

	start(&f, MESH_HUB_AND_SPOKE);
	assert_pairs(f.t, want);
	stop(&f);
}

static void pairs_of_full_mesh(void **state)
{
	static const char *const want[] = {
		"-DDDDDDD",
		"D-DDDDDD",
		"DD-DDDDD",
		"DDD-DDDD",
		"DDDD-DDD",
		"DDDDD-DD",
		"DDDDDD-D",
		"DDDDDDD-",
	};
	struct fixture f;

	start(&f, MESH_FULL_MESH);
	assert_pairs(f.t, want);
	stop(&f);
}

/* A peer is who is linked, on a client who is in its first file. */
static void peers_agree_with_pairs(void **state)
{
	for (int topology = MESH_HUB_AND_SPOKE; topology <= MESH_FULL_MESH; topology++) {
		struct fixture f;

		start(&f, topology);
		for (unsigned a = 0; a < N_NODES; a++) {
			bool client = f.b.inv.nodes[a].role == MESH_CLIENT;
			unsigned *peers;
			size_t n = mesh_peers_of(f.t, a, &peers), k = 0;

			for (unsigned b = 0; b < N_NODES; b++)
				if (client ? mesh_lists(f.t, a, b) : mesh_linked(f.t, a, b)) {
					assert_true(k < n);
					assert_int_equal(peers[k++], b);
				}
			assert_int_equal(k, n);
			free(peers);
		}
		stop(&f);
	}
}

static void links_are_found_from_both_ends(void **state)
{
	struct fixture f;
	const struct mesh_explicit *ends;

	start(&f, MESH_HUB_AND_SPOKE);
	assert_ptr_equal(mesh_link_between(f.t, SITE_1, SITE_2), &f.b.inv.links[0]);
	assert_ptr_equal(mesh_link_between(f.t, SITE_2, SITE_1), &f.b.inv.links[0]);
	assert_ptr_equal(mesh_link_between(f.t, HUB_A, PHONE), &f.b.inv.links[1]);
	assert_null(mesh_link_between(f.t, HUB_A, HUB_B));
	assert_int_equal(mesh_explicit_of(f.t, PHONE, &ends), 2);
	assert_int_equal(ends[0].peer, HUB_A);
	assert_int_equal(ends[1].peer, SITE_3);
	assert_int_equal(mesh_explicit_of(f.t, LAPTOP, &ends), 0);
	stop(&f);
}

static void hubs_stand_in_order_of_preference(void **state)
{
	static const uint32_t metrics[] = {NONE, 20, 10, NONE, 10, 0};
	static const unsigned want[] = {5, 2, 4, 1, 0, 3};
	struct mesh_build b;
	const unsigned *hubs;

	mesh_build_begin(&b, MESH_HUB_AND_SPOKE, "10.10.0.0/24");
	for (size_t i = 0; i < ARRAY_SIZE(metrics); i++) {
		mesh_build_node(&b, "hub", MESH_HUB, NULL);
		b.nodes.items[i].metric = metrics[i];
	}
	struct mesh_topology_index *t = mesh_topology_new(mesh_build_end(&b));
	assert_int_equal(mesh_hubs(t, &hubs), ARRAY_SIZE(want));
	assert_memory_equal(hubs, want, sizeof(want));
	mesh_topology_free(t);
	mesh_build_done(&b);
}

static void a_client_has_the_first_hub_or_the_one_it_is_given(void **state)
{
	struct fixture f;

	start(&f, MESH_HUB_AND_SPOKE);
	assert_int_equal(mesh_client_hub(f.t, LAPTOP), HUB_B);
	assert_int_equal(mesh_client_hub(f.t, PHONE), HUB_A);
	assert_int_equal(mesh_client_hub(f.t, PAD), HUB_B);
	assert_int_equal(mesh_client_hub(f.t, SITE_1), -1);
	assert_int_equal(mesh_client_hub(f.t, HUB_A), -1);
	stop(&f);
}

static void expect_servers(
	const struct fixture *f, unsigned client, size_t n, unsigned first, unsigned second)
{
	AUTO_FREE unsigned *servers = NULL;

	assert_int_equal(mesh_servers_of(f->t, client, &servers), n);
	assert_true(n < 1 || servers[0] == first);
	assert_true(n < 2 || servers[1] == second);
	assert_int_equal(mesh_roams(f->t, client), n > 1);
}

/* All hubs that it is linked with; by default the first. */
static void a_client_may_have_several_servers(void **state)
{
	struct fixture f;
	AUTO_FREE unsigned *peers = NULL;

	start(&f, MESH_HUB_AND_SPOKE);
	expect_servers(&f, LAPTOP, 1, HUB_B, 0);
	expect_servers(&f, PHONE, 1, HUB_A, 0);
	expect_servers(&f, PAD, 2, HUB_B, HUB_A);
	expect_servers(&f, SITE_1, 0, 0, 0);
	assert_true(mesh_is_server(f.t, HUB_A, PAD) && mesh_is_server(f.t, HUB_B, LAPTOP));
	assert_false(mesh_is_server(f.t, HUB_B, PHONE) || mesh_is_server(f.t, SITE_3, PHONE));
	assert_true(mesh_lists(f.t, PAD, HUB_B) && mesh_lists(f.t, HUB_A, PAD));
	assert_false(mesh_lists(f.t, PAD, HUB_A));
	assert_int_equal(mesh_peers_by(f.t, PAD, HUB_A, &peers), 1);
	assert_int_equal(peers[0], HUB_A);
	stop(&f);
	start(&f, MESH_FULL_MESH);
	expect_servers(&f, PAD, 0, 0, 0);
	stop(&f);
}

static void a_client_without_hubs_has_none(void **state)
{
	struct mesh_build b;

	mesh_build_begin(&b, MESH_HUB_AND_SPOKE, "10.10.0.0/24");
	mesh_build_node(&b, "site-1", MESH_SPOKE, NULL);
	mesh_build_node(&b, "laptop", MESH_CLIENT, NULL);
	struct mesh_topology_index *t = mesh_topology_new(mesh_build_end(&b));
	unsigned *peers;

	assert_int_equal(mesh_client_hub(t, 1), -1);
	assert_int_equal(mesh_peers_of(t, 1, &peers), 0);
	free(peers);
	mesh_topology_free(t);
	mesh_build_done(&b);
}

static void keepalive_by_the_rule_of_auto(void **state)
{
	static const struct {
		int setting;
		bool nat, endpoint, peer_endpoint;
		int want;
	} rows[] = {
		{MESH_KEEPALIVE_AUTO, true, true, true, 25},
		{MESH_KEEPALIVE_AUTO, true, false, true, 25},
		{MESH_KEEPALIVE_AUTO, false, false, true, 25},
		{MESH_KEEPALIVE_AUTO, false, true, true, 0},
		{MESH_KEEPALIVE_AUTO, true, true, false, 0},
		{MESH_KEEPALIVE_AUTO, false, false, false, 0},
		{0, true, false, true, 0},
		{7, false, true, false, 7},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct mesh_build b;

		mesh_build_begin(&b, MESH_FULL_MESH, "10.10.0.0/24");
		mesh_build_node(&b, "a", MESH_SPOKE, NULL);
		mesh_build_node(&b, "b", MESH_SPOKE, NULL);
		b.nodes.items[0].keepalive = rows[i].setting;
		b.nodes.items[0].nat = rows[i].nat;
		b.nodes.items[0].endpoint.host = rows[i].endpoint ? "192.0.2.1" : NULL;
		b.nodes.items[1].endpoint.host = rows[i].peer_endpoint ? "192.0.2.2" : NULL;
		struct mesh_topology_index *t = mesh_topology_new(mesh_build_end(&b));
		assert_int_equal(mesh_keepalive(t, 0, 1), rows[i].want);
		mesh_topology_free(t);
		mesh_build_done(&b);
	}
}

static void a_link_has_endpoints_of_its_own(void **state)
{
	struct mesh_build b;

	mesh_build_begin(&b, MESH_FULL_MESH, "10.10.0.0/24");
	for (int i = 0; i < 3; i++)
		mesh_build_node(&b, i ? i == 1 ? "b" : "c" : "a", MESH_SPOKE, NULL);
	b.nodes.items[1].endpoint = (struct mesh_endpoint){"192.0.2.2", 2, {7, 7}};
	mesh_build_link(&b, 1, 0);
	mesh_build_link_endpoint(&b, 1, "10.0.0.2", 51);
	mesh_build_link(&b, 2, 0);
	mesh_build_link_endpoint(&b, 0, "10.0.0.1", 51);
	struct mesh_topology_index *t = mesh_topology_new(mesh_build_end(&b));
	assert_string_equal(mesh_endpoint_of(t, 0, 1)->host, "10.0.0.2");
	assert_int_equal(mesh_endpoint_of(t, 0, 1)->port, 51);
	assert_string_equal(mesh_endpoint_of(t, 2, 1)->host, "192.0.2.2");
	assert_string_equal(mesh_endpoint_of(t, 2, 0)->host, "10.0.0.1");
	assert_null(mesh_endpoint_of(t, 1, 0)->host);
	assert_null(mesh_endpoint_of(t, 0, 2)->host);
	/* a calls b, which can't call a; c calls a, which needn't keep anything alive. */
	assert_int_equal(mesh_keepalive(t, 0, 1), 25);
	assert_int_equal(mesh_keepalive(t, 1, 0), 0);
	assert_int_equal(mesh_keepalive(t, 2, 0), 25);
	assert_int_equal(mesh_keepalive(t, 0, 2), 0);
	mesh_topology_free(t);
	mesh_build_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pairs_of_hub_and_spoke),
		cmocka_unit_test(pairs_of_full_mesh),
		cmocka_unit_test(peers_agree_with_pairs),
		cmocka_unit_test(links_are_found_from_both_ends),
		cmocka_unit_test(hubs_stand_in_order_of_preference),
		cmocka_unit_test(a_client_has_the_first_hub_or_the_one_it_is_given),
		cmocka_unit_test(a_client_may_have_several_servers),
		cmocka_unit_test(a_client_without_hubs_has_none),
		cmocka_unit_test(keepalive_by_the_rule_of_auto),
		cmocka_unit_test(a_link_has_endpoints_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

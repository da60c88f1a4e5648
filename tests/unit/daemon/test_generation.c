/* SPDX-License-Identifier: MIT */
#include "daemon/generation.h"

#include "mesh_build.h"
#include "unit.h"
#include <errno.h>

enum { SITE_A, HUB, SITE_B };

static struct mesh_build build;

static int begin(void **state)
{
	mesh_build_begin(&build, MESH_HUB_AND_SPOKE, "10.9.0.0/16");
	mesh_build_node(&build, "site-a", MESH_SPOKE, "10.9.0.1");
	mesh_build_node(&build, "hub", MESH_HUB, "10.9.0.2");
	mesh_build_node(&build, "site-b", MESH_SPOKE, "10.9.0.3");
	mesh_build_network(&build, SITE_A, "10.20.1.0/24", 0);
	mesh_build_link(&build, SITE_A, HUB);
	build.links.items[0].preshared_key_file = "psk";
	mesh_build_end(&build);
	return 0;
}

static int end(void **state)
{
	mesh_build_done(&build);
	return 0;
}

static struct generation *make(unsigned node, generation_psk_fn *read_psk, struct names *names)
{
	wg_key key = {{1}};
	struct generation_parts parts = {
		.topology = mesh_topology_new(&build.inv),
		.self = &build.inv.nodes[node],
		.private_key = &key,
		.read_psk = read_psk,
	};

	return generation_make(&parts, names);
}

static int read_two(wg_key *ret, const char *file)
{
	assert_string_equal(file, "psk");
	*ret = (wg_key){{2}};
	return 0;
}

static void test_it_is_made_without_files(void **state)
{
	struct names names;
	struct generation *g;

	names_init(&names);
	g = make(SITE_A, read_two, &names);
	assert_int_equal(g->n_peers, 1);
	assert_string_equal(g->peers[0].node->name, "hub");
	assert_string_equal(names_text(&names, g->peers[0].id), "hub");
	assert_ptr_equal(generation_peer_by_id(g, g->peers[0].id), &g->peers[0]);
	assert_ptr_equal(generation_peer_by_key(g, &g->peers[0].node->public_key), &g->peers[0]);
	assert_int_equal(g->peers[0].psk.bytes[0], 2);
	assert_int_equal(g->private_key.bytes[0], 1);
	assert_int_equal(g->addresses[0].len, 16);
	assert_int_equal(g->peers[0].psk_error, 0);
	generation_free(g);
	names_done(&names);
}

static void test_a_key_that_nobody_reads_is_unreadable(void **state)
{
	struct names names;
	struct generation *g;

	names_init(&names);
	g = make(HUB, NULL, &names);
	assert_int_equal(g->n_peers, 2);
	assert_int_equal(g->peers[0].psk_error, -ENOENT);
	assert_int_equal(g->peers[1].psk_error, 0);
	generation_free(g);
	names_done(&names);
}

/* The RIB and the prober know a node by its number whatever the inventory's order. */
static void test_a_name_keeps_its_number(void **state)
{
	struct names names;
	struct generation *one, *two;

	names_init(&names);
	one = make(SITE_A, NULL, &names);
	two = make(SITE_B, NULL, &names);
	assert_int_equal(one->peers[0].id, two->peers[0].id);
	generation_free(one);
	generation_free(two);
	names_done(&names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_it_is_made_without_files, begin, end),
		cmocka_unit_test_setup_teardown(
			test_a_key_that_nobody_reads_is_unreadable, begin, end),
		cmocka_unit_test_setup_teardown(test_a_name_keeps_its_number, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

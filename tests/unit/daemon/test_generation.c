/* SPDX-License-Identifier: MIT */
#include "daemon/generation.h"

#include "mesh_build.h"
#include "unit.h"
#include <errno.h>
#include <pthread.h>

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

static const struct generation *make(
	unsigned node, generation_psk_fn *read_psk, const struct generation *before)
{
	wg_key key = {{1}};
	struct generation_parts parts = {
		.topology = mesh_topology_new(&build.inv),
		.self = &build.inv.nodes[node],
		.private_key = &key,
		.read_psk = read_psk,
		.before = before,
	};

	return generation_make(&parts);
}

static int read_two(wg_key *ret, const char *file)
{
	assert_string_equal(file, "psk");
	*ret = (wg_key){{2}};
	return 0;
}

static void test_it_is_made_without_files(void **state)
{
	const struct generation *g = make(SITE_A, read_two, NULL);

	assert_int_equal(g->number, 1);
	assert_int_equal(g->n_peers, 1);
	assert_string_equal(g->peers[0].node->name, "hub");
	assert_string_equal(names_text(&g->names, g->peers[0].id), "hub");
	assert_ptr_equal(generation_peer_by_id(g, g->peers[0].id), &g->peers[0]);
	assert_ptr_equal(generation_peer_by_key(g, &g->peers[0].node->public_key), &g->peers[0]);
	assert_int_equal(g->peers[0].psk.bytes[0], 2);
	assert_int_equal(g->private_key.bytes[0], 1);
	assert_int_equal(g->addresses[0].len, 16);
	assert_int_equal(g->peers[0].psk_error, 0);
	generation_put(g);
}

static void test_a_key_that_nobody_reads_is_unreadable(void **state)
{
	const struct generation *g = make(HUB, NULL, NULL);

	assert_int_equal(g->n_peers, 2);
	assert_int_equal(g->peers[0].psk_error, -ENOENT);
	assert_int_equal(g->peers[1].psk_error, 0);
	generation_put(g);
}

/* The RIB and the prober know a node by its number whatever the inventory's order; also one that is
 * gone and comes again. */
static void test_a_name_keeps_its_number(void **state)
{
	const struct generation *one = make(SITE_A, NULL, NULL), *two, *three;
	uint32_t hub = one->peers[0].id;

	build.nodes.items[SITE_B].name = "site-c";
	two = make(SITE_A, NULL, one);
	assert_int_equal(two->number, 2);
	assert_int_equal(two->peers[0].id, hub);
	assert_int_equal(names_find(&one->names, "site-c"), NAMES_NONE);
	assert_int_equal(names_find(&two->names, "site-c"), 3);
	generation_put(one);
	build.nodes.items[SITE_A].name = "site-d";
	build.nodes.items[SITE_B].name = "site-b";
	three = make(SITE_A, NULL, two);
	generation_put(two);
	assert_int_equal(names_find(&three->names, "site-b"), 2);
	assert_int_equal(names_find(&three->names, "site-c"), 3);
	assert_int_equal(names_find(&three->names, "site-d"), 4);
	assert_int_equal(three->peers[0].id, hub);
	assert_string_equal(names_text(&three->names, 3), "site-c");
	assert_string_equal(names_text(&three->names, 5), "?");
	generation_put(three);
}

/* --- by many -------------------------------------------------------------------------------------
 */

#define ROUNDS 10000

static void *hold_and_let_go(void *generation)
{
	for (unsigned i = 0; i < ROUNDS; i++)
		generation_put(generation_get(generation));
	generation_put(generation);
	return NULL;
}

static void test_it_goes_with_its_last_holder(void **state)
{
	const struct generation *g = make(SITE_A, read_two, NULL);
	pthread_t threads[4];

	for (unsigned i = 0; i < 4; i++)
		pthread_create(
			&threads[i], NULL, hold_and_let_go, (void *)(uintptr_t)generation_get(g));
	for (unsigned i = 0; i < ROUNDS; i++)
		generation_put(generation_get(g));
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(g->holders, 1);
	assert_int_equal(g->peers[0].psk.bytes[0], 2);
	generation_put(g);
}

static void *follow(void *before)
{
	return (void *)(uintptr_t)make(HUB, read_two, before);
}

static void test_another_thread_makes_the_next(void **state)
{
	const struct generation *g = make(SITE_A, read_two, NULL), *next;
	pthread_t thread;
	void *made;

	pthread_create(&thread, NULL, follow, (void *)(uintptr_t)g);
	assert_string_equal(names_text(&g->names, g->peers[0].id), "hub");
	pthread_join(thread, &made);
	next = made;
	assert_int_equal(next->number, 2);
	assert_int_equal(next->n_peers, 2);
	generation_put(g);
	generation_put(next);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_it_is_made_without_files, begin, end),
		cmocka_unit_test_setup_teardown(
			test_a_key_that_nobody_reads_is_unreadable, begin, end),
		cmocka_unit_test_setup_teardown(test_a_name_keeps_its_number, begin, end),
		cmocka_unit_test_setup_teardown(test_it_goes_with_its_last_holder, begin, end),
		cmocka_unit_test_setup_teardown(test_another_thread_makes_the_next, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

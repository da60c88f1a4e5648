/* SPDX-License-Identifier: MIT */
/*
 * A hub beside another hub's client, whom it never hears: what is the client's goes by that hub
 *from the first moment on, though a living cover stands elsewhere.
 *
 *	client-1 (10.20.9.0/24, fd20:9::/64) - hub-a - hub-b (we)
 *	                      site-1 (10.20.0.0/16, fd20::/16) ---+
 */
#include "daemon/engine.h"
#include "mesh_build.h"
#include "unit.h"

enum { HUB_A, HUB_B, SITE_1, CLIENT_1 };

static const char *const covers[] = {"10.20.0.0/16", "fd20::/16"};
static const char *const clients[] = {"10.20.9.0/24", "fd20:9::/64"};

static void build(struct mesh_build *b, bool has_client)
{
	mesh_build_begin(b, MESH_HUB_AND_SPOKE, "10.10.0.0/24");
	mesh_build_node(b, "hub-a", MESH_HUB, "10.10.0.1");
	mesh_build_node(b, "hub-b", MESH_HUB, "10.10.0.2");
	mesh_build_node(b, "site-1", MESH_SPOKE, "10.10.0.3");
	for (size_t i = 0; i < 2; i++)
		mesh_build_network(b, SITE_1, covers[i], MESH_METRIC_NONE);
	if (has_client) {
		mesh_build_node(b, "client-1", MESH_CLIENT, "10.10.0.4");
		mesh_build_link(b, HUB_A, CLIENT_1);
		for (size_t i = 0; i < 2; i++)
			mesh_build_network(b, CLIENT_1, clients[i], MESH_METRIC_NONE);
	}
	mesh_build_end(b);
}

static void take(struct engine *e, struct mesh_build *b, instant now)
{
	wg_key key = {{1}};
	struct generation_parts parts = {.private_key = &key, .before = engine_generation(e)};
	struct engine_event event = {.type = ENGINE_GENERATION};
	engine_actions todo = {0};

	parts.topology = mesh_topology_new(&b->inv);
	parts.self = &b->inv.nodes[HUB_B];
	event.u.generation = generation_make(&parts);
	engine_step(e, &event, now, &todo);
	for (size_t i = 0; i < todo.n; i++)
		if (todo.items[i].type == ENGINE_LET_GO)
			generation_put(todo.items[i].u.generation);
	vec_done(&todo);
}

/* The device as the life before has left it. */
static void find(struct engine *e, struct mesh_build *b, bool has_client, instant now)
{
	ip_prefix of_hub[2], of_site[2];
	struct device_peer peers[4] = {0};
	struct device_state device = {.peers = peers, .n_peers = has_client ? 3 : 2};
	struct engine_event event = {.type = ENGINE_FOUND};
	engine_actions todo = {0};

	for (size_t i = 0; i < 2; i++) {
		of_hub[i] = mesh_build_prefix(has_client ? clients[i] : "10.30.0.0/24");
		of_site[i] = mesh_build_prefix(covers[i]);
	}
	peers[0] = (struct device_peer){
		.key = b->inv.nodes[HUB_A].public_key, .allowed = of_hub, .n_allowed = 2};
	peers[1] = (struct device_peer){
		.key = b->inv.nodes[SITE_1].public_key, .allowed = of_site, .n_allowed = 2};
	peers[2].key = b->inv.nodes[CLIENT_1 % b->inv.n_nodes].public_key;
	event.u.found.device = &device;
	event.u.found.max_owners = 1;
	engine_step(e, &event, now, &todo);
	vec_done(&todo);
}

static void goes_by(struct engine *e, const char *text, const char *peer)
{
	ip_prefix p = mesh_build_prefix(text);
	struct rib_answer a;

	assert_true(rib_explain(engine_rib(e), &p, &a));
	assert_int_equal(a.owners.n, 1);
	assert_string_equal(engine_name(e, a.owners.peer[0]), peer);
}

static void at_a_restart(void **state)
{
	instant now = {1000 * NS_PER_S};
	struct engine *e = engine_new(now);
	struct mesh_build b;

	build(&b, true);
	take(e, &b, now);
	find(e, &b, true, now);
	for (size_t i = 0; i < 2; i++) {
		goes_by(e, covers[i], "site-1");
		goes_by(e, clients[i], "hub-a");
	}
	engine_free(e);
	mesh_build_done(&b);
}

static void by_a_reload(void **state)
{
	instant now = {1000 * NS_PER_S};
	struct engine *e = engine_new(now);
	struct mesh_build before, after;

	build(&before, false);
	build(&after, true);
	take(e, &before, now);
	find(e, &before, false, now);
	take(e, &after, now);
	for (size_t i = 0; i < 2; i++)
		goes_by(e, clients[i], "hub-a");
	engine_free(e);
	mesh_build_done(&before);
	mesh_build_done(&after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(at_a_restart),
		cmocka_unit_test(by_a_reload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

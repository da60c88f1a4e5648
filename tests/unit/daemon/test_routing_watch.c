/* SPDX-License-Identifier: MIT */
/*
 * Which BGP sessions site-1 misses, in virtual time:
 *
 *	hub-a (bird, IPv4 and IPv6) \
 *	hub-b (frr, IPv4) ----------- site-1 (bird, both)     site-2 (bird): no session
 *	hub-c (no engine) ----------/
 */
#include "../unit.h"
#include "base/buf.h"
#include "daemon/routing_watch.h"
#include "mesh_build.h"
#include <errno.h>

enum { HUB_A, HUB_B, HUB_C, SITE_1, SITE_2, NODES };

struct scene {
	struct mesh_build build;
	struct generation *gen;
	struct routing_watch watch;
	struct routing_watch_facts facts;
	routing_sessions sessions;
	bool is_dead[NODES];
	instant now;
	struct buf told;
};

static bool lives(uint32_t peer, void *data)
{
	struct scene *s = data;

	return !s->is_dead[generation_peer_by_id(s->gen, peer)->node->index];
}

static unsigned add_node(struct scene *s, const char *name, enum mesh_role role,
	enum mesh_engine engine, const char *const *addresses)
{
	unsigned n = mesh_build_node(&s->build, name, role, NULL);
	struct mesh_node *node = &s->build.nodes.items[n];
	struct mesh_address *list;
	size_t count = 0;

	while (addresses[count])
		count++;
	list = arena_array(&s->build.arena, struct mesh_address, count);
	for (size_t i = 0; i < count; i++)
		assert_true(ip_addr_parse(&list[i].addr, addresses[i]));
	node->addresses = list;
	node->n_addresses = count;
	node->routing.engine = engine;
	return n;
}

static const char *const both_a[] = {"10.9.0.1", "fd09::1", NULL},
			 *const hub_b[] = {"10.9.0.2", NULL}, *const hub_c[] = {"10.9.0.3", NULL},
			 *const both_1[] = {"10.9.0.11", "fd09::11", NULL},
			 *const site_2[] = {"10.9.0.12", NULL};

static void add_session(struct scene *s, const char *neighbor, enum routing_state state)
{
	struct routing_session session = {.state = state, .for_ns = -1};

	assert_true(ip_addr_parse(&session.neighbor, neighbor));
	assert_true(routing_add(&s->sessions, &session));
	routing_settle(&s->sessions);
}

static struct scene *scene_new(enum mesh_engine engine)
{
	struct scene *s = calloc(1, sizeof(*s));
	struct generation_parts parts = {0};
	static const wg_key key = {{1}};
	const struct mesh_inventory *inv;

	mesh_build_begin(&s->build, MESH_HUB_AND_SPOKE, "10.9.0.0/24");
	add_node(s, "hub-a", MESH_HUB, MESH_ENGINE_BIRD, both_a);
	add_node(s, "hub-b", MESH_HUB, MESH_ENGINE_FRR, hub_b);
	add_node(s, "hub-c", MESH_HUB, MESH_ENGINE_NONE, hub_c);
	add_node(s, "site-1", MESH_SPOKE, engine, both_1);
	add_node(s, "site-2", MESH_SPOKE, MESH_ENGINE_BIRD, site_2);
	inv = mesh_build_end(&s->build);
	parts.topology = mesh_topology_new(inv);
	parts.self = &inv->nodes[SITE_1];
	parts.private_key = &key;
	s->gen = generation_make(&parts);
	s->facts = (struct routing_watch_facts){.gen = s->gen, .lives = lives, .data = s};
	s->facts.said = (struct routing_said){.talk = routing_talk_of(engine),
		.socket = "/run/x",
		.n = 1,
		.sessions = &s->sessions};
	s->now = (instant){NS_PER_S};
	return s;
}

static void scene_free(struct scene *s)
{
	routing_watch_done(&s->watch);
	vec_done(&s->sessions);
	buf_done(&s->told);
	generation_put(s->gen);
	mesh_build_done(&s->build);
	free(s);
}

static void tell(const char *what, const char *fix, void *data)
{
	struct scene *s = data;

	assert_true(fix && *fix);
	buf_printf(&s->told, "%s%s", s->told.n ? "; " : "", what);
}

/* After so many seconds, told of each five of them. */
static void expect_after(struct scene *s, unsigned seconds, const char *want)
{
	for (unsigned i = 0; i < seconds; i += 5) {
		s->now = instant_add(s->now, 5 * NS_PER_S);
		routing_watch_step(&s->watch, &s->facts, s->now);
	}
	buf_reset(&s->told);
	routing_watch_check(&s->watch, &s->facts, s->now, tell, s);
	assert_string_equal(buf_str(&s->told), want);
}

static void test_sessions_that_are_missing(void **state)
{
	struct scene *s = scene_new(MESH_ENGINE_BIRD);

	add_session(s, "10.9.0.1", ROUTING_ESTABLISHED);
	add_session(s, "10.9.0.2", ROUTING_ACTIVE);
	expect_after(s, 20, "");
	expect_after(s, 5,
		"hub-a lives, but the BGP session with it (fd09::1) isn't established: bird has no "
		"such session; "
		"hub-b lives, but the BGP session with it (10.9.0.2) isn't established: bird says "
		"active");
	add_session(s, "fd09::1", ROUTING_ESTABLISHED);
	s->is_dead[HUB_B] = true; /* then there is nothing to wonder at */
	expect_after(s, 5, "");
	s->is_dead[HUB_B] = false;
	expect_after(s, 20, ""); /* it comes back first */
	strcpy(s->sessions.items[1].error, "Received: Bad peer AS");
	expect_after(s, 5,
		"hub-b lives, but the BGP session with it (10.9.0.2) isn't established: bird says "
		"active, and last Received: Bad peer AS");
	s->sessions.items[1].state = ROUTING_ESTABLISHED;
	expect_after(s, 5, "");
	scene_free(s);
}

static void test_an_engine_that_keeps_silent(void **state)
{
	struct scene *s = scene_new(MESH_ENGINE_FRR);

	s->facts.said.n = 0; /* nobody asked yet */
	expect_after(s, 30, "");
	s->facts.said.n = 1;
	s->facts.said.err = -ECONNREFUSED;
	s->facts.said.since = s->now;
	expect_after(s, 5, ""); /* it may be starting */
	expect_after(s, 5,
		"frr can't be asked for its sessions at /run/x: Connection refused; the kernel's "
		"routes count as ever");
	s->facts.said.err = -ETIMEDOUT;
	expect_after(s, 5,
		"frr can't be asked for its sessions at /run/x: no answer within two seconds; the "
		"kernel's routes count as ever");
	s->facts.said.err = 0;
	s->facts.said.since = s->now;
	expect_after(s, 20, ""); /* sessions get their time from its first answer on */
	scene_free(s);
}

static void test_more_than_are_named(void **state)
{
	struct scene *s = scene_new(MESH_ENGINE_BIRD);

	s->gen->n_peers = 2;
	s->is_dead[HUB_C] = true;
	expect_after(s, 25,
		"hub-a lives, but the BGP session with it (10.9.0.1) isn't established: bird has "
		"no "
		"such session; "
		"hub-a lives, but the BGP session with it (fd09::1) isn't established: bird has no "
		"such session; "
		"hub-b lives, but the BGP session with it (10.9.0.2) isn't established: bird has "
		"no "
		"such session");
	vec_push(&s->watch.list, s->watch.list.items[0]);
	buf_reset(&s->told);
	routing_watch_check(&s->watch, &s->facts, s->now, tell, s);
	assert_non_null(strstr(buf_str(&s->told),
		"; 1 more BGP sessions with peers that live aren't established"));
	scene_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sessions_that_are_missing),
		cmocka_unit_test(test_an_engine_that_keeps_silent),
		cmocka_unit_test(test_more_than_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

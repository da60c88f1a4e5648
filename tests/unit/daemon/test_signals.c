/* SPDX-License-Identifier: MIT */
/*
 * A node with a routing engine: its interface, which peers live as the engine is told, and what is
 * ours though no journal names it. site-1 runs BIRD, hub-a FRR, hub-b none.
 */
#include "daemon/candidates.h"
#include "daemon/kernel_table.h"
#include "daemon/shall.h"
#include "daemon/turns.h"
#include "fib/do.h"
#include "mesh_build.h"
#include "unit.h"

#define WG 5

enum { HUB_A, HUB_B, SITE_1, SITE_2, N_NODES };

struct bench {
	struct mesh_build build;
	const struct generation *gen;
};

static void add_address(struct mesh_build *b, unsigned node, const char *text)
{
	struct mesh_node *n = &b->nodes.items[node];
	struct mesh_address *all = arena_array(&b->arena, struct mesh_address, n->n_addresses + 1);

	memcpy(all, n->addresses, n->n_addresses * sizeof(*all));
	assert_true(ip_addr_parse(&all[n->n_addresses].addr, text));
	n->addresses = all;
	n->n_addresses++;
}

static void begin(struct bench *b, enum mesh_engine own, const struct generation *before)
{
	static const char *const names[] = {"hub-a", "hub-b", "site-1", "site-2"};
	struct mesh_build *m = &b->build;
	wg_key key = {{1}};
	struct generation_parts parts = {.private_key = &key, .before = before};
	char text[32];

	mesh_build_begin(m, MESH_HUB_AND_SPOKE, "10.10.0.0/24");
	vec_push(&m->overlays,
		((struct mesh_overlay){mesh_build_prefix("fd10::/64"), false, mesh_build_pos(m)}));
	for (unsigned i = 0; i < N_NODES; i++) {
		snprintf(text, sizeof(text), "10.10.0.%u", i + 1);
		mesh_build_node(m, names[i], i < SITE_1 ? MESH_HUB : MESH_SPOKE, text);
		snprintf(text, sizeof(text), "fd10::%u", i + 1);
		add_address(m, i, text);
	}
	mesh_build_network(m, SITE_1, "10.20.1.0/24", MESH_METRIC_NONE);
	mesh_build_network(m, SITE_2, "10.20.2.0/24", MESH_METRIC_NONE);
	m->nodes.items[HUB_A].routing.engine = MESH_ENGINE_FRR;
	m->nodes.items[SITE_1].routing.engine = own;
	m->nodes.items[SITE_2].routing.engine = MESH_ENGINE_OTHER;
	parts.topology = mesh_topology_new(mesh_build_end(m));
	parts.self = &m->inv.nodes[SITE_1];
	b->gen = generation_make(&parts);
}

static void end(struct bench *b)
{
	generation_put(b->gen);
	mesh_build_done(&b->build);
}

static bool is_addr(const ip_addr *a, const char *text)
{
	ip_addr b;

	assert_true(ip_addr_parse(&b, text));
	return ip_addr_eq(a, &b);
}

/* --- what stands on the interface, and of whom the engine is told --- */

static void the_generation(void **state)
{
	struct bench b, plain;
	ip_prefix within = mesh_build_prefix("10.20.2.128/25");
	ip_prefix beside = mesh_build_prefix("10.30.0.0/16");
	ip_prefix link = mesh_build_prefix("fe80::5/128");

	begin(&b, MESH_ENGINE_BIRD, NULL);
	assert_int_equal(b.gen->n_addresses, 3);
	assert_int_equal(b.gen->addresses[0].len, 32);
	assert_int_equal(b.gen->addresses[1].len, 128);
	assert_int_equal(b.gen->addresses[2].len, 64);
	assert_int_equal(b.gen->addresses[2].bytes[0], 0xfe);
	assert_int_equal(b.gen->n_overlays, 2);
	assert_int_equal(b.gen->overlays[0].len, 24);
	assert_true(is_addr(&b.gen->sources[0], "10.10.0.3"));
	/* Of the one direct peer that has an engine, too. */
	assert_int_equal(b.gen->n_signals, 2);
	assert_true(is_addr(&b.gen->signals[0].addr, "10.10.0.1"));
	assert_true(is_addr(&b.gen->signals[1].addr, "fd10::1"));
	assert_int_equal(b.gen->n_guarded, 1);
	assert_true(generation_may_be_announced(b.gen, &within));
	assert_false(generation_may_be_announced(b.gen, &beside));
	assert_true(generation_prefix_is_connected(b.gen, &link));
	assert_int_not_equal(kernel_signal_table("wg0"), kernel_overlay_table("wg0"));
	assert_int_not_equal(kernel_signal_table("wg0"), kernel_signal_table("wg1"));
	begin(&plain, MESH_ENGINE_NONE, NULL);
	assert_int_equal(plain.gen->n_addresses, 2);
	assert_int_equal(plain.gen->addresses[0].len, 24);
	assert_int_equal(plain.gen->n_signals + plain.gen->n_guarded, 0);
	assert_false(generation_may_be_announced(plain.gen, &within));
	end(&plain);
	end(&b);
}

/* --- what shall be --- */

struct making {
	struct shall_rib rib;
	sock_addr endpoints[N_NODES];
	struct journal journal;
	struct shall_input in;
	struct fib_state is;
	struct shall shall;
};

static void make(struct making *m, const struct generation *g, enum rib_state hub_a)
{
	*m = (struct making){0};
	journal_init(&m->journal);
	for (size_t i = 0; i < g->n_peers; i++)
		vec_push(&m->rib.states, g->peers[i].view->node == HUB_A ? hub_a : RIB_UP);
	vec_push(&m->is.devices,
		((struct fib_device){.name = "wg0", .ifindex = WG, .wg.listen_port = 51820}));
	m->in = (struct shall_input){
		.gen = g, .rib = &m->rib, .endpoints = m->endpoints, .journal = &m->journal};
	assert_int_equal(shall_make(&m->in, &m->is, &m->shall), 0);
}

static void unmake(struct making *m)
{
	shall_done(&m->shall);
	shall_rib_done(&m->rib);
	fib_state_done(&m->is);
	journal_done(&m->journal);
}

static size_t count_signals(const struct making *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->shall.state.routes.n; i++)
		n += want_is_signal(&m->shall.facts, &m->shall.state.routes.items[i]);
	return n;
}

static void who_is_down_has_no_signal(void **state)
{
	static const enum rib_state states[] = {RIB_DOWN, RIB_LAST_RESORT, RIB_UP};
	struct bench b;
	struct making m;

	begin(&b, MESH_ENGINE_BIRD, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		make(&m, b.gen, states[i]);
		assert_false(m.shall.state.devices.items[0].makes_link_local);
		assert_int_equal(count_signals(&m), states[i] == RIB_DOWN ? 0 : 3);
		unmake(&m);
	}
	end(&b);
}

/* Of what an engine says neither the prefixes nor their routes are written down; within what they
 * may be is. */
static void what_is_ours_without_a_journal(void **state)
{
	struct rib_desire d = {.prefix = mesh_build_prefix("10.20.2.128/25")};
	struct journal_content c;
	AUTO_BUF text = {0};
	struct journal again;
	struct bench b;
	struct making m;

	begin(&b, MESH_ENGINE_FRR, NULL);
	make(&m, b.gen, RIB_UP);
	shall_done(&m.shall);
	m.shall = (struct shall){0};
	d.home = (struct rib_home){.kind = RIB_AT_PEER, .peer = b.gen->peers[0].id};
	shall_rib_add(&m.rib, &d);
	assert_int_equal(shall_make(&m.in, &m.is, &m.shall), 0);
	c = shall_journal(&m.shall);
	assert_int_equal(c.n_prefixes, 0);
	assert_int_equal(c.n_within, 1);
	assert_int_equal(c.n_addresses, 3);
	for (size_t i = 0; i < m.shall.state.routes.n; i++)
		assert_false(ip_prefix_eq(&m.shall.state.routes.items[i].dst, &d.prefix));
	assert_true(m.shall.ours.is_announced(&d.prefix, m.shall.ours.data));
	/* So a life that has another inventory knows it. */
	journal_add(&m.journal, &c);
	journal_write(&m.journal, &text);
	journal_init(&again);
	journal_read(&again, buf_str(&text), text.n);
	assert_true(journal_is(&again, &c));
	assert_true(journal_is_within(&again, &d.prefix));
	assert_false(journal_has_prefix(&again, &d.prefix));
	journal_done(&again);
	unmake(&m);
	end(&b);
}

/* --- an event --- */

static void plan_of(const struct generation *gen, const struct generation *before, unsigned node,
	enum rib_state to, struct fib_plan *ret, bool *ret_whole)
{
	struct rib *rib = rib_new(1, NULL, NULL);
	struct rib_diff diff = {0};
	struct turns_facts facts = {.gen = gen, .before = before};
	struct rib_event e = {.type = RIB_EVENT_PEER, .u.peer = {gen->ids[node], to}};

	generation_facts(gen, &facts.want);
	facts.want.ifindex = WG;
	if (to == RIB_DOWN) {
		e.u.peer.state = RIB_UP;
		rib_step(rib, &e, 1, &diff);
		e.u.peer.state = to;
	}
	rib_step(rib, &e, 1, &diff);
	*ret_whole = turns_plan(&facts, &diff, ret);
	rib_diff_done(&diff);
	rib_free(rib);
}

static void a_verdict_is_a_signal(void **state)
{
	struct fib_plan plan = {0};
	struct bench b;
	bool whole;

	begin(&b, MESH_ENGINE_BIRD, NULL);
	plan_of(b.gen, NULL, HUB_A, RIB_DOWN, &plan, &whole);
	assert_true(whole);
	assert_int_equal(plan.ops.n, 3);
	for (size_t i = 0; i < plan.ops.n; i++) {
		assert_int_equal(plan.ops.items[i].stage, FIB_AT_SIGNAL_DEL);
		assert_int_equal(plan.ops.items[i].u.route.ifindex, WG);
	}
	fib_plan_done(&plan);
	plan = (struct fib_plan){0};
	/* Of IPv6 main's comes first, by which the kernel judges the other one's next hop. */
	plan_of(b.gen, NULL, HUB_A, RIB_UP, &plan, &whole);
	assert_int_equal(plan.ops.n, 3);
	assert_int_equal(plan.ops.items[0].stage, FIB_AT_SIGNAL_ADD);
	assert_int_equal(plan.ops.items[0].u.route.via.family, AF_INET);
	assert_int_equal(plan.ops.items[1].u.route.table, 0);
	assert_int_equal(plan.ops.items[2].u.route.table, kernel_signal_table("wg0"));
	fib_plan_done(&plan);
	plan = (struct fib_plan){0};
	/* No engine there. */
	plan_of(b.gen, NULL, HUB_B, RIB_UP, &plan, &whole);
	assert_int_equal(plan.ops.n, 0);
	fib_plan_done(&plan);
	end(&b);
}

/* Between a reload and its SYNC nobody is signalled whom the device doesn't know, nor anybody while
 * the layout is that of a node without an engine; who dies is told of at once. */
static void before_the_layout_is_there(void **state)
{
	struct fib_plan plan = {0};
	struct bench plain, b;
	bool whole;

	begin(&plain, MESH_ENGINE_NONE, NULL);
	begin(&b, MESH_ENGINE_FRR, plain.gen);
	plan_of(b.gen, plain.gen, HUB_A, RIB_UP, &plan, &whole);
	assert_false(whole);
	assert_int_equal(plan.ops.n, 0);
	plan_of(b.gen, plain.gen, HUB_A, RIB_DOWN, &plan, &whole);
	assert_true(whole);
	assert_int_equal(plan.ops.n, 2);
	fib_plan_done(&plan);
	end(&b);
	end(&plain);
}

/* Behind a large move of others a signal doesn't wait. */
static void a_large_move_is_split(void **state)
{
	static const struct fib_home nowhere;
	struct fib_home hub = {.peer = {{1}}};
	struct fib_plan plan = {0}, first = {0};
	struct rtnl_route r = {.dst = mesh_build_prefix("10.10.0.1/32")};
	ip_prefix p = mesh_build_prefix("10.20.2.0/24");

	fib_plan_route(&plan, FIB_AT_SIGNAL_DEL, FIB_UNWANTED, "wg0", &r);
	fib_plan_level(&plan, "wg0", &hub.peer, DEVICE_DOWN);
	assert_false(turns_split(&plan, &first));
	for (unsigned i = 0; i < FIB_CHUNK; i++)
		fib_plan_owner(&plan, "wg0", &p, &nowhere, &hub);
	fib_plan_order(&plan);
	assert_true(turns_split(&plan, &first));
	assert_int_equal(first.ops.n, 2);
	assert_int_equal(first.ops.items[0].type, FIB_LEVEL);
	assert_int_equal(first.ops.items[1].type, FIB_ROUTE_DEL);
	assert_int_equal(plan.ops.n, FIB_CHUNK);
	assert_int_equal(plan.ops.items[0].type, FIB_PREFIX_ADD);
	fib_plan_done(&plan);
	fib_plan_done(&first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_generation),
		cmocka_unit_test(who_is_down_has_no_signal),
		cmocka_unit_test(what_is_ours_without_a_journal),
		cmocka_unit_test(a_verdict_is_a_signal),
		cmocka_unit_test(before_the_layout_is_there),
		cmocka_unit_test(a_large_move_is_split),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

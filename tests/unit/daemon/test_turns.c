/* SPDX-License-Identifier: MIT */
/* What an event may move at once, and what has to wait for a look. */
#include "daemon/candidates.h"
#include "daemon/turns.h"
#include "mesh_build.h"
#include "unit.h"

#define OLD "10.20.2.0/24"
#define OLD6 "fd20:2::/48"
#define NEW "10.21.2.0/24"
#define NEW6 "fd21:2::/48"

enum { HUB_A, HUB_B, SITE_1, SITE_2 };

/* Of site-1, which reaches site-2's networks by the hubs. */
struct world {
	struct mesh_build build;
	const struct generation *gen;
};

static void begin(struct world *w, bool is_newer, const struct generation *before)
{
	wg_key key = {{1}};
	struct generation_parts parts = {.private_key = &key, .before = before};

	mesh_build_begin(&w->build, MESH_HUB_AND_SPOKE, "10.10.0.0/24");
	mesh_build_node(&w->build, "hub-a", MESH_HUB, "10.10.0.1");
	mesh_build_node(&w->build, "hub-b", MESH_HUB, "10.10.0.2");
	mesh_build_node(&w->build, "site-1", MESH_SPOKE, "10.10.0.3");
	mesh_build_node(&w->build, "site-2", MESH_SPOKE, "10.10.0.4");
	mesh_build_network(&w->build, SITE_2, OLD, MESH_METRIC_NONE);
	mesh_build_network(&w->build, SITE_2, OLD6, MESH_METRIC_NONE);
	if (is_newer) {
		mesh_build_network(&w->build, SITE_2, NEW, MESH_METRIC_NONE);
		mesh_build_network(&w->build, SITE_2, NEW6, MESH_METRIC_NONE);
	}
	parts.topology = mesh_topology_new(mesh_build_end(&w->build));
	parts.self = &w->build.inv.nodes[SITE_1];
	w->gen = generation_make(&parts);
}

static void end(struct world *w)
{
	generation_put(w->gen);
	mesh_build_done(&w->build);
}

/* hub-a comes up, and gets all. */
static bool plan_of(const struct turns_facts *facts, struct fib_plan *ret)
{
	struct rib *rib = rib_new(1, NULL, NULL);
	struct rib_event up = {.type = RIB_EVENT_PEER};
	struct candidate_events c;
	struct rib_diff diff = {0};
	bool whole;

	candidate_events_of_view(&facts->gen->view, facts->gen->ids, &c);
	rib_step(rib, c.events.items, c.events.n, &diff);
	up.u.peer.id = facts->gen->ids[HUB_A];
	up.u.peer.state = RIB_UP;
	rib_step(rib, &up, 1, &diff);
	whole = turns_plan(facts, &diff, ret);
	rib_diff_done(&diff);
	candidate_events_done(&c);
	rib_free(rib);
	return whole;
}

static bool moves(const struct fib_plan *p, const char *text)
{
	ip_prefix prefix = mesh_build_prefix(text);

	for (size_t i = 0; i < p->ops.n; i++)
		if (p->ops.items[i].type == FIB_PREFIX_ADD &&
			ip_prefix_eq(&p->ops.items[i].u.owner.prefix, &prefix))
			return true;
	return false;
}

static struct turns_facts facts_of(const struct generation *gen, const struct generation *before)
{
	return (struct turns_facts){
		.gen = gen, .before = before, .want = {.ifindex = 7, .ifname = "wg0"}};
}

static void all_of_it(void **state)
{
	struct world w;
	struct turns_facts facts;
	struct fib_plan plan = {0};

	begin(&w, true, NULL);
	facts = facts_of(w.gen, NULL);
	assert_true(plan_of(&facts, &plan));
	assert_true(moves(&plan, OLD) && moves(&plan, OLD6));
	assert_true(moves(&plan, NEW) && moves(&plan, NEW6));
	fib_plan_done(&plan);
	end(&w);
}

static void what_a_reload_has_brought_waits(void **state)
{
	struct world old, w;
	struct turns_facts facts;
	struct fib_plan plan = {0};

	begin(&old, false, NULL);
	begin(&w, true, old.gen);
	facts = facts_of(w.gen, old.gen);
	assert_false(plan_of(&facts, &plan));
	assert_true(moves(&plan, OLD) && moves(&plan, OLD6));
	assert_false(moves(&plan, NEW) || moves(&plan, NEW6));
	fib_plan_done(&plan);
	/* Without anything new nothing waits. */
	facts = facts_of(old.gen, old.gen);
	assert_true(plan_of(&facts, &plan));
	fib_plan_done(&plan);
	end(&w);
	end(&old);
}

static void a_foreign_peer_keeps_it(void **state)
{
	struct world w;
	struct turns_facts facts;
	struct fib_plan plan = {0};
	ip_prefix foreign = mesh_build_prefix(OLD6);

	begin(&w, false, NULL);
	facts = facts_of(w.gen, NULL);
	facts.foreign = &foreign;
	facts.n_foreign = 1;
	assert_false(plan_of(&facts, &plan));
	assert_true(moves(&plan, OLD));
	assert_false(moves(&plan, OLD6));
	fib_plan_done(&plan);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_it),
		cmocka_unit_test(what_a_reload_has_brought_waits),
		cmocka_unit_test(a_foreign_peer_keeps_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

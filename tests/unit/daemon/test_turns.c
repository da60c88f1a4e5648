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

/* has_another: the second hub has another key. */
static void begin_with(
	struct world *w, bool is_newer, const struct generation *before, bool has_another)
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
	w->build.nodes.items[HUB_B].public_key.bytes[9] ^= has_another;
	if (is_newer) {
		mesh_build_network(&w->build, SITE_2, NEW, MESH_METRIC_NONE);
		mesh_build_network(&w->build, SITE_2, NEW6, MESH_METRIC_NONE);
	}
	parts.topology = mesh_topology_new(mesh_build_end(&w->build));
	parts.self = &w->build.inv.nodes[SITE_1];
	w->gen = generation_make(&parts);
}

static void begin(struct world *w, bool is_newer, const struct generation *before)
{
	begin_with(w, is_newer, before, false);
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

/* --- on a device of many owners ----------------------------------------------------------------
 */

static uint64_t tag_of(uint32_t id, void *data)
{
	return id * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

static unsigned count(const struct fib_plan *p, enum fib_op_type type)
{
	unsigned n = 0;

	for (size_t i = 0; i < p->ops.n; i++)
		n += p->ops.items[i].type == type;
	return n;
}

static const struct fib_op *op_of(const struct fib_plan *p, enum fib_op_type type)
{
	for (size_t i = 0; i < p->ops.n; i++)
		if (p->ops.items[i].type == type)
			return &p->ops.items[i];
	fail_msg("no such operation");
	return NULL;
}

static const wg_key *key_of(const struct world *w, unsigned node)
{
	return &w->build.inv.nodes[node].public_key;
}

static struct rib_event state_of(const struct world *w, unsigned node, enum rib_state state)
{
	return (struct rib_event){.type = RIB_EVENT_PEER, .u.peer = {w->gen->ids[node], state}};
}

/* All candidates, and both hubs up. */
static struct rib *shared_rib(const struct world *w, struct rib_diff *diff)
{
	struct rib *rib = rib_new(RIB_MAX_OWNERS, tag_of, NULL);
	struct candidate_events c;

	candidate_events_of_view(&w->gen->view, w->gen->ids, &c);
	vec_push(&c.events, state_of(w, HUB_A, RIB_UP));
	vec_push(&c.events, state_of(w, HUB_B, RIB_UP));
	vec_push(&c.events, state_of(w, SITE_2, RIB_DOWN));
	rib_step(rib, c.events.items, c.events.n, diff);
	candidate_events_done(&c);
	return rib;
}

/* All there is comes in an order without a hole; the loss of a hub is one level then, and nothing
 * else, and so is its return. */
static void a_loss_is_a_level(void **state)
{
	struct world w;
	struct turns_facts facts;
	struct fib_plan plan = {0};
	struct rib_diff diff = {0};
	struct rib_event e;
	struct rib *rib;

	begin(&w, false, NULL);
	facts = facts_of(w.gen, NULL);
	facts.has_many_owners = true;
	rib = shared_rib(&w, &diff);
	assert_true(turns_plan(&facts, &diff, &plan));
	assert_int_equal(plan.ops.items[0].type, FIB_LEVEL);
	assert_int_equal(count(&plan, FIB_LEVEL), 2);
	assert_true(count(&plan, FIB_OWNERS_SET) >= 1);
	assert_true(moves(&plan, OLD) && moves(&plan, OLD6));
	assert_true(RIB_IS_OWNER_SET(op_of(&plan, FIB_OWNERS_SET)->u.owners.number));
	assert_int_equal(op_of(&plan, FIB_OWNERS_SET)->u.owners.n, 2);
	fib_plan_done(&plan);
	for (unsigned i = 0; i < 2; i++) {
		e = state_of(&w, HUB_A, i ? RIB_UP : RIB_DOWN);
		rib_step(rib, &e, 1, &diff);
		assert_true(rib_diff_count(&diff) > 0); /* who is sent to is another */
		assert_true(turns_plan(&facts, &diff, &plan));
		assert_int_equal(plan.ops.n, 1);
		assert_true(wg_key_eq(&op_of(&plan, FIB_LEVEL)->u.level.key, key_of(&w, HUB_A)));
		assert_int_equal(plan.ops.items[0].u.level.to, i ? DEVICE_UP : DEVICE_DOWN);
		fib_plan_done(&plan);
	}
	rib_diff_done(&diff);
	rib_free(rib);
	end(&w);
}

/* The device has become one of one owner: the same RIB moves prefixes from peer to peer. */
static void on_a_device_of_one_owner(void **state)
{
	struct world w;
	struct turns_facts facts;
	struct fib_plan plan = {0};
	struct rib_diff diff = {0};
	struct rib_event e;
	struct rib *rib;

	begin(&w, false, NULL);
	facts = facts_of(w.gen, NULL);
	rib = shared_rib(&w, &diff);
	assert_true(turns_plan(&facts, &diff, &plan));
	assert_int_equal(count(&plan, FIB_LEVEL) + count(&plan, FIB_OWNERS_SET), 0);
	assert_true(moves(&plan, OLD) && moves(&plan, OLD6));
	fib_plan_done(&plan);
	e = state_of(&w, HUB_A, RIB_DOWN);
	rib_step(rib, &e, 1, &diff);
	assert_true(turns_plan(&facts, &diff, &plan));
	assert_int_equal(count(&plan, FIB_PREFIX_ADD), plan.ops.n);
	assert_true(moves(&plan, OLD) && moves(&plan, OLD6));
	assert_true(wg_key_eq(&plan.ops.items[0].u.owner.from.peer, key_of(&w, HUB_A)));
	assert_true(wg_key_eq(&plan.ops.items[0].u.owner.to.peer, key_of(&w, HUB_B)));
	fib_plan_done(&plan);
	rib_diff_done(&diff);
	rib_free(rib);
	end(&w);
}

/* A difference by hand: of the network of site-2 in one set or another. */
struct hand {
	struct rib_diff diff;
	struct rib_owner owners[2];
};

static void add_set(struct hand *h, uint64_t number, const struct rib_owner *owners, size_t n)
{
	vec_push(&h->diff.owner_sets, ((struct rib_owner_set){number, owners, n}));
}

static void add_move(struct hand *h, const char *prefix, uint64_t from, uint64_t to)
{
	struct rib_change c = {.prefix = mesh_build_prefix(prefix),
		.turn = {.old_home = {RIB_AT_OWNER_SET, .owner_set = from},
			.home = {RIB_AT_OWNER_SET, .owner_set = to},
			.old_route = true,
			.route = true}};

	vec_push(&h->diff.prefixes, c);
}

#define FROM (RIB_OWNER_SET_MARK + 10)
#define TO (RIB_OWNER_SET_MARK + 20)

static void a_set_that_goes_and_one_that_comes(void **state)
{
	struct world w;
	struct turns_facts facts;
	struct fib_plan plan = {0};
	struct hand h = {0};

	begin(&w, false, NULL);
	facts = facts_of(w.gen, NULL);
	facts.has_many_owners = true;
	h.owners[0] = (struct rib_owner){w.gen->ids[HUB_B], 0, 0, true, true};
	h.owners[1] = (struct rib_owner){w.gen->ids[HUB_A], 1, 5, false, true};
	add_set(&h, FROM, NULL, 0);
	add_set(&h, TO, h.owners, 2);
	add_set(&h, TO + 1, &h.owners[1], 1);
	add_move(&h, OLD, FROM, TO);
	add_move(&h, OLD6, FROM, TO + 1);
	assert_true(turns_plan(&facts, &h.diff, &plan));
	assert_int_equal(plan.ops.n, 5);
	assert_int_equal(plan.ops.items[0].u.owners.owners[0].weight, 1);
	assert_int_equal(plan.ops.items[0].u.owners.owners[1].weight, 0);
	assert_int_equal(plan.ops.items[1].type, FIB_PREFIX_ADD);
	assert_int_equal(plan.ops.items[2].stage, FIB_AT_OWNERS_YIELD);
	assert_int_equal(plan.ops.items[3].stage, FIB_AT_PREFIX_YIELD);
	assert_int_equal(plan.ops.items[4].type, FIB_OWNERS_DEL);
	fib_plan_done(&plan);
	vec_done(&h.diff.owner_sets);
	vec_done(&h.diff.prefixes);
	end(&w);
}

/* A prefix that others may announce has its route whoever has it. */
static void what_others_may_announce_keeps_its_route(void **state)
{
	struct rib_change lost = {.prefix = mesh_build_prefix(OLD), .turn = {.old_route = true}};
	struct world w;
	struct turns_facts facts;
	struct fib_plan plan = {0};
	struct rib_diff diff = {0};

	begin(&w, false, NULL);
	facts = facts_of(w.gen, NULL);
	vec_push(&diff.prefixes, lost);
	assert_true(turns_plan(&facts, &diff, &plan));
	assert_int_equal(count(&plan, FIB_ROUTE_DEL), 1);
	fib_plan_done(&plan);
	facts.want.guarded = &lost.prefix;
	facts.want.n_guarded = 1;
	assert_true(turns_plan(&facts, &diff, &plan));
	assert_int_equal(count(&plan, FIB_ROUTE_DEL), 0);
	fib_plan_done(&plan);
	vec_done(&diff.prefixes);
	end(&w);
}

/* The device doesn't have a peer that came with the reload: who is there owns, and where nobody is
 * the prefix stays. */
static void a_peer_that_a_reload_has_brought(void **state)
{
	struct world old, w;
	struct turns_facts facts;
	struct fib_plan plan = {0};
	struct hand h = {0};

	begin_with(&old, false, NULL, true);
	begin(&w, false, old.gen);
	facts = facts_of(w.gen, old.gen);
	facts.has_many_owners = true;
	h.owners[0] = (struct rib_owner){w.gen->ids[HUB_B], 0, 1, true, true};
	h.owners[1] = (struct rib_owner){w.gen->ids[HUB_A], 1, 1, true, true};
	add_set(&h, FROM, NULL, 0);
	add_set(&h, TO, h.owners, 2);
	add_move(&h, OLD, FROM, TO);
	assert_false(turns_plan(&facts, &h.diff, &plan));
	assert_int_equal(plan.ops.n, 3);
	assert_int_equal(op_of(&plan, FIB_OWNERS_SET)->u.owners.n, 1);
	assert_true(wg_key_eq(&plan.ops.items[0].u.owners.owners[0].key, key_of(&w, HUB_A)));
	fib_plan_done(&plan);
	h.diff.owner_sets.items[1].n = 1;
	assert_false(turns_plan(&facts, &h.diff, &plan));
	assert_int_equal(plan.ops.n, 0);
	fib_plan_done(&plan);
	vec_done(&h.diff.owner_sets);
	vec_done(&h.diff.prefixes);
	end(&w);
	end(&old);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_it),
		cmocka_unit_test(what_a_reload_has_brought_waits),
		cmocka_unit_test(a_foreign_peer_keeps_it),
		cmocka_unit_test(a_loss_is_a_level),
		cmocka_unit_test(on_a_device_of_one_owner),
		cmocka_unit_test(a_set_that_goes_and_one_that_comes),
		cmocka_unit_test(what_others_may_announce_keeps_its_route),
		cmocka_unit_test(a_peer_that_a_reload_has_brought),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

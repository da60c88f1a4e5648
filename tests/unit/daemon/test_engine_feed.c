/* SPDX-License-Identifier: MIT */
/* A reload that changes much: the RIB hears of it in slices. */
#include "engine_bench.h"

#include "daemon/candidates.h"

#define SLICES 5

/* n networks behind site-2, the first of them 10.16.0.0/24. */
static struct mesh_build *large_inventory(struct bench *b, unsigned n)
{
	struct mesh_build *m = inventory(b);
	char prefix[IP_PREFIX_STRLEN];

	for (unsigned i = 0; i < n; i++) {
		snprintf(prefix, sizeof(prefix), "10.%u.%u.0/24", 16 + (i >> 8), i & 255);
		mesh_build_network(m, SITE_2, prefix, 0);
	}
	return m;
}

static size_t count_actions(const struct bench *b, enum engine_action_type type)
{
	size_t n = 0;

	for (size_t i = 0; i < b->todo.n; i++)
		n += b->todo.items[i].type == type;
	return n;
}

static bool knows(struct bench *b, const char *prefix)
{
	ip_prefix p = mesh_build_prefix(prefix);
	struct rib_answer a;

	return rib_explain(engine_rib(b->e), &p, &a);
}

static void begin_reload(struct bench *b)
{
	start(b);
	large_inventory(b, SLICES * ENGINE_SLICE);
	take_generation(b);
}

static void test_what_differs_is_fed_and_nothing_else(void **state)
{
	struct bench *b = *state;
	const struct generation *g;

	start(b);
	inventory(b);
	take_generation(b);
	assert_int_equal(engine_generation(b->e)->changes.n, 0);
	inventory(b)->networks.items[0].network.metric = 5;
	mesh_build_network(b->build, SITE_2, "2001:db8:2::/48", 0);
	take_generation(b);
	g = engine_generation(b->e);
	assert_int_equal(g->changes.n, 2);
	assert_true(knows(b, "2001:db8:2::/48"));
	inventory(b)->networks.items[1].network.on_dead = MESH_HOLD;
	take_generation(b);
	g = engine_generation(b->e);
	assert_int_equal(g->changes.n, 3); /* the metric is gone again, and the network */
	assert_false(knows(b, "2001:db8:2::/48"));
	inventory(b)->nodes.items[HUB_B].metric = 5;
	b->build->networks.items[1].network.on_dead = MESH_HOLD;
	take_generation(b);
	assert_int_equal(engine_generation(b->e)->changes.n, 3); /* all but a hub's own address */
	inventory(b)->nodes.items[HUB_B].metric = 5;
	b->build->nodes.items[HUB_B].weight = 3;
	take_generation(b);
	assert_int_equal(engine_generation(b->e)->changes.n, 3); /* what it relays: its share */
}

static void test_a_large_reload_takes_turns(void **state)
{
	struct bench *b = *state;

	begin_reload(b);
	for (unsigned i = 1; i < SLICES; i++) {
		expect(b, "");
		assert_true(knows(b, "10.16.0.0/24"));
		assert_false(knows(b, "10.17.243.0/24"));
		assert_int_equal(engine_deadline(b->e).ns, b->now.ns);
		happens(b, ENGINE_TIME);
	}
	expect(b, "sync: reload\n");
	assert_true(knows(b, "10.17.243.0/24"));
	synced(b);
	expect(b, "probe hub-a=down hub-b=down\n");
}

static void test_verdicts_come_between(void **state)
{
	struct bench *b = *state;

	begin_reload(b);
	verdict_of(b, HUB_A, LIVE_DOWN, 1);
	assert_int_equal(count_actions(b, ENGINE_MOVE), 1);
	assert_true(rib_diff_count(b->todo.items[0].u.move) >= ENGINE_SLICE);
	forget(b);
	happens(b, ENGINE_TIME);
	verdict_of(b, HUB_A, LIVE_UP, 1);
	forget(b);
	moved(b, -ENOMEM); /* what comes behind mends it */
	moved(b, 0);
	happens(b, ENGINE_NEWS);
	expect(b, "(4) the device refused a change (Cannot allocate memory); reading it back\n");
	hold_over(b);
	while (!count_actions(b, ENGINE_SYNC))
		happens(b, ENGINE_TIME);
	expect(b, "sync: reload\n");
	synced(b);
	expect(b, "clear the hold\nprobe hub-a=down hub-b=down\n");
}

static void test_a_reload_during_another_is_what_counts(void **state)
{
	struct bench *b = *state;

	begin_reload(b);
	forget(b);
	inventory(b);
	take_generation(b);
	while (!count_actions(b, ENGINE_SYNC))
		happens(b, ENGINE_TIME);
	expect(b, "sync: reload\n");
	assert_false(knows(b, "10.16.0.0/24"));
	assert_false(knows(b, "10.17.243.0/24"));
	assert_true(knows(b, SITE_2_NET));
}

/* It was never gone for the RIB, which has all that leads through it. */
static void test_a_peer_that_is_back_before_it_went_stands_as_it_stood(void **state)
{
	struct bench *b = *state;

	start(b);
	large_inventory(b, SLICES * ENGINE_SLICE)->nodes.items[HUB_A].name = "hub-c";
	take_generation(b);
	assert_int_equal(rib_peer_state(engine_rib(b->e), id(b, HUB_A)), RIB_UP);
	large_inventory(b, SLICES * ENGINE_SLICE);
	take_generation(b);
	assert_int_equal(rib_peer_state(engine_rib(b->e), id(b, HUB_A)), RIB_UP);
	verdict_of(b, HUB_A, LIVE_DOWN, 1);
	while (!count_actions(b, ENGINE_SYNC))
		happens(b, ENGINE_TIME);
	assert_int_equal(rib_peer_state(engine_rib(b->e), id(b, HUB_A)), RIB_DOWN);
	assert_int_equal(rib_peer_state(engine_rib(b->e),
				 names_find(&engine_generation(b->e)->names, "hub-c")),
		RIB_UP);
}

/* Dead, and "up" too early would draw prefixes to it. */
static void test_a_peer_that_goes_is_not_believed_up_before(void **state)
{
	struct bench *b = *state;
	uint32_t hub_a;

	start(b);
	verdict(b, HUB_A, LIVE_DOWN);
	hub_a = id(b, HUB_A);
	large_inventory(b, SLICES * ENGINE_SLICE)->nodes.items[HUB_A].name = "hub-c";
	take_generation(b);
	forget(b);
	assert_int_equal(rib_peer_state(engine_rib(b->e), hub_a), RIB_DOWN);
	verdict_of(b, HUB_B, LIVE_DOWN, 1);
	for (size_t i = 0; i < b->todo.n; i++)
		if (b->todo.items[i].type == ENGINE_LINE &&
			b->todo.items[i].u.line.type == ENGINE_LINE_MOVED)
			assert_int_equal(b->todo.items[i].u.line.moved.to, ENGINE_NOBODY);
	while (!count_actions(b, ENGINE_SYNC))
		happens(b, ENGINE_TIME);
	assert_int_equal(rib_peer_state(engine_rib(b->e), hub_a), RIB_UP);
}

/* --- at random, against a RIB that knows of the newest view only ---------------------------------
 */

#define SITES 6
#define ROUNDS 60

static unsigned chance(unsigned n)
{
	static uint64_t x = 88172645463325252; /* always the same story */

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (unsigned)(x % n);
}

static void random_inventory(struct bench *b)
{
	struct mesh_build *m = inventory(b);
	unsigned n = chance(4) * ENGINE_SLICE;
	char text[IP_PREFIX_STRLEN];

	for (unsigned i = 0; i < SITES; i++) {
		snprintf(text, sizeof(text), "10.9.0.%u", 10 + i);
		mesh_build_node(m, arena_printf(&m->arena, "site-%u", 10 + i),
			chance(3) ? MESH_SPOKE : MESH_HUB, text);
		if (chance(2))
			mesh_build_link(m, SITE_1, SITE_2 + 1 + i);
	}
	m->nodes.items[HUB_A].metric = chance(4);
	for (unsigned i = 0; i < n; i++) {
		unsigned at = chance(5 * ENGINE_SLICE);

		snprintf(text, sizeof(text), "10.%u.%u.0/%u", 16 + (at >> 8), at & 255,
			24 - 4 * chance(2));
		mesh_build_network(m, SITE_2 + chance(SITES + 1), text, chance(3));
		if (!chance(3))
			m->networks.items[m->networks.n - 1].network.on_dead = MESH_RELEASE;
	}
}

typedef VEC(struct rib_answer) answers;

static int keep(const struct rib_answer *a, void *data)
{
	vec_push((answers *)data, *a);
	return 0;
}

static void compare(const struct rib_answer *is, const struct rib_answer *shall)
{
	assert_true(ip_prefix_eq(&is->prefix, &shall->prefix));
	assert_int_equal(is->n, shall->n);
	assert_int_equal(is->owners.n, shall->owners.n);
	if (is->owners.n)
		assert_int_equal(is->owners.peer[0], shall->owners.peer[0]);
	assert_int_equal(is->route, shall->route);
	assert_int_equal(is->pinned, shall->pinned);
	assert_int_equal(is->on_dead, shall->on_dead);
}

/* As the newest view says and peers stand. */
static struct rib *make_anew(struct bench *b, const bool *was_peer)
{
	const struct generation *g = engine_generation(b->e);
	struct rib *rib = rib_new(1, NULL, NULL);
	struct rib_diff diff = {0};
	struct candidate_events c;

	for (uint32_t i = 0; i < g->names.texts.n; i++) {
		struct rib_event e = {
			.type = RIB_EVENT_PEER, .u.peer = {i, rib_peer_state(engine_rib(b->e), i)}};

		if (was_peer[i])
			rib_step(rib, &e, 1, &diff);
	}
	candidate_events_of_view(&g->view, g->ids, &c);
	rib_step(rib, c.events.items, c.events.n, &diff);
	candidate_events_done(&c);
	rib_diff_done(&diff);
	return rib;
}

static void check_rib(struct bench *b, const bool *was_peer)
{
	struct rib *anew = make_anew(b, was_peer);
	answers is = {0}, shall = {0};

	rib_walk(engine_rib(b->e), keep, &is);
	rib_walk(anew, keep, &shall);
	assert_int_equal(is.n, shall.n);
	for (size_t i = 0; i < is.n; i++)
		compare(&is.items[i], &shall.items[i]);
	vec_done(&is);
	vec_done(&shall);
	rib_free(anew);
}

static void note_peers(struct bench *b, bool *was_peer)
{
	const struct generation *g = engine_generation(b->e);

	for (size_t i = 0; i < g->n_peers; i++)
		was_peer[g->peers[i].id] = true;
}

static void random_verdict(struct bench *b)
{
	const struct generation *g = engine_generation(b->e);
	struct live_event v = {.type = LIVE_EVENT_PEER,
		.peer = g->peers[chance((unsigned)g->n_peers)].id,
		.generation = g->number,
		.state = chance(3) ? LIVE_UP : LIVE_DOWN};
	struct engine_event e = {.type = ENGINE_VERDICTS};

	e.u.verdicts.events = &v;
	e.u.verdicts.n = 1;
	feed(b, e);
}

static void test_the_rib_ends_as_the_newest_view_says(void **state)
{
	struct bench *b = *state;
	bool was_peer[64] = {0};

	start(b);
	note_peers(b, was_peer);
	for (unsigned i = 0; i < ROUNDS; i++) {
		for (unsigned reloads = 1 + chance(3); reloads--;) {
			random_inventory(b);
			b->todo.n = 0;
			take_generation(b);
			note_peers(b, was_peer);
			for (unsigned n = chance(6); n--;)
				chance(2) ? happens(b, ENGINE_TIME) : random_verdict(b);
		}
		while (!count_actions(b, ENGINE_SYNC))
			happens(b, ENGINE_TIME);
		assert_int_equal(count_actions(b, ENGINE_SYNC), 1);
		check_rib(b, was_peer);
		if (chance(2))
			synced(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_differs_is_fed_and_nothing_else),
		TEST(a_large_reload_takes_turns),
		TEST(verdicts_come_between),
		TEST(a_reload_during_another_is_what_counts),
		TEST(a_peer_that_is_back_before_it_went_stands_as_it_stood),
		TEST(a_peer_that_goes_is_not_believed_up_before),
		TEST(the_rib_ends_as_the_newest_view_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

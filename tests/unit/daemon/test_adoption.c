/* SPDX-License-Identifier: MIT */
#include "daemon/adoption.h"

#include "unit.h"
#include <string.h>

enum { HUB_A, HUB_B, SITE, OTHER, N };

static struct rib_candidate by(uint32_t hub, uint32_t hub_metric)
{
	return (struct rib_candidate){.peer = hub,
		.origin = SITE,
		.transit = true,
		.distance = RIB_DISTANCE_INVENTORY,
		.hub_metric = hub_metric,
		.place = hub,
		.origin_place = SITE};
}

/* A RIB with one prefix behind two hubs, hub-a the better one, both in these states. */
static struct rib *make(enum rib_state a, enum rib_state b)
{
	struct rib_candidate hubs[] = {by(HUB_A, 10), by(HUB_B, 20)};
	struct rib_event events[] = {{.type = RIB_EVENT_PEER, .u.peer = {HUB_A, a}},
		{.type = RIB_EVENT_PEER, .u.peer = {HUB_B, b}}, {.type = RIB_EVENT_PREFIX}};
	struct rib *rib = rib_new(1, NULL, NULL);
	struct rib_diff diff = {0};

	assert_true(ip_prefix_parse(&events[2].u.prefix.prefix, "10.20.1.0/24"));
	events[2].u.prefix.candidates = hubs;
	events[2].u.prefix.n = 2;
	rib_step(rib, events, 3, &diff);
	rib_diff_done(&diff);
	return rib;
}

/* By whom each prefix goes. */
struct row {
	const char *prefix;
	struct adoption_found by;
};

struct rows {
	const struct row *rows;
	size_t n;
};

static bool find(const ip_prefix *prefix, struct adoption_found *ret, void *data)
{
	const struct rows *t = data;
	char text[IP_PREFIX_STRLEN];

	ip_prefix_format(prefix, text);
	for (size_t i = 0; i < t->n; i++)
		if (!strcmp(t->rows[i].prefix, text))
			*ret = t->rows[i].by;
	return ret->n;
}

static void expect(enum rib_state a, enum rib_state b, uint32_t owner, enum rib_state want_a,
	enum rib_state want_b)
{
	struct rib *rib = make(a, b);
	struct row row = {"10.20.1.0/24", {{owner}, owner < N}};
	struct rows rows = {&row, 1};
	adoption_events events = {0};

	adoption_refine(rib, &(struct adoption_table){find, &rows, false}, &events);
	assert_int_equal(rib_peer_state(rib, HUB_A), want_a);
	assert_int_equal(rib_peer_state(rib, HUB_B), want_b);
	assert_int_equal(events.n, 0);
	rib_free(rib);
}

static void test_who_is_passed_over_is_last_resort(void **state)
{
	expect(RIB_UP, RIB_UP, HUB_B, RIB_LAST_RESORT, RIB_UP);
}

static void test_what_stands_by_the_rules_says_nothing(void **state)
{
	expect(RIB_UP, RIB_UP, HUB_A, RIB_UP, RIB_UP);
	expect(RIB_DOWN, RIB_UP, HUB_B, RIB_DOWN, RIB_UP);
}

/* Nobody's, a stranger's to the prefix, or one's whom nothing else shows to be up. */
static void test_other_owners_say_nothing(void **state)
{
	expect(RIB_UP, RIB_UP, N, RIB_UP, RIB_UP);
	expect(RIB_UP, RIB_UP, SITE, RIB_UP, RIB_UP);
	expect(RIB_UP, RIB_DOWN, HUB_B, RIB_UP, RIB_DOWN);
}

/* --- what hubs had said --- */

#define SITE_NET "10.20.1.0/24"
#define OTHER_NET "10.20.2.0/24"

static struct rib_candidate direct(uint32_t peer)
{
	return (struct rib_candidate){.peer = peer,
		.origin = peer,
		.distance = RIB_DISTANCE_INVENTORY,
		.place = peer,
		.origin_place = peer};
}

static struct rib_event announce(
	const char *prefix, uint32_t origin, struct rib_candidate *room, size_t n)
{
	struct rib_event e = {.type = RIB_EVENT_PREFIX};

	assert_true(ip_prefix_parse(&e.u.prefix.prefix, prefix));
	for (size_t i = 0; i < n; i++)
		room[i].origin = room[i].origin_place = origin;
	e.u.prefix.candidates = room;
	e.u.prefix.n = n;
	return e;
}

static uint64_t tag(uint32_t id, void *data)
{
	return id + 1;
}

/* Two sites behind two hubs that are up, of equal metric or not. */
static struct rib *two_sites(unsigned max_owners, uint32_t metric_b)
{
	struct rib_candidate to_site[] = {by(HUB_A, 10), by(HUB_B, metric_b)};
	struct rib_candidate to_other[] = {by(HUB_A, 10), by(HUB_B, metric_b)};
	struct rib_event events[] = {{.type = RIB_EVENT_PEER, .u.peer = {HUB_A, RIB_UP}},
		{.type = RIB_EVENT_PEER, .u.peer = {HUB_B, RIB_UP}},
		announce(SITE_NET, SITE, to_site, 2), announce(OTHER_NET, OTHER, to_other, 2)};
	struct rib *rib = rib_new(max_owners, max_owners > 1 ? tag : NULL, NULL);
	struct rib_diff diff = {0};

	rib_step(rib, events, 4, &diff);
	rib_diff_done(&diff);
	return rib;
}

static uint32_t owner_of(struct rib *rib, const char *prefix)
{
	struct rib_answer a;
	ip_prefix p;

	assert_true(ip_prefix_parse(&p, prefix));
	assert_true(rib_explain(rib, &p, &a));
	return a.owners.n ? a.owners.peer[0] : N;
}

static void refine(
	struct rib *rib, const struct row *rows, size_t n, bool has_levels, adoption_events *ret)
{
	struct rows t = {rows, n};

	adoption_refine(rib, &(struct adoption_table){find, &t, has_levels}, ret);
}

static void expect_reach(
	const adoption_events *e, uint32_t hub, uint32_t node, enum rib_reach reach)
{
	assert_int_equal(e->n, 1);
	assert_int_equal(e->items[0].type, RIB_EVENT_REACH);
	assert_int_equal(e->items[0].u.reach.peer, hub);
	assert_int_equal(e->items[0].u.reach.origin, node);
	assert_int_equal(e->items[0].u.reach.reach, reach);
}

/* The hub relays the one and not the other: it isn't last resort, it lost that one. */
static void test_a_hub_passed_over_for_one_node_had_lost_it(void **state)
{
	static const struct row rows[] = {{SITE_NET, {{HUB_B}, 1}}, {OTHER_NET, {{HUB_A}, 1}}};

	for (unsigned max_owners = 1; max_owners <= 16; max_owners += 15) {
		struct rib *rib = two_sites(max_owners, 20);
		adoption_events events = {0};

		refine(rib, rows, 2, false, &events);
		expect_reach(&events, HUB_A, SITE, RIB_REACH_LOST);
		assert_int_equal(rib_peer_state(rib, HUB_A), RIB_UP);
		assert_int_equal(owner_of(rib, SITE_NET), HUB_B);
		assert_int_equal(owner_of(rib, OTHER_NET), HUB_A);
		vec_done(&events);
		rib_free(rib);
	}
}

/* Where levels say that it was up, it was no last resort, even if nothing goes by it. */
static void test_levels_are_believed(void **state)
{
	static const struct row row = {SITE_NET, {{HUB_B}, 1}};
	struct rib *rib = two_sites(16, 20);
	adoption_events events = {0};

	refine(rib, &row, 1, true, &events);
	expect_reach(&events, HUB_A, SITE, RIB_REACH_LOST);
	assert_int_equal(rib_peer_state(rib, HUB_A), RIB_UP);
	vec_done(&events);
	rib_free(rib);
}

static void test_who_got_shares_takes_many(void **state)
{
	static const struct row rows[] = {
		{SITE_NET, {{HUB_A, HUB_B}, 2}}, {OTHER_NET, {{HUB_A}, 1}}};
	struct rib *rib = two_sites(16, 10);
	adoption_events events = {0};
	struct rib_answer a;
	ip_prefix p;

	refine(rib, rows, 2, true, &events);
	assert_int_equal(events.n, 1);
	assert_int_equal(events.items[0].type, RIB_EVENT_TAKES_MANY);
	assert_int_equal(events.items[0].u.takes_many.id, SITE);
	assert_true(ip_prefix_parse(&p, SITE_NET));
	assert_true(rib_explain(rib, &p, &a));
	assert_int_equal(a.owners.n, 2);
	vec_done(&events);
	rib_free(rib);
}

/* As seen from hub-a: its line to the site is dead, and hub-b has it, so no cover gets its packets.
 */
static void test_a_detour_that_was_in_use_had_the_node(void **state)
{
	static const struct row row = {SITE_NET, {{HUB_B}, 1}};
	struct rib_candidate to_site[] = {direct(SITE), by(HUB_B, 20)};
	struct rib_candidate to_cover[] = {direct(OTHER)};
	struct rib_event events[] = {{.type = RIB_EVENT_PEER, .u.peer = {SITE, RIB_DOWN}},
		{.type = RIB_EVENT_PEER, .u.peer = {HUB_B, RIB_UP}},
		{.type = RIB_EVENT_PEER, .u.peer = {OTHER, RIB_UP}},
		announce(SITE_NET, SITE, to_site, 2), announce("10.20.0.0/16", OTHER, to_cover, 1)};
	struct rib *rib = rib_new(16, tag, NULL);
	struct rib_diff diff = {0};
	adoption_events found = {0};

	rib_step(rib, events, 5, &diff);
	rib_diff_done(&diff);
	assert_int_equal(owner_of(rib, SITE_NET), N);
	refine(rib, &row, 1, true, &found);
	expect_reach(&found, HUB_B, SITE, RIB_REACH_HAS);
	assert_int_equal(owner_of(rib, SITE_NET), HUB_B);
	vec_done(&found);
	rib_free(rib);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_is_passed_over_is_last_resort),
		cmocka_unit_test(test_what_stands_by_the_rules_says_nothing),
		cmocka_unit_test(test_other_owners_say_nothing),
		cmocka_unit_test(test_a_hub_passed_over_for_one_node_had_lost_it),
		cmocka_unit_test(test_levels_are_believed),
		cmocka_unit_test(test_who_got_shares_takes_many),
		cmocka_unit_test(test_a_detour_that_was_in_use_had_the_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "daemon/adoption.h"

#include "unit.h"

enum { HUB_A, HUB_B, SITE, N };

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

static bool owner_is(const ip_prefix *prefix, uint32_t *ret_peer, void *data)
{
	const uint32_t *owner = data;

	*ret_peer = *owner;
	return *owner < N;
}

static void expect(enum rib_state a, enum rib_state b, uint32_t owner, enum rib_state want_a,
	enum rib_state want_b)
{
	struct rib *rib = make(a, b);

	adoption_refine(rib, owner_is, &owner);
	assert_int_equal(rib_peer_state(rib, HUB_A), want_a);
	assert_int_equal(rib_peer_state(rib, HUB_B), want_b);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_is_passed_over_is_last_resort),
		cmocka_unit_test(test_what_stands_by_the_rules_says_nothing),
		cmocka_unit_test(test_other_owners_say_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

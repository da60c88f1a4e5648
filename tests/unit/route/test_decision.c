/* SPDX-License-Identifier: MIT */
#include "route/decision.h"

#include "base/mem.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/*
 * Each row: two candidates for one prefix. All steps before the one under test find them equal,
 * all steps behind it would prefer the loser.
 */
struct pair {
	const char *name;
	struct rib_candidate winner, loser;
	enum rib_state winner_state, loser_state;
	uint32_t origin; /* has been heard of, with this state; 0: none has */
	enum rib_state origin_state;
	enum rib_reason why;
};

/* An unset field is 0, and 0 is the best. */
static const struct pair pairs[] = {
	{"down", {.peer = 2, .origin = 8, .transit = true, .metric = 1, .place = 2},
		{.peer = 1, .origin = 9, .transit = true, .place = 1}, RIB_LAST_RESORT, RIB_DOWN, 8,
		RIB_DOWN, RIB_PEER_DOWN},
	{"origin down before last resort",
		{.peer = 2, .origin = 8, .transit = true, .metric = 1, .place = 2},
		{.peer = 1, .origin = 9, .transit = true, .place = 1}, RIB_LAST_RESORT, RIB_UP, 9,
		RIB_DOWN, RIB_ORIGIN_DOWN},
	{"last resort", {.peer = 2, .origin = 9, .distance = 1, .transit = true, .place = 2},
		{.peer = 1, .origin = 9, .transit = true, .place = 1}, RIB_UP, RIB_LAST_RESORT, 0,
		RIB_DOWN, RIB_PEER_LAST_RESORT},
	{"last resort, both origins down",
		{.peer = 2, .origin = 9, .distance = 1, .transit = true, .place = 2},
		{.peer = 1, .origin = 9, .transit = true, .place = 1}, RIB_UP, RIB_LAST_RESORT, 9,
		RIB_DOWN, RIB_PEER_LAST_RESORT},
	{"origin last resort, the winner known to be up",
		{.peer = 2, .origin = 8, .transit = true, .metric = 1, .place = 2},
		{.peer = 1, .origin = 9, .transit = true, .place = 1}, RIB_UP, RIB_UP, 9,
		RIB_LAST_RESORT, RIB_ORIGIN_LAST_RESORT},
	{"a detour to a last resort is no better", {.peer = 9, .origin = 9, .place = 9},
		{.peer = 1, .origin = 9, .transit = true, .place = 1}, RIB_LAST_RESORT, RIB_UP, 9,
		RIB_LAST_RESORT, RIB_IS_TRANSIT},
	{"distance", {.peer = 2, .origin = 8, .transit = true, .metric = 1, .place = 2},
		{.peer = 1, .origin = 1, .distance = 1, .place = 1}, RIB_UP, RIB_UP, 0, RIB_DOWN,
		RIB_HIGHER_DISTANCE},
	{"metric",
		{.peer = 2, .origin = 8, .transit = true, .metric = 1, .hub_metric = 1, .place = 2},
		{.peer = 1, .origin = 1, .metric = 2, .place = 1}, RIB_UP, RIB_UP, 0, RIB_DOWN,
		RIB_HIGHER_METRIC},
	{"direct", {.peer = 2, .origin = 2, .hub_metric = 1, .place = 2},
		{.peer = 1, .origin = 9, .transit = true, .place = 1}, RIB_UP, RIB_UP, 0, RIB_DOWN,
		RIB_IS_TRANSIT},
	{"hub metric", {.peer = 2, .origin = 9, .transit = true, .hub_metric = 1, .place = 2},
		{.peer = 1, .origin = 8, .transit = true, .hub_metric = 2, .place = 1}, RIB_UP,
		RIB_UP, 0, RIB_DOWN, RIB_HIGHER_HUB_METRIC},
	{"hub metric, both last resort",
		{.peer = 2, .origin = 9, .transit = true, .hub_metric = 1, .place = 2},
		{.peer = 1, .origin = 8, .transit = true, .hub_metric = 2, .place = 1},
		RIB_LAST_RESORT, RIB_LAST_RESORT, 0, RIB_DOWN, RIB_HIGHER_HUB_METRIC},
	{"place of the next hop", {.peer = 2, .origin = 9, .transit = true, .place = 1},
		{.peer = 1, .origin = 8, .transit = true, .place = 2}, RIB_UP, RIB_UP, 0, RIB_DOWN,
		RIB_CUT_FROM_SET},
	{"place of the origin",
		{.peer = 1, .origin = 9, .transit = true, .place = 1, .origin_place = 8},
		{.peer = 1, .origin = 8, .transit = true, .place = 1, .origin_place = 9}, RIB_UP,
		RIB_UP, 0, RIB_DOWN, RIB_LATER_IN_FILE},
};

static struct decision_contender contender(
	const struct pair *row, const struct rib_candidate *c, enum rib_state state)
{
	struct decision_contender x = {
		.candidate = c, .state = state, .origin = RIB_UP, .takes_many = true};

	if (c->transit && row->origin == c->origin)
		x.origin = row->origin_state;
	return x;
}

/* In either order; equal through step 5 is the set's matter, not the comparison's. */
static void check_comparison(const struct pair *row)
{
	struct decision_contender w = contender(row, &row->winner, row->winner_state);
	struct decision_contender l = contender(row, &row->loser, row->loser_state);
	enum rib_reason want = row->why == RIB_CUT_FROM_SET ? RIB_LATER_IN_FILE : row->why;
	enum rib_reason why[2];

	if (decision_compare(&w, &l, &why[0]) >= 0 || decision_compare(&l, &w, &why[1]) <= 0 ||
		why[0] != want || why[1] != want)
		fail_msg("%s: compared, %s and %s", row->name, rib_reason_name(why[0]),
			rib_reason_name(why[1]));
	assert_int_equal(decision_compare(&w, &w, &why[0]), 0);
	assert_int_equal(why[0], RIB_WINS);
}

static void check_run(const struct pair *row)
{
	struct decision_contender list[2] = {contender(row, &row->winner, row->winner_state),
		contender(row, &row->loser, row->loser_state)};
	bool loser_first = decision_candidate_cmp(&row->loser, &row->winner) < 0;
	struct decision_contender winner = list[0];
	struct rib_owner order[2] = {0};
	enum rib_reason reasons[2];
	bool equal = row->why == RIB_CUT_FROM_SET || row->why == RIB_LATER_IN_FILE;
	size_t n;

	if (loser_first) {
		list[0] = list[1];
		list[1] = winner;
	}
	decision_reasons(list, 2, 1, reasons);
	n = decision_order(list, 2, order);
	if (order[0].peer != row->winner.peer || order[0].rank || !order[0].sends ||
		reasons[loser_first] != RIB_WINS || reasons[!loser_first] != row->why)
		fail_msg("%s: owner %u, the loser's reason %s", row->name, (unsigned)order[0].peer,
			rib_reason_name(reasons[!loser_first]));
	/* One next hop stands once; equal through step 5 is one rank. */
	assert_int_equal(n, row->winner.peer == row->loser.peer ? 1 : 2);
	if (n == 2 && (order[1].rank != !equal || order[1].sends != (row->loser_state != RIB_DOWN)))
		fail_msg("%s: the loser has rank %u", row->name, (unsigned)order[1].rank);
}

static void test_each_step_decides_alone(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		check_comparison(&pairs[i]);
		check_run(&pairs[i]);
	}
}

/* Two equal hubs share flows to an origin that takes them so from both, also if a third that
 * doesn't count for now is in the way. */
static void test_origins_that_take_packets_of_one(void **state)
{
	struct rib_candidate c[] = {{.peer = 1, .origin = 8, .transit = true, .place = 1},
		{.peer = 2, .origin = 8, .transit = true, .place = 2, .weight = 3},
		{.peer = 3, .origin = 9, .transit = true, .place = 3}};
	struct decision_contender list[3];
	struct rib_owner order[3] = {0};
	enum rib_reason reasons[3];

	for (size_t i = 0; i < 3; i++)
		list[i] = (struct decision_contender){&c[i], RIB_UP, RIB_UP, true};
	decision_reasons(list, 3, 2, reasons);
	assert_int_equal(reasons[1], RIB_WINS);
	assert_int_equal(reasons[2], RIB_CUT_FROM_SET);
	assert_int_equal(decision_order(list, 3, order), 3);
	assert_int_equal(order[2].rank, 0);
	assert_int_equal(order[0].weight, 1);
	assert_int_equal(order[1].weight, 3);
	assert_true(order[1].is_relay);
	list[2].takes_many = false;
	list[2].state = RIB_DOWN;
	decision_reasons(list, 3, 2, reasons);
	assert_int_equal(reasons[0], RIB_WINS);
	assert_int_equal(reasons[1], RIB_CUT_FOR_ORIGIN);
	assert_int_equal(reasons[2], RIB_PEER_DOWN);
	list[2].state = RIB_UP;
	decision_order(list, 3, order);
	assert_int_equal(order[1].rank, 1);
	assert_int_equal(order[2].rank, 2);
	list[2].origin = RIB_DOWN; /* no equal of theirs any more */
	decision_reasons(list, 3, 2, reasons);
	assert_int_equal(reasons[1], RIB_WINS);
}

static void test_nobody_usable(void **state)
{
	struct decision_contender list[2] = {contender(&pairs[0], &pairs[0].loser, RIB_DOWN),
		contender(&pairs[0], &pairs[0].winner, RIB_DOWN)};
	struct rib_owner order[2];
	enum rib_reason reasons[2];

	decision_reasons(list, 2, 1, reasons);
	assert_int_equal(reasons[0], RIB_PEER_DOWN);
	assert_int_equal(reasons[1], RIB_PEER_DOWN);
	assert_int_equal(decision_order(list, 2, order), 2);
	assert_false(order[0].sends || order[1].sends);
	assert_int_equal(decision_order(list, 0, order), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_step_decides_alone),
		cmocka_unit_test(test_origins_that_take_packets_of_one),
		cmocka_unit_test(test_nobody_usable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* What events change: owners, routes, and why. */
#include "rib_fixture.h"

static void test_history_decides_nothing(void **state)
{
	struct rib_candidate c[] = {transit(HUB_A, 10, SITE_1, 0), transit(HUB_B, 10, SITE_1, 0)};
	struct fixture f = fixture_new(1);

	set_prefix(&f, "10.20.1.0/24", c, 2, RIB_FALL_BACK);
	set_peer(&f, HUB_B, RIB_UP);
	expect_owners(&f, "10.20.1.0/24", "2");
	set_peer(&f, HUB_A, RIB_UP);
	expect_change(&f, 0, "10.20.1.0/24", "2", "1", RIB_CUT_FROM_SET);
	fixture_done(&f);
}

static void test_unknown_origin_is_not_down(void **state)
{
	struct rib_candidate c[] = {transit(HUB_A, 10, SITE_1, 0), transit(HUB_A, 10, SITE_2, 5)};
	struct fixture f = fixture_new(1);

	set_prefix(&f, "192.0.2.53/32", c, 2, RIB_FALL_BACK);
	set_peer(&f, HUB_A, RIB_UP);
	expect_reasons(&f, "192.0.2.53/32", "1/4:wins 1/5:higher-metric");
	set_peer(&f, SITE_1, RIB_DOWN);
	assert_int_equal(f.n_changes, 0); /* the same next hop */
	expect_reasons(&f, "192.0.2.53/32", "1/5:wins 1/4:origin-down");
	set_peer(&f, SITE_1, RIB_LAST_RESORT);
	expect_reasons(&f, "192.0.2.53/32", "1/5:wins 1/4:origin-last-resort");
	set_peer(&f, SITE_1, RIB_UP);
	expect_reasons(&f, "192.0.2.53/32", "1/4:wins 1/5:higher-metric");
	fixture_done(&f);
}

/* A hub's view of an anycast prefix on two sites: the dead site must not be reached through the
 * other hub. */
static void test_anycast_origin_dies(void **state)
{
	struct rib_candidate c[] = {direct(SITE_1, 10), transit(HUB_B, 20, SITE_1, 10),
		direct(SITE_2, 20), transit(HUB_B, 20, SITE_2, 20)};
	struct fixture f = fixture_new(1);

	set_up(&f, HUB_B, SITE_2);
	set_prefix(&f, "192.0.2.53/32", c, 4, RIB_FALL_BACK);
	expect_owners(&f, "192.0.2.53/32", "4");
	set_peer(&f, SITE_1, RIB_DOWN);
	expect_change(&f, 0, "192.0.2.53/32", "4", "5", RIB_PEER_DOWN);
	expect_reasons(
		&f, "192.0.2.53/32", "5/5:wins 2/5:is-transit 2/4:origin-down 4/4:peer-down");
	set_peer(&f, SITE_2, RIB_DOWN);
	expect_change(&f, 0, "192.0.2.53/32", "5", "2", RIB_PEER_DOWN);
	fixture_done(&f);
}

/* Of three hubs the one is chosen that still has the site. */
static void test_what_a_hub_says_of_its_line(void **state)
{
	struct rib_candidate c[] = {transit(HUB_A, 10, SITE_1, 0), transit(HUB_B, 20, SITE_1, 0),
		transit(HUB_C, 30, SITE_1, 0)};
	struct fixture f = fixture_new(1);

	set_up(&f, HUB_A, HUB_C);
	set_prefix(&f, "10.20.1.0/24", c, 3, RIB_FALL_BACK);
	set_prefix(&f, "10.20.2.0/24", c, 2, RIB_FALL_BACK);
	set_reach(&f, HUB_A, SITE_1, RIB_REACH_LOST);
	assert_int_equal(f.n_changes, 2);
	expect_change(&f, 0, "10.20.1.0/24", "1", "2", RIB_ORIGIN_DOWN);
	set_reach(&f, HUB_A, SITE_2, RIB_REACH_LOST); /* another site's */
	assert_int_equal(f.n_changes, 0);
	set_reach(&f, HUB_B, SITE_1, RIB_REACH_POOR);
	expect_change(&f, 0, "10.20.1.0/24", "2", "3", RIB_ORIGIN_LAST_RESORT);
	expect_reasons(&f, "10.20.1.0/24", "3/4:wins 2/4:origin-last-resort 1/4:origin-down");
	expect_owners(&f, "10.20.2.0/24", "2");
	set_reach(&f, HUB_B, SITE_1, RIB_REACH_LOST);
	set_reach(&f, HUB_C, SITE_1, RIB_REACH_LOST);
	expect_owners(&f, "10.20.1.0/24", "1"); /* worth a try */
	set_reach(&f, HUB_C, SITE_1, RIB_REACH_UNKNOWN);
	expect_change(&f, 0, "10.20.1.0/24", "1", "3", RIB_ORIGIN_DOWN);
	set_reach(&f, HUB_A, SITE_1, RIB_REACH_UNKNOWN);
	expect_change(&f, 0, "10.20.1.0/24", "3", "1", RIB_HIGHER_HUB_METRIC);
	fixture_done(&f);
}

/* The word of who has the line goes before what a node sees of the origin itself. */
static void test_a_hub_knows_better(void **state)
{
	struct rib_candidate c[] = {
		direct(SITE_1, 0), transit(HUB_A, 10, SITE_1, 0), transit(HUB_B, 20, SITE_1, 0)};
	struct rib_candidate cover = direct(SITE_2, 0);
	struct fixture f = fixture_new(1);

	set_up(&f, HUB_A, SITE_2);
	set_prefix(&f, "10.20.0.0/16", &cover, 1, RIB_FALL_BACK);
	set_prefix(&f, "10.20.1.0/24", c, 3, RIB_FALL_BACK);
	set_peer(&f, SITE_1, RIB_DOWN);
	expect_owners(&f, "10.20.1.0/24", "-"); /* the cover has its packets */
	set_reach(&f, HUB_B, SITE_1, RIB_REACH_HAS);
	expect_change(&f, 0, "10.20.1.0/24", "-", "2", RIB_WINS);
	expect_reasons(&f, "10.20.1.0/24", "2/4:wins 1/4:origin-down 4/4:peer-down");
	set_reach(&f, HUB_B, SITE_1, RIB_REACH_POOR); /* it has it nevertheless */
	assert_int_equal(f.n_changes, 0);
	set_reach(&f, HUB_A, SITE_1, RIB_REACH_HAS);
	expect_change(&f, 0, "10.20.1.0/24", "2", "1", RIB_ORIGIN_LAST_RESORT);
	set_peer(&f, SITE_1, RIB_LAST_RESORT); /* our own line is poor */
	set_reach(&f, HUB_A, SITE_1, RIB_REACH_CLEAN);
	expect_owners(&f, "10.20.1.0/24", "1");
	expect_reasons(&f, "10.20.1.0/24", "1/4:wins 4/4:peer-last-resort 2/4:origin-last-resort");
	set_reach(&f, HUB_A, SITE_1, RIB_REACH_HAS);
	set_peer(&f, SITE_1, RIB_LAST_RESORT); /* it drains, and says so to all */
	expect_reasons(&f, "10.20.1.0/24", "4/4:wins 1/4:is-transit 2/4:is-transit");
	set_peer(&f, SITE_1, RIB_DOWN);
	set_reach(&f, HUB_A, SITE_1, RIB_REACH_LOST);
	set_reach(&f, HUB_B, SITE_1, RIB_REACH_LOST);
	expect_change(&f, 0, "10.20.1.0/24", "2", "-", RIB_ORIGIN_DOWN);
	fixture_done(&f);
}

/* Where nothing is known of an origin but that a hub lost it, a cover has the packets. */
static void test_a_lost_origin_is_doubtful(void **state)
{
	struct rib_candidate cover = transit(HUB_A, 10, SITE_2, 0);
	struct fixture f = fixture_new(1);

	set_up(&f, HUB_A, HUB_B);
	set_prefix(&f, "10.20.0.0/16", &cover, 1, RIB_FALL_BACK);
	set_prefix(&f, "10.20.1.0/24", two_hubs, 2, RIB_FALL_BACK);
	set_reach(&f, HUB_A, SITE_1, RIB_REACH_LOST);
	expect_owners(&f, "10.20.1.0/24", "2");
	set_reach(&f, HUB_B, SITE_1, RIB_REACH_LOST);
	expect_change(&f, 0, "10.20.1.0/24", "2", "-", RIB_ORIGIN_DOWN);
	fixture_done(&f);
}

static void test_fall_back_keeps_the_route(void **state)
{
	struct fixture f = fixture_new(1);

	set_prefix(&f, "10.20.1.0/24", two_hubs, 2, RIB_FALL_BACK);
	expect_change(&f, 0, "10.20.1.0/24", "-", "-", RIB_WINS);
	assert_true(!f.changes[0].turn.old_route && f.changes[0].turn.route);
	set_peer(&f, HUB_A, RIB_UP);
	expect_change(&f, 0, "10.20.1.0/24", "-", "1", RIB_WINS);
	assert_int_equal(f.changes[0].turn.old_home.kind, RIB_AT_NOBODY);
	assert_int_equal(f.changes[0].turn.home.kind, RIB_AT_PEER);
	assert_int_equal(f.changes[0].turn.home.peer, HUB_A);
	set_peer(&f, HUB_A, RIB_DOWN);
	assert_int_equal(f.changes[0].turn.old_home.kind, RIB_AT_PEER);
	assert_int_equal(f.changes[0].turn.home.kind, RIB_AT_NOBODY);
	assert_int_equal(f.diff.levels.n, 1);
	assert_int_equal(f.diff.levels.items[0].peer, HUB_A);
	assert_int_equal(f.diff.levels.items[0].state, RIB_DOWN);
	expect_change(&f, 0, "10.20.1.0/24", "1", "-", RIB_PEER_DOWN);
	assert_true(f.changes[0].turn.old_route && f.changes[0].turn.route);
	expect_reasons(&f, "10.20.1.0/24", "1/4:peer-down 2/4:peer-down");
	fixture_done(&f);
}

static void test_hold_keeps_the_last_owner(void **state)
{
	struct fixture f = fixture_new(1);

	set_prefix(&f, "10.20.1.0/24", two_hubs, 2, RIB_HOLD);
	expect_change(&f, 0, "10.20.1.0/24", "-", "1", RIB_WINS); /* never any: the first */
	expect_reasons(&f, "10.20.1.0/24", "1/4:held 2/4:peer-down");
	set_peer(&f, HUB_B, RIB_UP);
	expect_change(&f, 0, "10.20.1.0/24", "1", "2", RIB_PEER_DOWN);
	set_peer(&f, HUB_B, RIB_DOWN);
	assert_int_equal(f.n_changes, 0);
	expect_reasons(&f, "10.20.1.0/24", "1/4:peer-down 2/4:held");
	fixture_done(&f);
}

static void test_hold_drops_an_owner_that_is_no_candidate(void **state)
{
	struct fixture f = fixture_new(1);
	struct rib_candidate more[3] = {two_hubs[0], two_hubs[1], transit(HUB_C, 1, SITE_1, 10)};

	set_peer(&f, HUB_B, RIB_UP);
	set_prefix(&f, "10.20.1.0/24", two_hubs, 2, RIB_HOLD);
	set_peer(&f, HUB_B, RIB_DOWN);
	expect_owners(&f, "10.20.1.0/24", "2");
	set_prefix(&f, "10.20.1.0/24", more, 3, RIB_HOLD); /* hub-c would be first */
	assert_int_equal(f.n_changes, 0);
	set_prefix(&f, "10.20.1.0/24", two_hubs, 1, RIB_HOLD);
	expect_change(&f, 0, "10.20.1.0/24", "2", "1", RIB_WITHDRAWN);
	expect_reasons(&f, "10.20.1.0/24", "1/4:held");
	fixture_done(&f);
}

static void test_release_withdraws_the_route(void **state)
{
	struct fixture f = fixture_new(1);

	set_prefix(&f, "10.20.1.0/24", two_hubs, 2, RIB_RELEASE);
	assert_int_equal(f.n_changes, 0);
	set_peer(&f, HUB_B, RIB_LAST_RESORT);
	expect_change(&f, 0, "10.20.1.0/24", "-", "2", RIB_WINS);
	assert_true(!f.changes[0].turn.old_route && f.changes[0].turn.route);
	set_peer(&f, HUB_B, RIB_DOWN);
	expect_change(&f, 0, "10.20.1.0/24", "2", "-", RIB_PEER_DOWN);
	assert_true(f.changes[0].turn.old_route && !f.changes[0].turn.route);
	fixture_done(&f);
}

static void test_on_dead_can_change_while_dead(void **state)
{
	struct fixture f = fixture_new(1);

	set_prefix(&f, "10.20.1.0/24", two_hubs, 2, RIB_HOLD);
	set_prefix(&f, "10.20.1.0/24", two_hubs, 2, RIB_FALL_BACK);
	expect_change(&f, 0, "10.20.1.0/24", "1", "-", RIB_PEER_DOWN);
	assert_true(f.changes[0].turn.route);
	set_prefix(&f, "10.20.1.0/24", two_hubs, 2, RIB_RELEASE);
	expect_change(&f, 0, "10.20.1.0/24", "-", "-", RIB_WINS);
	assert_false(f.changes[0].turn.route);
	fixture_done(&f);
}

static void test_pinned_never_moves(void **state)
{
	struct fixture f = fixture_new(1);

	pin_prefix(&f, "10.10.0.11/32", direct(SITE_1, 0));
	expect_change(&f, 0, "10.10.0.11/32", "-", "4", RIB_WINS);
	assert_true(f.changes[0].turn.route);
	expect_reasons(&f, "10.10.0.11/32", "4/4:held");
	set_peer(&f, SITE_1, RIB_UP);
	assert_int_equal(f.n_changes, 0);
	expect_reasons(&f, "10.10.0.11/32", "4/4:wins");
	set_peer(&f, SITE_1, RIB_DOWN);
	assert_int_equal(f.n_changes, 0);
	assert_true(explain(&f, "10.10.0.11/32").pinned);
	fixture_done(&f);
}

static void test_set_of_equal_candidates(void **state)
{
	struct rib_candidate c[] = {transit(HUB_C, 10, SITE_1, 0), transit(HUB_A, 10, SITE_2, 0),
		transit(HUB_B, 10, SITE_1, 0), transit(HUB_A, 10, SITE_1, 0),
		transit(SITE_3, 11, SITE_1, 0)};
	struct fixture f = fixture_new(2);

	set_prefix(&f, "10.0.0.0/8", c, 5, RIB_FALL_BACK);
	set_takes_many(&f, SITE_1, true);
	set_takes_many(&f, SITE_2, true);
	set_up(&f, HUB_A, SITE_3);
	expect_owners(&f, "10.0.0.0/8", "1,2");
	expect_reasons(&f, "10.0.0.0/8",
		"1/4:wins 1/5:later-in-file 2/4:wins 3/4:cut-from-set 6/4:higher-hub-metric");
	set_peer(&f, HUB_A, RIB_LAST_RESORT); /* leaves the set: another class */
	expect_change(&f, 0, "10.0.0.0/8", "1,2", "2,3", RIB_PEER_LAST_RESORT);
	set_peer(&f, HUB_A, RIB_UP); /* hub-b is no longer first, but lost nothing */
	expect_change(&f, 0, "10.0.0.0/8", "2,3", "1,2", RIB_WINS);
	set_peer(&f, SITE_1, RIB_DOWN); /* only hub-a's way to site-2 is sure */
	expect_change(&f, 0, "10.0.0.0/8", "1,2", "1", RIB_WINS);
	fixture_done(&f);
}

/* Whatever the device could hold. */
static void test_held_and_pinned_are_one_peers_alone(void **state)
{
	struct rib_candidate c[] = {transit(HUB_A, 10, SITE_1, 0), transit(HUB_B, 10, SITE_1, 0),
		transit(HUB_C, 10, SITE_1, 0)};
	struct rib_event down[] = {peer_event(HUB_A, RIB_DOWN), peer_event(HUB_B, RIB_DOWN),
		peer_event(HUB_C, RIB_DOWN)};
	struct fixture f = fixture_new(4);

	set_up(&f, HUB_A, HUB_C);
	set_takes_many(&f, SITE_1, true);
	set_prefix(&f, "10.0.0.0/8", c, 3, RIB_HOLD);
	expect_reasons(&f, "10.0.0.0/8", "1/4:wins 2/4:cut-from-set 3/4:cut-from-set");
	step(&f, down, 3);
	assert_int_equal(f.n_changes, 0);
	assert_int_equal(f.diff.levels.n, 3);
	expect_reasons(&f, "10.0.0.0/8", "1/4:held 2/4:peer-down 3/4:peer-down");
	set_prefix(&f, "10.0.0.0/8", c + 1, 2, RIB_HOLD);
	expect_change(&f, 0, "10.0.0.0/8", "1", "2", RIB_WITHDRAWN);
	assert_int_equal(f.changes[0].turn.home.kind, RIB_AT_PEER);
	assert_int_equal(f.changes[0].turn.old_home.peer, HUB_A);
	assert_int_equal(f.changes[0].turn.home.peer, HUB_B);
	pin_prefix(&f, "10.10.0.11/32", direct(SITE_1, 0));
	assert_int_equal(f.changes[0].turn.old_home.kind, RIB_AT_NOBODY);
	assert_int_equal(f.changes[0].turn.home.kind, RIB_AT_PEER);
	assert_int_equal(f.diff.owner_sets.n, 0);
	fixture_done(&f);
}

static void test_events_of_one_step_are_one(void **state)
{
	struct rib_event flap[] = {peer_event(HUB_A, RIB_DOWN), peer_event(HUB_A, RIB_UP)};
	struct rib_event swap[] = {peer_event(HUB_A, RIB_DOWN), peer_event(HUB_B, RIB_UP)};
	struct rib_event replace[] = {prefix_event("10.20.1.0/24", NULL, 0, RIB_FALL_BACK),
		prefix_event("10.20.1.0/24", two_hubs, 2, RIB_FALL_BACK)};
	struct rib_event shortlived[] = {prefix_event("10.99.0.0/16", two_hubs, 2, RIB_FALL_BACK),
		prefix_event("10.99.0.0/16", NULL, 0, RIB_FALL_BACK)};
	ip_prefix gone = prefix("10.99.0.0/16");
	struct rib_answer a;
	struct fixture f = fixture_new(1);

	set_prefix(&f, "10.20.1.0/24", two_hubs, 2, RIB_FALL_BACK);
	set_peer(&f, HUB_A, RIB_UP);
	step(&f, flap, 2);
	assert_int_equal(f.n_changes, 0);
	step(&f, swap, 2);
	assert_int_equal(f.n_changes, 1);
	expect_change(&f, 0, "10.20.1.0/24", "1", "2", RIB_PEER_DOWN);
	step(&f, replace, 2);
	assert_int_equal(f.n_changes, 0);
	step(&f, shortlived, 2);
	assert_int_equal(f.n_changes, 0);
	assert_false(rib_explain(f.rib, &gone, &a));
	fixture_done(&f);
}

static void test_prefix_goes(void **state)
{
	ip_prefix p = prefix("10.20.1.0/24");
	struct rib_answer a;
	struct fixture f = fixture_new(1);

	set_peer(&f, HUB_A, RIB_UP);
	set_prefix(&f, "10.20.1.0/24", two_hubs, 2, RIB_HOLD);
	set_prefix(&f, "10.20.1.0/24", NULL, 0, RIB_HOLD);
	expect_change(&f, 0, "10.20.1.0/24", "1", "-", RIB_WITHDRAWN);
	assert_true(f.changes[0].turn.old_route && !f.changes[0].turn.route);
	assert_false(rib_explain(f.rib, &p, &a));
	set_prefix(&f, "10.20.1.0/24", NULL, 0, RIB_HOLD);
	assert_int_equal(f.n_changes, 0);
	set_peer(&f, HUB_A, RIB_DOWN);
	assert_int_equal(f.n_changes, 0);
	fixture_done(&f);
}

/* IPv6 prefixes alike in their first 64 bits, too: the order is ip_prefix_cmp's to the last bit. */
static void test_changes_are_sorted(void **state)
{
	static const char *const texts[] = {"fd10::2:0:0:0/128", "10.20.2.0/24", "fd10::/64",
		"::/0", "0.0.0.0/0", "10.20.0.0/16", "fd10::1/128", "10.20.1.0/24", "10.20.1.0/25",
		"255.255.255.255/32", "fd10::/65", "fd10::2:0:0:1/128"};
	struct rib_event events[ARRAY_SIZE(texts)];
	struct fixture f = fixture_new(1);

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		events[i] = prefix_event(texts[i], two_hubs, 1 + i % 2, RIB_FALL_BACK);
	step(&f, events, ARRAY_SIZE(texts));
	assert_int_equal(f.n_changes, ARRAY_SIZE(texts));
	set_peer(&f, HUB_A, RIB_UP);
	assert_int_equal(f.n_changes, ARRAY_SIZE(texts));
	for (size_t i = 1; i < f.n_changes; i++)
		assert_true(ip_prefix_cmp(&f.changes[i - 1].prefix, &f.changes[i].prefix) < 0);
	fixture_done(&f);
}

/* Prefixes with the same candidates, in whatever order given, share them; what nobody uses goes,
 * also when a peer event of the same step concerns it. */
static void test_candidate_sets_are_shared(void **state)
{
	struct rib_candidate reversed[] = {two_hubs[1], two_hubs[0]};
	struct rib_event last[] = {
		peer_event(HUB_A, RIB_UP), prefix_event("10.20.2.0/24", NULL, 0, RIB_FALL_BACK)};
	struct fixture f = fixture_new(1);

	set_prefix(&f, "10.20.1.0/24", two_hubs, 2, RIB_FALL_BACK);
	set_prefix(&f, "10.20.2.0/24", reversed, 2, RIB_FALL_BACK);
	assert_int_equal(map_count(f.rib->sets), 1);
	set_prefix(&f, "10.20.1.0/24", two_hubs, 1, RIB_FALL_BACK);
	assert_int_equal(map_count(f.rib->sets), 2);
	set_prefix(&f, "10.20.1.0/24", NULL, 0, RIB_FALL_BACK);
	assert_int_equal(map_count(f.rib->sets), 1);
	step(&f, last, 2);
	assert_int_equal(map_count(f.rib->sets), 0);
	assert_int_equal(trie_count(f.rib->entries), 0);
	fixture_done(&f);
}

/* A source replaces what it said itself; the distance decides between sources, and on_dead is the
 * inventory's. */
static void test_sources_stand_side_by_side(void **state)
{
	struct rib_candidate inventory = direct(HUB_A, 0), kernel = by_engine(direct(HUB_B, 0));
	struct rib_event by_kernel = kernel_event("10.20.1.0/24", &kernel, 1);
	struct rib_event no_more = kernel_event("10.20.1.0/24", NULL, 0);
	struct fixture f = fixture_new(1);

	set_up(&f, HUB_A, HUB_B);
	set_prefix(&f, "10.20.1.0/24", &inventory, 1, RIB_HOLD);
	step(&f, &by_kernel, 1);
	expect_owners(&f, "10.20.1.0/24", "2");
	expect_reasons(&f, "10.20.1.0/24", "2/2:wins 1/1:higher-distance");
	set_peer(&f, HUB_B, RIB_DOWN);
	expect_owners(&f, "10.20.1.0/24", "1");
	set_peer(&f, HUB_A, RIB_DOWN);
	expect_owners(&f, "10.20.1.0/24", "1"); /* held */
	set_peer(&f, HUB_B, RIB_UP);
	expect_owners(&f, "10.20.1.0/24", "2");
	step(&f, &no_more, 1);
	expect_owners(&f, "10.20.1.0/24", "1");
	step(&f, &by_kernel, 1);
	set_prefix(&f, "10.20.1.0/24", NULL, 0, RIB_HOLD);
	expect_owners(&f, "10.20.1.0/24", "2");
	step(&f, &no_more, 1);
	assert_int_equal(trie_count(f.rib->entries), 0);
	fixture_done(&f);
}

/* An engine's distance is a setting: the inventory may be the one that wins. */
static void test_distance_of_an_engine_is_a_setting(void **state)
{
	struct rib_candidate inventory = direct(HUB_A, 0), kernel = by_engine(direct(HUB_B, 0));
	struct fixture f = fixture_new(1);
	struct rib_event ev;

	set_up(&f, HUB_A, HUB_B);
	set_prefix(&f, "10.20.1.0/24", &inventory, 1, RIB_FALL_BACK);
	kernel.distance = 20;
	ev = kernel_event("10.20.1.0/24", &kernel, 1);
	step(&f, &ev, 1);
	assert_int_equal(f.n_changes, 0);
	expect_reasons(&f, "10.20.1.0/24", "1/1:wins 2/2:higher-distance");
	set_peer(&f, HUB_A, RIB_LAST_RESORT); /* what is known of the path comes first */
	expect_owners(&f, "10.20.1.0/24", "2");
	kernel.distance = RIB_DISTANCE_INVENTORY;
	set_peer(&f, HUB_A, RIB_UP);
	step(&f, &ev, 1);
	expect_reasons(&f, "10.20.1.0/24", "1/1:wins 2/2:cut-from-set");
	fixture_done(&f);
}

/* The engine keeps its route itself, and takes care of it when nobody can carry the prefix. */
static void test_a_prefix_of_the_kernel_alone_has_no_route(void **state)
{
	struct rib_candidate inventory = direct(HUB_A, 0), kernel = by_engine(direct(HUB_B, 0));
	struct rib_event by_kernel = kernel_event("10.20.1.0/24", &kernel, 1);
	struct rib_event no_more = kernel_event("10.20.1.0/24", NULL, 0);
	struct fixture f = fixture_new(1);

	by_kernel.u.prefix.on_dead = RIB_HOLD; /* which isn't the kernel's to say */
	set_up(&f, HUB_A, HUB_B);
	step(&f, &by_kernel, 1);
	expect_change(&f, 0, "10.20.1.0/24", "-", "2", RIB_WINS);
	assert_false(f.changes[0].turn.route);
	set_peer(&f, HUB_B, RIB_DOWN);
	expect_change(&f, 0, "10.20.1.0/24", "2", "-", RIB_PEER_DOWN);
	assert_false(f.changes[0].turn.old_route || f.changes[0].turn.route);
	set_peer(&f, HUB_B, RIB_UP);
	set_prefix(&f, "10.20.1.0/24", &inventory, 1, RIB_FALL_BACK);
	expect_change(&f, 0, "10.20.1.0/24", "2", "2", RIB_WINS);
	assert_true(!f.changes[0].turn.old_route && f.changes[0].turn.route);
	set_prefix(&f, "10.20.1.0/24", NULL, 0, RIB_FALL_BACK);
	assert_true(f.changes[0].turn.old_route && !f.changes[0].turn.route);
	step(&f, &no_more, 1);
	expect_change(&f, 0, "10.20.1.0/24", "2", "-", RIB_WITHDRAWN);
	fixture_done(&f);
}

/* That we don't see the origin is no news to an engine that has a route to it; what the hub itself
 * reports is. */
static void test_origin_behind_an_engines_hub(void **state)
{
	struct rib_candidate c[] = {
		by_engine(transit(HUB_A, 10, SITE_1, 0)), by_engine(transit(HUB_B, 20, SITE_1, 0))};
	struct rib_candidate cover = direct(SITE_2, 0);
	struct rib_event by_kernel = kernel_event("10.20.1.0/24", c, 2);
	struct fixture f = fixture_new(1);

	set_up(&f, HUB_A, SITE_2);
	set_prefix(&f, "10.20.0.0/16", &cover, 1, RIB_FALL_BACK);
	step(&f, &by_kernel, 1);
	set_peer(&f, SITE_1, RIB_DOWN);
	assert_int_equal(f.n_changes, 0); /* nor does the cover come into it */
	expect_reasons(&f, "10.20.1.0/24", "1/4:wins 2/4:higher-hub-metric");
	set_reach(&f, HUB_A, SITE_1, RIB_REACH_POOR);
	expect_reasons(&f, "10.20.1.0/24", "2/4:wins 1/4:origin-last-resort");
	set_reach(&f, HUB_A, SITE_1, RIB_REACH_LOST);
	expect_reasons(&f, "10.20.1.0/24", "2/4:wins 1/4:origin-down");
	set_reach(&f, HUB_B, SITE_1, RIB_REACH_LOST);
	expect_owners(&f, "10.20.1.0/24", "-"); /* both hubs say so: the cover has it */
	fixture_done(&f);
}

/* It goes by hub-b itself, since hub-a drains too: so must what is for it. */
static void test_a_drain_behind_hubs_alone(void **state)
{
	struct rib_candidate c[] = {
		by_engine(transit(HUB_A, 10, SITE_1, 0)), by_engine(transit(HUB_B, 20, SITE_1, 0))};
	struct rib_candidate site = by_engine(direct(SITE_1, 0));
	struct rib_event by_kernel = kernel_event("10.20.1.0/24", c, 2);
	struct rib_event by_site = kernel_event("10.20.1.0/24", &site, 1);
	struct rib_candidate all[] = {c[0], c[1], site};
	struct rib_event by_all = kernel_event("10.20.1.0/24", all, 3);
	struct fixture f = fixture_new(1);

	set_up(&f, HUB_A, HUB_B);
	step(&f, &by_kernel, 1);
	set_peer(&f, HUB_A, RIB_LAST_RESORT);
	expect_owners(&f, "10.20.1.0/24", "2");
	set_peer(&f, SITE_1, RIB_LAST_RESORT);
	assert_int_equal(f.n_changes, 0);
	expect_reasons(&f, "10.20.1.0/24", "2/4:wins 1/4:peer-last-resort");
	set_reach(&f, HUB_B, SITE_1, RIB_REACH_POOR); /* which site-1 finds, too */
	expect_owners(&f, "10.20.1.0/24", "1");
	set_reach(&f, HUB_B, SITE_1, RIB_REACH_HAS);
	expect_owners(&f, "10.20.1.0/24", "2");
	step(&f, &by_site, 1);
	expect_owners(&f, "10.20.1.0/24", "4");
	step(&f, &by_all, 1);
	expect_owners(&f, "10.20.1.0/24", "4"); /* the detour is no better */
	fixture_done(&f);
}

/* Several nodes may announce it, and the engine doesn't tell which of them did: all behind the
 * hub count, and the best of them says what the hub is worth. */
static void test_one_hub_before_several_origins(void **state)
{
	struct rib_candidate c[] = {by_engine(transit(HUB_A, 10, SITE_1, 0)),
		by_engine(transit(HUB_A, 10, SITE_2, 0)), by_engine(transit(HUB_B, 20, SITE_1, 0)),
		by_engine(transit(HUB_B, 20, SITE_2, 0))};
	struct rib_event by_kernel = kernel_event("192.0.2.0/24", c, 4);
	struct fixture f = fixture_new(1);

	set_up(&f, HUB_A, HUB_B);
	step(&f, &by_kernel, 1);
	set_peer(&f, SITE_1, RIB_LAST_RESORT);
	expect_owners(&f, "192.0.2.0/24", "1");
	set_reach(&f, HUB_A, SITE_1, RIB_REACH_LOST);
	expect_owners(&f, "192.0.2.0/24", "1");
	set_reach(&f, HUB_A, SITE_2, RIB_REACH_LOST);
	expect_owners(&f, "192.0.2.0/24", "2");
	fixture_done(&f);
}

/* What the kernel says of a pinned prefix is kept, and doesn't count while it is pinned. */
static void test_a_pinned_prefix_is_the_inventorys(void **state)
{
	struct rib_candidate kernel[] = {
		by_engine(transit(HUB_A, 10, SITE_1, 0)), by_engine(direct(HUB_B, 0))};
	struct rib_event by_kernel = kernel_event("10.10.0.11/32", kernel, 2);
	struct rib_event no_more = kernel_event("10.10.0.11/32", NULL, 0);
	struct fixture f = fixture_new(1);

	by_kernel.u.prefix.pinned = true; /* which isn't the kernel's to say */
	set_up(&f, HUB_A, HUB_B);
	step(&f, &by_kernel, 1);
	expect_owners(&f, "10.10.0.11/32", "2");
	pin_prefix(&f, "10.10.0.11/32", direct(SITE_1, 0));
	expect_reasons(&f, "10.10.0.11/32", "4/4:held 2/2:pinned 1/4:pinned");
	expect_change(&f, 0, "10.10.0.11/32", "2", "4", RIB_PINNED);
	set_prefix(&f, "10.10.0.11/32", NULL, 0, RIB_FALL_BACK);
	expect_owners(&f, "10.10.0.11/32", "2");
	pin_prefix(&f, "10.10.0.11/32", direct(SITE_1, 0));
	step(&f, &no_more, 1);
	expect_reasons(&f, "10.10.0.11/32", "4/4:held");
	fixture_done(&f);
}

/* Prefixes of a set turn together; one that deviates, comes or goes is told by itself. */
static void test_difference_is_told_by_sets(void **state)
{
	struct rib_candidate other = direct(HUB_C, 0);
	struct rib_event events[] = {peer_event(HUB_A, RIB_DOWN),
		prefix_event("10.20.3.0/24", &other, 1, RIB_FALL_BACK)};
	struct fixture f = fixture_new(1);

	set_up(&f, HUB_A, HUB_C);
	set_prefix(&f, "10.20.1.0/24", two_hubs, 2, RIB_FALL_BACK);
	set_prefix(&f, "10.20.2.0/24", two_hubs, 2, RIB_FALL_BACK);
	set_prefix(&f, "10.20.3.0/24", two_hubs, 2, RIB_FALL_BACK);
	step(&f, events, 2);
	assert_int_equal(f.diff.sets.n, 1);
	assert_int_equal(f.diff.prefixes.n, 1);
	assert_int_equal(f.n_changes, 3);
	expect_change(&f, 0, "10.20.1.0/24", "1", "2", RIB_PEER_DOWN);
	expect_change(&f, 1, "10.20.2.0/24", "1", "2", RIB_PEER_DOWN);
	expect_change(&f, 2, "10.20.3.0/24", "1", "3", RIB_WITHDRAWN);
	fixture_done(&f);
}

static void test_peer_states(void **state)
{
	struct fixture f = fixture_new(1);

	assert_int_equal(rib_peer_state(f.rib, 77), RIB_DOWN);
	set_peer(&f, 77, RIB_LAST_RESORT);
	assert_int_equal(rib_peer_state(f.rib, 77), RIB_LAST_RESORT);
	assert_int_equal(rib_peer_state(f.rib, 76), RIB_DOWN);
	fixture_done(&f);
	rib_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_history_decides_nothing),
		cmocka_unit_test(test_unknown_origin_is_not_down),
		cmocka_unit_test(test_anycast_origin_dies),
		cmocka_unit_test(test_what_a_hub_says_of_its_line),
		cmocka_unit_test(test_a_hub_knows_better),
		cmocka_unit_test(test_a_lost_origin_is_doubtful),
		cmocka_unit_test(test_fall_back_keeps_the_route),
		cmocka_unit_test(test_hold_keeps_the_last_owner),
		cmocka_unit_test(test_hold_drops_an_owner_that_is_no_candidate),
		cmocka_unit_test(test_release_withdraws_the_route),
		cmocka_unit_test(test_on_dead_can_change_while_dead),
		cmocka_unit_test(test_pinned_never_moves),
		cmocka_unit_test(test_set_of_equal_candidates),
		cmocka_unit_test(test_held_and_pinned_are_one_peers_alone),
		cmocka_unit_test(test_events_of_one_step_are_one),
		cmocka_unit_test(test_prefix_goes),
		cmocka_unit_test(test_changes_are_sorted),
		cmocka_unit_test(test_candidate_sets_are_shared),
		cmocka_unit_test(test_sources_stand_side_by_side),
		cmocka_unit_test(test_distance_of_an_engine_is_a_setting),
		cmocka_unit_test(test_a_prefix_of_the_kernel_alone_has_no_route),
		cmocka_unit_test(test_origin_behind_an_engines_hub),
		cmocka_unit_test(test_a_drain_behind_hubs_alone),
		cmocka_unit_test(test_one_hub_before_several_origins),
		cmocka_unit_test(test_a_pinned_prefix_is_the_inventorys),
		cmocka_unit_test(test_difference_is_told_by_sets),
		cmocka_unit_test(test_peer_states),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

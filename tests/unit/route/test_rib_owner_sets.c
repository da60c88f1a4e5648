/* SPDX-License-Identifier: MIT */
/* A device of many owners: what its owner sets are, and what an event changes of them. */
#include "rib_fixture.h"

/* Owners as text: "1@0 2@1- 3@1*4r": peer, rank, "-" for one who isn't sent to, a weight that
 * isn't 1, "r" for a relay. */
static const char *set_text(const struct rib_owner *o, size_t n_owners, char buf[static 512])
{
	size_t n = 0;

	strcpy(buf, "-");
	for (size_t i = 0; i < n_owners; i++) {
		n += (size_t)snprintf(buf + n, 512 - n, "%s%u@%u%s", i ? " " : "",
			(unsigned)o[i].peer, o[i].rank, o[i].sends ? "" : "-");
		if (o[i].weight != 1)
			n += (size_t)snprintf(buf + n, 512 - n, "*%u", o[i].weight);
		if (o[i].is_relay)
			n += (size_t)snprintf(buf + n, 512 - n, "r");
	}
	return buf;
}

static void expect_order(struct fixture *f, const char *prefix_text, const char *want)
{
	struct rib_answer a = explain(f, prefix_text);
	char buf[512];

	assert_int_equal(a.home.kind, RIB_AT_OWNER_SET);
	assert_true(RIB_IS_OWNER_SET(a.home.owner_set));
	assert_string_equal(set_text(a.order, a.n_order, buf), want);
}

/* The i-th owner set that the last step told. */
static uint64_t expect_told(struct fixture *f, size_t i, const char *want)
{
	const struct rib_owner_set *s = &f->diff.owner_sets.items[i];
	char buf[512];

	assert_true(i < f->diff.owner_sets.n);
	assert_string_equal(set_text(s->owners, s->n, buf), want);
	return s->number;
}

static uint64_t number_of(struct fixture *f, const char *prefix_text)
{
	return explain(f, prefix_text).home.owner_set;
}

/* Two hubs before a site, the first better: who is lost is a level, and no owner set differs. */
static void test_a_loss_is_a_level(void **state)
{
	struct fixture f = fixture_new(16);
	uint64_t number;

	set_up(&f, HUB_A, HUB_B);
	set_prefix(&f, "10.20.1.0/24", two_hubs, 2, RIB_FALL_BACK);
	assert_int_equal(f.diff.owner_sets.n, 1);
	number = expect_told(&f, 0, "1@0r 2@1r");
	assert_int_equal(f.changes[0].turn.home.kind, RIB_AT_OWNER_SET);
	assert_true(f.changes[0].turn.home.owner_set == number);
	set_prefix(&f, "fd20::/48", two_hubs, 2, RIB_FALL_BACK);
	assert_int_equal(f.diff.owner_sets.n, 0);
	assert_true(number_of(&f, "fd20::/48") == number);
	set_peer(&f, HUB_A, RIB_DOWN);
	assert_int_equal(f.diff.owner_sets.n, 0);
	assert_int_equal(f.diff.levels.n, 1);
	assert_int_equal(f.diff.levels.items[0].peer, HUB_A);
	assert_int_equal(f.diff.levels.items[0].state, RIB_DOWN);
	assert_int_equal(f.n_changes, 2);
	expect_change(&f, 0, "10.20.1.0/24", "1", "2", RIB_PEER_DOWN);
	assert_true(f.changes[0].turn.home.owner_set == number);
	assert_true(f.changes[0].turn.old_home.owner_set == number);
	set_peer(&f, HUB_A, RIB_LAST_RESORT);
	assert_int_equal(f.n_changes, 0);
	assert_int_equal(f.diff.levels.n, 1);
	set_peer(&f, HUB_A, RIB_LAST_RESORT);
	assert_int_equal(f.diff.levels.n, 0);
	fixture_done(&f);
}

static void test_what_flaps_within_a_step_is_no_level(void **state)
{
	struct rib_event flap[] = {peer_event(HUB_A, RIB_DOWN), peer_event(HUB_A, RIB_UP)};
	struct rib_event late[] = {peer_event(HUB_A, RIB_DOWN), peer_event(HUB_A, RIB_LAST_RESORT)};
	struct fixture f = fixture_new(16);

	set_peer(&f, HUB_A, RIB_UP);
	step(&f, flap, 2);
	assert_int_equal(f.diff.levels.n, 0);
	step(&f, late, 2);
	assert_int_equal(f.diff.levels.n, 1);
	assert_int_equal(f.diff.levels.items[0].state, RIB_LAST_RESORT);
	fixture_done(&f);
}

static void test_owner_sets_go_with_their_last_prefix(void **state)
{
	struct fixture f = fixture_new(16);
	uint64_t number;

	set_prefix(&f, "10.20.1.0/24", two_hubs, 2, RIB_FALL_BACK);
	number = expect_told(&f, 0, "1@0-r 2@1-r"); /* nobody is usable yet */
	set_prefix(&f, "10.20.2.0/24", two_hubs, 2, RIB_FALL_BACK);
	set_prefix(&f, "10.20.1.0/24", NULL, 0, RIB_FALL_BACK);
	assert_int_equal(f.diff.owner_sets.n, 0);
	set_prefix(&f, "10.20.2.0/24", two_hubs, 2, RIB_HOLD);
	assert_int_equal(f.diff.owner_sets.n, 1);
	assert_true(expect_told(&f, 0, "-") == number);
	assert_int_equal(f.changes[0].turn.home.kind, RIB_AT_PEER);
	assert_int_equal(map_count(f.rib->groups), 0);
	assert_int_equal(map_count(f.rib->numbers), 0);
	fixture_done(&f);
}

/* Its prefix stays in its set, where nobody is sent to: a shorter one may have the packets. */
static void test_nobody_usable(void **state)
{
	struct fixture f = fixture_new(16);

	set_peer(&f, HUB_B, RIB_UP);
	set_prefix(&f, "10.20.1.0/24", two_hubs, 2, RIB_FALL_BACK);
	set_prefix(&f, "10.20.2.0/24", two_hubs, 2, RIB_RELEASE);
	set_peer(&f, HUB_B, RIB_DOWN);
	assert_int_equal(f.diff.owner_sets.n, 2);
	expect_told(&f, 0, "1@0-r 2@1-r");
	expect_change(&f, 0, "10.20.1.0/24", "2", "-", RIB_PEER_DOWN);
	assert_int_equal(f.changes[0].turn.home.kind, RIB_AT_OWNER_SET);
	assert_true(f.changes[0].turn.route);
	assert_false(f.changes[1].turn.route);
	expect_reasons(&f, "10.20.1.0/24", "1/4:peer-down 2/4:peer-down");
	set_peer(&f, HUB_A, RIB_UP);
	expect_told(&f, 0, "1@0r 2@1r");
	fixture_done(&f);
}

/* A detour around a dead origin goes behind a last resort, which the device would not guess. */
static void test_who_would_wrongly_win_is_not_sent_to(void **state)
{
	struct rib_candidate c[] = {direct(SITE_2, 20), transit(HUB_A, 10, SITE_1, 10)};
	struct fixture f = fixture_new(16);

	set_up(&f, HUB_A, SITE_2);
	set_prefix(&f, "192.0.2.53/32", c, 2, RIB_FALL_BACK);
	expect_order(&f, "192.0.2.53/32", "1@0r 5@1");
	set_peer(&f, SITE_1, RIB_DOWN);
	expect_order(&f, "192.0.2.53/32", "5@0 1@1r");
	set_peer(&f, SITE_2, RIB_LAST_RESORT);
	assert_int_equal(f.n_changes, 0);
	expect_told(&f, 0, "5@0 1@1-r");
	set_peer(&f, SITE_2, RIB_DOWN);
	expect_told(&f, 0, "5@0 1@1r");
	expect_owners(&f, "192.0.2.53/32", "1");
	fixture_done(&f);
}

/* Rule 7: the prefix moves into a set of which nobody is sent to, and whose owners may all send. */
static void test_covered_prefixes_stand_in_a_shadow(void **state)
{
	struct rib_candidate c[] = {direct(SITE_1, 0), transit(HUB_B, 20, SITE_1, 0)};
	struct rib_candidate cover = direct(SITE_2, 0);
	struct fixture f = fixture_new(16);
	uint64_t number;

	set_up(&f, HUB_B, SITE_2);
	set_prefix(&f, "10.20.0.0/16", &cover, 1, RIB_FALL_BACK);
	set_prefix(&f, "10.20.1.0/24", c, 2, RIB_FALL_BACK);
	number = number_of(&f, "10.20.1.0/24");
	assert_int_equal(number % 2, 0);
	set_prefix(&f, "10.30.1.0/24", c, 2, RIB_FALL_BACK);
	set_peer(&f, SITE_1, RIB_DOWN);
	expect_change(&f, 0, "10.20.1.0/24", "4", "-", RIB_PEER_DOWN);
	assert_true(f.changes[0].turn.home.owner_set == number + 1);
	assert_true(f.changes[1].turn.home.owner_set == number);
	assert_int_equal(f.diff.owner_sets.n, 1);
	assert_true(expect_told(&f, 0, "4@0- 2@1-r") == number + 1);
	expect_order(&f, "10.20.1.0/24", "4@0- 2@1-r");
	expect_order(&f, "10.30.1.0/24", "4@0 2@1r");
	set_prefix(&f, "10.30.1.0/24", NULL, 0, RIB_FALL_BACK);
	assert_true(expect_told(&f, 0, "-") == number); /* no entry stands in it */
	set_peer(&f, SITE_1, RIB_UP);
	assert_int_equal(f.diff.owner_sets.n, 2);
	assert_true(expect_told(&f, 0, "4@0 2@1r") == number);
	assert_true(expect_told(&f, 1, "-") == number + 1);
	assert_true(f.changes[0].turn.home.owner_set == number);
	fixture_done(&f);
}

/* A node more at the head of the inventory moves all places, and nothing on the device. */
static void test_numbers_know_the_order_of_places_only(void **state)
{
	struct rib_candidate later[] = {two_hubs[0], two_hubs[1]}, swapped[2];
	struct fixture f = fixture_new(16);
	uint64_t number;

	for (size_t i = 0; i < 2; i++) {
		later[i].place += 7;
		later[i].origin_place += 7;
		swapped[i] = later[i];
	}
	swapped[0].place = later[1].place;
	swapped[1].place = later[0].place;
	set_up(&f, HUB_A, HUB_B);
	set_prefix(&f, "10.20.1.0/24", two_hubs, 2, RIB_FALL_BACK);
	set_prefix(&f, "10.20.2.0/24", two_hubs, 2, RIB_FALL_BACK);
	number = number_of(&f, "10.20.1.0/24");
	set_prefix(&f, "10.20.1.0/24", later, 2, RIB_FALL_BACK);
	assert_int_equal(f.n_changes, 0);
	assert_int_equal(f.diff.owner_sets.n, 0);
	assert_int_equal(map_count(f.rib->sets), 2);
	assert_int_equal(map_count(f.rib->groups), 1);
	set_peer(&f, HUB_A, RIB_DOWN); /* both have it */
	assert_int_equal(f.n_changes, 2);
	set_prefix(&f, "10.20.2.0/24", later, 2, RIB_FALL_BACK);
	assert_int_equal(f.n_changes, 0);
	assert_true(number_of(&f, "10.20.2.0/24") == number);
	set_prefix(&f, "10.20.2.0/24", swapped, 2, RIB_FALL_BACK);
	assert_true(number_of(&f, "10.20.2.0/24") != number);
	fixture_done(&f);
}

static uint64_t same_tag(uint32_t id, void *data)
{
	return 1;
}

static void test_numbers_that_meet(void **state)
{
	struct rib_candidate a = direct(HUB_A, 0), b = direct(HUB_B, 0);
	struct fixture f = {.rib = rib_new(16, same_tag, NULL)};
	uint64_t first, second;

	set_prefix(&f, "10.20.1.0/24", &a, 1, RIB_FALL_BACK);
	set_prefix(&f, "10.20.2.0/24", &b, 1, RIB_FALL_BACK);
	first = number_of(&f, "10.20.1.0/24");
	second = number_of(&f, "10.20.2.0/24");
	assert_true(second == first + 2);
	assert_true(RIB_IS_OWNER_SET(second));
	fixture_done(&f);
}

/* Flows to a site are shared among hubs only if it takes them from all of these. */
static void test_equal_hubs_and_their_site(void **state)
{
	struct rib_candidate c[] = {transit(HUB_A, 10, SITE_1, 0), transit(HUB_B, 10, SITE_1, 0)};
	struct fixture f = fixture_new(16);
	uint64_t number;

	c[1].weight = 3;
	set_up(&f, HUB_A, HUB_B);
	set_prefix(&f, "10.20.1.0/24", c, 2, RIB_FALL_BACK);
	number = number_of(&f, "10.20.1.0/24");
	expect_order(&f, "10.20.1.0/24", "1@0r 2@1*3r");
	expect_owners(&f, "10.20.1.0/24", "1");
	expect_reasons(&f, "10.20.1.0/24", "1/4:wins 2/4:cut-for-origin");
	set_takes_many(&f, SITE_1, true);
	assert_true(expect_told(&f, 0, "1@0r 2@0*3r") == number);
	expect_change(&f, 0, "10.20.1.0/24", "1", "1,2", RIB_WINS);
	set_takes_many(&f, SITE_1, true);
	set_takes_many(&f, SITE_2, true);
	assert_int_equal(f.diff.owner_sets.n + f.n_changes, 0);
	set_takes_many(&f, SITE_1, false);
	expect_change(&f, 0, "10.20.1.0/24", "1,2", "1", RIB_WINS);
	fixture_done(&f);
}

/* What stands behind nobody is shared whatever is known of takers. */
static void test_equal_origins_are_shared(void **state)
{
	struct rib_candidate c[] = {direct(SITE_1, 0), direct(SITE_2, 0)};
	struct fixture f = fixture_new(16);

	set_up(&f, SITE_1, SITE_2);
	set_prefix(&f, "192.0.2.53/32", c, 2, RIB_FALL_BACK);
	expect_order(&f, "192.0.2.53/32", "4@0 5@0");
	expect_owners(&f, "192.0.2.53/32", "4,5");
	fixture_done(&f);
}

static void test_only_the_inventorys_transit_is_a_relay(void **state)
{
	struct rib_event ev = prefix_event("10.20.1.0/24", two_hubs, 2, RIB_FALL_BACK);
	struct fixture f = fixture_new(16);

	ev.u.prefix.source = RIB_KERNEL;
	set_up(&f, HUB_A, HUB_B);
	step(&f, &ev, 1);
	expect_order(&f, "10.20.1.0/24", "1@0 2@1");
	fixture_done(&f);
}

/* An engine's equal-cost set is shared as the inventory's would be: if all who may be behind it
 * take packets of one source from several peers. */
static void test_a_set_of_an_engine_is_cut_for_its_origins(void **state)
{
	struct rib_candidate c[] = {by_engine(transit(HUB_A, 10, SITE_1, 0)),
		by_engine(transit(HUB_A, 10, SITE_2, 0)), by_engine(transit(HUB_B, 10, SITE_1, 0)),
		by_engine(transit(HUB_B, 10, SITE_2, 0))};
	struct rib_event ev = kernel_event("192.0.2.0/24", c, 4);
	struct fixture f = fixture_new(16);

	set_up(&f, HUB_A, HUB_B);
	set_takes_many(&f, SITE_1, true);
	step(&f, &ev, 1);
	expect_owners(&f, "192.0.2.0/24", "1");
	expect_reasons(&f, "192.0.2.0/24",
		"1/4:wins 1/5:later-in-file 2/4:cut-for-origin 2/5:later-in-file");
	set_takes_many(&f, SITE_2, true);
	expect_owners(&f, "192.0.2.0/24", "1,2");
	expect_order(&f, "192.0.2.0/24", "1@0 2@0");
	set_peer(&f, HUB_A, RIB_LAST_RESORT); /* a drain moves it, as without an engine */
	expect_owners(&f, "192.0.2.0/24", "2");
	assert_int_equal(f.diff.owner_sets.n, 0);
	fixture_done(&f);
}

/* More next hops than the device holds: those that are best now. */
static void test_more_next_hops_than_owners(void **state)
{
	struct rib_candidate c[20];
	struct fixture f = fixture_new(16);
	struct rib_answer a;

	for (uint32_t i = 0; i < 20; i++)
		c[i] = direct(i + 1, 10 * i);
	set_up(&f, 1, 20);
	set_prefix(&f, "10.20.1.0/24", c, 20, RIB_FALL_BACK);
	assert_int_equal(f.diff.owner_sets.items[0].n, 16);
	set_peer(&f, 20, RIB_DOWN);
	assert_int_equal(f.diff.owner_sets.n, 0);
	set_peer(&f, 3, RIB_DOWN);
	a = explain(&f, "10.20.1.0/24");
	assert_int_equal(a.n_order, 16);
	assert_int_equal(a.order[2].peer, 4);
	assert_int_equal(a.order[15].peer, 17);
	for (uint32_t id = 1; id < 20; id++)
		set_peer(&f, id, RIB_DOWN);
	set_peer(&f, 20, RIB_UP);
	expect_owners(&f, "10.20.1.0/24", "20");
	a = explain(&f, "10.20.1.0/24");
	assert_int_equal(a.order[15].peer, 20);
	fixture_done(&f);
}

#define MANY 100000

/* Whether the last step looked at any prefix. */
static int is_touched(const ip_prefix *p, void *value, void *rib)
{
	return ((struct rib_entry *)value)->step == ((struct rib *)rib)->step;
}

static void expect_nothing_touched(struct fixture *f)
{
	assert_int_equal(f->diff.prefixes.n, 0);
	assert_int_equal(trie_walk(f->rib->entries, is_touched, f->rib), 0);
}

/* However many prefixes stand behind a peer, what becomes of it looks at none, be it a relay or
 * the site itself, whose dead line makes them doubtful. */
static void test_a_loss_looks_at_no_prefix(void **state)
{
	struct rib_candidate c[] = {direct(SITE_1, 0), transit(HUB_A, 10, SITE_1, 0)};
	struct rib_event ev = {.type = RIB_EVENT_PREFIX, .u.prefix.candidates = c, .u.prefix.n = 2};
	struct rib_event lost[] = {peer_event(SITE_1, RIB_DOWN),
		peer_event(SITE_1, RIB_LAST_RESORT), peer_event(HUB_A, RIB_DOWN),
		peer_event(SITE_1, RIB_UP)};
	struct fixture f = fixture_new(16);

	set_up(&f, HUB_A, SITE_1);
	for (uint32_t i = 0; i < MANY; i++) {
		uint8_t bytes[4] = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
		ip_addr a = ip_addr_from_bytes(AF_INET, bytes);

		ev.u.prefix.prefix = ip_prefix_host(&a);
		rib_step(f.rib, &ev, 1, &f.diff);
	}
	for (size_t i = 0; i < ARRAY_SIZE(lost); i++) {
		rib_step(f.rib, &lost[i], 1, &f.diff);
		assert_int_equal(f.diff.levels.n, 1);
		assert_true(f.diff.sets.n <= 1);
		expect_nothing_touched(&f);
	}
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_loss_is_a_level),
		cmocka_unit_test(test_what_flaps_within_a_step_is_no_level),
		cmocka_unit_test(test_owner_sets_go_with_their_last_prefix),
		cmocka_unit_test(test_nobody_usable),
		cmocka_unit_test(test_who_would_wrongly_win_is_not_sent_to),
		cmocka_unit_test(test_covered_prefixes_stand_in_a_shadow),
		cmocka_unit_test(test_numbers_know_the_order_of_places_only),
		cmocka_unit_test(test_numbers_that_meet),
		cmocka_unit_test(test_equal_hubs_and_their_site),
		cmocka_unit_test(test_equal_origins_are_shared),
		cmocka_unit_test(test_only_the_inventorys_transit_is_a_relay),
		cmocka_unit_test(test_a_set_of_an_engine_is_cut_for_its_origins),
		cmocka_unit_test(test_more_next_hops_than_owners),
		cmocka_unit_test(test_a_loss_looks_at_no_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

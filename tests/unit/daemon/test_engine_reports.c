/* SPDX-License-Identifier: MIT */
#include "engine_bench.h"

/* hub-a and hub-b both have site-2, and say so. */
static void both_have(struct bench *b)
{
	struct live_report a = report_of(b, 1), c = report_of(b, 1);

	a.lines[SITE_2] = c.lines[SITE_2] = LIVE_LINE_UP;
	reports(b, HUB_A, &a);
	reports(b, HUB_B, &c);
	forget(b);
}

static void says_of_site_2(struct bench *b, unsigned hub, enum live_line line)
{
	struct live_report r = report_of(b, 1);

	r.lines[SITE_2] = line;
	reports(b, hub, &r);
}

/* --- what hubs say moves ------------------------------------------------------------------------
 */

static void test_a_line_that_a_hub_lost_moves_what_stands_behind(void **state)
{
	struct bench *b = *state;

	start(b);
	both_have(b);
	says_of_site_2(b, HUB_A, LIVE_LINE_LOST);
	expect(b, "move 10.9.0.4/32 to hub-b 10.20.2.0/24 to hub-b\n"
		  "(6) 10.9.0.4/32 and 1 other: hub-a -> hub-b\n");
	moved(b, 0);
	says_of_site_2(b, HUB_A, LIVE_LINE_UP);
	expect(b, "move 10.9.0.4/32 to hub-a 10.20.2.0/24 to hub-a\n"
		  "(6) 10.9.0.4/32 and 1 other: hub-b -> hub-a\n");
}

static void test_a_poor_line_moves_it_too(void **state)
{
	struct bench *b = *state;

	start(b);
	both_have(b);
	says_of_site_2(b, HUB_A, LIVE_LINE_POOR);
	expect(b, "move 10.9.0.4/32 to hub-b 10.20.2.0/24 to hub-b\n"
		  "(6) 10.9.0.4/32 and 1 other: hub-a -> hub-b\n");
	says_of_site_2(b, HUB_B, LIVE_LINE_LOST); /* poor is better than lost */
	expect(b, "move 10.9.0.4/32 to hub-a 10.20.2.0/24 to hub-a\n"
		  "(6) 10.9.0.4/32 and 1 other: hub-b -> hub-a\n");
}

static void test_a_report_that_is_gone_moves_back_a_moment_later(void **state)
{
	struct bench *b = *state;
	struct engine_event e = {.type = ENGINE_REPORT};

	start(b);
	both_have(b);
	says_of_site_2(b, HUB_A, LIVE_LINE_LOST);
	forget(b);
	e.u.report.peer = id(b, HUB_A);
	feed(b, e);
	expect(b, "");
	run_until(b, 1003);
	expect(b, "move 10.9.0.4/32 to hub-a 10.20.2.0/24 to hub-a\n"
		  "(6) 10.9.0.4/32 and 1 other: hub-b -> hub-a\n");
}

static void test_before_the_device_is_found_nothing_moves(void **state)
{
	struct bench *b = *state;

	take_generation(b);
	forget(b);
	says_of_site_2(b, HUB_A, LIVE_LINE_LOST);
	expect(b, "");
	find(b);
	expect(b, "sync: start\n");
	assert_int_equal(b->n_told, 0);
}

/* Much that one report changes is told in slices, and a verdict comes in between. */
static void test_a_large_report_keeps_no_verdict_waiting(void **state)
{
	struct bench *b = *state;
	struct live_report r;

	for (unsigned i = 0; i < 250; i++) {
		char name[16], address[16];

		snprintf(name, sizeof(name), "more-%u", i);
		snprintf(address, sizeof(address), "10.9.1.%u", i);
		mesh_build_node(b->build, name, MESH_SPOKE, address);
	}
	start(b);
	r = report_of(b, 1);
	for (size_t i = SITE_2; i < r.n_nodes; i++)
		r.lines[i] = LIVE_LINE_LOST;
	reports(b, HUB_A, &r);
	assert_int_equal(b->todo.items[0].type, ENGINE_MOVE);
	assert_int_equal(rib_diff_count(b->todo.items[0].u.move), 101); /* and site-2's network */
	forget(b);
	assert_int_equal(engine_deadline(b->e).ns, b->now.ns);
	verdict(b, HUB_A, LIVE_DOWN);
	assert_int_equal(b->todo.items[0].type, ENGINE_MOVE);
	forget(b);
	happens(b, ENGINE_TIME);
	happens(b, ENGINE_TIME);
	assert_true(instant_before(b->now, engine_deadline(b->e)));
}

/* --- a client with two servers ---
 */

#define PHONE NODES

static void with_phone(struct bench *b)
{
	mesh_build_node(b->build, "phone", MESH_CLIENT, "10.9.0.9");
	mesh_build_link(b->build, HUB_A, PHONE);
	mesh_build_link(b->build, HUB_B, PHONE);
}

/* With these ages of its last handshake in seconds; negative: the hub doesn't claim it. */
static void says_of_phone(struct bench *b, unsigned hub, double age)
{
	struct live_report r = report_of(b, 1);

	r.lines[PHONE] = age < 0 ? LIVE_LINE_LOST : LIVE_LINE_UP;
	if (age >= 0) {
		r.handshakes = mem_zalloc(1, sizeof(*r.handshakes));
		r.handshakes[r.n_handshakes++] =
			(struct live_handshake){PHONE, instant_add(b->now, -(int64_t)(age * 1e9))};
	}
	reports(b, hub, &r);
	while (engine_deadline(b->e).ns == b->now.ns)
		happens(b, ENGINE_TIME);
}

static void test_a_client_goes_by_the_server_that_has_it(void **state)
{
	struct bench *b = *state;

	with_phone(b);
	start(b);
	forget(b);
	says_of_phone(b, HUB_A, 100);
	expect(b, "");
	says_of_phone(b, HUB_B, 1); /* both claim it, and hub-b's is younger */
	expect(b, "move 10.9.0.9/32 to hub-b\n(6) 10.9.0.9/32: hub-a -> hub-b\n");
	moved(b, 0);
	says_of_phone(b, HUB_A, -1);
	expect(b, "");
	/* The server dies; there is nobody but the one it was at before. */
	verdict(b, HUB_B, LIVE_DOWN);
	forget(b);
	says_of_phone(b, HUB_A, 130);
	says_of_phone(b, HUB_B, -1);
	verdict(b, HUB_B, LIVE_UP);
	forget(b);
	says_of_phone(b, HUB_B, 0);
	expect(b, "move 10.9.0.9/32 to hub-b\n(6) 10.9.0.9/32: hub-a -> hub-b\n");
}

/* --- what we say --------------------------------------------------------------------------------
 */

static void expect_told(struct bench *b, enum live_line a, enum live_line c)
{
	assert_int_equal(b->told.n_nodes, NODES);
	assert_int_equal(b->told.lines[HUB_A], a);
	assert_int_equal(b->told.lines[HUB_B], c);
}

static void test_our_own_report_follows_the_verdicts(void **state)
{
	struct bench *b = *state;
	unsigned n;

	start(b);
	expect_told(b, LIVE_LINE_UP, LIVE_LINE_UP);
	n = b->n_told;
	verdict(b, HUB_A, LIVE_DOWN);
	assert_int_equal(b->n_told, n + 1);
	expect_told(b, LIVE_LINE_LOST, LIVE_LINE_UP);
	verdict(b, HUB_A, LIVE_DOWN);
	assert_int_equal(b->n_told, n + 1); /* nothing new */
	verdict(b, HUB_A, LIVE_UP);
	expect_told(b, LIVE_LINE_UP, LIVE_LINE_UP);
	assert_int_equal(b->told.max_owners, 1);
	assert_false(b->told.takes_many[SITE_1]);
}

static void test_a_reload_is_told(void **state)
{
	struct bench *b = *state;
	uint8_t before[LIVE_DIGEST_LEN];

	start(b);
	memcpy(before, b->told.digest, sizeof(before));
	inventory(b);
	mesh_build_network(b->build, SITE_2, "10.20.3.0/24", 0);
	take_generation(b);
	assert_memory_not_equal(b->told.digest, before, sizeof(before));
	expect_told(b, LIVE_LINE_UP, LIVE_LINE_UP);
}

static void test_a_peer_that_is_not_heard_at_the_start(void **state)
{
	struct bench *b = *state;

	take_generation(b);
	resolved(b, HUB_A, "192.0.2.1:51820");
	resolved(b, HUB_B, "192.0.2.2:51820");
	find(b);
	synced(b);
	expect_told(b, LIVE_LINE_UNKNOWN, LIVE_LINE_UNKNOWN);
	verdict(b, HUB_B, LIVE_UP);
	run_until(b, 1004);
	expect_told(b, LIVE_LINE_LOST, LIVE_LINE_UP);
}

/* --- a device of many owners --------------------------------------------------------------------
 */

static void put_in_set(struct bench *b, enum device_level level_a, unsigned rank_a, unsigned rank_b)
{
	static ip_prefix net[1];
	static struct device_owner owners[2];
	static struct device_owner_set set;

	net[0] = mesh_build_prefix(SITE_2_NET);
	owners[rank_a > rank_b] =
		(struct device_owner){b->peers[HUB_A].key, (uint16_t)rank_a, 1, true};
	owners[rank_a <= rank_b] =
		(struct device_owner){b->peers[HUB_B].key, (uint16_t)rank_b, 1, true};
	set = (struct device_owner_set){
		.number = RIB_OWNER_SET_MARK | 2,
		.owners = owners,
		.n_owners = 2,
		.allowed = net,
		.n_allowed = 1,
	};
	b->peers[HUB_A].level = level_a;
	b->device.sets = &set;
	b->device.n_sets = 1;
	b->device.max_owners = b->max_owners = 16;
}

static void find_with_set(
	struct bench *b, enum device_level level_a, unsigned rank_a, unsigned rank_b)
{
	take_generation(b);
	device_has(b, HUB_A, "192.0.2.1:51820", NULL);
	device_has(b, HUB_B, "192.0.2.2:51820", NULL);
	put_in_set(b, level_a, rank_a, rank_b);
	find(b);
	synced(b);
}

static const char *owner_of(struct bench *b, const char *prefix)
{
	ip_prefix p = mesh_build_prefix(prefix);
	struct rib_answer a;

	assert_true(rib_explain(engine_rib(b->e), &p, &a));
	return a.owners.n ? engine_name(b->e, a.owners.peer[0]) : "nobody";
}

static void test_levels_that_are_found_are_adopted(void **state)
{
	static const struct {
		enum device_level level;
		enum rib_state state;
		const char *owner;
	} rows[] = {{DEVICE_UP, RIB_UP, "hub-a"}, {DEVICE_LAST_RESORT, RIB_LAST_RESORT, "hub-b"},
		{DEVICE_DOWN, RIB_DOWN, "hub-b"}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bench *b = *state;

		find_with_set(b, rows[i].level, 0, 1);
		assert_int_equal(rib_peer_state(engine_rib(b->e), id(b, HUB_A)), rows[i].state);
		assert_int_equal(rib_peer_state(engine_rib(b->e), id(b, HUB_B)), RIB_UP);
		assert_string_equal(owner_of(b, SITE_2_NET), rows[i].owner);
		expect_told(b, rows[i].level == DEVICE_DOWN ? LIVE_LINE_LOST : LIVE_LINE_UP,
			LIVE_LINE_UP);
		end(state);
		begin(state); /* for the next, and the end of the test */
	}
}

/* Both are up, and it went by hub-b: hub-a had said that it lost site-2. */
static void test_what_a_hub_had_lost_is_recalled(void **state)
{
	struct bench *b = *state;

	find_with_set(b, DEVICE_UP, 1, 0);
	assert_string_equal(owner_of(b, SITE_2_NET), "hub-b");
	assert_string_equal(owner_of(b, HUB_A_NET), "hub-a");
	verdict(b, HUB_A, LIVE_UP);
	says_of_site_2(b, HUB_A, LIVE_LINE_LOST);
	run_until(b, 1020);
	assert_string_equal(owner_of(b, SITE_2_NET), "hub-b");
	says_of_site_2(b, HUB_A, LIVE_LINE_UP);
	assert_string_equal(owner_of(b, SITE_2_NET), "hub-a");
}

static void test_what_is_recalled_goes_if_nobody_says_it(void **state)
{
	struct bench *b = *state;

	find_with_set(b, DEVICE_UP, 1, 0);
	verdict(b, HUB_A, LIVE_UP);
	run_until(b, 1020);
	assert_string_equal(owner_of(b, SITE_2_NET), "hub-a");
}

/* However much goes by it, it is one level. */
static void test_a_lost_peer_is_a_level(void **state)
{
	struct bench *b = *state;

	find_with_set(b, DEVICE_UP, 0, 1);
	forget(b);
	verdict(b, HUB_A, LIVE_DOWN);
	expect(b, "move 10.9.0.4/32 to hub-b 10.20.2.0/24 to hub-b 10.30.0.0/24 to hub-b, hub-a "
		  "down\n"
		  "(6) 10.9.0.4/32 and 2 others: hub-a -> hub-b\n"
		  "(4) hub-a is down: nothing comes from it and echoes stay unanswered\n");
}

/* A node that drains is last resort, though nothing goes another way by it. */
static void test_a_level_alone_is_a_move(void **state)
{
	struct bench *b = *state;

	find_with_set(b, DEVICE_UP, 0, 1);
	forget(b);
	verdict(b, HUB_B, LIVE_LAST_RESORT);
	assert_int_equal(b->todo.items[0].type, ENGINE_MOVE);
	assert_int_equal(b->todo.items[0].u.move->levels.n, 1);
	assert_int_equal(b->todo.items[0].u.move->owner_sets.n, 0);
	forget(b);
	verdict(b, HUB_B, LIVE_UP);
	expect(b, "move, hub-b up\n(6) hub-b is up: its BFD session is up\n");
}

/* Others must not share flows to us any more. */
static void test_a_device_that_holds_fewer_is_told(void **state)
{
	struct bench *b = *state;

	find_with_set(b, DEVICE_UP, 0, 1);
	assert_int_equal(b->told.max_owners, 16);
	assert_true(b->told.takes_many[SITE_1]);
	b->device.max_owners = 1;
	b->device.n_sets = 0;
	until_sync(b);
	synced(b);
	assert_int_equal(b->told.max_owners, 1);
	assert_false(b->told.takes_many[SITE_1]);
	b->device.max_owners = 32; /* more than the RIB knows of */
	until_sync(b);
	synced(b);
	assert_int_equal(b->told.max_owners, 16);
}

/* A table of before, when a prefix had one owner. */
static void test_strict_prefixes_are_adopted(void **state)
{
	struct bench *b = *state;

	take_generation(b);
	device_has(b, HUB_A, NULL, HUB_A_NET);
	device_has(b, HUB_B, NULL, SITE_2_NET);
	b->max_owners = b->device.max_owners = 16;
	forget(b);
	find(b);
	synced(b);
	expect(b, "sync: start\nprobe hub-a=last-resort hub-b=up\n");
	assert_string_equal(owner_of(b, SITE_2_NET), "hub-b");
}

/* As a daemon leaves them that began on a device of one owner. */
static void find_with_levels(
	struct bench *b, enum device_level level_a, const char *of_a, const char *of_b)
{
	take_generation(b);
	device_has(b, HUB_A, NULL, of_a);
	device_has(b, HUB_B, NULL, of_b);
	b->peers[HUB_A].level = level_a;
	b->max_owners = b->device.max_owners = 16;
	forget(b);
	find(b);
	synced(b);
}

static void test_levels_without_sets_are_adopted(void **state)
{
	struct bench *b = *state;

	find_with_levels(b, DEVICE_LAST_RESORT, SITE_2_NET, NULL);
	expect(b, "sync: start\nprobe hub-a=last-resort hub-b=down\n");
	assert_string_equal(owner_of(b, SITE_2_NET), "hub-a");
}

static void test_a_level_speaks_for_whom_nothing_goes_by(void **state)
{
	struct bench *b = *state;

	find_with_levels(b, DEVICE_LAST_RESORT, NULL, SITE_2_NET);
	expect(b, "sync: start\nprobe hub-a=last-resort hub-b=up\n");
	assert_string_equal(owner_of(b, SITE_2_NET), "hub-b");
}

/* A network of its own is held with it. */
static void test_who_was_lost_without_sets_stays_lost(void **state)
{
	struct bench *b = *state;

	find_with_levels(b, DEVICE_DOWN, HUB_A_NET, SITE_2_NET);
	expect(b, "sync: start\nprobe hub-a=down hub-b=up\n");
	assert_int_equal(b->told.lines[HUB_A], LIVE_LINE_LOST);
}

/* No shuntd has set it. */
static void test_the_level_of_a_stranger_says_nothing(void **state)
{
	struct bench *b = *state;

	device_has(b, SITE_1, NULL, NULL);
	device_has(b, SITE_2, NULL, NULL);
	b->peers[SITE_2].level = DEVICE_DOWN;
	find_with_levels(b, DEVICE_UP, HUB_A_NET, SITE_2_NET);
	expect(b, "sync: start\nprobe hub-a=last-resort hub-b=up\n");
}

/* The next daemon will go by them. */
static void test_a_device_that_holds_more_has_its_levels(void **state)
{
	struct bench *b = *state;

	start(b);
	verdict(b, HUB_B, LIVE_LAST_RESORT);
	expect(b, "(6) hub-b is last-resort: nothing comes from it and echoes stay unanswered\n");
	b->device.max_owners = 16;
	until_sync(b);
	synced(b);
	verdict(b, HUB_B, LIVE_UP);
	expect(b, "move\n(6) hub-b is up: its BFD session is up\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_line_that_a_hub_lost_moves_what_stands_behind),
		TEST(a_poor_line_moves_it_too),
		TEST(a_report_that_is_gone_moves_back_a_moment_later),
		TEST(before_the_device_is_found_nothing_moves),
		TEST(a_large_report_keeps_no_verdict_waiting),
		TEST(a_client_goes_by_the_server_that_has_it),
		TEST(our_own_report_follows_the_verdicts),
		TEST(a_reload_is_told),
		TEST(a_peer_that_is_not_heard_at_the_start),
		TEST(levels_that_are_found_are_adopted),
		TEST(what_a_hub_had_lost_is_recalled),
		TEST(what_is_recalled_goes_if_nobody_says_it),
		TEST(a_lost_peer_is_a_level),
		TEST(a_level_alone_is_a_move),
		TEST(a_device_that_holds_fewer_is_told),
		TEST(strict_prefixes_are_adopted),
		TEST(levels_without_sets_are_adopted),
		TEST(a_level_speaks_for_whom_nothing_goes_by),
		TEST(who_was_lost_without_sets_stays_lost),
		TEST(the_level_of_a_stranger_says_nothing),
		TEST(a_device_that_holds_more_has_its_levels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

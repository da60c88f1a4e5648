/* SPDX-License-Identifier: MIT */
/*
 * A phone with two servers, hub-a and hub-b, and what the three with shuntd tell each other of it:
 * who had the younger handshake has it. Each has its reports, and all of them one clock; what one
 * says the others hear at once, or later.
 */
#include "daemon/reports.h"

#include "mesh_build.h"
#include "unit.h"

enum { HUB_A, HUB_B, SITE_1, PHONE, NODES };
#define SPEAKERS 3

struct node {
	struct generation *g;
	struct reports *r;
	struct live_report said; /* last */
};

struct mesh {
	struct mesh_build build;
	struct node nodes[SPEAKERS];
	instant now;
};

static const char *const names[] = {"hub-a", "hub-b", "site-1", "phone"};

static instant at(double s)
{
	return (instant){(int64_t)(s * 1e9)};
}

static uint32_t id(const struct node *n, unsigned node)
{
	return names_find(&n->g->names, names[node]);
}

static void make_node(struct mesh *m, unsigned self)
{
	const struct mesh_inventory *inv = &m->build.inv;
	wg_key key = {{1}};
	struct generation_parts parts = {.topology = mesh_topology_new(inv),
		.self = &inv->nodes[self],
		.private_key = &key,
		.inventory_time = 1000};
	struct node *n = &m->nodes[self];

	n->g = generation_make(&parts);
	n->r = reports_new();
	reports_set(n->r, n->g, m->now);
	reports_set_max_owners(n->r, 1);
}

static void verdict(struct mesh *m, unsigned self, unsigned peer, enum live_state state)
{
	struct node *n = &m->nodes[self];
	struct live_event v = {.type = LIVE_EVENT_PEER,
		.peer = id(n, peer),
		.state = state,
		.cause = state == LIVE_UP ? LIVE_CAUSE_SESSION_UP : LIVE_CAUSE_EXPIRED,
		.at = m->now};

	reports_on_verdict(n->r, &v, m->now);
}

static int begin(void **state)
{
	struct mesh *m = mem_zalloc(1, sizeof(*m));

	m->now = at(1000);
	mesh_build_begin(&m->build, MESH_HUB_AND_SPOKE, "10.9.0.0/24");
	mesh_build_node(&m->build, "hub-a", MESH_HUB, "10.9.0.1");
	mesh_build_node(&m->build, "hub-b", MESH_HUB, "10.9.0.2");
	mesh_build_node(&m->build, "site-1", MESH_SPOKE, "10.9.0.3");
	mesh_build_node(&m->build, "phone", MESH_CLIENT, "10.9.0.4");
	mesh_build_link(&m->build, HUB_A, PHONE);
	mesh_build_link(&m->build, HUB_B, PHONE);
	mesh_build_end(&m->build);
	for (unsigned i = 0; i < SPEAKERS; i++)
		make_node(m, i);
	for (unsigned i = 0; i < SPEAKERS; i++)
		for (unsigned k = 0; k < SPEAKERS; k++)
			if (i != k)
				verdict(m, i, k, LIVE_UP);
	*state = m;
	return 0;
}

static int end(void **state)
{
	struct mesh *m = *state;

	for (unsigned i = 0; i < SPEAKERS; i++) {
		reports_free(m->nodes[i].r);
		generation_put(m->nodes[i].g);
		live_report_done(&m->nodes[i].said);
	}
	mesh_build_done(&m->build);
	free(m);
	return 0;
}

/* --- what happens --- */

static void handshake(struct mesh *m, unsigned hub, double s)
{
	struct node *n = &m->nodes[hub];

	reports_on_handshakes(n->r, &(struct reports_handshake){id(n, PHONE), at(s)}, 1, m->now);
}

/* What it would say now is heard by that one, so many seconds late. */
static void hears(struct mesh *m, unsigned who, unsigned of, double late)
{
	struct node *from = &m->nodes[of], *to = &m->nodes[who];
	const struct live_report *news = reports_news(from->r);
	struct live_report heard;

	if (news) {
		live_report_done(&from->said);
		live_report_copy(news, &from->said);
	}
	live_report_copy(&from->said, &heard);
	for (size_t i = 0; i < heard.n_handshakes; i++)
		heard.handshakes[i].at = instant_add(heard.handshakes[i].at, (int64_t)(late * 1e9));
	reports_on_report(to->r, id(to, of), &heard, m->now);
	live_report_done(&heard);
}

static void all_hear(struct mesh *m)
{
	for (unsigned rounds = 0; rounds < 3; rounds++)
		for (unsigned i = 0; i < SPEAKERS; i++)
			for (unsigned k = 0; k < SPEAKERS; k++)
				if (i != k)
					hears(m, i, k, 0.05);
}

/* --- what follows --- */

static enum live_line line(struct mesh *m, unsigned hub)
{
	return reports_own_line(m->nodes[hub].r, id(&m->nodes[hub], PHONE)).line;
}

/* What the RIB of that one heard of the phone, sorted by nothing. */
#define expect(m, who, words) expect_at(m, who, words, __LINE__)
static void expect_at(struct mesh *m, unsigned who, const char *words, int line_number)
{
	static const char *const reach[] = {"unknown", "has", "clean", "poor", "lost"};
	struct node *n = &m->nodes[who];
	struct rib_event events[2];
	AUTO_BUF text = {0};

	for (size_t k; (k = reports_take(n->r, events, 2));)
		for (size_t i = 0; i < k; i++)
			if (events[i].type == RIB_EVENT_REACH &&
				events[i].u.reach.origin == id(n, PHONE))
				buf_printf(&text, "%s %s\n",
					names_text(&n->g->names, events[i].u.reach.peer),
					reach[events[i].u.reach.reach]);
	if (strcmp(buf_str(&text), words) != 0)
		fail_msg("line %d:\n%swas told, and not\n%s", line_number, buf_str(&text), words);
}

static void forget(struct mesh *m)
{
	struct rib_event events[8];

	for (unsigned i = 0; i < SPEAKERS; i++)
		while (reports_take(m->nodes[i].r, events, 8))
			;
}

/* The phone came to hub-a, and all know. */
static void at_hub_a(struct mesh *m)
{
	handshake(m, HUB_A, 999);
	all_hear(m);
	forget(m);
}

static void test_nobody_has_one_that_never_came(void **state)
{
	struct mesh *m = *state;

	all_hear(m);
	assert_int_equal(line(m, HUB_A), LIVE_LINE_LOST);
	assert_int_equal(line(m, HUB_B), LIVE_LINE_LOST);
	expect(m, SITE_1, "hub-a lost\nhub-b lost\n");
	expect(m, HUB_A, "phone lost\nhub-b lost\n");
}

static void test_who_had_the_only_handshake_has_it(void **state)
{
	struct mesh *m = *state;

	handshake(m, HUB_B, 999);
	all_hear(m);
	assert_int_equal(line(m, HUB_A), LIVE_LINE_LOST);
	assert_int_equal(line(m, HUB_B), LIVE_LINE_UP);
	expect(m, HUB_A, "phone lost\nhub-b has\n");
	expect(m, HUB_B, "hub-a lost\n");
	expect(m, SITE_1, "hub-a lost\nhub-b has\n");
}

static void test_a_tap_and_back(void **state)
{
	struct mesh *m = *state;

	at_hub_a(m);
	m->now = at(1010);
	handshake(m, HUB_B, 1010);
	assert_int_equal(line(m, HUB_B), LIVE_LINE_UP); /* at once, by itself */
	expect(m, HUB_B, "phone unknown\n");
	all_hear(m);
	assert_int_equal(line(m, HUB_A), LIVE_LINE_LOST);
	expect(m, HUB_A, "phone lost\nhub-b has\n");
	expect(m, SITE_1, "hub-a lost\nhub-b has\n");
	m->now = at(1020);
	handshake(m, HUB_A, 1020);
	all_hear(m);
	assert_int_equal(line(m, HUB_B), LIVE_LINE_LOST);
	expect(m, HUB_A, "phone unknown\nhub-b lost\n");
	expect(m, SITE_1, "hub-a has\nhub-b lost\n");
}

/* A new key for the old session is no other server. */
static void test_the_next_handshake_with_the_same_one_moves_nothing(void **state)
{
	struct mesh *m = *state;

	at_hub_a(m);
	for (double s = 1100; s < 1500; s += 120) {
		m->now = at(s);
		handshake(m, HUB_A, s);
		all_hear(m);
		expect(m, SITE_1, "");
		expect(m, HUB_B, "");
	}
}

/* Before its word has come where it is claimed, its age stands beside it. */
static void test_two_claims_and_the_younger_counts(void **state)
{
	struct mesh *m = *state;

	handshake(m, HUB_A, 990);
	handshake(m, HUB_B, 995);
	hears(m, SITE_1, HUB_A, 0);
	expect(m, SITE_1, "hub-a has\n");
	hears(m, SITE_1, HUB_B, 0); /* the hubs haven't heard each other */
	expect(m, SITE_1, "hub-a lost\nhub-b has\n");
	hears(m, HUB_B, HUB_A, 0.1);
	assert_int_equal(line(m, HUB_B), LIVE_LINE_UP);
	hears(m, HUB_A, HUB_B, 0.1);
	assert_int_equal(line(m, HUB_A), LIVE_LINE_LOST);
}

/* Nearly at once, and each hears of the other late: were both to give it up, both would send its
 * packets to the other. */
static void test_no_two_give_it_up_at_once(void **state)
{
	struct mesh *m = *state;

	for (int ms = -700; ms <= 700; ms += 50) {
		m->now = instant_add(m->now, 100 * NS_PER_S);
		handshake(m, HUB_A, (double)m->now.ns / 1e9 - 10);
		handshake(m, HUB_B, (double)m->now.ns / 1e9 - 10 + ms / 1000.0);
		for (unsigned i = 0; i < 6; i++) {
			hears(m, HUB_A, HUB_B, 0.12);
			assert_false(line(m, HUB_A) == LIVE_LINE_LOST &&
				     line(m, HUB_B) == LIVE_LINE_LOST);
			hears(m, HUB_B, HUB_A, 0.12);
			assert_false(line(m, HUB_A) == LIVE_LINE_LOST &&
				     line(m, HUB_B) == LIVE_LINE_LOST);
		}
		/* And the younger one has it, but for what the words' ways hide; if both have,
		 * the first is the one. */
		if (ms > 0 || ms < -120)
			assert_int_equal(line(m, HUB_A), ms > 0 ? LIVE_LINE_LOST : LIVE_LINE_UP);
		if (ms > 0 || ms < -250)
			assert_int_equal(line(m, HUB_B), ms > 0 ? LIVE_LINE_UP : LIVE_LINE_LOST);
		forget(m);
	}
}

/* Its client comes to the other one by hand; packets for it do, too, once it has. */
static void test_a_server_that_dies_has_nobody(void **state)
{
	struct mesh *m = *state;

	handshake(m, HUB_A, 900);
	handshake(m, HUB_B, 990);
	all_hear(m);
	forget(m);
	verdict(m, HUB_A, HUB_B, LIVE_DOWN);
	assert_int_equal(line(m, HUB_A), LIVE_LINE_UP);
	expect(m, HUB_A, "phone unknown\n");
	verdict(m, SITE_1, HUB_B, LIVE_DOWN);
	hears(m, SITE_1, HUB_A, 0.05);
	expect(m, SITE_1, "hub-a has\n");
}

/* The device has it at hub-b, and nobody has said a word yet. */
static void test_after_a_restart_it_stays_where_the_device_has_it(void **state)
{
	struct mesh *m = *state;
	struct node *n = &m->nodes[HUB_A];
	struct rib_event e = {
		.type = RIB_EVENT_REACH, .u.reach = {id(n, PHONE), id(n, PHONE), RIB_REACH_LOST}};

	reports_recall(n->r, &e, m->now);
	handshake(m, HUB_A, 900);
	expect(m, HUB_A, "");
	assert_int_equal(line(m, HUB_A), LIVE_LINE_LOST);
	m->now = at(1011);
	reports_on_time(n->r, m->now);
	expect(m, HUB_A, "phone unknown\n");
	assert_int_equal(line(m, HUB_A), LIVE_LINE_UP);
}

static void test_a_reload_keeps_who_has_it(void **state)
{
	struct mesh *m = *state;
	struct node *n = &m->nodes[HUB_A];

	handshake(m, HUB_A, 900);
	handshake(m, HUB_B, 990);
	all_hear(m);
	forget(m);
	reports_set(n->r, n->g, m->now);
	assert_int_equal(line(m, HUB_A), LIVE_LINE_LOST);
	expect(m, HUB_A, "");
}

/* Elsewhere isn't lost: nobody is to be told of a dead line. */
static void test_it_is_not_among_what_a_hub_has_lost(void **state)
{
	struct mesh *m = *state;
	const uint32_t *lost;

	handshake(m, HUB_B, 999);
	all_hear(m);
	assert_int_equal(reports_lost(m->nodes[SITE_1].r, id(&m->nodes[SITE_1], HUB_A), &lost), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nobody_has_one_that_never_came),
		TEST(who_had_the_only_handshake_has_it),
		TEST(a_tap_and_back),
		TEST(the_next_handshake_with_the_same_one_moves_nothing),
		TEST(two_claims_and_the_younger_counts),
		TEST(no_two_give_it_up_at_once),
		TEST(a_server_that_dies_has_nobody),
		TEST(after_a_restart_it_stays_where_the_device_has_it),
		TEST(a_reload_keeps_who_has_it),
		TEST(it_is_not_among_what_a_hub_has_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
